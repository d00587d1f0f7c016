//! Keywords without a model of their own: the terms of a vocabulary that a picture resembles more
//! than pictures usually do, and those that a sentence names.

mod named;
mod usual;
mod vocabulary;

use std::collections::HashMap;
use std::sync::Arc;

pub use named::terms_in;
pub use vocabulary::{Term, term};

use crate::{Embedding, ModelError, TextEncoder};
use usual::Usual;
use vocabulary::Entry;

/// How far a picture must stand out for a tag, where nothing else is asked for.
///
/// Among 1,000 terms that a picture has nothing to do with, and scores spread normally, 23 pass 2.0
/// by chance, one or two pass 3.0, and one passes 3.5 in every fourth picture.
pub const THRESHOLD: f32 = 3.5;

/// A term that a picture shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tag {
    /// In English.
    pub en: &'static str,
    /// In Chinese.
    pub zh: &'static str,
    /// The kind of thing it is: `animal`, `colour`, `weather`.
    pub group: &'static str,
    /// How far the picture stands out, in spreads of what is usual for this term.
    pub score: f32,
}

/// Finds the terms that a picture's vector stands out for. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tagger {
    terms: Arc<[Described]>,
    /// One per term; `None` where nothing is known.
    usual: Arc<[Option<Usual>]>,
    threshold: f32,
}

/// A term with its meaning.
#[derive(Debug, Clone)]
struct Described {
    entry: Entry,
    vector: Embedding,
}

/// The English sentences of all terms: words that have nothing to do with most pictures.
pub fn prompts() -> Vec<String> {
    vocabulary::entries().iter().map(Entry::english).collect()
}

impl Tagger {
    /// Encodes the whole vocabulary, which takes as long as some two thousand searches, and learns
    /// from `background`, vectors of the bucket's own pictures in the encoder's space, what is
    /// usual. About 500 are enough; with fewer than 50 there are no tags
    /// ([`is_ready`](Self::is_ready)). Vectors of another length are left out.
    ///
    /// `languages`: those that the text tower understands, of `en` and `zh`; others are ignored,
    /// none means `en`. A language that it does not understand makes every term worse.
    ///
    /// # Errors
    /// As [`TextEncoder::encode`].
    pub fn new(
        encoder: &TextEncoder,
        languages: &[String],
        background: &[Vec<f32>],
    ) -> Result<Tagger, ModelError> {
        let asked = |language: &str| {
            languages.iter().any(|asked| asked.split('-').next() == Some(language))
        };
        let entries = vocabulary::entries();
        let mut sentences: Vec<Vec<String>> = Vec::new();
        if asked("en") || !asked("zh") {
            sentences.push(entries.iter().map(Entry::english).collect());
        }
        if asked("zh") {
            sentences.push(entries.iter().map(Entry::chinese).collect());
        }
        let vectors =
            sentences.iter().map(|texts| encoder.encode(texts)).collect::<Result<Vec<_>, _>>()?;
        let meanings = (0..entries.len())
            .map(|place| middle(vectors.iter().filter_map(|vectors| vectors.get(place))));
        Ok(Tagger::of(meanings, background))
    }

    /// The terms of the vocabulary have these meanings; one without has no say.
    fn of(meanings: impl Iterator<Item = Option<Embedding>>, background: &[Vec<f32>]) -> Tagger {
        let described = |(entry, vector): (&Entry, Option<Embedding>)| {
            Some(Described { entry: *entry, vector: vector? })
        };
        let terms = vocabulary::entries().iter().zip(meanings).filter_map(described).collect();
        Tagger { terms, usual: Arc::new([]), threshold: THRESHOLD }.with_background(background)
    }

    /// The same terms against other pictures. Encodes nothing again.
    pub fn with_background(&self, background: &[Vec<f32>]) -> Tagger {
        let usual = self.terms.iter().map(|Described { vector, .. }| {
            let fitting =
                background.iter().filter(|picture| picture.len() == vector.as_slice().len());
            let mut scores: Vec<f32> =
                fitting.map(|picture| dot(vector.as_slice(), picture)).collect();
            Usual::of(&mut scores)
        });
        Tagger { usual: usual.collect(), ..self.clone() }
    }

    /// Another [`THRESHOLD`].
    pub fn with_threshold(self, threshold: f32) -> Tagger {
        Tagger { threshold, ..self }
    }

    /// Only these terms of the vocabulary: for a model, or a bucket, that knows few things.
    pub fn only(self, wanted: &[Term]) -> Tagger {
        let kept = self
            .terms
            .iter()
            .zip(self.usual.iter())
            .filter(|(described, _)| wanted.contains(&described.entry.term));
        let (terms, usual): (Vec<_>, Vec<_>) =
            kept.map(|(described, usual)| (described.clone(), *usual)).unzip();
        Tagger { terms: terms.into(), usual: usual.into(), threshold: self.threshold }
    }

    /// Whether it knows what is usual. If not, it gives no tags.
    pub fn is_ready(&self) -> bool {
        self.usual.iter().any(Option::is_some)
    }

    /// The terms that a picture stands out for, at most `most`, the best first; of every group at
    /// most as many as the vocabulary says.
    pub fn tags(&self, picture: &Embedding, most: usize) -> Vec<Tag> {
        let scored = self.terms.iter().zip(self.usual.iter()).filter_map(
            |(Described { entry, vector }, usual)| {
                let score = (*usual)?.score(vector.cosine(picture));
                (score >= self.threshold).then_some((entry, score))
            },
        );
        let mut scored: Vec<(&Entry, f32)> = scored.collect();
        scored.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let mut of_group: HashMap<&str, usize> = HashMap::new();
        let allowed = scored.into_iter().filter(|(Entry { group, .. }, _)| {
            let count = of_group.entry(&group.name).or_default();
            *count += 1;
            *count <= group.most
        });
        let tag = |(Entry { term, group }, score): (&Entry, f32)| Tag {
            en: term.en,
            zh: term.zh,
            group: &group.name,
            score,
        };
        allowed.take(most).map(tag).collect()
    }
}

/// The direction between some vectors.
fn middle<'a>(vectors: impl Iterator<Item = &'a Embedding>) -> Option<Embedding> {
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
