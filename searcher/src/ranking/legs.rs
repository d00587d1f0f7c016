//! The searches of one question: by vectors of pictures, by vectors of captions, by words.

use std::sync::Arc;

use table::TableError;
use table::candidates::Candidates;
use table::captions::words::words_of;
use table::filter::Filter;

use crate::engine::{Engine, Served};
use crate::problem::Problem;
use crate::query::{Example, Query};
use crate::ranking::background::Backdrop;
use crate::ranking::calibration::Scale;
use crate::ranking::fusion::{Leg, Reading, Signal, Weights};
use crate::ranking::held::{Held, matched};

/// A filter by keywords that more pictures pass cannot be told to the table of vectors.
const MOST_WITH_KEYWORDS: usize = 20_000;

/// A question as the tables understand it.
pub(crate) struct Question {
    /// `None` where nothing could be encoded.
    pub(crate) vector: Option<Vec<f32>>,
    /// The words, as the index of words knows them and as they were written.
    pub(crate) words: Vec<(String, String)>,
    pub(crate) weights: Weights,
    /// For the table of vectors; keywords have become ids.
    image_filter: Filter,
    /// Signals to ask.
    pub(crate) signals: Vec<Signal>,
    /// What is left out against the wish of the one who asks, in sentences.
    pub(crate) degraded: Vec<String>,
}

/// What the legs found.
pub(crate) struct Found {
    pub(crate) legs: Vec<Leg>,
    pub(crate) scales: [Option<Scale>; 2],
    pub(crate) exact: bool,
    pub(crate) degraded: Vec<String>,
}

impl Question {
    /// Encodes the examples and decides which signals can answer.
    ///
    /// # Errors
    /// An example cannot be used; words that cannot be encoded are no error where they can be
    /// searched for as words.
    pub(crate) async fn of(
        engine: &Engine,
        served: &Arc<Served>,
        query: &Query,
        held: &Held,
    ) -> Result<Self, Problem> {
        let by_words = query.words.is_some();
        let weights =
            query.weights.unwrap_or(if by_words { Weights::default() } else { Weights::PICTURES });
        let words = query.words.as_deref().map(words_of).unwrap_or_default();
        let searchable = !words.is_empty() && held.captions.is_some() && weights.text > 0.0;
        let mut degraded = Vec::new();
        let vector = if weights.image > 0.0 || weights.caption_vector > 0.0 {
            match engine.vector(served, query, held.embeddings.as_ref()).await {
                Ok(vector) => Some(vector),
                Err(problem)
                    if searchable
                        && query
                            .examples
                            .iter()
                            .all(|(example, _)| matches!(example, Example::Text(_))) =>
                {
                    degraded.push(format!(
                        "only captions, keywords and keys were searched: {}",
                        problem.detail()
                    ));
                    None
                }
                Err(problem) => return Err(problem),
            }
        } else {
            None
        };
        let mut question = Self {
            vector,
            words,
            weights,
            image_filter: query.filter.clone(),
            signals: Vec::new(),
            degraded,
        };
        question.choose(query, held, searchable);
        question.tell_keywords(query, held).await?;
        Ok(question)
    }

    fn choose(&mut self, query: &Query, held: &Held, searchable: bool) {
        let Weights { image, caption_vector, .. } = self.weights;
        let asked_for = query.weights.is_some();
        if image > 0.0 && self.vector.is_some() && held.embeddings.is_some() {
            self.signals.push(Signal::Image);
        }
        if caption_vector > 0.0 && self.vector.is_some() {
            match &held.captions {
                Some(_) if held.comparable => self.signals.push(Signal::CaptionVector),
                Some(captions) => self.degraded.push(format!(
                    "captions were searched as words only: their vectors are of the space '{}'",
                    captions.space().space
                )),
                None if asked_for => {
                    self.degraded.push(String::from("there are no captions to compare with"))
                }
                None => {}
            }
        }
        if searchable {
            self.signals.push(Signal::Text);
        } else if asked_for
            && self.weights.text > 0.0
            && query.words.is_some()
            && held.captions.is_none()
        {
            self.degraded.push(String::from("there are no captions to search for words"));
        }
    }

    /// Keywords stand in the table of captions only.
    async fn tell_keywords(&mut self, query: &Query, held: &Held) -> Result<(), Problem> {
        if query.filter.keywords.is_empty() {
            return Ok(());
        }
        let ids = match &held.captions {
            Some(captions) => captions
                .ids(&query.filter, MOST_WITH_KEYWORDS)
                .await
                .map_err(crate::problem::tables)?,
            None => Some(Vec::new()),
        };
        match ids {
            Some(ids) => self.image_filter.image_ids = Some(ids),
            None => {
                self.signals.retain(|signal| *signal != Signal::Image);
                self.degraded.push(format!(
                    "pictures were not compared themselves, because more than {MOST_WITH_KEYWORDS} have these keywords: narrow \
                     the filter"
                ));
            }
        }
        Ok(())
    }

    /// Asks every signal for its best `limit`. One that fails is left out, as long as another one
    /// answers.
    ///
    /// # Errors
    /// None of them answered.
    pub(crate) async fn find(
        &self,
        engine: &Engine,
        served: &Served,
        query: &Query,
        held: &Held,
        limit: usize,
    ) -> Result<Found, Problem> {
        let (image, caption_vector, text) = tokio::join!(
            self.by_pictures(engine, served, query, held, limit),
            self.by_caption_vectors(engine, served, query, held, limit),
            self.by_words(query, held, limit),
        );
        let mut found = Found {
            legs: Vec::new(),
            scales: [None, None],
            exact: true,
            degraded: self.degraded.clone(),
        };
        let mut first_failure = None;
        let mut failed = |signal: Signal, error: TableError, found: &mut Found| {
            tracing::warn!(signal = signal.name(), %error, "a signal of a search failed");
            found.degraded.push(format!("the signal `{}` failed and was left out", signal.name()));
            first_failure.get_or_insert(error);
        };
        match image {
            Ok(Some((leg, scale, exact))) => {
                (found.scales[0], found.exact) = (scale, exact);
                found.legs.push(leg);
            }
            Ok(None) => {}
            Err(error) => failed(Signal::Image, error, &mut found),
        }
        match caption_vector {
            Ok(Some((leg, scale))) => {
                found.scales[1] = scale;
                found.legs.push(leg);
            }
            Ok(None) => {}
            Err(error) => failed(Signal::CaptionVector, error, &mut found),
        }
        match text {
            Ok(leg) => found.legs.extend(leg),
            Err(error) => failed(Signal::Text, error, &mut found),
        }
        match first_failure {
            Some(error) if found.legs.is_empty() => Err(crate::problem::tables(error)),
            _ => Ok(found),
        }
    }

    async fn by_pictures(
        &self,
        engine: &Engine,
        served: &Served,
        query: &Query,
        held: &Held,
        limit: usize,
    ) -> Result<Option<(Leg, Option<Scale>, bool)>, TableError> {
        let (Some(vector), Some(embeddings)) = (&self.vector, &held.embeddings) else {
            return Ok(None);
        };
        if !self.signals.contains(&Signal::Image) {
            return Ok(None);
        }
        let (Candidates { best: mut found, mut is_full }, exact) =
            embeddings.candidates(vector, &self.image_filter, engine.exact, limit).await?;
        if let Some(least) = query.min_score {
            // They come in the order of their scores: behind one that is too low there is none.
            is_full &= found.iter().all(|candidate| candidate.score >= least);
            found.retain(|candidate| candidate.score >= least);
        }
        let scale = match &query.cursor {
            Some(cursor) => cursor.scales[0],
            None => self.scale(&served.of_pictures, embeddings.ledger(), served, query).await?,
        };
        let (signal, weight) = (Signal::Image, self.weights.image as f32);
        let leg = Leg { signal, weight, found, is_full, reading: Reading::Cosines(scale) };
        Ok(Some((leg, scale, exact)))
    }

    async fn by_caption_vectors(
        &self,
        engine: &Engine,
        served: &Served,
        query: &Query,
        held: &Held,
        limit: usize,
    ) -> Result<Option<(Leg, Option<Scale>)>, TableError> {
        let (Some(vector), Some(captions)) = (&self.vector, &held.captions) else {
            return Ok(None);
        };
        if !self.signals.contains(&Signal::CaptionVector) {
            return Ok(None);
        }
        let Candidates { best: found, is_full } =
            captions.candidates(vector, &query.filter, engine.exact, limit).await?;
        let scale = match &query.cursor {
            Some(cursor) => cursor.scales[1],
            None => self.scale(&served.of_captions, captions.ledger(), served, query).await?,
        };
        let (signal, weight) = (Signal::CaptionVector, self.weights.caption_vector as f32);
        Ok(Some((Leg { signal, weight, found, is_full, reading: Reading::Cosines(scale) }, scale)))
    }

    async fn by_words(
        &self,
        query: &Query,
        held: &Held,
        limit: usize,
    ) -> Result<Option<Leg>, TableError> {
        let (Some(words), Some(captions)) = (&query.words, &held.captions) else { return Ok(None) };
        if !self.signals.contains(&Signal::Text) {
            return Ok(None);
        }
        let Candidates { best: found, is_full } =
            captions.matching(words, &query.filter, limit).await?;
        let (mut best, mut share) = (0.0, 0.0);
        if let Some(first) = found.first() {
            let said = captions.said(std::slice::from_ref(&first.image_id)).await?;
            let hit = said
                .get(&first.image_id)
                .map(|said| matched(&self.words, said, &first.key).len())
                .unwrap_or(0);
            (best, share) = (first.score, hit as f32 / self.words.len().max(1) as f32);
        }
        let reading = Reading::Words { best, held: share };
        Ok(Some(Leg {
            signal: Signal::Text,
            weight: self.weights.text as f32,
            found,
            is_full,
            reading,
        }))
    }

    async fn scale(
        &self,
        backdrop: &Backdrop,
        ledger: &table::ledger::Ledger,
        served: &Served,
        query: &Query,
    ) -> Result<Option<Scale>, TableError> {
        let Some(vector) = &self.vector else { return Ok(None) };
        let unrelated = served.encoders().map_or(&[][..], |encoders| &encoders.unrelated_words);
        let background = backdrop.of(ledger, unrelated).await?;
        // Pictures are nearer to each other than words to pictures.
        let only_words =
            query.examples.iter().all(|(example, _)| matches!(example, Example::Text(_)));
        Ok(Scale::of(vector, &background.sample, background.unrelated.filter(|_| only_words)))
    }
}
