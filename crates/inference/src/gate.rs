//! The precision gate: whether a model with 8-bit weights may replace the same model in fp32.
//!
//! Rounding weights to 8 bits changes vectors. How much depends on the model and on the pictures.
//! So such a model is compared with its fp32 or fp16 twin on the user's own pictures, and is served
//! only after it has passed.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::manifest::Precision;
use crate::{ImageEncoder, Model, ModelError, Picture};

/// Name of the file that holds the result, beside `model.toml`.
pub const FILE: &str = "gate.json";
/// Least number of pictures in a comparison.
pub const MIN_PICTURES: usize = 500;
/// Least cosine similarity of a picture's two vectors.
pub const MIN_COSINE: f32 = 0.99;
/// Least share of pictures that reach [`MIN_COSINE`], 0 to 1.
pub const MIN_SHARE: f64 = 0.99;

/// How close the vectors of two models are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateReport {
    /// Number of compared pictures.
    pub pictures: usize,
    /// Share of pictures whose two vectors have a cosine of at least [`MIN_COSINE`], 0 to 1.
    pub share_at_least_0_99: f64,
    /// The least cosine.
    pub min: f32,
    /// The mean cosine.
    pub mean: f32,
}

impl GateReport {
    /// Whether the candidate may replace the reference.
    pub fn passes(&self) -> bool {
        self.pictures >= MIN_PICTURES && self.share_at_least_0_99 >= MIN_SHARE
    }
}

/// The content of [`FILE`]: a report and the two compared models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GateFile {
    /// [`Model::digest`] of the reference.
    reference: String,
    /// [`Model::digest`] of the candidate.
    candidate: String,
    report: GateReport,
}

/// Encodes pictures with both models and compares the vectors. Works in batches, so the pictures
/// may be any number.
///
/// # Errors
/// Those of [`ImageEncoder::encode`], and [`ModelError::Gate`] for vectors of different lengths.
pub fn compare(
    reference: &ImageEncoder,
    candidate: &ImageEncoder,
    pictures: impl IntoIterator<Item = Picture>,
) -> Result<GateReport, ModelError> {
    if reference.dim() != candidate.dim() {
        let reason = format!(
            "it gives {} values and the model it is compared with {}",
            candidate.dim(),
            reference.dim()
        );
        return Err(ModelError::Gate { model: candidate.model().to_owned(), reason });
    }
    let batch =
        NonZeroUsize::new(reference.max_batch().min(candidate.max_batch())).map_or(1, usize::from);
    let mut pictures = pictures.into_iter().peekable();
    let (mut count, mut near, mut min, mut sum) = (0_usize, 0_usize, f32::INFINITY, 0.0_f64);
    while pictures.peek().is_some() {
        let some: Vec<Picture> = pictures.by_ref().take(batch).collect();
        let encode = |encoder: &ImageEncoder| {
            encoder.encode(&some.iter().map(|one| encoder.prepare(one)).collect::<Vec<_>>())
        };
        for (a, b) in encode(reference)?.iter().zip(encode(candidate)?) {
            let cosine = a.cosine(&b);
            count += 1;
            near += usize::from(cosine >= MIN_COSINE);
            min = min.min(cosine);
            sum += f64::from(cosine);
        }
    }
    let compared = count.max(1) as f64;
    let min = if count == 0 { 0.0 } else { min };
    Ok(GateReport {
        pictures: count,
        share_at_least_0_99: near as f64 / compared,
        min,
        mean: (sum / compared) as f32,
    })
}

/// The text of [`FILE`] for a comparison, to write beside the candidate's `model.toml`. It holds
/// for these two manifests only, not after one has changed.
///
/// # Errors
/// [`ModelError::Gate`] where the two are not the same model in two precisions.
pub fn record(
    reference: &Model,
    candidate: &Model,
    report: &GateReport,
) -> Result<String, ModelError> {
    let wrong = |reason| ModelError::Gate { model: candidate.manifest.id.clone(), reason };
    if reference.manifest.space != candidate.manifest.space
        || reference.manifest.precision == Precision::Int8
    {
        return Err(wrong(format!(
            "`{}` is not the same model in fp32 or fp16",
            reference.manifest.id
        )));
    }
    let record = GateFile {
        reference: reference.digest.clone(),
        candidate: candidate.digest.clone(),
        report: *report,
    };
    serde_json::to_string_pretty(&record).map_err(|error| wrong(error.to_string()))
}

/// Refuses a model in int8 that has not passed a comparison. Models in other precisions pass. Ask
/// this before a model is served.
///
/// # Errors
/// [`ModelError::Gate`], which says what to do.
pub fn passed(model: &Model) -> Result<(), ModelError> {
    if model.manifest.precision != Precision::Int8 {
        return Ok(());
    }
    let wrong = |reason: String| ModelError::Gate { model: model.manifest.id.clone(), reason };
    let text = model
        .files
        .read_file(FILE)
        .map_err(|_| wrong(format!("there is no {FILE} beside its model.toml")))?;
    let record: GateFile = serde_json::from_slice(&text)
        .map_err(|error| wrong(format!("its {FILE} cannot be understood ({error})")))?;
    let GateReport { pictures, share_at_least_0_99: share, .. } = record.report;
    if record.candidate != model.digest || record.reference == record.candidate {
        return Err(wrong(format!("its {FILE} is about another model.toml")));
    }
    if !record.report.passes() {
        return Err(wrong(format!(
            "of {pictures} pictures {:.1} % came near enough, \
             and {:.0} % of at least {MIN_PICTURES} must",
            share * 100.0,
            MIN_SHARE * 100.0
        )));
    }
    Ok(())
}
