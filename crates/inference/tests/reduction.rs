//! A JPEG is decoded at the detail that is needed, and all pictures of a process share one budget.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod made;

use exif::{Tag, Value};
use image::imageops::FilterType;
use image::{ImageFormat, Rgb, RgbImage};
use inference::{Budget, Detail, Picture, PictureLimits, decode, decode_within};
use made::{exif_block, field, file, jpeg_with_exif};

/// A slope in both directions, which looks the same at every size.
fn slope(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, 90])
    })
}

fn open(bytes: &[u8], detail: Detail) -> Picture {
    decode(bytes, &PictureLimits::default(), detail).unwrap()
}

#[test]
fn the_smallest_size_with_twice_the_pixels_is_decoded() {
    let jpeg = file(&slope(1603, 1200).into(), ImageFormat::Jpeg);
    for (detail, size) in [
        (Detail::Whole, (1603, 1200)),
        (Detail::ShortSide(601), (1603, 1200)),
        (Detail::ShortSide(600), (1603, 1200)),
        (Detail::ShortSide(300), (802, 600)),
        (Detail::ShortSide(151), (802, 600)),
        (Detail::ShortSide(150), (401, 300)),
        (Detail::ShortSide(75), (201, 150)),
        (Detail::ShortSide(1), (201, 150)),
        (Detail::ShortSide(u32::MAX), (1603, 1200)),
    ] {
        let picture = open(&jpeg, detail);
        assert_eq!(picture.rgb.dimensions(), size, "{detail:?}");
        assert_eq!(
            (picture.width, picture.height),
            (1603, 1200),
            "the size is that of the whole picture"
        );
    }
    let png = file(&slope(300, 200).into(), ImageFormat::Png);
    assert_eq!(
        open(&png, Detail::ShortSide(1)).rgb.dimensions(),
        (300, 200),
        "only JPEG can be reduced"
    );
}

#[test]
fn reduced_pictures_are_upright_and_of_the_same_colours() {
    for orientation in 1..=8_u16 {
        let block = exif_block(&[field(Tag::Orientation, Value::Short(vec![orientation]))]);
        let jpeg = jpeg_with_exif(&slope(640, 480), block);
        let (whole, reduced) = (open(&jpeg, Detail::Whole), open(&jpeg, Detail::ShortSide(60)));
        assert_eq!((reduced.width, reduced.height), (whole.width, whole.height));
        assert_eq!(reduced.rgb.dimensions(), (whole.width / 4, whole.height / 4));
        for (x, y, pixel) in reduced.rgb.enumerate_pixels() {
            let there = whole.rgb.get_pixel(x * 4 + 2, y * 4 + 2);
            let far = pixel.0.iter().zip(there.0).any(|(ours, theirs)| ours.abs_diff(theirs) > 6);
            assert!(!far, "orientation {orientation}, {x} {y}: {pixel:?} and {there:?}");
        }
    }
}

#[test]
fn thumbnails_and_fingerprints_of_reduced_pictures_are_those_of_whole_ones() {
    let drawn =
        image::load_from_memory(include_bytes!("../models/demo-clip/golden/car.png")).unwrap();
    let jpeg = file(
        &drawn.resize_exact(2001, 1203, FilterType::CatmullRom).into_rgb8().into(),
        ImageFormat::Jpeg,
    );
    let (whole, reduced) = (open(&jpeg, Detail::Whole), open(&jpeg, Detail::ShortSide(128)));
    assert_eq!(reduced.rgb.dimensions(), (501, 301));
    let thumbnails = [&whole, &reduced]
        .map(|picture| open(&picture.thumbnail_jpeg(128).unwrap(), Detail::Whole).rgb);
    assert_eq!(thumbnails[0].dimensions(), thumbnails[1].dimensions());
    let furthest = thumbnails[0]
        .as_raw()
        .iter()
        .zip(thumbnails[1].as_raw())
        .map(|(a, b)| a.abs_diff(*b))
        .max();
    assert!(furthest <= Some(24), "{furthest:?}");
    let bits = (whole.phash() ^ reduced.phash()).count_ones();
    assert!(bits <= 4, "{bits} bits differ");
}

#[test]
fn limits_hold_for_the_whole_picture_and_memory_for_what_is_decoded() {
    let jpeg = file(&slope(1600, 1200).into(), ImageFormat::Jpeg);
    let limits = PictureLimits { max_decoded_bytes: 400 * 300 * 3, ..PictureLimits::default() };
    assert_eq!(decode(&jpeg, &limits, Detail::Whole).unwrap_err().class(), "too_many_pixels");
    assert_eq!(
        decode(&jpeg, &limits, Detail::ShortSide(150)).unwrap().rgb.dimensions(),
        (400, 300)
    );
    let limits = PictureLimits { max_pixels: 1600 * 1200 - 1, ..PictureLimits::default() };
    assert_eq!(
        decode(&jpeg, &limits, Detail::ShortSide(150)).unwrap_err().class(),
        "too_many_pixels"
    );
}

#[test]
fn a_held_picture_keeps_its_part_of_the_budget() {
    let budget = Budget::new(10_000_000);
    let limits = PictureLimits::default();
    let jpeg = file(&slope(1600, 1200).into(), ImageFormat::Jpeg);
    let whole = decode_within(&budget, &jpeg, &limits, Detail::Whole).unwrap();
    assert_eq!(budget.taken(), 1600 * 1200 * 3);
    let reduced = decode_within(&budget, &jpeg, &limits, Detail::ShortSide(150)).unwrap();
    assert_eq!(budget.taken(), 1600 * 1200 * 3 + 400 * 300 * 3);
    drop(whole);
    assert_eq!((budget.taken(), reduced.rgb.dimensions()), (400 * 300 * 3, (400, 300)));
    drop(reduced);
    assert!(decode_within(&budget, b"no picture", &limits, Detail::Whole).is_err());
    let cut = decode_within(
        &budget,
        &file(&slope(90, 90).into(), ImageFormat::Png)[..400],
        &limits,
        Detail::Whole,
    );
    assert!(cut.is_err());
    assert_eq!(budget.taken(), 0, "what fails gives its part back");
}

#[test]
fn more_than_the_whole_budget_is_decoded_alone() {
    let budget = Budget::new(1000);
    let jpeg = file(&slope(64, 64).into(), ImageFormat::Jpeg);
    let decode_one = || {
        decode_within(&budget, &jpeg, &PictureLimits::default(), Detail::Whole)
            .map(|picture| picture.width)
    };
    std::thread::scope(|scope| {
        let threads = [(); 4].map(|()| scope.spawn(decode_one));
        for thread in threads {
            assert_eq!(thread.join().unwrap().unwrap(), 64);
        }
    });
    assert_eq!(budget.taken(), 0);
}
