//! Remembered query vectors. The pages of a search, and the searches of many people, ask for the
//! same words and pictures again and again.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

/// A query vector. Clones share it.
pub(crate) type QueryVector = Arc<[f32]>;

/// Bytes that the cache itself takes for an entry, about.
const ENTRY_BYTES: usize = 160;
/// Batches under way at once.
const MAX_BATCHES: u64 = 1024;
/// A batch that nobody removed is forgotten after this time.
const BATCH_KEPT: Duration = Duration::from_secs(60);

/// What a vector was made from: model, kind and content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct VectorKey([u8; 32]);

impl VectorKey {
    /// Of a text, by the digest of the model.
    pub(crate) fn of_text(model: &str, text: &str) -> Self {
        Self::of("text", model, text.as_bytes())
    }

    /// Of the bytes of a picture. Hashing takes some milliseconds for a large one.
    pub(crate) fn of_picture(model: &str, bytes: &[u8]) -> Self {
        Self::of("picture", model, bytes)
    }

    fn of(kind: &str, model: &str, content: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in [kind.as_bytes(), model.as_bytes()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.update(content);
        Self(*hasher.finalize().as_bytes())
    }
}

/// Vectors that were encoded lately. What several requests ask for at once is encoded once.
pub(crate) struct VectorMemory {
    vectors: Cache<VectorKey, QueryVector>,
    // Only those under way.
    batches: Cache<Vec<VectorKey>, Arc<Vec<QueryVector>>>,
}

impl VectorMemory {
    /// A memory of at most this many bytes; 0 remembers nothing.
    pub(crate) fn new(max_bytes: u64) -> Self {
        let bytes = |_: &VectorKey, vector: &QueryVector| {
            u32::try_from(size_of_val(&vector[..]) + ENTRY_BYTES).unwrap_or(u32::MAX)
        };
        Self {
            vectors: Cache::builder().weigher(bytes).max_capacity(max_bytes).build(),
            batches: Cache::builder().max_capacity(MAX_BATCHES).time_to_live(BATCH_KEPT).build(),
        }
    }

    /// The remembered vector.
    pub(crate) async fn get(&self, key: &VectorKey) -> Option<QueryVector> {
        self.vectors.get(key).await
    }

    /// The remembered vector, or that of `encode`, which is awaited by everybody who asks for it
    /// meanwhile. An error is not remembered.
    ///
    /// # Errors
    /// Those of `encode`.
    pub(crate) async fn one<E: Clone + Send + Sync + 'static>(
        &self,
        key: VectorKey,
        encode: impl Future<Output = Result<QueryVector, E>>,
    ) -> Result<QueryVector, E> {
        self.vectors.try_get_with(key, encode).await.map_err(|error: Arc<E>| (*error).clone())
    }

    /// The vectors of several contents that are not remembered, by one call of `encode`, which
    /// gives one vector per key, in their order.
    ///
    /// # Errors
    /// Those of `encode`.
    pub(crate) async fn batch<E: Clone + Send + Sync + 'static>(
        &self,
        keys: Vec<VectorKey>,
        encode: impl Future<Output = Result<Vec<QueryVector>, E>>,
    ) -> Result<Arc<Vec<QueryVector>>, E> {
        let encode = async { encode.await.map(Arc::new) };
        let found = self.batches.try_get_with_by_ref(&keys, encode).await;
        let vectors = found.map_err(|error: Arc<E>| (*error).clone())?;
        for (key, vector) in keys.iter().zip(vectors.iter()) {
            self.vectors.insert(*key, Arc::clone(vector)).await;
        }
        self.batches.invalidate(&keys).await;
        Ok(vectors)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;

    use super::*;

    fn vector(value: f32) -> QueryVector {
        vec![value; 8].into()
    }

    #[test]
    fn model_kind_and_content_make_a_key() {
        let keys = [
            VectorKey::of_text("model", "cat"),
            VectorKey::of_text("model", "cats"),
            VectorKey::of_text("modelc", "at"),
            VectorKey::of_picture("model", b"cat"),
        ];
        for (place, key) in keys.iter().enumerate() {
            assert!(keys.iter().skip(place + 1).all(|other| other != key), "{place}");
        }
        assert_eq!(keys[0], VectorKey::of_text("model", "cat"));
    }

    #[tokio::test]
    async fn what_many_ask_for_at_once_is_encoded_once() {
        let (memory, encoded) = (VectorMemory::new(1 << 20), AtomicUsize::new(0));
        let key = VectorKey::of_text("model", "cat");
        let asks = (0..10).map(|_| {
            memory.one(key, async {
                encoded.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok::<_, String>(vector(0.5))
            })
        });
        for answer in join_all(asks).await {
            assert_eq!(answer.unwrap(), vector(0.5));
        }
        assert_eq!(encoded.load(Ordering::Relaxed), 1);
        assert_eq!(memory.get(&key).await, Some(vector(0.5)));
    }

    #[tokio::test]
    async fn a_batch_is_encoded_at_once_and_remembered_one_by_one() {
        let (memory, encoded) = (VectorMemory::new(1 << 20), AtomicUsize::new(0));
        let keys: Vec<_> =
            ["cat", "dog"].iter().map(|text| VectorKey::of_text("model", text)).collect();
        let asks = (0..5).map(|_| {
            memory.batch(keys.clone(), async {
                encoded.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok::<_, String>(vec![vector(0.1), vector(0.2)])
            })
        });
        join_all(asks).await.into_iter().for_each(|answer| assert_eq!(answer.unwrap().len(), 2));
        assert_eq!(encoded.load(Ordering::Relaxed), 1);
        assert_eq!(memory.get(&keys[1]).await, Some(vector(0.2)));
        memory.batches.run_pending_tasks().await;
        assert_eq!(memory.batches.entry_count(), 0);
    }

    #[tokio::test]
    async fn an_error_is_not_remembered() {
        let memory = VectorMemory::new(1 << 20);
        let key = VectorKey::of_text("model", "cat");
        let failed = memory.one(key, async { Err(String::from("away")) }).await;
        assert_eq!(failed, Err(String::from("away")));
        assert_eq!(memory.one(key, async { Ok::<_, String>(vector(1.0)) }).await, Ok(vector(1.0)));
    }

    #[tokio::test]
    async fn the_memory_is_bounded() {
        let memory = VectorMemory::new(10_000);
        for number in 0..1000 {
            let key = VectorKey::of_text("model", &number.to_string());
            memory.one(key, async { Ok::<_, String>(vector(1.0)) }).await.unwrap();
        }
        memory.vectors.run_pending_tasks().await;
        assert!(memory.vectors.weighted_size() <= 10_000);
    }
}
