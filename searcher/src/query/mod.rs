//! What can be asked. Whatever is wrong names its field.

mod negative;
mod read;

use axum::body::Bytes;
use serde::Deserialize;
use table::filter::Filter;
use table::schema::Space;
use url::Url;
use utoipa::ToSchema;

pub(crate) use read::{Body, Form, Words};

use crate::problem::Problem;
use crate::ranking::cursor::Cursor;
use crate::ranking::fusion::{Fusion, Weights};

const MAX_TOP_K: usize = 1000;
// Every page is found anew, so a deep one costs as much as all before it together.
const MAX_OFFSET: usize = 10_000;
const MAX_TEXT_CHARACTERS: usize = 1000;
const MAX_LIST: usize = 100;
// Each is a run of the model, and so is each word with a minus.
pub(crate) const MAX_EXAMPLES: usize = 8;
const MAX_UNWANTED: usize = 8;
const MAX_WEIGHT: f32 = 10.0;

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

/// Which hits are shown as one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Collapse {
    /// Every object is a hit.
    #[default]
    None,
    /// Objects with the same bytes are one hit.
    Duplicates,
}

/// Where hits end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cutoff {
    /// Where there are no more.
    #[default]
    None,
    /// Where nothing speaks for them any more.
    Auto,
}

/// In which order hits come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sort {
    /// The best first.
    #[default]
    Relevance,
    /// The latest picture first; those that do not say when they were taken last.
    TakenAt,
}

/// Which model the one who asks has in mind; an answer of another one is none.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Of {
    pub(crate) model: Option<String>,
    pub(crate) space: Option<String>,
}

impl Of {
    /// Whether a certain one is meant.
    pub(crate) fn is_said(&self) -> bool {
        *self != Self::default()
    }

    /// Refuses a question that is meant for another model.
    pub(crate) fn check(&self, answering: &Space) -> Result<(), Problem> {
        for (field, meant, ours) in
            [("model", &self.model, &answering.model), ("space", &self.space, &answering.space)]
        {
            if meant.as_ref().is_some_and(|meant| meant != ours) {
                return Err(Problem::field(field, format!("is another one's: '{ours}' answers")));
            }
        }
        Ok(())
    }
}

/// A search, checked.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Query {
    /// What hits should be like, each with its weight; a negative one says what they should not be
    /// like.
    pub(crate) examples: Vec<(Example, f32)>,
    /// The words of all texts with a weight above 0, without those of `unwanted`.
    pub(crate) words: Option<String>,
    /// Words with a minus before them: no hit may say them.
    pub(crate) unwanted: Vec<String>,
    pub(crate) top_k: usize,
    pub(crate) offset: usize,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) min_score: Option<f32>,
    pub(crate) filter: Filter,
    pub(crate) collapse: Collapse,
    pub(crate) weights: Option<Weights>,
    pub(crate) fusion: Fusion,
    pub(crate) cutoff: Cutoff,
    pub(crate) sort: Sort,
    pub(crate) of: Of,
    /// Names everything above that has a say in the order of hits.
    pub(crate) digest: String,
}

impl Query {
    /// The query if it makes sense. `expected` is the field to name where there is no example.
    fn checked(mut self, expected: &str) -> Result<Self, Problem> {
        if self.examples.is_empty() {
            return Err(Problem::field(
                expected,
                "at least one of text, image, image_url, image_id, vector and examples is needed",
            ));
        }
        if self.examples.len() > MAX_EXAMPLES {
            return Err(Problem::field("examples", format!("are more than {MAX_EXAMPLES}")));
        }
        for (example, weight) in &self.examples {
            check_example(example, expected)?;
            if !(-MAX_WEIGHT..=MAX_WEIGHT).contains(weight) || *weight == 0.0 {
                return Err(Problem::field(
                    "examples",
                    format!("have weights from -{MAX_WEIGHT} to {MAX_WEIGHT}, and not 0"),
                ));
            }
        }
        if self.examples.iter().all(|(_, weight)| *weight < 0.0) {
            return Err(Problem::field("examples", "say only what is not wanted"));
        }
        self.read_words(expected)?;
        if !(1..=MAX_TOP_K).contains(&self.top_k) {
            return Err(Problem::field("top_k", format!("must be from 1 to {MAX_TOP_K}")));
        }
        if self.offset > MAX_OFFSET {
            return Err(Problem::field(
                "offset",
                format!("must be at most {MAX_OFFSET}; use the cursor to go further"),
            ));
        }
        if self.offset > 0 && self.cursor.is_some() {
            return Err(Problem::field(
                "offset",
                "cannot be used together with a cursor, which knows its place",
            ));
        }
        if self.min_score.is_some_and(|score| !(-1.0..=1.0).contains(&score)) {
            return Err(Problem::field(
                "min_score",
                "is a cosine similarity: it must be from -1 to 1",
            ));
        }
        if let Some(weights) = &self.weights {
            weights
                .check(f64::from(MAX_WEIGHT))
                .map_err(|(field, detail)| Problem::field(format!("weights{field}"), detail))?;
        }
        check_filter(&self.filter)?;
        if self.cursor.as_ref().is_some_and(|cursor| cursor.query != self.digest) {
            return Err(Problem::field(
                "cursor",
                "belongs to another search: send it with the same query",
            ));
        }
        Ok(self)
    }

    /// Takes the words out of the texts.
    fn read_words(&mut self, expected: &str) -> Result<(), Problem> {
        let mut words = Vec::new();
        for (example, weight) in &mut self.examples {
            if let Example::Text(text) = example
                && *weight > 0.0
            {
                let (wanted, unwanted) = negative::split(text);
                if wanted.is_empty() {
                    return Err(Problem::field(expected, "says only what is not wanted"));
                }
                self.unwanted.extend(unwanted);
                words.push(wanted.clone());
                *text = wanted;
            }
        }
        self.unwanted.sort_unstable();
        self.unwanted.dedup();
        if self.unwanted.len() > MAX_UNWANTED {
            return Err(Problem::field(
                expected,
                format!("has more than {MAX_UNWANTED} words with a minus"),
            ));
        }
        self.words = (!words.is_empty()).then(|| words.join(" "));
        Ok(())
    }
}

fn check_example(example: &Example, expected: &str) -> Result<(), Problem> {
    match example {
        Example::Text(words) if words.trim().is_empty() => {
            Err(Problem::field(expected, "is empty: say what to look for"))
        }
        Example::Text(words) if words.chars().count() > MAX_TEXT_CHARACTERS => {
            Err(Problem::field(expected, format!("has more than {MAX_TEXT_CHARACTERS} characters")))
        }
        Example::Image(bytes) if bytes.is_empty() => Err(Problem::field("image", "is empty")),
        Example::ImageId(id) if id.parse::<pipeline::ImageId>().is_err() => {
            Err(Problem::field("image_id", "is not an id: 32 lower-case hex digits are expected"))
        }
        Example::Vector(values)
            if !values.iter().all(|x| x.is_finite()) || values.iter().all(|x| *x == 0.0) =>
        {
            Err(Problem::field("vector", "must hold finite numbers that are not all zero"))
        }
        _ => Ok(()),
    }
}

fn check_filter(filter: &Filter) -> Result<(), Problem> {
    for (field, list) in
        [("filter.formats", &filter.formats), ("filter.keywords", &filter.keywords)]
    {
        if list.len() > MAX_LIST {
            return Err(Problem::field(field, format!("must have at most {MAX_LIST} entries")));
        }
    }
    if filter.prefix.as_ref().is_some_and(|prefix| prefix.len() > 1024) {
        return Err(Problem::field("prefix", "is longer than a key can be (1024 bytes)"));
    }
    if let Some(place) = filter.place {
        let latitudes =
            (-90.0..=90.0).contains(&place.south) && (place.south..=90.0).contains(&place.north);
        let longitudes =
            [place.west, place.east].iter().all(|degrees| (-180.0..=180.0).contains(degrees));
        if !latitudes || !longitudes {
            let detail = "needs -90 <= south <= north <= 90, and west and east from -180 to 180";
            return Err(Problem::field("filter.place", detail));
        }
    }
    Ok(())
}
