//! Measures the computing alone: no queue, no store, no table.
//!
//! ```text
//! alone MODEL FOLDER BATCH SECONDS
//! ```
//!
//! Works through the pictures below FOLDER for about SECONDS per measurement, and prints one line
//! of JSON. CPU time is that of the whole process, including ONNX Runtime's threads.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use inference::{Detail, Model, Picture, PictureLimits, Runtime, RuntimeSettings, decode};

/// Pictures to keep in memory for the measurements that begin with a decoded picture.
const KEPT: usize = 64;
/// The default of the embedder's `picture.thumbnail_side`.
const THUMBNAIL_SIDE: u32 = 320;
/// Ticks per second of the times in `/proc`, the same on every Linux.
const TICKS: f64 = 100.0;

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, folder, batch, seconds] = arguments.as_slice() else {
        return Err("usage: alone MODEL FOLDER BATCH SECONDS".into());
    };
    let (batch, time): (usize, _) = (batch.parse()?, Duration::from_secs_f64(seconds.parse()?));
    let mut files = Vec::new();
    read_pictures(Path::new(folder), &mut files)?;

    let runtime = Runtime::start(&RuntimeSettings::default())?;
    let encoder = Model::find(model, Path::new("models"))?.image_encoder(&runtime, batch)?;
    let limits = PictureLimits::default();
    let detail = Detail::ShortSide(encoder.side().max(THUMBNAIL_SIDE));
    let pictures = files
        .iter()
        .take(KEPT)
        .map(|file| decode(file, &limits, detail))
        .collect::<Result<Vec<Picture>, _>>()?;
    let pixels: Vec<_> = pictures.iter().map(|picture| encoder.prepare(picture)).collect();
    let batches: Vec<_> = pixels.chunks_exact(encoder.max_batch()).collect();
    if batches.is_empty() {
        return Err(format!("{folder} holds fewer pictures than one batch of {batch}").into());
    }

    let decoded =
        measure(&files, time, |file| Ok(encoder.prepare(&decode(file, &limits, detail)?)))?;
    let thumbnails =
        measure(&pictures, time, |picture| Ok(picture.thumbnail_jpeg(THUMBNAIL_SIDE)?))?;
    let fingerprints = measure(&pictures, time, |picture| Ok(picture.phash()))?;
    let encoded =
        measure(&batches, time, |batch| Ok(encoder.encode(batch)?))?.per(encoder.max_batch());

    let result = serde_json::json!({
        "pictures": files.len(),
        "batch": encoder.max_batch(),
        "threads": runtime.threads(),
        "decode_resize_cpu_s": decoded.cpu_s,
        "thumbnail_cpu_s": thumbnails.cpu_s,
        "fingerprint_cpu_s": fingerprints.cpu_s,
        "encode_cpu_s": encoded.cpu_s,
        "encode_images_per_s": 1.0 / encoded.wall_s,
    });
    #[allow(clippy::print_stdout, reason = "printing is the program's purpose")]
    {
        println!("{result}");
    }
    Ok(())
}

/// The average time of one item.
struct Cost {
    cpu_s: f64,
    wall_s: f64,
}

impl Cost {
    /// The cost of one picture in an item of `count` pictures.
    fn per(self, count: usize) -> Cost {
        Cost { cpu_s: self.cpu_s / count as f64, wall_s: self.wall_s / count as f64 }
    }
}

/// Works on the items once to warm up (at most for a quarter of the time), then on all of them
/// again and again. Only whole rounds count, because pictures differ.
fn measure<T, R>(
    items: &[T],
    time: Duration,
    mut work: impl FnMut(&T) -> Result<R, Failure>,
) -> Result<Cost, Failure> {
    let begun = Instant::now();
    for item in items {
        black_box(work(item)?);
        if begun.elapsed() > time / 4 {
            break;
        }
    }
    let (begun, cpu_before, mut count) = (Instant::now(), cpu_seconds()?, 0);
    while begun.elapsed() < time {
        for item in items {
            black_box(work(item)?);
        }
        count += items.len();
    }
    let (cpu, wall) = (cpu_seconds()? - cpu_before, begun.elapsed().as_secs_f64());
    Ok(Cost { cpu_s: cpu / count as f64, wall_s: wall / count as f64 })
}

/// User and system time of this process with all its threads.
fn cpu_seconds() -> Result<f64, Failure> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The command name in brackets may hold any text, so the fields are counted from its end.
    let (_, fields) = stat.rsplit_once(')').ok_or("/proc/self/stat is not as documented")?;
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<f64>)
        .sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS)
}

fn read_pictures(folder: &Path, files: &mut Vec<Vec<u8>>) -> Result<(), Failure> {
    let mut entries = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            read_pictures(&path, files)?;
        } else if path.extension().is_some_and(|ending| ending != "json") {
            files.push(fs::read(path)?);
        }
    }
    Ok(())
}
