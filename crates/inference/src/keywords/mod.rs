//! Keywords: terms of a fixed vocabulary.
//!
//! A [`Tagger`] finds terms by a picture's vector, and needs no model of its own: it takes the
//! terms that the picture resembles more than other pictures do. [`terms_in`] finds terms in a
//! sentence.

mod baseline;
mod named;
mod vocabulary;

use std::collections::HashMap;
use std::sync::Arc;

pub use named::terms_in;
pub use vocabulary::{Term, term};

use crate::{Embedding, ModelError, TextEncoder};
use baseline::Baseline;
use vocabulary::GroupedTerm;

/// The default threshold: the least [`Tag::score`].
///
/// Assume normally distributed scores and 1,000 terms that have nothing to do with a picture. Then
/// 23 terms pass 2.0 by chance, one or two pass 3.0, and one passes 3.5 in every fourth picture.
pub const THRESHOLD: f32 = 3.5;

/// A term that a picture shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tag {
    /// In English.
    pub en: &'static str,
    /// In Chinese.
    pub zh: &'static str,
    /// The group of the term, as `animal`, `colour` or `weather`.
    pub group: &'static str,
    /// How far the picture stands out from others, in spreads of the term's baseline.
    pub score: f32,
}

/// Finds the terms for which a picture's vector stands out. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tagger {
    terms: Arc<[TermVector]>,
    /// One per term. `None` where there are too few pictures.
    baselines: Arc<[Option<Baseline>]>,
    threshold: f32,
}

/// A term with its vector.
#[derive(Debug, Clone)]
struct TermVector {
    term: GroupedTerm,
    vector: Embedding,
}

/// The English sentences of all terms. Nearly all of them have nothing to do with a given picture.
pub fn prompts() -> Vec<String> {
    vocabulary::grouped_terms().iter().map(GroupedTerm::english).collect()
}

impl Tagger {
    /// Encodes the whole vocabulary, which takes as long as about two thousand searches.
    ///
    /// `languages` are the languages that the text tower understands, of `en` and `zh`. Others are
    /// ignored; none means `en`. A language that the tower does not understand makes every term
    /// worse.
    ///
    /// `background` are vectors of the bucket's own pictures in the encoder's space. They give the
    /// baseline of every term. About 500 are enough; with fewer than 50 there are no tags
    /// ([`is_ready`](Self::is_ready)). Vectors of another length are ignored.
    ///
    /// # Errors
    /// Those of [`TextEncoder::encode`].
    pub fn new(
        encoder: &TextEncoder,
        languages: &[String],
        background: &[Vec<f32>],
    ) -> Result<Tagger, ModelError> {
        let asked = |language: &str| {
            languages.iter().any(|asked| asked.split('-').next() == Some(language))
        };
        let terms = vocabulary::grouped_terms();
        let mut sentences: Vec<Vec<String>> = Vec::new();
        if asked("en") || !asked("zh") {
            sentences.push(terms.iter().map(GroupedTerm::english).collect());
        }
        if asked("zh") {
            sentences.push(terms.iter().map(GroupedTerm::chinese).collect());
        }
        let vectors =
            sentences.iter().map(|texts| encoder.encode(texts)).collect::<Result<Vec<_>, _>>()?;
        let meanings = (0..terms.len())
            .map(|place| mean_direction(vectors.iter().filter_map(|vectors| vectors.get(place))));
        Ok(Tagger::of(meanings, background))
    }

    /// A tagger with these vectors for the terms of the vocabulary. A term without one is left out.
    fn of(meanings: impl Iterator<Item = Option<Embedding>>, background: &[Vec<f32>]) -> Tagger {
        let with_vector = |(term, vector): (&GroupedTerm, Option<Embedding>)| {
            Some(TermVector { term: *term, vector: vector? })
        };
        let terms =
            vocabulary::grouped_terms().iter().zip(meanings).filter_map(with_vector).collect();
        Tagger { terms, baselines: Arc::new([]), threshold: THRESHOLD }.with_background(background)
    }

    /// The same terms with baselines from other pictures. Encodes nothing again.
    pub fn with_background(&self, background: &[Vec<f32>]) -> Tagger {
        let baselines = self.terms.iter().map(|TermVector { vector, .. }| {
            let fitting =
                background.iter().filter(|picture| picture.len() == vector.as_slice().len());
            let mut scores: Vec<f32> =
                fitting.map(|picture| dot(vector.as_slice(), picture)).collect();
            Baseline::of(&mut scores)
        });
        Tagger { baselines: baselines.collect(), ..self.clone() }
    }

    /// Replaces the [`THRESHOLD`].
    pub fn with_threshold(self, threshold: f32) -> Tagger {
        Tagger { threshold, ..self }
    }

    /// Keeps only these terms of the vocabulary, for a model or a bucket that knows few things.
    pub fn only(self, wanted: &[Term]) -> Tagger {
        let kept = self
            .terms
            .iter()
            .zip(self.baselines.iter())
            .filter(|(entry, _)| wanted.contains(&entry.term.term));
        let (terms, baselines): (Vec<_>, Vec<_>) =
            kept.map(|(entry, baseline)| (entry.clone(), *baseline)).unzip();
        Tagger { terms: terms.into(), baselines: baselines.into(), threshold: self.threshold }
    }

    /// Whether there are baselines. Without them there are no tags.
    pub fn is_ready(&self) -> bool {
        self.baselines.iter().any(Option::is_some)
    }

    /// The terms for which a picture stands out, the best first: at most `most`, and of each group
    /// at most as many as the vocabulary allows.
    pub fn tags(&self, picture: &Embedding, most: usize) -> Vec<Tag> {
        let scored = self.terms.iter().zip(self.baselines.iter()).filter_map(
            |(TermVector { term, vector }, baseline)| {
                let score = (*baseline)?.score(vector.cosine(picture));
                (score >= self.threshold).then_some((term, score))
            },
        );
        let mut scored: Vec<(&GroupedTerm, f32)> = scored.collect();
        scored.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let mut of_group: HashMap<&str, usize> = HashMap::new();
        let allowed = scored.into_iter().filter(|(GroupedTerm { group, .. }, _)| {
            let count = of_group.entry(&group.name).or_default();
            *count += 1;
            *count <= group.most
        });
        let tag = |(GroupedTerm { term, group }, score): (&GroupedTerm, f32)| Tag {
            en: term.en,
            zh: term.zh,
            group: &group.name,
            score,
        };
        allowed.take(most).map(tag).collect()
    }
}

/// The direction of the mean of vectors.
fn mean_direction<'a>(vectors: impl Iterator<Item = &'a Embedding>) -> Option<Embedding> {
    let mut sum: Vec<f32> = Vec::new();
    for vector in vectors {
        sum.resize(vector.as_slice().len(), 0.0);
        sum.iter_mut().zip(vector.as_slice()).for_each(|(sum, value)| *sum += value);
    }
    Embedding::normalise(sum)
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests;
