//! Generated pictures: simple ones, broken ones and scenes of the demo.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use image::{ImageFormat, Rgb, RgbImage};

/// A JPEG of one colour, with a little structure so that it is not empty; `size` in pixels.
pub fn solid_jpeg(colour: [u8; 3], size: u32) -> Vec<u8> {
    let picture = RgbImage::from_fn(size, size, |x, y| {
        let shade = ((x / 8 + y / 8) % 2) as u8 * 12;
        Rgb(colour.map(|c| c.saturating_sub(shade)))
    });
    let mut bytes = Vec::new();
    picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Jpeg).expect("a JPEG");
    bytes
}

/// Files whose names promise pictures but that hold none: (key, bytes, class of the dead letter).
pub fn broken() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let whole = solid_jpeg([200, 30, 30], 256);
    let truncated = whole[..whole.len() / 2].to_vec();
    vec![
        ("bad/bomb.png", png_header(40_000, 40_000), "too_many_pixels"),
        ("bad/empty.jpg", Vec::new(), "empty_file"),
        ("bad/text.jpg", b"This is a letter, not a picture.\n".repeat(20), "not_a_picture"),
        ("bad/truncated.jpg", truncated, "corrupt_picture"),
    ]
}

/// The beginning of a PNG that claims this size.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    png.extend(13u32.to_be_bytes());
    png.extend(&header);
    png.extend(crc32(&header).to_be_bytes());
    png.extend(12u32.to_be_bytes());
    png.extend(b"IDAT");
    png.extend([0; 16]);
    png
}

// CRC-32 of PNG (ISO 3309), bit by bit: the header is 17 bytes.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 }
        })
    })
}

/// Draws scenes with the demo's script and returns `captions.json` of the folder.
pub fn draw_scenes(folder: &Path, count: usize) -> serde_json::Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join(".dev/venv/bin/python");
    assert!(python.exists(), "{} is missing: `just setup` creates it", python.display());
    let script: PathBuf = root.join("infra/dev/demo/pictures.py");
    let status =
        Command::new(python).arg(script).arg(folder).args(["--count", &count.to_string()]).status();
    assert!(status.expect("python runs").success(), "pictures.py failed");
    let text = std::fs::read_to_string(folder.join("captions.json")).expect("captions.json");
    serde_json::from_str(&text).expect("captions.json is JSON")
}
