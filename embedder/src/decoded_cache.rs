//! A cache of decoded pictures, shared by the models of one process. An object is downloaded and
//! decoded once for all models whose jobs come at about the same time. A model that finds nothing
//! here fetches the object itself.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use inference::{ImageEncoder, Picture, Pixels};
use moka::future::Cache;
use pipeline::ImageId;
use pipeline::stage::Claim;
use table::schema::Facts;
use tokio::sync::Mutex;

// Some hundred pictures, for three models of usual size.
const MOST_BYTES: u64 = 128 << 20;
// If the queues of two models are further apart than this, each model fetches for itself.
const KEPT: Duration = Duration::from_secs(120);
// Far more than the objects that all models fetch at once.
const MOST_TURNS: u64 = 10_000;
// Size of the facts, the keys and the cache's own entry.
const OVERHEAD_BYTES: usize = 2048;

/// A picture in the form that all models of the process need.
pub(crate) struct DecodedPicture {
    pub(crate) facts: Facts,
    pub(crate) thumbnail: Vec<u8>,
    // By model, without the model that decoded it.
    pixels: BTreeMap<String, Arc<Pixels>>,
    bytes: usize,
    // How many models have not taken their pixels yet.
    left: AtomicUsize,
}

impl DecodedPicture {
    /// A picture for the model that decoded it only.
    pub(crate) fn alone(facts: Facts, thumbnail: Vec<u8>) -> Self {
        Self { facts, thumbnail, pixels: BTreeMap::new(), bytes: 0, left: AtomicUsize::new(0) }
    }
}

/// The cache.
pub(crate) struct DecodedCache {
    // The models that take part, by id.
    members: RwLock<BTreeMap<String, ImageEncoder>>,
    decoded: Cache<ImageId, Arc<DecodedPicture>>,
    // One lock per object: its holder fetches, the others wait for the result.
    turns: Cache<ImageId, Arc<Mutex<()>>>,
}

impl Default for DecodedCache {
    fn default() -> Self {
        let weigh = |_: &ImageId, decoded: &Arc<DecodedPicture>| {
            u32::try_from(decoded.bytes).unwrap_or(u32::MAX)
        };
        Self {
            members: RwLock::default(),
            decoded: Cache::builder()
                .weigher(weigh)
                .max_capacity(MOST_BYTES)
                .time_to_live(KEPT)
                .build(),
            turns: Cache::builder().max_capacity(MOST_TURNS).time_to_idle(KEPT).build(),
        }
    }
}

/// A model takes part in the cache until its membership is dropped.
pub(crate) struct Membership {
    cache: Arc<DecodedCache>,
    model: String,
}

impl Membership {
    /// The side of the largest input of all models, in pixels.
    pub(crate) fn side(&self) -> u32 {
        self.cache.side()
    }

    /// As [`DecodedCache::take`].
    pub(crate) async fn take(
        &self,
        id: ImageId,
    ) -> Result<(Arc<DecodedPicture>, Arc<Pixels>), Claim> {
        self.cache.take(id, &self.model).await
    }

    /// As [`DecodedCache::keep`].
    pub(crate) fn keep(
        &self,
        id: ImageId,
        picture: &Picture,
        facts: Facts,
        thumbnail: Vec<u8>,
    ) -> Arc<DecodedPicture> {
        self.cache.keep(id, &self.model, picture, facts, thumbnail)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.cache.members.write().unwrap_or_else(PoisonError::into_inner).remove(&self.model);
    }
}

impl DecodedCache {
    /// Adds a model. From now on pictures are prepared for it too.
    pub(crate) fn join(self: &Arc<Self>, model: &str, encoder: &ImageEncoder) -> Membership {
        self.members
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(model.to_owned(), encoder.clone());
        Membership { cache: Arc::clone(self), model: model.to_owned() }
    }

    /// The side of the largest input of all models, in pixels.
    fn side(&self) -> u32 {
        self.members
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .map(ImageEncoder::side)
            .max()
            .unwrap_or(0)
    }

    /// A picture that another model decoded, with the pixels for `model`. Waits while another model
    /// is fetching it.
    ///
    /// # Errors
    /// It is not here: the claim gives this model the turn at fetching it.
    pub(crate) async fn take(
        &self,
        id: ImageId,
        model: &str,
    ) -> Result<(Arc<DecodedPicture>, Arc<Pixels>), Claim> {
        let turn = self.turns.get_with(id, async { Arc::default() }).await;
        let turn = turn.lock_owned().await;
        let Some(decoded) = self.decoded.get(&id).await else { return Err(turn) };
        let Some(pixels) = decoded.pixels.get(model).map(Arc::clone) else { return Err(turn) };
        if decoded.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.decoded.invalidate(&id).await;
        }
        Ok((decoded, pixels))
    }

    /// Keeps a picture that `model` decoded for the other models. This is CPU work: call it on a
    /// blocking thread of the runtime.
    pub(crate) fn keep(
        &self,
        id: ImageId,
        model: &str,
        picture: &Picture,
        facts: Facts,
        thumbnail: Vec<u8>,
    ) -> Arc<DecodedPicture> {
        let mut others = self.members.read().unwrap_or_else(PoisonError::into_inner).clone();
        others.remove(model);
        let prepare =
            |(other, encoder): (String, ImageEncoder)| (other, Arc::new(encoder.prepare(picture)));
        let pixels: BTreeMap<_, _> = others.into_iter().map(prepare).collect();
        let of_pixels: usize =
            pixels.values().map(|pixels| size_of_val(pixels.data.as_slice())).sum();
        let (bytes, left) =
            (OVERHEAD_BYTES + thumbnail.len() + of_pixels, AtomicUsize::new(pixels.len()));
        let decoded = Arc::new(DecodedPicture { facts, thumbnail, pixels, bytes, left });
        if !decoded.pixels.is_empty() {
            tokio::runtime::Handle::current()
                .block_on(self.decoded.insert(id, Arc::clone(&decoded)));
        }
        decoded
    }
}
