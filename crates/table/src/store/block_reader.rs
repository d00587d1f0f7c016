//! Reads of immutable objects by blocks: from the cache, else in as few requests as possible.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::{FutureExt, StreamExt, future, stream};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, GetResult, GetResultPayload, ObjectStore, Result};

use super::block::{BLOCK_BYTES, BlockKey, ObjectHead, StoredBlock};
use super::block_cache::BlockCache;
use super::flights::{FetchedBlocks, Flights};

/// Blocks looked for at once.
const LOOKED_FOR: usize = 16;
/// Blocks that are read at first of an object whose length is not known (1 MiB).
const FIRST_BLOCKS: u64 = 16;
/// A longer read bypasses the cache, because its blocks are held in memory together (64 MiB). The
/// table library reads at most 16 MiB at once.
const MOST_BLOCKS: u64 = 1024;
/// Reads immutable objects block by block.
#[derive(Debug)]
pub(super) struct BlockReader {
    store: Arc<dyn ObjectStore>,
    cache: Arc<BlockCache>,
    flights: Flights,
}

impl BlockReader {
    pub(super) fn new(store: Arc<dyn ObjectStore>, cache: Arc<BlockCache>) -> Self {
        Self { store, cache, flights: Flights::default() }
    }

    /// What the store says about an object.
    pub(super) async fn head(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let key = BlockKey::head(path);
        if let Some(block) = self.cache.get(&key).await {
            metrics::counter!("bucketlens_cache_hits_total").increment(1);
            let size = block.head.size;
            return Ok(result(path, &block.head, 0..size, Bytes::new()));
        }
        metrics::counter!("bucketlens_cache_misses_total").increment(1);
        let found = self.store.get_opts(path, options).await?;
        let head = ObjectHead::of(&found.meta);
        self.cache.insert(key, StoredBlock { head, bytes: Bytes::new() });
        Ok(found)
    }

    /// Some bytes of an object; `None` if the store itself should answer.
    pub(super) async fn read(&self, path: &Path, wanted: Range<u64>) -> Result<Option<GetResult>> {
        let first = wanted.start / BLOCK_BYTES;
        let last = wanted.end.div_ceil(BLOCK_BYTES);
        let is_bounded = wanted.end != u64::MAX;
        if is_bounded && last - first > MOST_BLOCKS {
            return Ok(None);
        }
        // Of an object whose length is not known, the first blocks tell it.
        let begun = if is_bounded { last } else { first + FIRST_BLOCKS };
        // A block that another request fetches may be behind the end of an object whose length is
        // not known yet, and an empty object has no first byte: neither is an error of this
        // request.
        let Ok(mut blocks) = self.blocks(path, first..begun).await else { return Ok(None) };
        let Some(head) = blocks.first().map(|block| block.head.clone()) else { return Ok(None) };
        let end = head.size.min(wanted.end);
        let last = end.div_ceil(BLOCK_BYTES);
        if end <= wanted.start || last - first > MOST_BLOCKS {
            return Ok(None);
        }
        let next = first + blocks.len() as u64;
        if next < last {
            let Ok(more) = self.blocks(path, next..last).await else { return Ok(None) };
            blocks.extend(more);
        }
        let is_whole = blocks.len() as u64 == last - first
            && (first..).zip(&blocks).all(|(number, block)| {
                block.head == head && block.bytes.len() as u64 == head.length_of(number)
            });
        let range = wanted.start..end;
        let offset = first * BLOCK_BYTES;
        let bytes = is_whole.then(|| joined(blocks, range.start - offset..range.end - offset));
        Ok(bytes.map(|bytes| result(path, &head, range, bytes)))
    }

    /// Consecutive blocks, up to the end of the object.
    async fn blocks(&self, path: &Path, wanted: Range<u64>) -> Result<Vec<StoredBlock>> {
        let keys = wanted.clone().map(|block| BlockKey::new(path, block));
        let found: Vec<_> = stream::iter(keys)
            .map(|key| async move { self.cache.get(&key).await })
            .buffered(LOOKED_FOR)
            .collect()
            .await;
        // Blocks behind the end of the object must not be asked for.
        let known = found.iter().flatten().map(|block| block.head.size).next();
        let end = known.map_or(wanted.end, |size| wanted.end.min(size.div_ceil(BLOCK_BYTES)));
        let missing: Vec<_> = (wanted.start..end)
            .zip(&found)
            .filter_map(|(number, block)| block.is_none().then_some(number))
            .collect();
        let hits = found.iter().flatten().count();
        metrics::counter!("bucketlens_cache_hits_total").increment(hits as u64);
        metrics::counter!("bucketlens_cache_misses_total").increment(missing.len() as u64);

        let joined = self.flights.join(path, &missing, |run| {
            fetch(Arc::clone(&self.store), Arc::clone(&self.cache), path.clone(), run).boxed()
        });
        let answers = future::join_all(joined.iter().map(|joined| joined.flight.clone())).await;
        let mut fetched = Vec::with_capacity(missing.len());
        for (joined, answer) in joined.iter().zip(answers) {
            let answer = answer.map_err(again)?;
            let skipped = (joined.blocks.start - joined.first) as usize;
            let wanted = (joined.blocks.end - joined.blocks.start) as usize;
            fetched.extend(answer.iter().skip(skipped).take(wanted).cloned());
        }
        let mut fetched = fetched.into_iter();
        let all = found.into_iter().map(|block| block.or_else(|| fetched.next()));
        Ok(all.take((end - wanted.start) as usize).map_while(|block| block).collect())
    }
}

/// One request for consecutive blocks. Keeps them. No request if they have arrived since they were
/// looked for, by a request that has landed meanwhile.
async fn fetch(
    store: Arc<dyn ObjectStore>,
    cache: Arc<BlockCache>,
    path: Path,
    run: Range<u64>,
) -> FetchedBlocks {
    let mut arrived = Vec::new();
    for number in run.clone() {
        let Some(block) = cache.get(&BlockKey::new(&path, number)).await else { break };
        arrived.push(block);
    }
    if arrived.len() as u64 == run.end - run.start {
        return Ok(Arc::new(arrived));
    }
    let range = run.start * BLOCK_BYTES..run.end * BLOCK_BYTES;
    let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
    let found = store.get_opts(&path, options).await.map_err(Arc::new)?;
    let head = ObjectHead::of(&found.meta);
    let bytes = found.bytes().await.map_err(Arc::new)?;
    let mut blocks = Vec::with_capacity((run.end - run.start) as usize);
    for (number, part) in run.zip(bytes.chunks(BLOCK_BYTES as usize)) {
        // Copied: a slice would keep the whole answer in memory.
        let block = StoredBlock { head: head.clone(), bytes: Bytes::copy_from_slice(part) };
        // A cut answer must not be kept.
        if part.len() as u64 == head.length_of(number) {
            cache.insert(BlockKey::new(&path, number), block.clone());
        }
        blocks.push(block);
    }
    Ok(Arc::new(blocks))
}

/// The error of a request that others wait for too.
fn again(error: Arc<Error>) -> Error {
    match error.as_ref() {
        Error::NotFound { path, .. } => {
            Error::NotFound { path: path.clone(), source: Box::new(error) }
        }
        _ => Error::Generic { store: "S3", source: Box::new(error) },
    }
}

fn joined(blocks: Vec<StoredBlock>, part: Range<u64>) -> Bytes {
    let part = part.start as usize..part.end as usize;
    if let [block] = blocks.as_slice() {
        return block.bytes.slice(part);
    }
    let mut bytes = BytesMut::with_capacity(blocks.len() * BLOCK_BYTES as usize);
    blocks.iter().for_each(|block| bytes.extend_from_slice(&block.bytes));
    bytes.freeze().slice(part)
}

fn result(path: &Path, head: &ObjectHead, range: Range<u64>, bytes: Bytes) -> GetResult {
    GetResult {
        payload: GetResultPayload::Stream(stream::once(future::ready(Ok(bytes))).boxed()),
        meta: head.meta(path),
        range,
        attributes: Default::default(),
        extensions: Default::default(),
    }
}
