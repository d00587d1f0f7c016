//! The format of a file, recognised by its first bytes. File names and media types are not
//! reliable.

use image::ImageFormat;

use super::PictureError;

/// A format that this crate decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PictureFormat {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP. Of an animation the first frame.
    WebP,
    /// GIF. Of an animation the first frame.
    Gif,
    /// BMP.
    Bmp,
    /// TIFF. Of several pages the first.
    Tiff,
    /// JPEG XL, with the feature `jxl`. Of an animation the first frame.
    JpegXl,
    /// HEIC, with the feature `heif`.
    Heic,
    /// AVIF, with the feature `heif`.
    Avif,
}

impl PictureFormat {
    /// Stable lower-case name: `jpeg`, `png`, `webp`, `gif`, `bmp`, `tiff`, `jxl`, `heic`, `avif`.
    pub fn as_str(self) -> &'static str {
        match self {
            PictureFormat::Jpeg => "jpeg",
            PictureFormat::Png => "png",
            PictureFormat::WebP => "webp",
            PictureFormat::Gif => "gif",
            PictureFormat::Bmp => "bmp",
            PictureFormat::Tiff => "tiff",
            PictureFormat::JpegXl => "jxl",
            PictureFormat::Heic => "heic",
            PictureFormat::Avif => "avif",
        }
    }

    /// The decoder of the library `image`, if it has one for the format.
    pub(super) fn codec(self) -> Option<ImageFormat> {
        match self {
            PictureFormat::Jpeg => Some(ImageFormat::Jpeg),
            PictureFormat::Png => Some(ImageFormat::Png),
            PictureFormat::WebP => Some(ImageFormat::WebP),
            PictureFormat::Gif => Some(ImageFormat::Gif),
            PictureFormat::Bmp => Some(ImageFormat::Bmp),
            PictureFormat::Tiff => Some(ImageFormat::Tiff),
            PictureFormat::JpegXl | PictureFormat::Heic | PictureFormat::Avif => None,
        }
    }

    /// The format of a file that starts with these bytes.
    pub(super) fn of(bytes: &[u8]) -> Result<PictureFormat, PictureError> {
        if cfg!(feature = "jxl") && JPEG_XL.iter().any(|magic| bytes.starts_with(magic)) {
            return Ok(PictureFormat::JpegXl);
        }
        if cfg!(feature = "heif")
            && let Some(format) = heif(bytes)
        {
            return Ok(format);
        }
        if let Some(what) = known_but_not_decoded(bytes) {
            return Err(PictureError::UnsupportedFormat { what: what.to_owned() });
        }
        match image::guess_format(bytes) {
            Ok(ImageFormat::Jpeg) => Ok(PictureFormat::Jpeg),
            Ok(ImageFormat::Png) => Ok(PictureFormat::Png),
            Ok(ImageFormat::WebP) => Ok(PictureFormat::WebP),
            Ok(ImageFormat::Gif) => Ok(PictureFormat::Gif),
            Ok(ImageFormat::Tiff) => Ok(PictureFormat::Tiff),
            // BigTIFF, which small files may use as well.
            _ if [b"II+\0", b"MM\0+"].iter().any(|magic| bytes.starts_with(*magic)) => {
                Ok(PictureFormat::Tiff)
            }
            // `BM` alone is a weak sign: a note that begins with "BMW" has it as well.
            Ok(ImageFormat::Bmp) if looks_like_bmp(bytes) => Ok(PictureFormat::Bmp),
            _ => Err(PictureError::NotAPicture),
        }
    }
}

/// The beginnings of a JPEG XL codestream and of a JPEG XL container (ISO/IEC 18181-2).
const JPEG_XL: [&[u8]; 2] = [b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"];

/// The format of a file in the container of ISO/IEC 23008-12, by its major brand or its first known
/// compatible brand.
fn heif(bytes: &[u8]) -> Option<PictureFormat> {
    let brands = bytes.get(8..40.min(bytes.len())).filter(|_| bytes.get(4..8) == Some(b"ftyp"))?;
    brands.chunks_exact(4).find_map(|brand| match brand {
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" => Some(PictureFormat::Heic),
        b"avif" | b"avis" => Some(PictureFormat::Avif),
        _ => None,
    })
}

/// The name of a format that people put in buckets and that this crate does not decode. It deserves
/// a better answer than "not a picture".
fn known_but_not_decoded(bytes: &[u8]) -> Option<&'static str> {
    let at =
        |start: usize, magic: &[u8]| bytes.get(start..).is_some_and(|rest| rest.starts_with(magic));
    let brands: [(&[u8], &str); 8] = [
        (b"ftypavif", "AVIF"),
        (b"ftypavis", "AVIF"),
        (b"ftypheic", "HEIC"),
        (b"ftypheix", "HEIC"),
        (b"ftyphevc", "HEIC"),
        (b"ftypmif1", "HEIF"),
        (b"ftypmsf1", "HEIF"),
        (b"ftypcrx ", "Canon raw (CR3)"),
    ];
    let starts: [(&[u8], &str); 7] = [
        (JPEG_XL[0], "JPEG XL"),
        (JPEG_XL[1], "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"8BPS", "Photoshop"),
        (b"\0\0\x01\0", "ICO"),
        (b"v/1\x01", "OpenEXR"),
        (b"qoif", "QOI"),
    ];
    let brand = brands.iter().find(|(magic, _)| at(4, magic));
    brand.or_else(|| starts.iter().find(|(magic, _)| at(0, magic))).map(|(_, what)| *what)
}

/// Whether byte 14 begins the size of a BMP info header. Only a few sizes exist (Microsoft, "Bitmap
/// Header Types": 12, 40, 52, 56, 64, 108, 124; OS/2 2.x also 16).
fn looks_like_bmp(bytes: &[u8]) -> bool {
    matches!(bytes.get(14..18), Some([12 | 16 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0]))
}
