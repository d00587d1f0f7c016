//! From a file to the numbers of a model, one round per line read from standard input: what `just
//! bench preprocess` drives.
//!
//! ```text
//! preprocess MODEL reduced|whole|image FILE TENSOR
//! ```
//!
//! `reduced` is what the embedder does, `whole` the same without reduction, `image` the `image`
//! crate with nothing of ours. Writes a line of JSON for every round, with the time and the peak of
//! resident memory above what it was before the first one, and the values of the last round to the
//! file TENSOR (f32, little-endian).

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use image::ImageReader;
use image::imageops::FilterType;
use inference::{Detail, ImageEncoder, Model, PictureLimits, Runtime, RuntimeSettings, decode};

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, program, file, tensor] = arguments.as_slice() else {
        return Err("usage: preprocess MODEL reduced|whole|image FILE TENSOR".into());
    };
    let runtime = Runtime::start(&RuntimeSettings::default())?;
    let encoder = Model::find(model, Path::new("models"))?.image_encoder(&runtime, 1)?;
    let before = peak_bytes()?;

    let mut values = Vec::new();
    for line in std::io::stdin().lock().lines() {
        line?;
        let begun = Instant::now();
        values = match program.as_str() {
            "reduced" => ours(&encoder, file, Detail::ShortSide(encoder.side()))?,
            "whole" => ours(&encoder, file, Detail::Whole)?,
            "image" => alone(file, encoder.side())?,
            other => return Err(format!("there is no program {other}").into()),
        };
        let ms = begun.elapsed().as_secs_f64() * 1000.0;
        let round =
            serde_json::json!({ "ms": ms, "peak_bytes": peak_bytes()?.saturating_sub(before) });
        let mut out = std::io::stdout().lock();
        writeln!(out, "{round}")?;
        out.flush()?;
    }
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(tensor, bytes)?;
    Ok(())
}

fn ours(
    encoder: &ImageEncoder,
    file: impl AsRef<Path>,
    detail: Detail,
) -> Result<Vec<f32>, Failure> {
    let picture = decode(&std::fs::read(file)?, &PictureLimits::default(), detail)?;
    Ok(encoder.prepare(&picture).data)
}

/// As its documentation shows it; the model of this measurement takes bytes over 255.
fn alone(file: impl AsRef<Path>, side: u32) -> Result<Vec<f32>, Failure> {
    let mut reader = ImageReader::open(file)?.with_guessed_format()?;
    reader.no_limits();
    let small = reader.decode()?.resize_exact(side, side, FilterType::CatmullRom).into_rgb8();
    let channel = |channel| small.as_raw().iter().skip(channel).step_by(3);
    Ok((0..3).flat_map(channel).map(|byte| f32::from(*byte) / 255.0).collect())
}

/// The most memory this process has had (`VmHWM`).
fn peak_bytes() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("the system tells no VmHWM")?;
    let kibibytes = line.split_whitespace().next().ok_or("VmHWM is empty")?;
    Ok(kibibytes.parse::<u64>()? * 1024)
}
