//! Who looks at the pictures and says what is on them.

use futures::future::join_all;
use inference::captioner::Captioner;
use inference::{Picture, PictureError, Pixels};
use pipeline::{Action, Failure};
use tokio::runtime::Handle;
use worker::failure;

pub(crate) use crate::openai::Described;
use crate::openai::OpenAi;

/// Longest side of what an endpoint gets: more detail costs time and tokens there and hardly
/// changes a caption.
const SENT_SIDE: u32 = 1024;

/// A picture as the provider takes it.
pub(crate) enum Seen {
    /// For a model in this process.
    Pixels(Pixels),
    /// For an endpoint: a small JPEG without metadata.
    Jpeg(Vec<u8>),
}

/// One provider and the languages it is asked for.
pub(crate) enum Describer {
    /// A model in this process.
    Onnx { captioner: Captioner, languages: Vec<String> },
    /// An endpoint.
    OpenAi(Box<OpenAi>),
}

impl Describer {
    /// Pixels of the short side that a picture is needed with.
    pub(crate) fn side(&self) -> u32 {
        match self {
            Self::Onnx { captioner, .. } => captioner.side(),
            Self::OpenAi(_) => SENT_SIDE,
        }
    }

    /// A picture as the provider takes it. CPU only.
    pub(crate) fn prepare(&self, picture: &Picture) -> Result<Seen, PictureError> {
        Ok(match self {
            Self::Onnx { captioner, .. } => Seen::Pixels(captioner.prepare(picture)),
            Self::OpenAi(_) => Seen::Jpeg(picture.thumbnail_jpeg(SENT_SIDE)?),
        })
    }

    /// What is on these pictures, named by image id, in their order. Blocks until all is said, on a
    /// blocking thread of the runtime.
    ///
    /// # Errors
    /// The batch failed, by one of its pictures or by the provider.
    pub(crate) fn describe(&self, batch: &[(&str, &Seen)]) -> Result<Vec<Described>, Failure> {
        match self {
            Self::Onnx { captioner, languages } => by_model(captioner, languages, batch),
            Self::OpenAi(openai) => by_endpoint(openai, batch),
        }
    }
}

fn by_model(
    captioner: &Captioner,
    languages: &[String],
    batch: &[(&str, &Seen)],
) -> Result<Vec<Described>, Failure> {
    let pixels = batch.iter().filter_map(|(_, seen)| match seen {
        Seen::Pixels(pixels) => Some(pixels),
        Seen::Jpeg(_) => None,
    });
    let pixels: Vec<_> = pixels.collect();
    let mut described =
        vec![Described { captions: Vec::new(), keywords: Vec::new() }; pixels.len()];
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
            metrics::counter!("bucketlens_captions_total", "language" => language.clone(), "end" => end).increment(1);
            described.captions.push((language.clone(), caption.text));
        }
    }
    Ok(described)
}

/// All at once, as far as the endpoint's settings allow. What was said is remembered there for a
/// while, so that the halves of a failed batch ask only for what failed.
fn by_endpoint(openai: &OpenAi, batch: &[(&str, &Seen)]) -> Result<Vec<Described>, Failure> {
    let asking = batch.iter().filter_map(|(id, seen)| match seen {
        Seen::Jpeg(jpeg) => Some(openai.describe(id, jpeg.clone())),
        Seen::Pixels(_) => None,
    });
    let answers = Handle::current().block_on(join_all(asking));
    // An endpoint that is away says nothing about the pictures.
    if let Some(Err(halt)) = answers
        .iter()
        .find(|answer| answer.as_ref().is_err_and(|failure| failure.action == Action::Halt))
    {
        return Err(halt.clone());
    }
    answers.into_iter().collect()
}

/// Whether there is a letter or a digit in it, of any script.
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
