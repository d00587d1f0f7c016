//! One example of a JSON body.

use serde::Deserialize;
use table::filter::bounded::{optional_list, optional_text};
use utoipa::ToSchema;

use super::example::{Example, MAX_ID_BYTES, MAX_TEXT_BYTES, MAX_VECTOR_VALUES};
use super::image_text::ImageText;
use crate::linked::MAX_URL_BYTES;
use crate::problem::Problem;

fn one() -> f32 {
    1.0
}

/// An example in a JSON body: exactly one of `text`, `image` (base64), `image_url`, `image_id` and
/// `vector`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExampleBody {
    /// Words.
    #[serde(default, deserialize_with = "optional_text::<_, MAX_TEXT_BYTES>")]
    #[schema(max_length = 1000)]
    pub(super) text: Option<String>,
    /// The bytes of a picture, in base64.
    #[schema(value_type = Option<String>)]
    pub(super) image: Option<ImageText>,
    /// The address of a picture. It is fetched if the settings allow it.
    #[serde(default, deserialize_with = "optional_text::<_, MAX_URL_BYTES>")]
    #[schema(max_length = 2048, format = "uri")]
    pub(super) image_url: Option<String>,
    /// Id of an indexed picture.
    #[serde(default, deserialize_with = "optional_text::<_, MAX_ID_BYTES>")]
    #[schema(pattern = "^[0-9a-f]{32}$")]
    pub(super) image_id: Option<String>,
    /// A vector of the model's own space.
    #[serde(default, deserialize_with = "optional_list::<_, _, MAX_VECTOR_VALUES>")]
    #[schema(max_items = 8192)]
    pub(super) vector: Option<Vec<f32>>,
    /// Weight from -10 to 10, not 0. A negative one says what hits should not be like.
    #[serde(default = "one")]
    #[schema(minimum = -10, maximum = 10, default = 1.0)]
    pub(super) weight: f32,
}

impl ExampleBody {
    pub(super) fn has_image(&self) -> bool {
        self.image.is_some()
    }

    /// All examples that it holds.
    ///
    /// # Errors
    /// An address is none.
    pub(super) fn examples(self) -> Result<Vec<(Example, f32)>, Problem> {
        let mut examples = Vec::new();
        examples.extend(self.text.map(Example::Text));
        examples.extend(self.image.map(|image| Example::Image(image.0)));
        if let Some(text) = self.image_url {
            examples.push(Example::image_url(&text)?);
        }
        examples.extend(self.image_id.map(Example::ImageId));
        examples.extend(self.vector.map(Example::Vector));
        Ok(examples.into_iter().map(|example| (example, self.weight)).collect())
    }

    /// The only example that it holds.
    ///
    /// # Errors
    /// It holds none or several, or an address is none.
    pub(super) fn single(self) -> Result<(Example, f32), Problem> {
        let mut examples = self.examples()?;
        match (examples.pop(), examples.pop()) {
            (Some(example), None) => Ok(example),
            _ => Err(Problem::field(
                "examples",
                "need exactly one of text, image, image_url, image_id and vector each",
            )),
        }
    }
}
