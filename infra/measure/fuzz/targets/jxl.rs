#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::picture(bytes, &[b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"]));
