//! `POST /v1/search` with a JSON body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use table::filter::Filter;
use utoipa::ToSchema;

use super::digest::digest;
use super::example::Example;
use super::options::{Collapse, Cutoff, RequiredModel, Sort};
use super::search_query::SearchQuery;
use super::weights::{Fusion, Weights};
use crate::problem::{Problem, read_json};
use crate::ranking::cursor::Cursor;

/// Hits of a page, if the request does not say.
pub(super) fn default_top_k() -> usize {
    10
}

fn one() -> f32 {
    1.0
}

/// An example in a JSON body: exactly one of `text`, `image` (base64), `image_url`, `image_id` and
/// `vector`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExampleBody {
    /// Words.
    #[schema(max_length = 1000)]
    text: Option<String>,
    /// The bytes of a picture, in base64.
    image: Option<String>,
    /// The address of a picture. It is fetched if the settings allow it.
    #[schema(max_length = 2048, format = "uri")]
    image_url: Option<String>,
    /// Id of an indexed picture.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    image_id: Option<String>,
    /// A vector of the model's own space.
    vector: Option<Vec<f32>>,
    /// Weight from -10 to 10, not 0. A negative one says what hits should not be like.
    #[serde(default = "one")]
    #[schema(minimum = -10, maximum = 10, default = 1.0)]
    weight: f32,
}

/// JSON of `POST /v1/search`: any of `text`, `image` (base64), `image_url`, `image_id` and
/// `vector`, or `examples` with weights.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchBody {
    /// Words. A hit must not contain those with a minus before them.
    #[schema(max_length = 1000, example = "a red car on the beach -night")]
    pub(super) text: Option<String>,
    /// The bytes of a picture, in base64.
    pub(super) image: Option<String>,
    /// The address of a picture. It is fetched if the settings allow it.
    #[schema(max_length = 2048, format = "uri")]
    pub(super) image_url: Option<String>,
    /// Id of an indexed picture.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    pub(super) image_id: Option<String>,
    /// A vector of the model's own space.
    pub(super) vector: Option<Vec<f32>>,
    /// Further examples, each with its weight.
    #[serde(default)]
    #[schema(max_items = 8)]
    pub(super) examples: Vec<ExampleBody>,
    /// The model that must answer; if another one does, the search is refused.
    pub(super) model: Option<String>,
    /// The space that must answer; if the model has another one, the search is refused.
    pub(super) space: Option<String>,
    /// Hits of a page.
    #[serde(default = "default_top_k")]
    #[schema(minimum = 1, maximum = 1000, default = 10)]
    pub(super) top_k: usize,
    /// Hits to skip.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 10000, default = 0)]
    pub(super) offset: usize,
    /// `next_cursor` of the page before.
    pub(super) cursor: Option<String>,
    /// Minimum cosine similarity of pictures.
    #[schema(minimum = -1, maximum = 1)]
    pub(super) min_score: Option<f32>,
    #[serde(default)]
    pub(super) filter: Filter,
    #[serde(default)]
    pub(super) collapse: Collapse,
    pub(super) weights: Option<Weights>,
    #[serde(default)]
    pub(super) fusion: Fusion,
    #[serde(default)]
    pub(super) cutoff: Cutoff,
    #[serde(default)]
    pub(super) sort: Sort,
}

impl ExampleBody {
    fn examples(self) -> Result<Vec<(Example, f32)>, Problem> {
        let mut examples = Vec::new();
        examples.extend(self.text.map(Example::Text));
        if let Some(text) = self.image {
            let bytes = STANDARD
                .decode(text.trim())
                .map_err(|error| Problem::field("image", format!("is not base64: {error}")))?;
            examples.push(Example::Image(bytes.into()));
        }
        if let Some(text) = self.image_url {
            examples.push(Example::image_url(&text)?);
        }
        examples.extend(self.image_id.map(Example::ImageId));
        examples.extend(self.vector.map(Example::Vector));
        Ok(examples.into_iter().map(|example| (example, self.weight)).collect())
    }

    fn single(self) -> Result<(Example, f32), Problem> {
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

impl SearchBody {
    /// The checked search, with `examples` before those of the body. `expected` is the field to
    /// name if there is no example at all.
    ///
    /// # Errors
    /// A field is wrong.
    pub(super) fn into_query(
        self,
        mut examples: Vec<(Example, f32)>,
        expected: &str,
    ) -> Result<SearchQuery, Problem> {
        let SearchBody { text, image, image_url, image_id, vector, .. } = self;
        let own = ExampleBody { text, image, image_url, image_id, vector, weight: 1.0 };
        examples.extend(own.examples()?);
        for example in self.examples {
            examples.push(example.single()?);
        }
        let query = SearchQuery {
            examples,
            top_k: self.top_k,
            offset: self.offset,
            cursor: self.cursor.as_deref().map(Cursor::read).transpose()?,
            min_score: self.min_score,
            filter: self.filter,
            collapse: self.collapse,
            weights: self.weights,
            fusion: self.fusion,
            cutoff: self.cutoff,
            sort: self.sort,
            required: RequiredModel { model: self.model, space: self.space },
            ..SearchQuery::default()
        };
        let digest = digest(&query);
        SearchQuery { digest, ..query }.checked(expected)
    }
}

impl SearchQuery {
    /// Reads a JSON body.
    ///
    /// # Errors
    /// It is no JSON, or a field is wrong.
    pub(crate) fn from_json(bytes: &[u8]) -> Result<Self, Problem> {
        read_json::<SearchBody>(bytes, "")?.into_query(Vec::new(), "text")
    }
}
