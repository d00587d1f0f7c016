#![no_main]

const STARTS: [&[u8]; 2] = [b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::picture(bytes, &STARTS));
