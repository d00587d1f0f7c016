//! `POST /v1/search` with a JSON body. Whatever it holds is bounded while it is read: only pictures
//! may make it large.

use axum::http::StatusCode;
use serde::Deserialize;
use table::filter::Filter;
use table::filter::bounded::{list, optional_list, optional_text};
use utoipa::ToSchema;

use super::digest::digest;
use super::example::{Example, MAX_EXAMPLES, MAX_ID_BYTES, MAX_TEXT_BYTES, MAX_VECTOR_VALUES};
use super::example_body::ExampleBody;
use super::image_text::ImageText;
use super::options::{Collapse, Cutoff, MAX_NAME_BYTES, RequiredModel, Sort};
use super::search_query::SearchQuery;
use super::weights::{Fusion, Weights};
use crate::linked::MAX_URL_BYTES;
use crate::problem::{Problem, read_json};
use crate::seal::MAX_SEALED_BYTES;

/// Most bytes of a JSON body without pictures.
const MAX_JSON_BYTES: usize = 256 << 10;

/// Hits of a page, if the request does not say.
pub(super) fn default_top_k() -> usize {
    10
}

/// JSON of `POST /v1/search`: any of `text`, `image` (base64), `image_url`, `image_id` and
/// `vector`, or `examples` with weights. Without an `image` at most 256 KiB.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchBody {
    /// Words. A hit must not contain those with a minus before them.
    #[serde(default, deserialize_with = "optional_text::<_, MAX_TEXT_BYTES>")]
    #[schema(max_length = 1000, example = "a red car on the beach -night")]
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
    /// Further examples, each with its weight.
    #[serde(default, deserialize_with = "list::<_, _, MAX_EXAMPLES>")]
    #[schema(max_items = 8)]
    pub(super) examples: Vec<ExampleBody>,
    /// The model that must answer; if another one does, the search is refused.
    #[serde(default, deserialize_with = "optional_text::<_, MAX_NAME_BYTES>")]
    #[schema(max_length = 256)]
    pub(super) model: Option<String>,
    /// The space that must answer; if the model has another one, the search is refused.
    #[serde(default, deserialize_with = "optional_text::<_, MAX_NAME_BYTES>")]
    #[schema(max_length = 256)]
    pub(super) space: Option<String>,
    /// Hits of a page.
    #[serde(default = "default_top_k")]
    #[schema(minimum = 1, maximum = 1000, default = 10)]
    pub(super) top_k: usize,
    /// Hits to skip.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 10000, default = 0)]
    pub(super) offset: usize,
    /// `next_cursor` of the page before, as it is.
    #[serde(default, deserialize_with = "optional_text::<_, MAX_SEALED_BYTES>")]
    #[schema(max_length = 2048)]
    pub(super) cursor: Option<String>,
    /// Minimum cosine similarity of pictures, whatever signals answer. A hit whose picture has no
    /// vector does not pass.
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

impl SearchBody {
    fn has_image(&self) -> bool {
        self.image.is_some() || self.examples.iter().any(ExampleBody::has_image)
    }

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
            cursor: self.cursor,
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
    /// Reads a JSON body. Needs no more memory than the body and what its fields may hold.
    ///
    /// # Errors
    /// It is no JSON, a field is wrong, or it is too large for one without a picture.
    pub(crate) fn from_json(bytes: &[u8]) -> Result<Self, Problem> {
        let body: SearchBody = read_json(bytes, "")?;
        if bytes.len() > MAX_JSON_BYTES && !body.has_image() {
            let detail = format!("JSON without a picture is at most {MAX_JSON_BYTES} bytes long");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
        body.into_query(Vec::new(), "text")
    }
}
