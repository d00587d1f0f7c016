#![no_main]

// The module alone: the crate around it would bring a broker's and a cloud's client into every
// build.
#[allow(dead_code)]
#[path = "../../../../crates/pipeline/src/event.rs"]
mod event;

use event::{EventSource, Via, parse_notification};

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    use EventSource::{Auto, Aws, Ceph, Minio, Rustfs};
    for source in [Auto, Aws, Minio, Rustfs, Ceph] {
        for via in [Via::Push, Via::Listen] {
            for event in parse_notification(body, source, via).unwrap_or_default() {
                assert_ne!(Some(&event.key), event.other_key.as_ref());
            }
        }
    }
});
