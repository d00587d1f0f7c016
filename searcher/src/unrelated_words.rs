//! Words that most pictures have nothing to do with. What hardly any of them reaches is the floor
//! of relevant cosines. Encoding them takes a large model many seconds, so that is done in the
//! background, once for all searchers: the vectors are kept as a state object.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use inference::{Embedding, ModelError, TextEncoder};
use pipeline::bucket::Only;
use pipeline::state::{StateError, StateStore};
use table::schema::Space;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::word_vectors::{self, WordVectors};

/// Enough to estimate what 1 % of unrelated word-picture pairs exceed.
const WORDS: usize = 200;
/// In this time after a model was loaded, searches that need the words wait for them. They are
/// there sooner if they were kept, or if the model is small.
const PATIENCE: Duration = Duration::from_secs(5);

/// The vectors of the unrelated words, which are not there at first.
#[derive(Debug)]
pub(crate) struct UnrelatedWords {
    known: watch::Sender<Option<WordVectors>>,
    patient_until: Instant,
}

impl UnrelatedWords {
    /// Of a model that encodes pictures only: there are none.
    pub(crate) fn none() -> Arc<Self> {
        Arc::new(Self::new(Some(WordVectors::default())))
    }

    /// Reads or encodes them in the background, until that is done or the result is dropped.
    pub(crate) fn prepare(state: StateStore, space: &Space, encoder: TextEncoder) -> Arc<Self> {
        let words = Arc::new(Self::new(None));
        let preparation = Preparation::new(state, space, encoder);
        tokio::spawn(preparation.run(Arc::downgrade(&words)));
        words
    }

    fn new(known: Option<WordVectors>) -> Self {
        Self { known: watch::Sender::new(known), patient_until: Instant::now() + PATIENCE }
    }

    /// The vectors, or `None` while they are not there.
    pub(crate) fn get(&self) -> Option<WordVectors> {
        self.known.borrow().clone()
    }

    /// The vectors. Waits for them in the first seconds after the model was loaded.
    pub(crate) async fn soon(&self) -> Option<WordVectors> {
        let mut known = self.known.subscribe();
        let there = timeout_at(self.patient_until, known.wait_for(Option::is_some)).await;
        there.ok()?.ok()?.clone()
    }
}

struct Preparation {
    state: StateStore,
    /// Name of the state object.
    name: String,
    dim: usize,
    encoder: TextEncoder,
    words: Vec<String>,
}

impl Preparation {
    fn new(state: StateStore, space: &Space, encoder: TextEncoder) -> Self {
        let terms = inference::keywords::prompts();
        let step = terms.len().div_ceil(WORDS).max(1);
        let words: Vec<_> = terms.into_iter().step_by(step).collect();
        let mut hasher = blake3::Hasher::new();
        hasher.update(space.manifest_hash.as_bytes());
        words.iter().for_each(|word| {
            hasher.update(b"\n").update(word.as_bytes());
        });
        let digest = &hasher.finalize().to_hex()[..16];
        let name = format!("calibration/{}-{digest}", space.model);
        Self { state, name, dim: space.dim, encoder, words }
    }

    async fn run(self, known: Weak<UnrelatedWords>) {
        let set = |vectors: Vec<Vec<f32>>| {
            if let Some(known) = known.upgrade() {
                known.known.send_replace(Some(Arc::new(vectors)));
            }
        };
        let only = match self.state.read(&self.name).await {
            Ok(Some((bytes, etag))) => {
                match word_vectors::read(bytes, self.words.len(), self.dim) {
                    Some(vectors) => return set(vectors),
                    None => {
                        tracing::warn!(
                            object = self.state.key(&self.name),
                            "a state object has another shape than this program writes, and is \
                         written anew"
                        );
                        Some(Only::IfStill(etag))
                    }
                }
            }
            Ok(None) => Some(Only::IfAbsent),
            Err(error) => {
                tracing::warn!(%error, "vectors of words cannot be read, and are encoded");
                None
            }
        };
        match self.encode(&known).await {
            Ok(Some(vectors)) => {
                let object = word_vectors::write(&vectors, self.dim);
                set(vectors);
                if let Some(only) = only {
                    self.keep(object, only).await;
                }
            }
            // Another model answers by now.
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%error, "words cannot be encoded, so cutoffs are less strict");
                set(Vec::new());
            }
        }
    }

    /// The vectors of all words, one run each: a search waits for one of them at most. `None` if
    /// nobody needs them any more.
    async fn encode(&self, known: &Weak<UnrelatedWords>) -> anyhow::Result<Option<Vec<Vec<f32>>>> {
        let mut vectors = Vec::with_capacity(self.words.len());
        for word in &self.words {
            if known.strong_count() == 0 {
                return Ok(None);
            }
            let (encoder, word) = (self.encoder.clone(), [word.clone()]);
            let encoding = move || Ok::<_, ModelError>(encoder.encode(&word)?.pop());
            let vector = tokio::task::spawn_blocking(encoding).await??;
            vectors.extend(vector.map(Embedding::into_vec));
        }
        Ok(Some(vectors))
    }

    /// Keeps them for further starts and other searchers. A store that refuses only costs the work
    /// again.
    async fn keep(&self, object: Bytes, only: Only) {
        let written: Result<_, StateError> = self.state.write(&self.name, object, only).await;
        if let Err(error) = written {
            tracing::info!(
                %error,
                "vectors of words cannot be kept, and are encoded again at the next start"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_comes_early_waits_until_they_are_there_and_who_comes_late_does_not() {
        let words = UnrelatedWords::new(None);
        assert_eq!(words.get(), None);
        let vectors = WordVectors::new(vec![vec![1.0]]);
        let (waited, _) = tokio::join!(words.soon(), async {
            words.known.send_replace(Some(Arc::clone(&vectors)));
        });
        assert_eq!(waited, Some(vectors));
        let late = UnrelatedWords { patient_until: Instant::now(), ..UnrelatedWords::new(None) };
        assert_eq!(late.soon().await, None);
        assert_eq!(UnrelatedWords::none().soon().await, Some(WordVectors::default()));
    }
}
