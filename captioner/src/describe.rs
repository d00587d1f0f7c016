//! Who looks at the pictures and says what is on them.

use inference::captioner::Captioner;
use inference::{ModelError, Picture, PictureError, Pixels};
use pipeline::Failure;

/// A picture as the provider takes it.
pub(crate) enum Seen {
    /// For a model in this process.
    Pixels(Pixels),
}

/// What was said about one picture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Described {
    /// Language and sentence, in the order of the languages asked for; each has a word.
    pub(crate) captions: Vec<(String, String)>,
    /// Words of the provider's own.
    pub(crate) keywords: Vec<String>,
}

/// One provider and the languages it is asked for.
pub(crate) enum Describer {
    /// A model in this process.
    Onnx { captioner: Captioner, languages: Vec<String> },
}

impl Describer {
    /// Pixels of the short side that a picture is needed with.
    pub(crate) fn side(&self) -> u32 {
        match self {
            Self::Onnx { captioner, .. } => captioner.side(),
        }
    }

    /// A picture as the provider takes it. CPU only.
    pub(crate) fn prepare(&self, picture: &Picture) -> Result<Seen, PictureError> {
        match self {
            Self::Onnx { captioner, .. } => Ok(Seen::Pixels(captioner.prepare(picture))),
        }
    }

    /// What is on these pictures, in their order. Blocks until all is said.
    ///
    /// # Errors
    /// The batch failed, by one of its pictures or by the provider.
    pub(crate) fn describe(&self, batch: &[&Seen]) -> Result<Vec<Described>, Failure> {
        match self {
            Self::Onnx { captioner, languages } => by_model(captioner, languages, batch),
        }
    }
}

fn by_model(captioner: &Captioner, languages: &[String], batch: &[&Seen]) -> Result<Vec<Described>, Failure> {
    let pixels: Vec<_> = batch.iter().map(|Seen::Pixels(pixels)| pixels).collect();
    let mut described = vec![Described::default(); batch.len()];
    for language in languages {
        let captions = captioner.caption(&pixels, language).map_err(model_failure)?;
        metrics::gauge!("bucketlens_model_batch", "model" => captioner.model().to_owned()).set(captioner.batch() as f64);
        for (described, caption) in described.iter_mut().zip(captions) {
            if !says_anything(&caption.text) {
                let reason = format!("the captioner {} wrote no word in '{language}'", captioner.model());
                return Err(Failure::retry("empty_caption", reason));
            }
            let end = if caption.ended { "end" } else { "cut" };
            metrics::counter!("bucketlens_captions_total", "language" => language.clone(), "end" => end).increment(1);
            described.captions.push((language.clone(), caption.text));
        }
    }
    Ok(described)
}

/// Whether there is a letter or a digit in it, of any script.
fn says_anything(caption: &str) -> bool {
    caption.chars().any(char::is_alphanumeric)
}

/// A model that cannot be run halts the process; any other failure may be one picture's.
pub(crate) fn model_failure(error: ModelError) -> Failure {
    if error.is_fatal() { Failure::halt("model_unavailable", error) } else { Failure::retry("inference_failed", error) }
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
