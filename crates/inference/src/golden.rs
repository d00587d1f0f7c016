//! Comparing a model with what its reference computed.

use crate::manifest::Golden;
use crate::{Detail, ImageEncoder, Model, ModelError, PictureLimits, Runtime, TextEncoder, decode};

/// Most by which the similarity of picture and text may differ from the reference's.
const COSINE_TOLERANCE: f32 = 0.02;

/// What a model was compared in, and how it did.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Model id.
    pub model: String,
    /// One line per comparison. Empty where the manifest has no `[golden]`: then nothing is known.
    pub checks: Vec<Check>,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// What was compared.
    pub what: Compared,
    /// The least agreement; of [`Compared::Cosine`] the reference's cosine.
    pub expected: f32,
    /// What this program computed.
    pub actual: f32,
}

/// What is compared with the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// The vector of the picture, by [`agreement`].
    Picture,
    /// The token ids of the text: the share that is equal, of which all must be.
    TextIds,
    /// The vector of the text, by [`agreement`].
    Text,
    /// The cosine similarity of picture and text.
    Cosine,
}

impl Report {
    /// Whether there was a comparison and none failed.
    pub fn passed(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(Check::passed)
    }
}

impl Check {
    /// Whether this program does as the reference.
    pub fn passed(&self) -> bool {
        match self.what {
            Compared::Cosine => (self.actual - self.expected).abs() <= COSINE_TOLERANCE,
            Compared::Picture | Compared::TextIds | Compared::Text => self.actual >= self.expected,
        }
    }
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Check { what, expected, actual } = self;
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

/// How well the values at the start of a unit vector agree with the reference's: `1 - |a - e|² / (2
/// |e|²)`.
///
/// Over a whole vector of unit length that is the cosine similarity; over its first values, an
/// estimate of it that also notices a wrong length. 1 is equal; NaN where nothing is expected.
pub fn agreement(actual: &[f32], expected: &[f32]) -> f32 {
    let apart: f32 = expected
        .iter()
        .enumerate()
        .map(|(i, e)| (actual.get(i).copied().unwrap_or(0.0) - e).powi(2))
        .sum();
    let length: f32 = expected.iter().map(|e| e * e).sum();
    1.0 - apart / (2.0 * length)
}

/// Makes every comparison that the manifest has data for.
///
/// # Errors
/// The model cannot be loaded or run. Disagreement is no error but part of the report.
pub fn verify(model: &Model, runtime: &Runtime) -> Result<Report, ModelError> {
    let mut report = Report { model: model.manifest.id.clone(), checks: Vec::new() };
    let Some(golden) = &model.manifest.golden else { return Ok(report) };
    let mut vectors = Vec::new();
    if !golden.picture.is_empty() {
        let (check, vector) = picture(model, golden, &model.image_encoder_unchecked(runtime, 1)?)?;
        report.checks.push(check);
        vectors.push(vector);
    }
    if !golden.text.is_empty() {
        let (checks, vector) = text(golden, &model.text_encoder_unchecked(runtime)?)?;
        report.checks.extend(checks);
        vectors.push(vector);
    }
    if let (Some(expected), [picture, text]) = (golden.cosine, vectors.as_slice()) {
        report.checks.push(Check {
            what: Compared::Cosine,
            expected,
            actual: picture.cosine(text),
        });
    }
    Ok(report)
}

/// Refuses an image tower that disagrees with the reference.
pub(crate) fn check_images(model: &Model, encoder: &ImageEncoder) -> Result<(), ModelError> {
    match &model.manifest.golden {
        Some(golden) if !golden.picture.is_empty() => {
            refuse(model, &[picture(model, golden, encoder)?.0])
        }
        _ => Ok(()),
    }
}

/// Refuses a text tower that disagrees with the reference.
pub(crate) fn check_texts(model: &Model, encoder: &TextEncoder) -> Result<(), ModelError> {
    match &model.manifest.golden {
        Some(golden) if !golden.text.is_empty() => refuse(model, &text(golden, encoder)?.0),
        _ => Ok(()),
    }
}

fn refuse(model: &Model, checks: &[Check]) -> Result<(), ModelError> {
    match checks.iter().find(|check| !check.passed()) {
        None => Ok(()),
        Some(check) => {
            Err(ModelError::Golden { model: model.manifest.id.clone(), check: check.to_string() })
        }
    }
}

fn picture(
    model: &Model,
    golden: &Golden,
    encoder: &ImageEncoder,
) -> Result<(Check, crate::Embedding), ModelError> {
    let bytes = model.files.read(&golden.picture)?;
    let picture = decode(&bytes, &PictureLimits::default(), Detail::Whole).map_err(|error| {
        model.files.error(&golden.picture, format!("is no usable picture: {error}"))
    })?;
    let vector = one(model.manifest.id.as_str(), encoder.encode(&[encoder.prepare(&picture)])?)?;
    let actual = agreement(vector.as_slice(), &golden.picture_vector);
    Ok((Check { what: Compared::Picture, expected: golden.min_agreement, actual }, vector))
}

fn text(
    golden: &Golden,
    encoder: &TextEncoder,
) -> Result<(Vec<Check>, crate::Embedding), ModelError> {
    let mut checks = Vec::new();
    if !golden.text_ids.is_empty() {
        let ids = encoder.token_ids_unpadded(&golden.text)?;
        let equal =
            ids.iter().zip(&golden.text_ids).filter(|(ours, theirs)| ours == theirs).count();
        let actual = equal as f32 / ids.len().max(golden.text_ids.len()) as f32;
        checks.push(Check { what: Compared::TextIds, expected: 1.0, actual });
    }
    let vector = one(encoder.model(), encoder.encode(std::slice::from_ref(&golden.text))?)?;
    let actual = agreement(vector.as_slice(), &golden.text_vector);
    checks.push(Check { what: Compared::Text, expected: golden.min_agreement, actual });
    Ok((checks, vector))
}

fn one(model: &str, vectors: Vec<crate::Embedding>) -> Result<crate::Embedding, ModelError> {
    vectors
        .into_iter()
        .next()
        .ok_or_else(|| ModelError::NotFinite { model: model.to_owned(), index: 0 })
}
