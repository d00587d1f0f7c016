//! Every kind of file becomes the picture that a person would see.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod made;

use exif::{Field, Rational, Tag, Value};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{
    DynamicImage, ExtendedColorType, ImageBuffer, ImageEncoder, ImageFormat, Luma, Rgb, RgbImage,
    Rgba, RgbaImage,
};
use inference::{Detail, Metadata, Picture, PictureFormat, PictureLimits, decode};
use made::{FORMATS, ascii, exif_block, field, file, jpeg_with_exif, quarters, quarters_as};
use moxcms::ColorProfile;

fn open(bytes: &[u8]) -> Picture {
    decode(bytes, &PictureLimits::default(), Detail::Whole).unwrap()
}

/// JPEG changes colours a little, most of all near edges.
fn assert_looks_like(ours: &RgbImage, theirs: &RgbImage, what: &str) {
    assert_eq!(ours.dimensions(), theirs.dimensions(), "{what}");
    let difference: u64 =
        ours.as_raw().iter().zip(theirs.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    assert!(
        difference / (ours.as_raw().len() as u64) < 8,
        "{what}: mean difference {difference} / {}",
        ours.as_raw().len()
    );
}

fn metadata(fields: &[Field]) -> Metadata {
    open(&jpeg_with_exif(&quarters(), exif_block(fields))).metadata
}

#[test]
fn every_format_is_read() {
    for (codec, format) in FORMATS {
        let picture = open(&quarters_as(codec));
        assert_eq!(picture.format, format);
        assert_eq!(format!("{codec:?}").to_lowercase(), format.as_str());
        assert_eq!((picture.width, picture.height, picture.orientation), (32, 24, 1));
        assert_eq!(picture.metadata, Metadata::default());
        assert_looks_like(&picture.rgb, &quarters(), format.as_str());
    }
}

#[test]
fn unusual_variants_are_read() {
    let red_and_blue =
        RgbImage::from_fn(24, 16, |x, _| if x < 12 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) });
    let files: [(&str, &[u8]); 10] = [
        ("cmyk.jpg", include_bytes!("pictures/cmyk.jpg")),
        ("progressive.jpg", include_bytes!("pictures/progressive.jpg")),
        ("palette.png", include_bytes!("pictures/palette.png")),
        ("interlaced.gif", include_bytes!("pictures/interlaced.gif")),
        ("lossy.webp", include_bytes!("pictures/lossy.webp")),
        ("animated.webp", include_bytes!("pictures/animated.webp")),
        ("animated.gif", include_bytes!("pictures/animated.gif")),
        ("deflate.tiff", include_bytes!("pictures/deflate.tiff")),
        ("lossy.jxl", include_bytes!("pictures/lossy.jxl")),
        ("lossless.jxl", include_bytes!("pictures/lossless.jxl")),
    ];
    for (name, bytes) in files {
        assert_looks_like(&open(bytes).rgb, &red_and_blue, name);
    }
}

#[cfg(feature = "heif")]
#[test]
fn heic_and_avif_are_read_and_lie_over_white() {
    use inference::PictureFormat::{Avif, Heic};
    let red_and_blue =
        RgbImage::from_fn(24, 16, |x, _| if x < 12 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) });
    let files: [(&str, &[u8], _); 2] = [
        ("plain.heic", include_bytes!("pictures/plain.heic"), Heic),
        ("plain.avif", include_bytes!("pictures/plain.avif"), Avif),
    ];
    for (name, bytes, format) in files {
        let picture = open(bytes);
        assert_eq!((picture.width, picture.height, picture.format), (24, 16, format), "{name}");
        assert_looks_like(&picture.rgb, &red_and_blue, name);
    }
    let clear = open(include_bytes!("pictures/transparent.avif"));
    assert!(clear.rgb.pixels().all(|pixel| pixel.0.iter().all(|value| *value > 250)));
}

#[test]
fn sixteen_bits_and_grey_become_eight_bits_and_colour() {
    let deep = ImageBuffer::from_pixel(4, 3, Luma([32_896_u16]));
    let shallow = ImageBuffer::from_pixel(4, 3, Luma([128_u8]));
    let deep_colour = ImageBuffer::from_pixel(4, 3, Rgb([65_535_u16, 0, 32_896]));
    let rgb = |image: DynamicImage, format| open(&file(&image, format)).rgb.get_pixel(1, 1).0;
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        assert_eq!(rgb(deep.clone().into(), format), [128; 3]);
        assert_eq!(rgb(shallow.clone().into(), format), [128; 3]);
        assert_eq!(rgb(deep_colour.clone().into(), format), [255, 0, 128]);
    }
    assert_eq!(rgb(shallow.into(), ImageFormat::Jpeg), [128; 3]);
}

/// A PNG and a JPEG of one colour, with a colour profile.
fn with_profile(pixel: [u8; 3], profile: &[u8]) -> [Vec<u8>; 2] {
    let picture = RgbImage::from_pixel(16, 16, Rgb(pixel));
    let mut png = Vec::new();
    let mut encoder = PngEncoder::new(&mut png);
    encoder.set_icc_profile(profile.to_vec()).unwrap();
    encoder.write_image(&picture, 16, 16, ExtendedColorType::Rgb8).unwrap();
    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, 100);
    encoder.set_icc_profile(profile.to_vec()).unwrap();
    encoder.write_image(&picture, 16, 16, ExtendedColorType::Rgb8).unwrap();
    [png, jpeg]
}

fn assert_near(ours: [u8; 3], theirs: [u8; 3], what: &str) {
    assert!(
        ours.iter().zip(theirs).all(|(a, b)| a.abs_diff(b) <= 3),
        "{what}: {ours:?} and not {theirs:?}"
    );
}

#[test]
fn colours_are_shown_by_their_profile() {
    // Computed with the matrices of SMPTE EG 432-1 (Display P3) and of Adobe RGB (1998).
    let p3 = ColorProfile::new_display_p3().encode().unwrap();
    let adobe = ColorProfile::new_adobe_rgb().encode().unwrap();
    for (name, profile, stored, seen) in [
        ("Display P3", &p3, [200, 100, 50], [215, 93, 31]),
        ("Display P3", &p3, [128, 128, 128], [128, 128, 128]),
        ("Adobe RGB", &adobe, [128, 128, 128], [129, 129, 129]),
        ("Adobe RGB", &adobe, [100, 150, 100], [66, 151, 97]),
    ] {
        for bytes in with_profile(stored, profile) {
            assert_near(open(&bytes).rgb.get_pixel(8, 8).0, seen, name);
        }
    }
    let same = ColorProfile::new_srgb().encode().unwrap();
    let [png, _] = with_profile([200, 100, 50], &same);
    assert_eq!(open(&png).rgb.get_pixel(8, 8).0, [200, 100, 50]);
}

#[test]
fn a_profile_that_is_broken_or_of_other_channels_is_left_out() {
    let whole = ColorProfile::new_display_p3().encode().unwrap();
    let grey = ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
    for profile in [&whole[..60], &whole[..200], b"no profile", &grey] {
        for bytes in with_profile([200, 100, 50], profile) {
            assert_near(open(&bytes).rgb.get_pixel(8, 8).0, [200, 100, 50], "without a profile");
        }
    }
}

#[test]
fn all_eight_orientations_give_the_same_upright_picture() {
    let upright = quarters();
    for orientation in 1..=8_u8 {
        let block = exif_block(&[field(Tag::Orientation, Value::Short(vec![orientation.into()]))]);
        let stored = as_stored(&upright, orientation);
        let (width, height) = stored.dimensions();
        let mut png = Vec::new();
        let mut encoder = PngEncoder::new(&mut png);
        encoder.set_exif_metadata(block.clone()).unwrap();
        encoder.write_image(&stored, width, height, ExtendedColorType::Rgb8).unwrap();
        let mut webp = Vec::new();
        let mut encoder = WebPEncoder::new_lossless(&mut webp);
        encoder.set_exif_metadata(block.clone()).unwrap();
        encoder.write_image(&stored, width, height, ExtendedColorType::Rgb8).unwrap();

        for bytes in [jpeg_with_exif(&stored, block), png, webp] {
            let picture = open(&bytes);
            let what = format!("{} with orientation {orientation}", picture.format.as_str());
            assert_looks_like(&picture.rgb, &upright, &what);
            assert_eq!(
                (picture.width, picture.height, picture.orientation),
                (32, 24, orientation),
                "{what}"
            );
        }
    }
}

/// The picture as a camera in this orientation stores it, by EXIF's table of the positions of row 0
/// and column 0 (CIPA DC-008, tag 0x0112). Written without the library that is under test.
fn as_stored(upright: &RgbImage, orientation: u8) -> RgbImage {
    let (width, height) = upright.dimensions();
    let turned = orientation >= 5;
    let (stored_width, stored_height) = if turned { (height, width) } else { (width, height) };
    RgbImage::from_fn(stored_width, stored_height, |column, row| {
        let (x, y) = match orientation {
            1 => (column, row),
            2 => (width - 1 - column, row),
            3 => (width - 1 - column, height - 1 - row),
            4 => (column, height - 1 - row),
            5 => (row, column),
            6 => (width - 1 - row, column),
            7 => (width - 1 - row, height - 1 - column),
            _ => (row, height - 1 - column),
        };
        *upright.get_pixel(x, y)
    })
}

#[test]
fn transparency_lies_over_white() {
    let picture = RgbaImage::from_fn(3, 1, |x, _| match x {
        0 => Rgba([10, 20, 30, 255]),
        1 => Rgba([10, 20, 30, 0]),
        _ => Rgba([0, 0, 0, 128]),
    });
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Tiff] {
        let rgb = open(&file(&picture.clone().into(), format)).rgb;
        assert_eq!(rgb.as_raw()[..6], [10, 20, 30, 255, 255, 255], "{format:?}");
        assert_eq!(rgb.get_pixel(2, 0).0, [127; 3], "{format:?}");
    }
    let gif = open(&file(&picture.into(), ImageFormat::Gif)).rgb;
    assert_eq!(gif.get_pixel(1, 0).0, [255; 3]);
}

#[test]
fn what_the_camera_wrote_is_read() {
    let degrees = |degrees, minutes, seconds| {
        Value::Rational([degrees, minutes, seconds].map(|num| Rational { num, denom: 1 }).to_vec())
    };
    let read = metadata(&[
        ascii(Tag::Make, "Canon"),
        ascii(Tag::Model, "Canon EOS 5D "),
        ascii(Tag::DateTimeOriginal, "2024:07:01 12:30:15"),
        ascii(Tag::OffsetTimeOriginal, "+02:00"),
        field(Tag::GPSLatitude, degrees(33, 51, 36)),
        ascii(Tag::GPSLatitudeRef, "S"),
        field(Tag::GPSLongitude, degrees(151, 12, 0)),
        ascii(Tag::GPSLongitudeRef, "E"),
    ]);
    assert_eq!(read.camera.as_deref(), Some("Canon EOS 5D"));
    assert_eq!(read.taken_at.unwrap().to_string(), "2024-07-01T10:30:15Z");
    assert_eq!(read.taken_offset_minutes, Some(120));
    let (latitude, longitude) = read.gps.unwrap();
    assert!(
        (latitude + 33.86).abs() < 1e-9 && (longitude - 151.2).abs() < 1e-9,
        "{latitude} {longitude}"
    );

    let read = metadata(&[
        ascii(Tag::Make, "Apple"),
        ascii(Tag::Model, "iPhone 15"),
        ascii(Tag::DateTimeOriginal, "2024:07:01 12:30:15"),
    ]);
    assert_eq!(read.camera.as_deref(), Some("Apple iPhone 15"));
    assert_eq!(read.taken_offset_minutes, None);
    assert_eq!(read.taken_at.unwrap().to_string(), "2024-07-01T12:30:15Z");
    assert_eq!(read.gps, None);
}

#[test]
fn broken_metadata_is_left_out_and_the_picture_stays() {
    for (fields, what) in [
        (vec![ascii(Tag::DateTimeOriginal, "2024:13:41 25:61:61")], "no such date"),
        (
            vec![ascii(Tag::DateTimeOriginal, "0000:00:00 00:00:00")],
            "date of a camera without a clock",
        ),
        (vec![ascii(Tag::DateTimeOriginal, "yesterday")], "date in words"),
        (vec![ascii(Tag::Make, " "), ascii(Tag::Model, "")], "no name"),
        (
            vec![field(Tag::GPSLatitude, Value::Rational(vec![Rational { num: 1, denom: 0 }; 3]))],
            "division by zero",
        ),
        (
            vec![
                field(Tag::GPSLatitude, Value::Rational(vec![Rational { num: 9999, denom: 1 }; 3])),
                ascii(Tag::GPSLatitudeRef, "N"),
            ],
            "no such place",
        ),
    ] {
        assert_eq!(metadata(&fields), Metadata::default(), "{what}");
    }
    for block in [b"II*\0\xff\xff\xff\xff".to_vec(), b"not exif at all".to_vec(), vec![0xff; 2000]]
    {
        let picture = open(&jpeg_with_exif(&quarters(), block));
        assert_eq!((picture.metadata, picture.orientation), (Metadata::default(), 1));
    }
}

#[test]
fn offsets_west_of_utc_and_of_half_hours_are_kept() {
    for (written, minutes, instant) in [
        ("-03:30", -210, "2024-07-01T16:00:15Z"),
        ("+05:45", 345, "2024-07-01T06:45:15Z"),
        ("+00:00", 0, "2024-07-01T12:30:15Z"),
    ] {
        let read = metadata(&[
            ascii(Tag::DateTimeOriginal, "2024:07:01 12:30:15"),
            ascii(Tag::OffsetTimeOriginal, written),
        ]);
        assert_eq!(
            (read.taken_offset_minutes, read.taken_at.unwrap().to_string()),
            (Some(minutes), instant.to_owned())
        );
    }
}

#[test]
fn an_offset_that_cannot_be_read_means_utc() {
    let read = metadata(&[
        ascii(Tag::DateTimeOriginal, "2024:07:01 12:30:15"),
        ascii(Tag::OffsetTimeOriginal, "?99:99"),
    ]);
    assert_eq!(read.taken_at.unwrap().to_string(), "2024-07-01T12:30:15Z");
    assert_eq!(read.taken_offset_minutes, None);
}

#[test]
fn thumbnails_fit_and_never_grow() {
    let picture = open(&quarters_as(ImageFormat::Png));
    for (max_side, size) in
        [(16, (16, 12)), (32, (32, 24)), (500, (32, 24)), (1, (1, 1)), (0, (1, 1))]
    {
        let thumbnail = open(&picture.thumbnail_jpeg(max_side).unwrap());
        assert_eq!((thumbnail.width, thumbnail.height), size, "{max_side}");
        assert_eq!(thumbnail.format, PictureFormat::Jpeg);
    }
    let thin = open(&file(&RgbImage::new(2000, 1).into(), ImageFormat::Png));
    let thumbnail = open(&thin.thumbnail_jpeg(100).unwrap());
    assert_eq!((thumbnail.width, thumbnail.height), (100, 1));
}

#[test]
fn fingerprints_are_near_for_copies_and_far_for_others() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/models/demo-clip/golden");
    let originals = ["ball", "boat", "car", "cat", "flower", "star"]
        .map(|name| open(&std::fs::read(format!("{folder}/{name}.png")).unwrap()));
    let copies = originals.each_ref().map(|picture| open(&picture.thumbnail_jpeg(100).unwrap()));
    for (index, original) in originals.iter().enumerate() {
        for (other, copy) in copies.iter().enumerate() {
            let bits = (original.phash() ^ copy.phash()).count_ones();
            assert!(
                if index == other { bits <= 4 } else { bits >= 16 },
                "{index} and {other} differ in {bits} bits"
            );
        }
    }
}
