//! `GET /v1/search` with words in the query string.

use serde::Deserialize;
use table::filter::{Filter, Values};
use utoipa::IntoParams;

use super::body::{SearchBody, default_top_k};
use super::example::Example;
use super::options::{Collapse, Cutoff, Sort};
use super::search_query::SearchQuery;
use super::weights::Fusion;
use crate::problem::Problem;

/// Query string of `GET /v1/search`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchWords {
    /// What to look for, in English or Chinese.
    #[serde(default)]
    #[param(
        required,
        min_length = 1,
        max_length = 1000,
        example = "a red car on the beach -night"
    )]
    q: String,
    /// Hits of a page.
    #[serde(default = "default_top_k")]
    #[param(minimum = 1, maximum = 1000, default = 10)]
    top_k: usize,
    /// Hits to skip.
    #[serde(default)]
    #[param(minimum = 0, maximum = 10000, default = 0)]
    offset: usize,
    /// `next_cursor` of the page before, as it is.
    #[param(max_length = 2048)]
    cursor: Option<String>,
    /// Minimum cosine similarity of pictures, from -1 to 1, whatever signals answer. A hit whose
    /// picture has no vector does not pass.
    #[param(minimum = -1, maximum = 1)]
    min_score: Option<f32>,
    /// Prefix of the keys of hits.
    #[param(max_length = 1024)]
    prefix: Option<String>,
    #[serde(default)]
    #[param(inline)]
    collapse: Collapse,
    #[serde(default)]
    #[param(inline)]
    fusion: Fusion,
    #[serde(default)]
    #[param(inline)]
    cutoff: Cutoff,
    #[serde(default)]
    #[param(inline)]
    sort: Sort,
}

impl SearchQuery {
    /// Reads a query string.
    ///
    /// # Errors
    /// A parameter is wrong.
    pub(crate) fn from_words(words: SearchWords) -> Result<Self, Problem> {
        let SearchWords { q, prefix, .. } = words;
        let body = SearchBody {
            top_k: words.top_k,
            offset: words.offset,
            cursor: words.cursor,
            min_score: words.min_score,
            filter: Filter {
                prefix: Values::any(prefix.filter(|prefix| !prefix.is_empty())),
                ..Filter::default()
            },
            collapse: words.collapse,
            fusion: words.fusion,
            cutoff: words.cutoff,
            sort: words.sort,
            ..SearchBody::default()
        };
        body.into_query(vec![(Example::Text(q), 1.0)], "q")
    }
}
