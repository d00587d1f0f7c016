//! Hundreds of real photographs, and of files made to break decoders, against what Pillow makes of
//! them.
//!
//! The files come from public packages (infra/measure/corpus/unpack.py), put in place by infra/dev/setup.sh and not kept
//! in the repository.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that fails may panic")]

use std::fs;
use std::path::PathBuf;

use image::imageops::{self, FilterType};
use image::{ImageFormat, RgbImage};
use inference::{Detail, Picture, PictureError, PictureFormat, PictureLimits, decode};
use peak_alloc::PeakAlloc;
use serde::Deserialize;

// Counts what Rust code allocates; libjpeg-turbo's own memory is not seen.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Mean difference per value, of 255. What rounding, chroma upsampling and colour engines make of
/// the same numbers.
const CLOSE: f64 = 2.0;

/// Files that we and Pillow see differently, and why.
const DIFFERENT: [(&str, &str); 13] = [
    (
        "16bit.r.tif",
        "the bits of its bytes are in reverse order, which our decoder does not look at",
    ),
    ("bmp/b/badplanes.bmp", "it is refused as broken"),
    ("bmp/b/badrle.bmp", "it is refused as broken"),
    ("bmp/b/rletopdown.bmp", "it is refused as broken"),
    ("bmp/q/pal4rletrns.bmp", "pixels that are left out have no one colour"),
    ("bmp/q/pal8rletrns.bmp", "pixels that are left out have no one colour"),
    ("exif_imagemagick_orientation.png", "an orientation in a text chunk is not looked for"),
    (
        "hopper_bad_exif.jpg",
        "its data is damaged, and what comes behind the damage is anybody's guess",
    ),
    ("mmap_error.bmp", "its header says too few colours"),
    ("tiff_16bit_RGBa.tiff", "colours multiplied by their alpha are not divided again"),
    (
        "tiff_strip_planar_16bit_RGBa.tiff",
        "colours multiplied by their alpha are not divided again",
    ),
    ("xmp_tags_orientation.png", "an orientation in XMP is not looked for"),
    ("xmp_tags_orientation_exiftool.png", "an orientation in XMP is not looked for"),
];

/// Files that Pillow reads and we refuse as broken; what is merely unsupported is counted.
const REFUSED: [&str; 6] = [
    "g4-fillorder-test.tif",
    "multipage_single_frame_loop.tiff",
    "no_palette.gif",
    "old-style-jpeg-compression-no-samplesperpixel.tif",
    "tiff_wrong_bits_per_sample_2.tiff",
    "truncated_app14.jpg",
];

#[derive(Deserialize)]
struct Corpus {
    pictures: Vec<Expected>,
    others: Vec<String>,
}

#[derive(Deserialize)]
struct Expected {
    file: String,
    format: String,
    width: u32,
    height: u32,
    expected: Option<String>,
}

fn folder() -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.dev/corpus");
    PathBuf::from(std::env::var("BUCKETLENS_TEST_CORPUS").unwrap_or_else(|_| String::from(default)))
}

fn corpus() -> Corpus {
    let list = fs::read(folder().join("corpus.json"));
    serde_json::from_slice(
        &list
            .expect("the corpus is missing: run infra/dev/setup.sh, or set BUCKETLENS_TEST_CORPUS"),
    )
    .unwrap()
}

fn read(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap()
}

fn limits() -> PictureLimits {
    PictureLimits {
        max_pixels: 25_000_000,
        max_decoded_bytes: 128 << 20,
        ..PictureLimits::default()
    }
}

fn mean_difference(ours: &RgbImage, theirs: &RgbImage) -> f64 {
    let sum: u64 =
        ours.as_raw().iter().zip(theirs.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / ours.as_raw().len() as f64
}

/// All in one test: what is measured is the memory of the whole process.
#[test]
fn pictures_look_as_in_pillow_and_nothing_breaks_or_takes_more_memory_than_allowed() {
    let Corpus { pictures, others } = corpus();
    let mut wrong = Vec::new();
    let (mut same, mut unsupported) = (0, 0);
    for Expected { file, format, width, height, expected } in &pictures {
        let expected =
            expected.as_ref().map(|name| image::open(folder().join(name)).unwrap().into_rgb8());
        let problem = match decode_measured(file) {
            Err(error)
                if error.class() == "unsupported_format" && format == "tiff"
                    || file.ends_with("pal8os2v2.bmp") =>
            {
                unsupported += 1;
                None
            }
            Err(_) if REFUSED.iter().any(|name| file.ends_with(name)) => None,
            Err(error) => Some(format!("{}: {error}", error.class())),
            Ok(picture) if picture.format.as_str() != format => {
                Some(format!("it is taken for {}", picture.format.as_str()))
            }
            Ok(picture) if (picture.width, picture.height) != (*width, *height) => {
                Some(format!("{} x {} and not {width} x {height}", picture.width, picture.height))
            }
            Ok(picture) => expected.and_then(|expected| {
                let difference = mean_difference(&picture.rgb, &expected);
                same += usize::from(difference <= CLOSE);
                (difference > CLOSE).then(|| format!("it differs by {difference:.2}"))
            }),
        };
        let known = DIFFERENT.iter().find(|(name, _)| file.ends_with(name));
        match (problem, known) {
            (Some(problem), None) => wrong.push(format!("{file}: {problem}")),
            (None, Some((_, reason))) => {
                wrong.push(format!("{file}: the same, though it is said that {reason}"))
            }
            _ => {}
        }
    }
    for file in &others {
        match decode_measured(file) {
            Err(error) if error.class() == "decode_panic" => wrong.push(format!("{file}: {error}")),
            _ => {}
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        pictures.len() + others.len(),
        wrong.join("\n")
    );
    assert!(unsupported <= 45, "{unsupported} are unsupported");
    assert!(
        same >= 600 && others.len() >= 300,
        "{same} pictures were compared and {} others tried",
        others.len()
    );
}

/// Decodes a file and holds it to the promise about memory.
fn decode_measured(file: &str) -> Result<Picture, PictureError> {
    let (bytes, limits) = (read(file), limits());
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let result = decode(&bytes, &limits, Detail::Whole);
    let taken = MEMORY.peak_usage().saturating_sub(before) as u64;
    // Turning and compositing take up to 8 bytes per pixel; headers and chunks are kept in copies
    // of their own.
    let pixels =
        result.as_ref().map_or(0, |picture| u64::from(picture.width) * u64::from(picture.height));
    let allowed = limits.max_decoded_bytes + 8 * pixels + 3 * bytes.len() as u64 + (4 << 20);
    assert!(taken <= allowed, "{file} took {taken} bytes, {allowed} are allowed");
    result
}

#[test]
fn reduced_photographs_scale_to_the_same_pixels() {
    const SIDE: u32 = 32;
    let mut compared = Vec::new();
    for Expected { file, .. } in corpus().pictures.iter().filter(|picture| picture.format == "jpeg")
    {
        let bytes = read(file);
        let (Ok(whole), Ok(reduced)) = (
            decode(&bytes, &limits(), Detail::Whole),
            decode(&bytes, &limits(), Detail::ShortSide(SIDE)),
        ) else {
            continue;
        };
        assert_eq!((reduced.width, reduced.height), (whole.width, whole.height), "{file}");
        assert_eq!(reduced.format, PictureFormat::Jpeg);
        let (width, height) = reduced.rgb.dimensions();
        if (width, height) == whole.rgb.dimensions() {
            continue;
        }
        assert!(width.min(height) >= 2 * SIDE, "{file}: {width} x {height}");
        // Elsewhere the last row or column of the reduced picture shows something only in part.
        if !whole.width.is_multiple_of(8) || !whole.height.is_multiple_of(8) {
            continue;
        }
        let small = |picture: &Picture| {
            imageops::resize(&picture.rgb, SIDE, SIDE, FilterType::CatmullRom).into_raw()
        };
        let (ours, theirs) = (small(&reduced), small(&whole));
        let squares: f64 =
            ours.iter().zip(&theirs).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
        let psnr = 10.0 * (255.0_f64.powi(2) * ours.len() as f64 / squares.max(1e-9)).log10();
        compared.push((psnr, file.clone()));
    }
    compared.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(compared.len() >= 10, "only {} photographs were reduced", compared.len());
    let (worst, median) = (&compared[0], compared[compared.len() / 2].0);
    assert!(worst.0 >= 40.0 && median >= 48.0, "median {median:.1} dB, {compared:#?}");
}

#[test]
fn the_expectations_are_pictures_themselves() {
    let expected =
        corpus().pictures.into_iter().filter_map(|picture| picture.expected).collect::<Vec<_>>();
    assert!(
        expected.iter().all(|name| image::guess_format(&read(name)).unwrap() == ImageFormat::Png)
    );
}
