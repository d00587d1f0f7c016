//! The providers: a model in this process, or an endpoint.

use futures::future::join_all;
use inference::captioner::Captioner;
use inference::{Picture, PictureError, Pixels};
use pipeline::{Action, Failure};
use tokio::runtime::Handle;
use worker::failure;

use crate::description::Description;
use crate::openai::OpenAi;

/// Longest side of the picture that an endpoint gets, in pixels. More detail costs time and tokens
/// there and hardly changes a caption.
const SENT_SIDE: u32 = 1024;

/// A picture as its provider takes it.
pub(crate) enum ProviderInput {
    /// For a model in this process.
    Pixels(Pixels),
    /// For an endpoint: a small JPEG without metadata.
    Jpeg(Vec<u8>),
}

/// The provider, with the languages it writes.
pub(crate) enum Describer {
    /// A model in this process.
    Onnx { captioner: Captioner, languages: Vec<String> },
    /// An endpoint.
    OpenAi(Box<OpenAi>),
}

impl Describer {
    /// The short side that a decoded picture must have at least, in pixels.
    pub(crate) fn side(&self) -> u32 {
        match self {
            Self::Onnx { captioner, .. } => captioner.side(),
            Self::OpenAi(_) => SENT_SIDE,
        }
    }

    /// Prepares a picture for the provider. CPU only.
    pub(crate) fn prepare(&self, picture: &Picture) -> Result<ProviderInput, PictureError> {
        Ok(match self {
            Self::Onnx { captioner, .. } => ProviderInput::Pixels(captioner.prepare(picture)),
            Self::OpenAi(_) => ProviderInput::Jpeg(picture.thumbnail_jpeg(SENT_SIDE)?),
        })
    }

    /// Describes pictures, given with their image ids, in their order. Blocks: call it on a
    /// blocking thread of the runtime.
    ///
    /// # Errors
    /// One of the pictures or the provider failed the whole batch.
    pub(crate) fn describe(
        &self,
        batch: &[(&str, &ProviderInput)],
    ) -> Result<Vec<Description>, Failure> {
        match self {
            Self::Onnx { captioner, languages } => by_model(captioner, languages, batch),
            Self::OpenAi(openai) => by_endpoint(openai, batch),
        }
    }
}

fn by_model(
    captioner: &Captioner,
    languages: &[String],
    batch: &[(&str, &ProviderInput)],
) -> Result<Vec<Description>, Failure> {
    let pixels = batch.iter().filter_map(|(_, input)| match input {
        ProviderInput::Pixels(pixels) => Some(pixels),
        ProviderInput::Jpeg(_) => None,
    });
    let pixels: Vec<_> = pixels.collect();
    let mut described =
        vec![Description { captions: Vec::new(), keywords: Vec::new() }; pixels.len()];
    for language in languages {
        let captions = captioner.caption(&pixels, language).map_err(failure::of_model)?;
        metrics::gauge!("bucketlens_model_batch", "model" => captioner.model().to_owned())
            .set(captioner.batch() as f64);
        for (described, caption) in described.iter_mut().zip(captions) {
            if !says_anything(&caption.text) {
                let reason =
                    format!("the captioner {} wrote no word in '{language}'", captioner.model());
                return Err(Failure::retry("empty_caption", reason));
            }
            let end = if caption.ended { "end" } else { "cut" };
            let labels = [("language", language.clone()), ("end", end.to_owned())];
            metrics::counter!("bucketlens_captions_total", &labels).increment(1);
            described.captions.push((language.clone(), caption.text));
        }
    }
    Ok(described)
}

/// Asks about all pictures at once, as far as the endpoint's settings allow. [`OpenAi`] remembers
/// descriptions for a while, so the halves of a failed batch ask only about the failed pictures.
fn by_endpoint(
    openai: &OpenAi,
    batch: &[(&str, &ProviderInput)],
) -> Result<Vec<Description>, Failure> {
    let asking = batch.iter().filter_map(|(id, input)| match input {
        ProviderInput::Jpeg(jpeg) => Some(openai.describe(id, jpeg.clone())),
        ProviderInput::Pixels(_) => None,
    });
    let answers = Handle::current().block_on(join_all(asking));
    // If the endpoint is unavailable, no picture is at fault.
    if let Some(Err(halt)) = answers
        .iter()
        .find(|answer| answer.as_ref().is_err_and(|failure| failure.action == Action::Halt))
    {
        return Err(halt.clone());
    }
    answers.into_iter().collect()
}

/// Whether a caption has a letter or a digit, of any script.
fn says_anything(caption: &str) -> bool {
    caption.chars().any(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caption_has_a_word() {
        assert!(says_anything("a cat") && says_anything("一只猫。"));
        for nothing in ["", "  ", ".", "…", "\"\""] {
            assert!(!says_anything(nothing), "{nothing}");
        }
    }
}
