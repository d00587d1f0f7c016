//! Words that most pictures have nothing to do with. What hardly any of them reaches is the floor
//! of relevant cosines. Encoding them takes a large model many seconds, so that is done in the
//! background, once for all searchers: the vectors are kept as a state object.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use inference::{Embedding, ModelError, TextEncoder};
use pipeline::bucket::Only;
use pipeline::state::{StateError, StateStore};
use table::schema::Space;
use tokio::sync::watch;
use tokio::time::timeout;

/// Enough to estimate what 1 % of unrelated word-picture pairs exceed.
const WORDS: usize = 200;
/// First bytes of the state object. Then come the number of vectors and their length, as 32-bit
/// integers, and all values as 32-bit floats, little-endian.
const MAGIC: &[u8] = b"bucketlens words 1\n";
/// How far the length of a stored vector may be from 1.
const UNIT_TOLERANCE: f32 = 0.01;

/// Vectors of words, each of unit length.
pub(crate) type WordVectors = Arc<Vec<Vec<f32>>>;

/// The vectors of the unrelated words, which are not there at first.
#[derive(Debug)]
pub(crate) struct UnrelatedWords(watch::Sender<Option<WordVectors>>);

impl UnrelatedWords {
    /// Of a model that encodes pictures only: there are none.
    pub(crate) fn none() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(Some(WordVectors::default()))))
    }

    /// Reads or encodes them in the background, until that is done or the result is dropped.
    pub(crate) fn prepare(state: StateStore, space: &Space, encoder: TextEncoder) -> Arc<Self> {
        let words = Arc::new(Self(watch::Sender::new(None)));
        let preparation = Preparation::new(state, space, encoder);
        tokio::spawn(preparation.run(Arc::downgrade(&words)));
        words
    }

    /// The vectors, or `None` while they are not there.
    pub(crate) fn get(&self) -> Option<WordVectors> {
        self.0.borrow().clone()
    }

    /// The vectors, if they are there within this time.
    pub(crate) async fn within(&self, patience: Duration) -> Option<WordVectors> {
        let mut known = self.0.subscribe();
        let there = timeout(patience, known.wait_for(Option::is_some)).await;
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
                known.0.send_replace(Some(Arc::new(vectors)));
            }
        };
        let only = match self.state.read(&self.name).await {
            Ok(Some((bytes, etag))) => match read(bytes, self.words.len(), self.dim) {
                Some(vectors) => return set(vectors),
                None => {
                    tracing::warn!(
                        object = self.state.key(&self.name),
                        "a state object has another shape than this program writes, and is \
                         written anew"
                    );
                    Some(Only::IfStill(etag))
                }
            },
            Ok(None) => Some(Only::IfAbsent),
            Err(error) => {
                tracing::warn!(%error, "vectors of words cannot be read, and are encoded");
                None
            }
        };
        match self.encode(&known).await {
            Ok(Some(vectors)) => {
                let object = write(&vectors, self.dim);
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

fn write(vectors: &[Vec<f32>], dim: usize) -> Bytes {
    let mut object = BytesMut::with_capacity(MAGIC.len() + 8 + 4 * dim * vectors.len());
    object.put_slice(MAGIC);
    object.put_u32_le(vectors.len() as u32);
    object.put_u32_le(dim as u32);
    vectors.iter().flatten().for_each(|value| object.put_f32_le(*value));
    object.freeze()
}

/// The vectors of an object, if it holds exactly `count` unit vectors of length `dim`.
fn read(object: Bytes, count: usize, dim: usize) -> Option<Vec<Vec<f32>>> {
    let mut rest = object.strip_prefix(MAGIC)?;
    let size = count.checked_mul(dim)?.checked_mul(4)?.checked_add(8)?;
    let fits = rest.len() == size
        && rest.get_u32_le() as usize == count
        && rest.get_u32_le() as usize == dim;
    if !fits || dim == 0 {
        return None;
    }
    let vectors: Vec<Vec<f32>> = rest
        .chunks_exact(4 * dim)
        .map(|row| row.chunks_exact(4).map(|mut value| value.get_f32_le()).collect())
        .collect();
    let is_unit = |vector: &Vec<f32>| {
        let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        (length - 1.0).abs() <= UNIT_TOLERANCE
    };
    vectors.iter().all(is_unit).then_some(vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        let vectors = vec![vec![0.6, 0.8], vec![1.0, 0.0], vec![0.0, -1.0]];
        assert_eq!(read(write(&vectors, 2), 3, 2), Some(vectors));
    }

    #[test]
    fn an_object_of_another_shape_is_refused() {
        let good = write(&[vec![0.6, 0.8], vec![1.0, 0.0]], 2);
        let changed = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good.to_vec();
            change(&mut bytes);
            read(bytes.into(), 2, 2)
        };
        assert!(changed(&|_| {}).is_some());
        assert_eq!(read(Bytes::new(), 2, 2), None);
        assert_eq!(read(good.clone(), 2, 4), None, "another model's");
        assert_eq!(read(good.clone(), 1, 2), None, "of other words");
        assert_eq!(changed(&|bytes| bytes.truncate(30)), None);
        assert_eq!(changed(&|bytes| bytes.push(0)), None);
        assert_eq!(changed(&|bytes| bytes[0] = b'B'), None);
        let value = MAGIC.len() + 8;
        let nan = f32::NAN.to_le_bytes();
        assert_eq!(changed(&|bytes| bytes[value..value + 4].copy_from_slice(&nan)), None);
        let large = 3.0_f32.to_le_bytes();
        assert_eq!(changed(&|bytes| bytes[value..value + 4].copy_from_slice(&large)), None);
    }

    #[tokio::test]
    async fn who_waits_gets_them_as_soon_as_they_are_there() {
        let words = UnrelatedWords(watch::Sender::new(None));
        assert_eq!(words.get(), None);
        assert_eq!(words.within(Duration::ZERO).await, None);
        let vectors = WordVectors::new(vec![vec![1.0]]);
        let (waited, _) = tokio::join!(words.within(Duration::from_secs(60)), async {
            words.0.send_replace(Some(Arc::clone(&vectors)));
        });
        assert_eq!(waited, Some(vectors));
        assert_eq!(UnrelatedWords::none().get(), Some(WordVectors::default()));
    }
}
