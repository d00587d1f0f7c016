//! A search, read and checked.

use table::filter::{Filter, MAX_VALUE_BYTES};
use table::keyword::normalised;

use super::example::{Example, MAX_EXAMPLES};
use super::negative;
use super::options::{Collapse, Cutoff, RequiredModel, Sort};
use super::weights::{Fusion, Weights};
use crate::problem::Problem;
use crate::seal::MAX_SEALED_BYTES;

const MAX_TOP_K: usize = 1000;
// Every page is searched anew, so a deep one costs as much as all pages before it together.
const MAX_OFFSET: usize = 10_000;
// Every excluded word is a run of the model.
const MAX_EXCLUDED: usize = 8;
const MAX_WEIGHT: f32 = 10.0;

/// A search, checked.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct SearchQuery {
    /// What hits should be like, each with its weight. A negative weight: what they should not be
    /// like.
    pub(crate) examples: Vec<(Example, f32)>,
    /// The words of all texts with a weight above 0, without the excluded ones.
    pub(crate) words: Option<String>,
    /// Words with a minus before them: no hit may contain them.
    pub(crate) excluded: Vec<String>,
    pub(crate) top_k: usize,
    pub(crate) offset: usize,
    /// `next_cursor` of the page before; not opened yet.
    pub(crate) cursor: Option<String>,
    /// Minimum cosine similarity of pictures, from -1 to 1. A hit whose picture has no vector does
    /// not pass.
    pub(crate) min_score: Option<f32>,
    pub(crate) filter: Filter,
    pub(crate) collapse: Collapse,
    pub(crate) weights: Option<Weights>,
    pub(crate) fusion: Fusion,
    pub(crate) cutoff: Cutoff,
    pub(crate) sort: Sort,
    pub(crate) required: RequiredModel,
    /// Digest of everything above that decides the order of hits.
    pub(crate) digest: String,
}

impl SearchQuery {
    /// Checks all fields. `expected` is the field to name if there is no example.
    ///
    /// # Errors
    /// A field is wrong.
    pub(super) fn checked(mut self, expected: &str) -> Result<Self, Problem> {
        self.check_examples(expected)?;
        self.take_words(expected)?;
        self.check_page()?;
        if let Some(weights) = &self.weights {
            weights
                .check(f64::from(MAX_WEIGHT))
                .map_err(|(field, detail)| Problem::field(format!("weights{field}"), detail))?;
        }
        self.check_filter()?;
        Ok(self)
    }

    fn check_examples(&self, expected: &str) -> Result<(), Problem> {
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
            example.check(expected)?;
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
        Ok(())
    }

    /// Collects the words of the texts, and takes the excluded ones out of them.
    fn take_words(&mut self, expected: &str) -> Result<(), Problem> {
        let mut words = Vec::new();
        for (example, weight) in &mut self.examples {
            if let Example::Text(text) = example
                && *weight > 0.0
            {
                let (wanted, excluded) = negative::split(text);
                if wanted.is_empty() {
                    return Err(Problem::field(expected, "says only what is not wanted"));
                }
                self.excluded.extend(excluded);
                words.push(wanted.clone());
                *text = wanted;
            }
        }
        self.excluded.sort_unstable();
        self.excluded.dedup();
        if self.excluded.len() > MAX_EXCLUDED {
            return Err(Problem::field(
                expected,
                format!("has more than {MAX_EXCLUDED} words with a minus"),
            ));
        }
        self.words = (!words.is_empty()).then(|| words.join(" "));
        Ok(())
    }

    fn check_page(&self) -> Result<(), Problem> {
        if !(1..=MAX_TOP_K).contains(&self.top_k) {
            return Err(Problem::field("top_k", format!("must be from 1 to {MAX_TOP_K}")));
        }
        if self.offset > MAX_OFFSET {
            let detail = format!("must be at most {MAX_OFFSET}; use the cursor to go further");
            return Err(Problem::field("offset", detail));
        }
        if self.cursor.as_ref().is_some_and(|cursor| cursor.len() > MAX_SEALED_BYTES) {
            let detail = format!("is longer than {MAX_SEALED_BYTES} bytes");
            return Err(Problem::field("cursor", detail));
        }
        if self.offset > 0 && self.cursor.is_some() {
            let detail = "cannot be used together with a cursor, which knows its place";
            return Err(Problem::field("offset", detail));
        }
        if self.min_score.is_some_and(|score| !(-1.0..=1.0).contains(&score)) {
            let detail = "is a cosine similarity: it must be from -1 to 1";
            return Err(Problem::field("min_score", detail));
        }
        Ok(())
    }

    /// Checks the filter, and puts its keywords into the form that tables hold.
    fn check_filter(&mut self) -> Result<(), Problem> {
        let too_long = |prefix: &String| prefix.len() > MAX_VALUE_BYTES;
        if self.filter.prefix.iter().any(too_long) {
            let detail = format!("is longer than a key can be ({MAX_VALUE_BYTES} bytes)");
            return Err(Problem::field("prefix", detail));
        }
        if !self.filter.place.iter().all(|place| place.is_valid()) {
            let detail = "needs -90 <= south <= north <= 90, and west and east from -180 to 180";
            return Err(Problem::field("filter.place", detail));
        }
        for keyword in self.filter.keywords.iter_mut() {
            *keyword = normalised(keyword);
            if keyword.is_empty() {
                return Err(Problem::field("filter.keywords", "hold an empty keyword"));
            }
        }
        Ok(())
    }
}
