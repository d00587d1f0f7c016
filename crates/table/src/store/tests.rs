//! The cached store answers as the store behind it does, whatever happens to its folder.

use std::ops::Range;
use std::path::Path as FolderPath;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetRange, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::block_cache::BlockCache;
use super::cached_store::CachedStore;

const CACHE_BYTES: u64 = 64 << 20;
/// Lengths around those of blocks and of the first read of an object.
const LENGTHS: [usize; 8] = [0, 1, 65_535, 65_536, 65_537, 300_000, 1 << 20, 3_333_333];

/// A store in memory whose reads are counted and can be made to fail.
#[derive(Debug, Default)]
struct SourceStore {
    objects: InMemory,
    reads: AtomicUsize,
    is_away: std::sync::atomic::AtomicBool,
}

impl std::fmt::Display for SourceStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "source")
    }
}

#[async_trait]
impl ObjectStore for SourceStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        // Others ask meanwhile.
        tokio::task::yield_now().await;
        if self.is_away.load(Ordering::Relaxed) {
            return Err(Error::Generic { store: "source", source: "it is away".into() });
        }
        self.objects.get_opts(location, options).await
    }

    async fn put_opts(&self, to: &Path, body: PutPayload, how: PutOptions) -> Result<PutResult> {
        self.objects.put_opts(to, body, how).await
    }

    async fn put_multipart_opts(
        &self,
        to: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(to, how).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.objects.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, how).await
    }
}

fn object(length: usize) -> Path {
    Path::from(format!("tables/a.lance/data/{length}.lance"))
}

async fn source() -> Arc<SourceStore> {
    let source = SourceStore::default();
    for length in LENGTHS {
        let bytes: Vec<u8> = (0..length).map(|at| (at * 31 + at / 65_536) as u8).collect();
        source.put(&object(length), bytes.into()).await.unwrap();
    }
    Arc::new(source)
}

async fn cached(source: &Arc<SourceStore>, folder: &FolderPath) -> (CachedStore, Arc<BlockCache>) {
    let cache = Arc::new(BlockCache::open(folder, CACHE_BYTES).await.unwrap());
    let source: Arc<dyn ObjectStore> = Arc::clone(source) as _;
    (CachedStore::new(source, Arc::clone(&cache)), cache)
}

/// Ranges of every kind, some of them behind the end.
fn range(random: &mut StdRng, length: usize) -> Option<GetRange> {
    let most = length as u64 + 70_000;
    match random.random_range(0..6) {
        0 => None,
        1 => Some(GetRange::Offset(random.random_range(0..most))),
        2 => Some(GetRange::Suffix(random.random_range(1..most))),
        _ => {
            let start = random.random_range(0..most);
            let longest = if random.random_bool(0.8) { 5000 } else { most };
            Some(GetRange::Bounded(start..start + random.random_range(1..=longest)))
        }
    }
}

type Answer = Option<(Vec<u8>, Range<u64>, u64)>;

async fn answer(store: &dyn ObjectStore, path: &Path, range: Option<GetRange>) -> Answer {
    let options = GetOptions { range, ..GetOptions::default() };
    let result = store.get_opts(path, options).await.ok()?;
    let (range, size) = (result.range.clone(), result.meta.size);
    Some((result.bytes().await.ok()?.to_vec(), range, size))
}

/// Compares random reads with the store itself.
async fn compare(store: &CachedStore, source: &SourceStore, seed: u64, reads: usize) {
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..reads {
        let length = LENGTHS[random.random_range(0..LENGTHS.len())];
        let path = object(length);
        let range = range(&mut random, length);
        let expected = answer(&source.objects, &path, range.clone()).await;
        assert_eq!(answer(store, &path, range.clone()).await, expected, "{range:?} of {length}");
        let (head, expected) = (store.head(&path).await, source.objects.head(&path).await);
        assert_eq!(head.unwrap().size, expected.unwrap().size);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_read_is_answered_as_the_store_answers_it() {
    let folder = tempfile::tempdir().unwrap();
    let source = source().await;
    let (store, cache) = cached(&source, folder.path()).await;
    compare(&store, &source, 1, 300).await;
    cache.close().await;
    drop((store, cache));
    // After a restart, hardly any read reaches the store: those it always answers itself.
    let (store, _cache) = cached(&source, folder.path()).await;
    for length in LENGTHS.into_iter().skip(1) {
        answer(&store, &object(length), None).await.unwrap();
    }
    source.is_away.store(true, Ordering::Relaxed);
    for length in LENGTHS.into_iter().skip(1) {
        let whole = answer(&store, &object(length), None).await.unwrap();
        assert_eq!(
            (whole.0.len(), store.head(&object(length)).await.unwrap().size),
            (length, length as u64)
        );
    }
    let missing = object(77);
    assert!(answer(&store, &missing, None).await.is_none());
    source.is_away.store(false, Ordering::Relaxed);
    let bounded = GetOptions { range: Some(GetRange::Bounded(0..9)), ..GetOptions::default() };
    let error = store.get_opts(&missing, bounded).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_ask_for_at_once_is_fetched_once() {
    let folder = tempfile::tempdir().unwrap();
    let source = source().await;
    let (store, _cache) = cached(&source, folder.path()).await;
    let (store, path) = (Arc::new(store), object(3_333_333));
    let readers: Vec<_> = (0..32)
        .map(|n| {
            let (store, path) = (Arc::clone(&store), path.clone());
            let range = Some(GetRange::Bounded(n..200_000 + n));
            tokio::spawn(async move { answer(store.as_ref(), &path, range).await })
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap().unwrap().0.len(), 200_000);
    }
    // Four blocks in a row are one request.
    assert_eq!(source.reads.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_spoilt_cut_or_deleted_under_load_changes_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let source = source().await;
    let (store, _cache) = cached(&source, folder.path()).await;
    let store = Arc::new(store);
    let readers: Vec<_> = (0..4)
        .map(|seed| {
            let (store, source) = (Arc::clone(&store), Arc::clone(&source));
            tokio::spawn(async move { compare(&store, &source, seed, 300).await })
        })
        .collect();
    for round in 0..40 {
        for entry in std::fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            for file in std::fs::read_dir(entry.path()).into_iter().flatten().flatten() {
                let opened = std::fs::File::options().write(true).open(file.path());
                let Ok(mut opened) = opened else { continue };
                let _ = match round % 3 {
                    0 => std::io::Write::write_all(&mut opened, &vec![0x5a; 2 << 20]),
                    1 => opened.set_len(10_000),
                    _ => opened.set_len(4 << 20),
                };
            }
        }
        if round == 30 {
            std::fs::remove_dir_all(folder.path()).unwrap();
        }
        compare(&store, &source, 100 + round, 10).await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
}
