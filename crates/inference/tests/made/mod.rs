//! Pictures made for tests.

#![allow(dead_code, reason = "each test file uses a part of this")]

use std::io::Cursor;

use exif::experimental::Writer;
use exif::{Field, In, Tag, Value};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat, Rgb, RgbImage};
use inference::PictureFormat;

pub(crate) const FORMATS: [(ImageFormat, PictureFormat); 6] = [
    (ImageFormat::Jpeg, PictureFormat::Jpeg),
    (ImageFormat::Png, PictureFormat::Png),
    (ImageFormat::WebP, PictureFormat::WebP),
    (ImageFormat::Gif, PictureFormat::Gif),
    (ImageFormat::Bmp, PictureFormat::Bmp),
    (ImageFormat::Tiff, PictureFormat::Tiff),
];

/// Four quarters of different colours: red and green above blue and white. No two of its eight
/// orientations look the same.
pub(crate) fn quarters() -> RgbImage {
    RgbImage::from_fn(32, 24, |x, y| match (x < 16, y < 12) {
        (true, true) => Rgb([255, 0, 0]),
        (false, true) => Rgb([0, 255, 0]),
        (true, false) => Rgb([0, 0, 255]),
        (false, false) => Rgb([255, 255, 255]),
    })
}

pub(crate) fn file(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub(crate) fn quarters_as(format: ImageFormat) -> Vec<u8> {
    file(&quarters().into(), format)
}

pub(crate) fn field(tag: Tag, value: Value) -> Field {
    Field { tag, ifd_num: In::PRIMARY, value }
}

pub(crate) fn ascii(tag: Tag, text: &str) -> Field {
    field(tag, Value::Ascii(vec![text.as_bytes().to_vec()]))
}

pub(crate) fn exif_block(fields: &[Field]) -> Vec<u8> {
    let mut writer = Writer::new();
    fields.iter().for_each(|field| writer.push_field(field));
    let mut block = Cursor::new(Vec::new());
    writer.write(&mut block, false).unwrap();
    block.into_inner()
}

pub(crate) fn jpeg_with_exif(picture: &RgbImage, block: Vec<u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
    encoder.set_exif_metadata(block).unwrap();
    encoder
        .write_image(picture, picture.width(), picture.height(), ExtendedColorType::Rgb8)
        .unwrap();
    bytes
}
