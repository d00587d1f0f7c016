#![no_main]

use inference::{Detail, decode};

/// A picture that the metadata is put into.
const JPEG: &[u8] = include_bytes!("../../../../crates/inference/tests/pictures/progressive.jpg");

libfuzzer_sys::fuzz_target!(|block: &[u8]| {
    let Ok(length) = u16::try_from(block.len() + 8) else { return };
    let (start, rest) = JPEG.split_at(2);
    let file = [start, &[0xff, 0xe1], &length.to_be_bytes(), b"Exif\0\0", block, rest].concat();
    let picture = decode(&file, &fuzz::limits(), Detail::Whole);
    let picture = picture.expect("bad metadata never costs a picture");
    assert!((1..=8).contains(&picture.orientation));
    let on_earth = |(latitude, longitude): (f64, f64)| {
        latitude.abs() <= 90.0 && longitude.abs() <= 180.0
    };
    assert!(picture.metadata.gps.is_none_or(on_earth));
});
