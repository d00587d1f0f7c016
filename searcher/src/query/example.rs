//! What hits should be like.

use axum::body::Bytes;
use url::Url;

use crate::linked::MAX_URL_BYTES;
use crate::problem::Problem;

// Every example is a run of the model.
pub(super) const MAX_EXAMPLES: usize = 8;
const MAX_TEXT_CHARACTERS: usize = 1000;
/// Most bytes of a text.
pub(super) const MAX_TEXT_BYTES: usize = 4 * MAX_TEXT_CHARACTERS;
/// Most bytes that are read of an id, which is shorter.
pub(super) const MAX_ID_BYTES: usize = 64;
/// Most values that are read of a vector; no model's space has more dimensions.
pub(super) const MAX_VECTOR_VALUES: usize = 8192;

/// What hits should be like.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Example {
    /// Words.
    Text(String),
    /// A picture, as the bytes of its file.
    Image(Bytes),
    /// A picture of another site.
    ImageUrl(Url),
    /// An indexed picture.
    ImageId(String),
    /// A vector of the model's own space.
    Vector(Vec<f32>),
}

impl Example {
    /// An example by the address of its picture. Nothing is fetched here.
    ///
    /// # Errors
    /// The text is no address.
    pub(super) fn image_url(text: &str) -> Result<Self, Problem> {
        if text.len() > MAX_URL_BYTES {
            let detail = format!("is longer than {MAX_URL_BYTES} bytes");
            return Err(Problem::field("image_url", detail));
        }
        let url = Url::parse(text.trim()).map_err(|error| Problem::field("image_url", error))?;
        Ok(Self::ImageUrl(url))
    }

    /// Whether it is words.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Checks the example. `text_field` is the field that texts came in.
    ///
    /// # Errors
    /// Text that is empty or too long, an empty picture, no id, or a vector without a direction.
    pub(super) fn check(&self, text_field: &str) -> Result<(), Problem> {
        match self {
            Self::Text(words) if words.trim().is_empty() => {
                Err(Problem::field(text_field, "is empty: say what to look for"))
            }
            Self::Text(words) if words.chars().count() > MAX_TEXT_CHARACTERS => {
                Err(Problem::field(
                    text_field,
                    format!("has more than {MAX_TEXT_CHARACTERS} characters"),
                ))
            }
            Self::Image(bytes) if bytes.is_empty() => Err(Problem::field("image", "is empty")),
            Self::ImageId(id) if id.parse::<pipeline::ImageId>().is_err() => Err(Problem::field(
                "image_id",
                "is not an id: 32 lower-case hex digits are expected",
            )),
            Self::Vector(values)
                if !values.iter().all(|x| x.is_finite()) || values.iter().all(|x| *x == 0.0) =>
            {
                Err(Problem::field("vector", "must hold finite numbers that are not all zero"))
            }
            _ => Ok(()),
        }
    }
}
