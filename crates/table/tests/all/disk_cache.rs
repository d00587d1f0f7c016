//! The cache on local disk: it spares requests, also after a restart, and whatever happens to its
//! folder, readers see the rows of the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proxied::proxied;
use rows::{Clusters, open, row, space};
use table::Database;
use table::embeddings::Embeddings;
use table::filter::Filter;
use table::location::{Access, CacheSettings, Location};
use table::maintain::{MaintenancePlan, index};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::{proxied, rows};

const DIM: usize = 32;
const ROWS: u128 = 3000;

async fn fill(database: &Database) -> Vec<Vec<f32>> {
    let table = Embeddings::open_or_create(database, space(DIM)).await.unwrap();
    let mut clusters = Clusters::new(10, DIM);
    for start in (0..ROWS).step_by(1000) {
        let rows: Vec<_> = (start..start + 1000)
            .map(|id| row(id, &format!("{id}.png"), 1, clusters.vector()))
            .collect();
        table.append(&rows, &format!("batch-{start}")).await.unwrap();
    }
    let plan = MaintenancePlan { index_from_rows: 1000, ..MaintenancePlan::default() };
    index(table.ledger(), &plan).await.unwrap();
    table.ledger().delete(&[format!("{:032x}", 5)]).await.unwrap();
    (0..5).map(|_| clusters.vector()).collect()
}

fn settings(folder: &Path) -> CacheSettings {
    CacheSettings { folder: folder.to_owned(), size: 128 << 20 }
}

async fn cached(location: &Location, folder: &Path) -> Database {
    let access = Access::reader(Duration::from_secs(60)).with_cache(&settings(folder));
    location.connect(access).await.unwrap()
}

/// What a reader sees: searches through the index and of all rows, facts and all ids.
async fn seen(database: &Database, queries: &[Vec<f32>]) -> Vec<(String, String)> {
    let table = Embeddings::open(database, space(DIM)).await.unwrap().unwrap();
    let mut seen = Vec::new();
    for query in queries {
        for exact in [false, true] {
            let snapshot = table.pinned().await.unwrap();
            let found = snapshot.candidates(query, &Filter::default(), exact, 40).await.unwrap();
            let best = found.0.best.into_iter();
            seen.extend(best.map(|found| (found.image_id, format!("{:.4}", found.score))));
        }
    }
    let ids: Vec<_> = (0..ROWS).step_by(37).map(|id| format!("{id:032x}")).collect();
    let mut facts: Vec<_> = table.ledger().facts(&ids).await.unwrap().into_values().collect();
    facts.sort_by(|a, b| a.image_id.cmp(&b.image_id));
    seen.extend(facts.into_iter().map(|facts| (facts.image_id, facts.key)));
    assert_eq!(table.ledger().count_rows().await.unwrap() as u128, ROWS - 1);
    seen
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return files };
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(self::files(&entry.path())),
            _ => files.push(entry.path()),
        }
    }
    files
}

/// Overwrites what lies in the files, from some byte on.
fn spoil(folder: &Path, from: usize) -> usize {
    let mut spoilt = 0;
    for path in files(folder) {
        let Ok(mut bytes) = std::fs::read(&path) else { continue };
        bytes.iter_mut().skip(from).for_each(|byte| *byte = byte.wrapping_mul(31) ^ 0xa5);
        spoilt += bytes.len().saturating_sub(from);
        // In place, so that open handles see it.
        use std::io::Write;
        let file = std::fs::File::options().write(true).open(&path);
        if let Ok(mut file) = file {
            let _ = file.write_all(&bytes);
        }
    }
    spoilt
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_reads_no_data_from_the_store() {
    let (store, database) = open().await;
    let queries = fill(&database).await;
    let plain = seen(&database, &queries).await;
    let (proxy, location) = proxied(&store).await;
    let folder = TempDir::new().unwrap();

    let first = cached(&location, folder.path()).await;
    proxy.count("GET", ".lance/data/");
    assert_eq!(seen(&first, &queries).await, plain);
    assert!(proxy.counted() > 0, "a cold cache reads from the store");
    first.close().await;
    drop(first);

    for part in [".lance/data/", ".lance/_indices/", ".lance/_deletions/"] {
        for method in ["GET", "HEAD"] {
            // Each time a process that has nothing in memory.
            let next = cached(&location, folder.path()).await;
            proxy.count(method, part);
            assert_eq!(seen(&next, &queries).await, plain);
            assert_eq!(proxy.counted(), 0, "{method} {part}");
            next.close().await;
        }
    }
    // New rows are seen, because what changes is not cached.
    let table = Embeddings::open_or_create(&database, space(DIM)).await.unwrap();
    table.append(&[row(ROWS, "new.png", 1, queries[0].clone())], "new").await.unwrap();
    let last = cached(&location, folder.path()).await;
    let anew = Embeddings::open(&last, space(DIM)).await.unwrap().unwrap();
    assert_eq!(anew.ledger().count_rows().await.unwrap() as u128, ROWS);
    let found = rows::nearest(&anew, &queries[0], 10).await.best;
    assert_eq!(found[0].key, "new.png");
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_in_the_folder_changes_no_row() {
    let (store, database) = open().await;
    let queries = fill(&database).await;
    let plain = seen(&database, &queries).await;
    let folder = TempDir::new().unwrap();
    let location = store.tables();
    // From the first byte, and from behind the first index of blocks.
    for from in [0, 4096, 100_000] {
        let cache = cached(&location, folder.path()).await;
        assert_eq!(seen(&cache, &queries).await, plain);
        cache.close().await;
        drop(cache);
        assert!(spoil(folder.path(), from) > 0);
        let cache = cached(&location, folder.path()).await;
        assert_eq!(seen(&cache, &queries).await, plain, "spoilt from {from}");
        cache.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_spoilt_or_deleted_under_load_changes_no_row() {
    let (store, database) = open().await;
    let queries = Arc::new(fill(&database).await);
    let plain = Arc::new(seen(&database, &queries).await);
    let folder = TempDir::new().unwrap();
    let location = store.tables();
    let cache = cached(&location, folder.path()).await;
    let stop = CancellationToken::new();
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (cache, queries) = (cache.clone(), Arc::clone(&queries));
            let (plain, stop) = (Arc::clone(&plain), stop.clone());
            tokio::spawn(async move {
                let mut looked = 0;
                while !stop.is_cancelled() || looked == 0 {
                    assert_eq!(seen(&cache, &queries).await, *plain);
                    looked += 1;
                }
            })
        })
        .collect();
    for step in 0..6 {
        // Between two steps, each reader has time to look.
        assert_eq!(seen(&cache, &queries).await, *plain);
        match step {
            0..3 => {
                spoil(folder.path(), step * 4096);
            }
            3 => {
                for path in files(folder.path()) {
                    let file = std::fs::File::options().write(true).open(path).unwrap();
                    file.set_len(1000).unwrap();
                }
            }
            _ => {
                let _ = std::fs::remove_dir_all(folder.path());
            }
        }
    }
    assert_eq!(seen(&cache, &queries).await, *plain);
    stop.cancel();
    for reader in readers {
        reader.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_at_the_same_time_runs_without_the_cache() {
    let (store, database) = open().await;
    let queries = fill(&database).await;
    let plain = seen(&database, &queries).await;
    let folder = TempDir::new().unwrap();
    let (proxy, location) = proxied(&store).await;
    let first = cached(&store.tables(), folder.path()).await;
    assert_eq!(seen(&first, &queries).await, plain);
    let second = cached(&location, folder.path()).await;
    proxy.count("GET", ".lance/data/");
    assert_eq!(seen(&second, &queries).await, plain);
    assert!(proxy.counted() > 0);
    first.close().await;
}
