//! Keywords of a picture: the provider's own, the terms that its captions name, and the terms that
//! its vector stands out for.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use inference::keywords::{Tag, Tagger, Term, terms_in};
use inference::{Embedding, ImageEncoder, Picture, Pixels};
use pipeline::Failure;
use table::embeddings::Embeddings;
use table::location::{Access, Location};
use table::schema::Space;
use table::{Database, TableError};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use worker::failure;

use crate::describe::Described;
use crate::settings::KeywordSettings;

// Vectors from which is learnt what is usual in a bucket; fewer rows than the least teach nothing.
const SAMPLE: usize = 500;
const LEAST_ROWS: usize = 50;
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// Finds keywords.
pub(crate) struct Keywords {
    image: ImageEncoder,
    database: Database,
    space: Space,
    // The embedders make it, so it may not exist yet.
    embeddings: OnceCell<Embeddings>,
    tagger: RwLock<Tagger>,
    settings: KeywordSettings,
    english: bool,
    chinese: bool,
}

impl Keywords {
    /// `space` is that of `image`, whose vectors the embedders store; `languages` are those of the
    /// captions.
    ///
    /// # Errors
    /// The address of the tables cannot be used.
    pub(crate) async fn new(
        (image, tagger): (ImageEncoder, Tagger),
        location: &Location,
        space: Space,
        settings: KeywordSettings,
        languages: &[String],
    ) -> Result<Self, TableError> {
        let asked = |language: &str| {
            languages.iter().any(|asked| asked.split('-').next() == Some(language))
        };
        let neither = !asked("en") && !asked("zh");
        Ok(Self {
            image,
            database: location.connect(Access::writer()).await?,
            space,
            embeddings: OnceCell::new(),
            tagger: RwLock::new(tagger),
            settings,
            english: asked("en") || neither,
            chinese: asked("zh") || neither,
        })
    }

    /// Pixels of the short side that a picture is needed with.
    pub(crate) fn side(&self) -> u32 {
        self.image.side()
    }

    /// A picture as the model takes it whose vectors tell keywords. CPU only.
    pub(crate) fn prepare(&self, picture: &Picture) -> Pixels {
        self.image.prepare(picture)
    }

    /// The vectors of pictures, by their content: those that are stored, and for the others what
    /// the model says. None while it is not known what is usual, because nothing is learnt from
    /// them then. Blocks, on a blocking thread of the runtime.
    pub(crate) fn vectors(
        &self,
        pictures: &[(&str, &Pixels)],
    ) -> Result<HashMap<String, Embedding>, Failure> {
        if !self.tagger().is_ready() {
            return Ok(HashMap::new());
        }
        let hashes: Vec<_> = pictures.iter().map(|(hash, _)| (*hash).to_owned()).collect();
        let stored = Handle::current().block_on(self.stored(&hashes)).map_err(failure::of_table)?;
        let mut vectors: HashMap<_, _> = stored
            .into_iter()
            .filter_map(|(hash, vector)| Some((hash, Embedding::normalise(vector)?)))
            .collect();
        let missing: Vec<_> =
            pictures.iter().filter(|(hash, _)| !vectors.contains_key(*hash)).collect();
        let pixels: Vec<_> = missing.iter().map(|(_, pixels)| *pixels).collect();
        let encoded = self.image.encode(&pixels).map_err(failure::of_model)?;
        vectors.extend(missing.into_iter().map(|(hash, _)| (*hash).to_owned()).zip(encoded));
        Ok(vectors)
    }

    async fn stored(&self, hashes: &[String]) -> Result<HashMap<String, Vec<f32>>, TableError> {
        match self.embeddings().await? {
            Some(embeddings) => embeddings.vectors_of_content(hashes).await,
            None => Ok(HashMap::new()),
        }
    }

    async fn embeddings(&self) -> Result<Option<&Embeddings>, TableError> {
        if self.embeddings.get().is_none() {
            let Some(embeddings) = Embeddings::open(&self.database, self.space.clone()).await?
            else {
                return Ok(None);
            };
            let _ = self.embeddings.set(embeddings);
        }
        Ok(self.embeddings.get())
    }

    /// Keywords of a picture, lower case, each once, in the languages of the captions: the surest
    /// first.
    pub(crate) fn of(&self, described: &Described, picture: Option<&Embedding>) -> Vec<String> {
        let most = self.settings.most;
        let mut found = Found {
            most,
            english: self.english,
            chinese: self.chinese,
            terms: 0,
            words: Vec::new(),
        };
        for (_, caption) in &described.captions {
            terms_in(caption).into_iter().for_each(|term| found.term(term));
        }
        for word in &described.keywords {
            found.word(word);
        }
        let tags = picture.map(|picture| self.tagger().tags(picture, most)).unwrap_or_default();
        tags.into_iter().for_each(|Tag { en, zh, .. }| found.term(Term { en, zh }));
        found.words
    }

    fn tagger(&self) -> Tagger {
        self.tagger.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Learns what is usual once there are vectors, and again whenever there are four times as
    /// many. Runs until shutdown.
    pub(crate) async fn learn(self: Arc<Self>, shutdown: CancellationToken) {
        let mut learnt_from = 0;
        loop {
            match self.look(learnt_from).await {
                Ok(rows) => learnt_from = rows,
                Err(error) => {
                    tracing::warn!(%error, "cannot learn what is usual in this bucket, trying again")
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Returns the number of rows that was learnt from last.
    async fn look(&self, learnt_from: usize) -> Result<usize, TableError> {
        let Some(embeddings) = self.embeddings().await? else { return Ok(learnt_from) };
        let rows = embeddings.ledger().count_rows().await?;
        if rows < LEAST_ROWS.max(4 * learnt_from) {
            return Ok(learnt_from);
        }
        let sample = embeddings.ledger().sample(SAMPLE).await?;
        let tagger = self.tagger();
        let Ok(tagger) = tokio::task::spawn_blocking(move || tagger.with_background(&sample)).await
        else {
            return Ok(learnt_from);
        };
        tracing::info!(rows, ready = tagger.is_ready(), "learnt what is usual in this bucket");
        *self.tagger.write().unwrap_or_else(PoisonError::into_inner) = tagger;
        Ok(rows)
    }
}

/// Keywords so far.
struct Found {
    most: usize,
    english: bool,
    chinese: bool,
    terms: usize,
    words: Vec<String>,
}

impl Found {
    /// A term in all languages counts as one.
    fn term(&mut self, Term { en, zh }: Term) {
        let names = [(self.english, en), (self.chinese, zh)]
            .into_iter()
            .filter(|(asked, _)| *asked)
            .map(|(_, name)| name);
        self.add(names.map(str::to_owned).collect());
    }

    fn word(&mut self, word: &str) {
        let word = word.trim().to_lowercase();
        if !word.is_empty() {
            self.add(vec![word]);
        }
    }

    fn add(&mut self, names: Vec<String>) {
        let new: Vec<_> = names.into_iter().filter(|name| !self.words.contains(name)).collect();
        if self.terms < self.most && !new.is_empty() {
            self.terms += 1;
            self.words.extend(new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_keyword_is_there_once_and_no_more_terms_than_asked() {
        let mut found =
            Found { most: 3, english: true, chinese: true, terms: 0, words: Vec::new() };
        let (cat, car) = (Term { en: "cat", zh: "猫" }, Term { en: "car", zh: "汽车" });
        found.term(cat);
        found.word(" Cat ");
        found.word("");
        found.word("whiskers");
        found.term(cat);
        found.term(car);
        found.word("too many");
        assert_eq!(found.words, ["cat", "猫", "whiskers", "car", "汽车"]);
    }
}
