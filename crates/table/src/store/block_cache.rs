//! Blocks of immutable objects in memory and, below a folder, on local disk. Everything here may be
//! wrong, missing or deleted at any time: a block whose checksum does not match is not there, and a
//! write that fails is forgotten. Neither ever reaches a reader.

use std::error::Error;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use foyer::{
    BlockEngineConfig, DeviceBuilder, FsDeviceBuilder, HybridCache, HybridCacheBuilder,
    HybridCachePolicy, RecoverMode,
};

use super::block::{BlockKey, StoredBlock};

/// Blocks kept in memory, in bytes.
const MEMORY_BYTES: usize = 32 << 20;
const MEMORY_SHARDS: usize = 8;
/// The folder holds at most about this many files, each of which is always open. Room is made by
/// emptying the oldest file.
const FILES: u64 = 128;
const LEAST_FILE_BYTES: u64 = 4 << 20;
/// Begins the names of folders with blocks; the rest names how they lie there.
const LAYOUT: &str = "blocks-v1-";

/// The cache of this process. One process at a time uses a folder.
pub(crate) struct BlockCache {
    blocks: HybridCache<BlockKey, StoredBlock>,
    // Held open until the cache is closed: the operating system releases the lock even if the
    // process is killed.
    lock: Mutex<Option<File>>,
}

impl std::fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockCache").finish_non_exhaustive()
    }
}

impl BlockCache {
    /// Opens the cache below this folder, with what an earlier process left there. `None` if the
    /// folder cannot be used or another process uses it: the process then runs without a cache, and
    /// the log says why.
    pub(crate) async fn open(folder: &Path, bytes: u64) -> Option<Self> {
        let folder = folder.to_owned();
        let shown = folder.display().to_string();
        // A task of its own: even a panic on what lies in the folder costs only the cache.
        let opened = tokio::spawn(async move { open(folder, bytes).await });
        let problem = match opened.await {
            Ok(Ok(cache)) => return Some(cache),
            Ok(Err(problem)) => problem.to_string(),
            Err(panic) => panic.to_string(),
        };
        tracing::warn!(
            folder = shown,
            problem,
            "tables are read without a cache on local disk; cache.folder names its folder"
        );
        None
    }

    /// The block, if it is at hand and whole.
    pub(super) async fn get(&self, key: &BlockKey) -> Option<StoredBlock> {
        let entry = self.blocks.get(key).await.ok()??;
        Some(entry.value().clone())
    }

    /// Keeps a block. Writes it to disk in the background, or drops it if the disk is too slow.
    pub(super) fn insert(&self, key: BlockKey, block: StoredBlock) {
        self.blocks.insert(key, block);
    }

    /// Writes what is not on disk yet, and leaves the folder to the next process. Nothing is kept
    /// afterwards.
    pub(crate) async fn close(&self) {
        if let Err(error) = self.blocks.close().await {
            tracing::debug!(%error, "the cache on local disk was not written to its end");
        }
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

async fn open(folder: PathBuf, bytes: u64) -> Result<BlockCache, Box<dyn Error + Send + Sync>> {
    let file_bytes = (bytes / FILES).max(LEAST_FILE_BYTES);
    let layout = format!("{LAYOUT}{bytes}");
    let blocks = folder.join(&layout);
    let lock = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&folder)?;
        let lock = lock(&folder)?;
        remove_other_layouts(&folder, &layout)?;
        io::Result::Ok(lock)
    })
    .await??;
    let device = FsDeviceBuilder::new(blocks).with_capacity(usize::try_from(bytes)?).build()?;
    let engine = BlockEngineConfig::new(device).with_block_size(usize::try_from(file_bytes)?);
    let blocks = HybridCacheBuilder::new()
        .with_name("bucketlens")
        .with_policy(HybridCachePolicy::WriteOnInsertion)
        .with_flush_on_close(false)
        .memory(MEMORY_BYTES)
        .with_shards(MEMORY_SHARDS)
        .with_weighter(|_: &BlockKey, block: &StoredBlock| block.bytes.len() + 512)
        .storage()
        .with_engine_config(engine)
        .with_recover_mode(RecoverMode::Quiet)
        .build()
        .await?;
    Ok(BlockCache { blocks, lock: Mutex::new(Some(lock)) })
}

fn lock(folder: &Path) -> io::Result<File> {
    let file =
        File::options().create(true).truncate(false).write(true).open(folder.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another process uses the folder: give each process one of its own",
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Blocks of a cache of another size lie differently and cannot be used.
fn remove_other_layouts(folder: &Path, layout: &str) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(LAYOUT) && name != layout {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use object_store::ObjectMeta;
    use object_store::path::Path as ObjectPath;

    use super::super::block::ObjectHead;
    use super::*;

    const SIZE: u64 = 64 << 20;

    fn key(block: u64) -> BlockKey {
        BlockKey::new(&ObjectPath::from("a.lance/data/1"), block)
    }

    fn block(byte: u8) -> StoredBlock {
        let meta = ObjectMeta {
            location: ObjectPath::from("x"),
            last_modified: std::time::SystemTime::UNIX_EPOCH.into(),
            size: 1 << 20,
            e_tag: None,
            version: None,
        };
        StoredBlock { head: ObjectHead::of(&meta), bytes: Bytes::from(vec![byte; 65_536]) }
    }

    async fn filled(folder: &Path) -> BlockCache {
        let cache = BlockCache::open(folder, SIZE).await.unwrap();
        (0..8).for_each(|n| cache.insert(key(n), block(n as u8)));
        cache
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn blocks_survive_a_restart_and_one_process_at_a_time_uses_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let cache = filled(folder.path()).await;
        assert!(BlockCache::open(folder.path(), SIZE).await.is_none(), "it is in use");
        cache.close().await;
        drop(cache);
        let cache = BlockCache::open(folder.path(), SIZE).await.unwrap();
        for n in 0..8 {
            assert_eq!(cache.get(&key(n)).await, Some(block(n as u8)));
        }
        assert_eq!(cache.get(&key(9)).await, None);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn rubbish_on_disk_is_no_block() {
        let folder = tempfile::tempdir().unwrap();
        let cache = filled(folder.path()).await;
        cache.close().await;
        drop(cache);
        let files = folder.path().join(format!("{LAYOUT}{SIZE}"));
        let mut spoilt = 0;
        for entry in std::fs::read_dir(&files).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            // The index of the blocks stays right; what it points at is wrong.
            for byte in bytes.iter_mut().skip(8192) {
                *byte ^= 0x5a;
                spoilt += 1;
            }
            std::fs::write(&path, bytes).unwrap();
        }
        assert!(spoilt > 0);
        let cache = BlockCache::open(folder.path(), SIZE).await.unwrap();
        for n in 0..8 {
            let got = cache.get(&key(n)).await;
            assert!(got.is_none_or(|got| got == block(n as u8)));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_folder_that_cannot_be_used_is_no_cache() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "no folder").unwrap();
        assert!(BlockCache::open(&file, SIZE).await.is_none());
        // Blocks of another size go.
        std::fs::create_dir(folder.path().join("blocks-v1-1")).unwrap();
        let cache = BlockCache::open(folder.path(), SIZE).await.unwrap();
        assert!(!folder.path().join("blocks-v1-1").exists());
        cache.close().await;
    }
}
