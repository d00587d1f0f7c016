//! Files that are no pictures, are cut short or damaged, or announce too much: each is an error
//! that a person understands, never a panic.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod made;

use exif::{Rational, Tag, Value};
use image::ImageFormat;
use inference::{Detail, PictureError, PictureLimits, decode};
use made::{FORMATS, ascii, exif_block, field, jpeg_with_exif, quarters, quarters_as};
use proptest::prelude::*;

fn class(bytes: &[u8]) -> &'static str {
    decode(bytes, &PictureLimits::default(), Detail::Whole).unwrap_err().class()
}

#[test]
fn what_is_no_picture_says_so() {
    assert_eq!(class(b""), "empty_file");
    assert_eq!(class(b"just some notes, saved as holiday.jpg"), "not_a_picture");
    assert_eq!(class(b"BMW is a maker of cars and not a bitmap"), "not_a_picture");
    assert_eq!(class(b"\xff"), "not_a_picture");
    assert_eq!(class(b"%PDF-1.7 a document"), "not_a_picture");
    let without_heif =
        if cfg!(feature = "heif") { "corrupt_picture" } else { "unsupported_format" };
    assert_eq!(class(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"), without_heif);
    assert_eq!(class(b"\0\0\0\x18ftypavif\0\0\0\0mif1avif"), without_heif);
    let error = decode(b"8BPS of Photoshop", &PictureLimits::default(), Detail::Whole).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Photoshop pictures are not supported: convert it to JPEG, PNG, WebP, GIF, BMP or TIFF"
    );
}

/// Found by fuzzing: the decoder of JPEG XL looks beyond the end of a list.
#[cfg(feature = "jxl")]
#[test]
fn a_decoder_that_panics_is_an_error() {
    assert_eq!(class(include_bytes!("pictures/panics.jxl")), "decode_panic");
}

/// A file that is cut anywhere is an error, or the same picture where only bytes after the pixels
/// are missing.
#[test]
fn a_file_cut_anywhere_is_never_half_a_picture() {
    for (codec, format) in FORMATS {
        let whole = quarters_as(codec);
        let complete = decode(&whole, &PictureLimits::default(), Detail::Whole).unwrap().rgb;
        for length in 1..whole.len() {
            match decode(&whole[..length], &PictureLimits::default(), Detail::Whole) {
                Ok(picture) => assert_eq!(
                    picture.rgb,
                    complete,
                    "{format:?} cut at {length} of {}",
                    whole.len()
                ),
                Err(error) => {
                    let class = error.class();
                    let early = length < 40 && class == "not_a_picture";
                    assert!(
                        early || class == "corrupt_picture",
                        "{format:?} cut at {length} of {}: {error}",
                        whole.len()
                    );
                }
            }
        }
        for part in [3, 5, 8] {
            let half = &whole[..whole.len() * part / 10];
            assert_eq!(class(half), "corrupt_picture", "{format:?}, {part}0 % of it");
        }
    }
    let progressive = include_bytes!("pictures/progressive.jpg");
    for length in 12..progressive.len() {
        assert_eq!(class(&progressive[..length]), "corrupt_picture", "progressive cut at {length}");
    }
}

/// A small file with many scans, which would take minutes to decode.
#[test]
fn a_jpeg_of_too_many_scans_is_refused() {
    let progressive = include_bytes!("pictures/progressive.jpg");
    let scan = progressive.windows(2).rposition(|marker| marker == [0xff, 0xda]).unwrap();
    let with_scans = |more: usize| {
        let (head, last) = progressive.split_at(scan);
        [head.to_vec(), last[..last.len() - 2].repeat(1 + more), vec![0xff, 0xd9]].concat()
    };
    assert!(decode(&with_scans(0), &PictureLimits::default(), Detail::Whole).is_ok());
    let error = decode(&with_scans(100), &PictureLimits::default(), Detail::Whole).unwrap_err();
    assert!(matches!(error, PictureError::TooManyScans { scans: 101.., limit: 100 }), "{error:?}");
    assert_eq!(error.class(), "corrupt_picture");

    // A caller may want less.
    let picture = decode(&with_scans(0), &PictureLimits::default(), Detail::Whole).unwrap();
    let scans = progressive.windows(2).filter(|marker| *marker == [0xff, 0xda]).count() as u32;
    let pixels = u64::from(scans) * u64::from(picture.width) * u64::from(picture.height);
    let within = |max_scans, max_scan_pixels| {
        let limits = PictureLimits { max_scans, max_scan_pixels, ..PictureLimits::default() };
        decode(progressive, &limits, Detail::Whole).map(|_| ())
    };
    assert_eq!(within(scans, pixels), Ok(()));
    let error = within(scans - 1, pixels).unwrap_err();
    assert_eq!(error, PictureError::TooManyScans { scans, limit: scans - 1 });
    let error = within(scans, pixels - 1).unwrap_err();
    assert!(matches!(error, PictureError::TooManyScanPixels { .. }), "{error:?}");
    assert_eq!(error.class(), "too_many_pixels");
}

#[test]
fn limits_are_checked_before_decoding() {
    let png = quarters_as(ImageFormat::Png);
    let refused = |limits: PictureLimits| decode(&png, &limits, Detail::Whole).unwrap_err();
    let open = PictureLimits::default();
    let error = refused(PictureLimits { max_bytes: 10, ..open.clone() });
    assert_eq!(error, PictureError::TooManyBytes { bytes: png.len() as u64, limit: 10 });
    let error = refused(PictureLimits { max_pixels: 767, ..open.clone() });
    assert_eq!(
        error.to_string(),
        "the header says 32 x 24 pixels, more than the limit of 767 pixels"
    );
    assert!(
        decode(&png, &PictureLimits { max_pixels: 768, ..open.clone() }, Detail::Whole).is_ok()
    );
    let error = refused(PictureLimits { max_side: 31, ..open.clone() });
    assert_eq!(
        (error.class(), error),
        ("too_many_pixels", PictureError::SideTooLong { width: 32, height: 24, limit: 31 })
    );
    let error = refused(PictureLimits { max_decoded_bytes: 2303, ..open });
    assert_eq!(error, PictureError::TooMuchMemory { width: 32, height: 24, limit: 2303 });
}

#[test]
fn a_header_that_promises_too_much_is_refused_at_once() {
    let started = std::time::Instant::now();
    let error =
        decode(&png_header(40_000, 40_000), &PictureLimits::default(), Detail::Whole).unwrap_err();
    assert_eq!(error.class(), "too_many_pixels");
    assert_eq!(
        error.to_string(),
        "the header says 40000 x 40000 pixels, more than the limit of 100000000 pixels"
    );
    let error =
        decode(&png_header(31_000, 10), &PictureLimits::default(), Detail::Whole).unwrap_err();
    assert_eq!(error.class(), "too_many_pixels");
    assert_eq!(class(&png_header(0, 10)), "corrupt_picture");
    assert!(started.elapsed().as_millis() < 500);
}

/// A PNG file whose header announces this many 8-bit RGB pixels, without data.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        let checksum = crc32(&[kind.as_slice(), data].concat()).to_be_bytes();
        [length.as_slice(), kind, data, &checksum].concat()
    };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"IDAT", &[]),
        chunk(b"IEND", &[]),
    ]
    .concat()
}

/// The checksum of PNG chunks (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_are_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(decode(&bytes, &PictureLimits::default(), Detail::Whole).is_err());
    }

    #[test]
    fn random_bytes_after_a_good_start_never_panic(
        start in 0_usize..FORMATS.len(),
        kept in 2_usize..60,
        rest in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut bytes = quarters_as(FORMATS[start].0);
        bytes.truncate(kept);
        bytes.extend(rest);
        let _ = decode(&bytes, &small(), Detail::Whole);
    }

    #[test]
    fn one_changed_byte_never_panics(
        which in 0_usize..FORMATS.len(),
        place in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let mut bytes = quarters_as(FORMATS[which].0);
        let place = place.index(bytes.len());
        bytes[place] = value;
        if let Ok(picture) = decode(&bytes, &small(), Detail::Whole) {
            prop_assert_eq!((picture.width, picture.height), picture.rgb.dimensions());
            let _ = picture.phash();
        }
    }

    #[test]
    fn files_cut_flipped_spliced_and_lied_about_never_panic(
        which in 0_usize..FILES.len(),
        other in 0_usize..FILES.len(),
        detail in prop_oneof![Just(Detail::Whole), Just(Detail::ShortSide(1))],
        changes in proptest::collection::vec(change(), 1..6),
    ) {
        let mut bytes = FILES[which].to_vec();
        for change in changes {
            change.apply(&mut bytes, FILES[other]);
        }
        match decode(&bytes, &small(), detail) {
            Ok(picture) => {
                let (width, height) = (picture.width, picture.height);
                prop_assert!(picture.rgb.width() <= width && picture.rgb.height() <= height);
                prop_assert!(u64::from(width) * u64::from(height) <= small().max_pixels);
            }
            Err(error) => {
                prop_assert!(error.class() != "decode_panic", "{:?}", FILES[which].get(..4));
            }
        }
    }

    #[test]
    fn one_changed_byte_of_metadata_never_panics(
        place in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let mut block = exif_block(&[
            ascii(Tag::Model, "Camera"),
            ascii(Tag::DateTimeOriginal, "2024:07:01 12:30:15"),
            field(Tag::Orientation, Value::Short(vec![6])),
            field(Tag::GPSLatitude, Value::Rational(vec![Rational { num: 1, denom: 1 }; 3])),
            ascii(Tag::GPSLatitudeRef, "N"),
        ]);
        let place = place.index(block.len());
        block[place] = value;
        prop_assert!(decode(&jpeg_with_exif(&quarters(), block), &small(), Detail::Whole).is_ok());
    }
}

/// A file of every kind.
const FILES: [&[u8]; 15] = [
    include_bytes!("pictures/cmyk.jpg"),
    include_bytes!("pictures/progressive.jpg"),
    include_bytes!("pictures/palette.png"),
    include_bytes!("../models/demo-clip/golden/ball.png"),
    include_bytes!("pictures/interlaced.gif"),
    include_bytes!("pictures/animated.gif"),
    include_bytes!("pictures/lossy.webp"),
    include_bytes!("pictures/animated.webp"),
    include_bytes!("pictures/deflate.tiff"),
    include_bytes!("pictures/palette.bmp"),
    include_bytes!("pictures/plain.tiff"),
    include_bytes!("pictures/lossy.jxl"),
    include_bytes!("pictures/lossless.jxl"),
    include_bytes!("pictures/plain.heic"),
    include_bytes!("pictures/plain.avif"),
];

/// A change that storage, transfer or an attacker makes to a file.
#[derive(Debug, Clone)]
enum Change {
    Cut(prop::sample::Index),
    Flip(prop::sample::Index, u8),
    /// Overwrites a part with a part of another file.
    Splice(prop::sample::Index, prop::sample::Index, usize),
    /// Makes four bytes of the header, which holds sizes and lengths, very large or zero.
    Lie(prop::sample::Index, u8),
    Repeat(prop::sample::Index, usize),
    Remove(prop::sample::Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<prop::sample::Index>;
    prop_oneof![
        1 => place().prop_map(Change::Cut),
        4 => (place(), any::<u8>()).prop_map(|(place, value)| Change::Flip(place, value)),
        2 => (place(), place(), 1_usize..200)
            .prop_map(|(to, from, length)| Change::Splice(to, from, length)),
        2 => (place(), prop_oneof![Just(0_u8), Just(0x7f), Just(0xff)])
            .prop_map(|(place, value)| Change::Lie(place, value)),
        1 => (place(), 1_usize..100).prop_map(|(place, length)| Change::Repeat(place, length)),
        1 => (place(), 1_usize..100).prop_map(|(place, length)| Change::Remove(place, length)),
    ]
}

impl Change {
    fn apply(self, bytes: &mut Vec<u8>, other: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let part = |start: usize, length: usize, of: usize| start..(start + length).min(of);
        match self {
            Change::Cut(place) => bytes.truncate(place.index(bytes.len())),
            Change::Flip(place, value) => {
                let place = place.index(bytes.len());
                bytes[place] ^= value;
            }
            Change::Splice(to, from, length) => {
                let to = part(to.index(bytes.len()), length, bytes.len());
                let from = part(from.index(other.len()), length, other.len());
                bytes.splice(to, other[from].iter().copied());
            }
            Change::Lie(place, value) => {
                let header = bytes.len().min(120);
                let place = part(place.index(header), 4, bytes.len());
                bytes[place].fill(value);
            }
            Change::Repeat(place, length) => {
                let part = part(place.index(bytes.len()), length, bytes.len());
                let copy = bytes[part.clone()].to_vec();
                bytes.splice(part.start..part.start, copy);
            }
            Change::Remove(place, length) => {
                let part = part(place.index(bytes.len()), length, bytes.len());
                bytes.drain(part);
            }
        }
    }
}

/// Limits under which a header with a changed size costs little.
fn small() -> PictureLimits {
    PictureLimits { max_pixels: 4_000_000, max_decoded_bytes: 32 << 20, ..PictureLimits::default() }
}
