//! Keywords of a picture, from three sources: the vocabulary's terms that its captions name, the
//! provider's own words, and the terms for which its vector stands out.

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

use crate::description::Description;
use crate::keyword_list::KeywordList;
use crate::settings::KeywordSettings;

/// Vectors of the sample from which the background is learnt.
const SAMPLE: usize = 500;
/// Fewer rows are no background.
const LEAST_ROWS: usize = 50;
/// How often the number of rows is looked up.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// Finds keywords. Meanwhile it learns the background: how much pictures of this bucket usually
/// resemble each term.
pub(crate) struct Keywords {
    image: ImageEncoder,
    database: Database,
    space: Space,
    // The embedders create this table, so it may not exist yet.
    embeddings: OnceCell<Embeddings>,
    tagger: RwLock<Tagger>,
    settings: KeywordSettings,
    english: bool,
    chinese: bool,
}

impl Keywords {
    /// `space` is the space of the encoder's vectors, which the embedders store. `languages` are
    /// the languages of the captions.
    ///
    /// # Errors
    /// The address of the tables is unusable.
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

    /// The short side that a decoded picture must have at least, in pixels.
    pub(crate) fn side(&self) -> u32 {
        self.image.side()
    }

    /// Prepares a picture for the encoder. CPU only.
    pub(crate) fn prepare(&self, picture: &Picture) -> Pixels {
        self.image.prepare(picture)
    }

    /// The vectors of pictures by content hash: stored ones, and computed ones for the others.
    /// Empty until the background is learnt, because vectors give no keywords before. Blocks: call
    /// it on a blocking thread of the runtime.
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

    /// Keywords of a picture in the form that tables hold, each once, in the languages of the
    /// captions, the surest first.
    pub(crate) fn of(&self, description: &Description, picture: Option<&Embedding>) -> Vec<String> {
        let most = self.settings.most;
        let mut found = KeywordList::new(most, self.english, self.chinese);
        for (_, caption) in &description.captions {
            terms_in(caption).into_iter().for_each(|term| found.add_term(term));
        }
        for word in &description.keywords {
            found.add_word(word);
        }
        let tags = picture.map(|picture| self.tagger().tags(picture, most)).unwrap_or_default();
        tags.into_iter().for_each(|Tag { en, zh, .. }| found.add_term(Term { en, zh }));
        found.into_words()
    }

    fn tagger(&self) -> Tagger {
        self.tagger.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Learns the background when there are enough vectors, and again whenever there are four times
    /// as many. Runs until shutdown.
    pub(crate) async fn learn(self: Arc<Self>, shutdown: CancellationToken) {
        let mut learnt_from = 0;
        loop {
            match self.learn_once(learnt_from).await {
                Ok(rows) => learnt_from = rows,
                Err(error) => {
                    tracing::warn!(%error, "cannot learn the background of keywords, trying again")
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Learns if there are enough rows. Returns the number of rows of the last lesson.
    async fn learn_once(&self, learnt_from: usize) -> Result<usize, TableError> {
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
        tracing::info!(rows, ready = tagger.is_ready(), "learnt the background of keywords");
        *self.tagger.write().unwrap_or_else(PoisonError::into_inner) = tagger;
        Ok(rows)
    }
}
