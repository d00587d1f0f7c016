//! Golden values: comparing a model with the values that its reference computed.

use crate::manifest::Golden;
use crate::{
    Detail, Embedding, ImageEncoder, Model, ModelError, PictureLimits, Runtime, TextEncoder, decode,
};

/// Greatest accepted difference from the reference's similarity of picture and text.
const COSINE_TOLERANCE: f32 = 0.02;

/// The result of comparing a model with its reference.
#[derive(Debug, Clone, PartialEq)]
pub struct GoldenReport {
    /// Model id.
    pub model: String,
    /// All comparisons. Empty where the manifest has no `[golden]`.
    pub checks: Vec<GoldenCheck>,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct GoldenCheck {
    /// The compared quantity.
    pub what: Compared,
    /// The least agreement. For [`Compared::Cosine`] the reference's cosine.
    pub expected: f32,
    /// The value that this program computed.
    pub actual: f32,
}

/// A quantity that is compared with the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// The vector of the picture, by [`agreement`].
    Picture,
    /// The token ids of the text, by the share that is equal. All must be.
    TextIds,
    /// The vector of the text, by [`agreement`].
    Text,
    /// The cosine similarity of picture and text.
    Cosine,
}

impl GoldenReport {
    /// Whether there was a comparison and none failed.
    pub fn passed(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(GoldenCheck::passed)
    }
}

impl GoldenCheck {
    /// Whether this program agrees with the reference.
    pub fn passed(&self) -> bool {
        match self.what {
            Compared::Cosine => (self.actual - self.expected).abs() <= COSINE_TOLERANCE,
            Compared::Picture | Compared::TextIds | Compared::Text => self.actual >= self.expected,
        }
    }
}

impl std::fmt::Display for GoldenCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let GoldenCheck { what, expected, actual } = self;
        match what {
            Compared::Picture => {
                write!(f, "picture vector: agreement {actual:.6}, at least {expected:.6}")
            }
            Compared::TextIds => write!(f, "token ids: {:.1} % equal, all must be", actual * 100.0),
            Compared::Text => {
                write!(f, "text vector: agreement {actual:.6}, at least {expected:.6}")
            }
            Compared::Cosine => write!(
                f,
                "cosine of picture and text: {actual:.4}, the reference has {expected:.4}"
            ),
        }
    }
}

/// How well the first values of a unit vector agree with those of the reference:
/// `1 - |a - e|² / (2 |e|²)`.
///
/// For a whole vector of unit length this is the cosine similarity. For its first values it is an
/// estimate that also notices a wrong length. 1 means equal, NaN that nothing is expected.
pub fn agreement(actual: &[f32], expected: &[f32]) -> f32 {
    let apart: f32 = expected
        .iter()
        .enumerate()
        .map(|(i, e)| (actual.get(i).copied().unwrap_or(0.0) - e).powi(2))
        .sum();
    let length: f32 = expected.iter().map(|e| e * e).sum();
    1.0 - apart / (2.0 * length)
}

/// Compares a model with all values of its manifest's `[golden]`.
///
/// # Errors
/// The model cannot be loaded or run. A disagreement is no error, but part of the report.
pub fn verify(model: &Model, runtime: &Runtime) -> Result<GoldenReport, ModelError> {
    let mut report = GoldenReport { model: model.manifest.id.clone(), checks: Vec::new() };
    let Some(golden) = &model.manifest.golden else { return Ok(report) };
    let mut vectors = Vec::new();
    if !golden.picture.is_empty() {
        let (check, vector) =
            check_picture(model, golden, &model.image_encoder_unchecked(runtime, 1)?)?;
        report.checks.push(check);
        vectors.push(vector);
    }
    if !golden.text.is_empty() {
        let (checks, vector) = check_text(golden, &model.text_encoder_unchecked(runtime)?)?;
        report.checks.extend(checks);
        vectors.push(vector);
    }
    if let (Some(expected), [picture, text]) = (golden.cosine, vectors.as_slice()) {
        report.checks.push(GoldenCheck {
            what: Compared::Cosine,
            expected,
            actual: picture.cosine(text),
        });
    }
    Ok(report)
}

/// Refuses an image tower that disagrees with the reference.
pub(crate) fn refuse_other_images(model: &Model, encoder: &ImageEncoder) -> Result<(), ModelError> {
    match &model.manifest.golden {
        Some(golden) if !golden.picture.is_empty() => {
            refuse(model, &[check_picture(model, golden, encoder)?.0])
        }
        _ => Ok(()),
    }
}

/// Refuses a text tower that disagrees with the reference.
pub(crate) fn refuse_other_texts(model: &Model, encoder: &TextEncoder) -> Result<(), ModelError> {
    match &model.manifest.golden {
        Some(golden) if !golden.text.is_empty() => refuse(model, &check_text(golden, encoder)?.0),
        _ => Ok(()),
    }
}

fn refuse(model: &Model, checks: &[GoldenCheck]) -> Result<(), ModelError> {
    match checks.iter().find(|check| !check.passed()) {
        None => Ok(()),
        Some(check) => {
            Err(ModelError::Golden { model: model.manifest.id.clone(), check: check.to_string() })
        }
    }
}

fn check_picture(
    model: &Model,
    golden: &Golden,
    encoder: &ImageEncoder,
) -> Result<(GoldenCheck, Embedding), ModelError> {
    let bytes = model.files.read_file(&golden.picture)?;
    let picture = decode(&bytes, &PictureLimits::default(), Detail::Whole).map_err(|error| {
        model.files.error(&golden.picture, format!("is no usable picture: {error}"))
    })?;
    let vector =
        only_vector(model.manifest.id.as_str(), encoder.encode(&[encoder.prepare(&picture)])?)?;
    let actual = agreement(vector.as_slice(), &golden.picture_vector);
    Ok((GoldenCheck { what: Compared::Picture, expected: golden.min_agreement, actual }, vector))
}

fn check_text(
    golden: &Golden,
    encoder: &TextEncoder,
) -> Result<(Vec<GoldenCheck>, Embedding), ModelError> {
    let mut checks = Vec::new();
    if !golden.text_ids.is_empty() {
        let ids = encoder.token_ids_unpadded(&golden.text)?;
        let equal =
            ids.iter().zip(&golden.text_ids).filter(|(ours, theirs)| ours == theirs).count();
        let actual = equal as f32 / ids.len().max(golden.text_ids.len()) as f32;
        checks.push(GoldenCheck { what: Compared::TextIds, expected: 1.0, actual });
    }
    let vector = only_vector(encoder.model(), encoder.encode(std::slice::from_ref(&golden.text))?)?;
    let actual = agreement(vector.as_slice(), &golden.text_vector);
    checks.push(GoldenCheck { what: Compared::Text, expected: golden.min_agreement, actual });
    Ok((checks, vector))
}

fn only_vector(model: &str, vectors: Vec<Embedding>) -> Result<Embedding, ModelError> {
    vectors
        .into_iter()
        .next()
        .ok_or_else(|| ModelError::NotFinite { model: model.to_owned(), index: 0 })
}
