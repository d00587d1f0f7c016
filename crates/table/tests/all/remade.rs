//! A table that is dropped and made anew at the same place is another table: a process that holds a
//! handle on the former one finds out, and former versions of it are gone.

use std::time::Duration;

use proxied::proxied;
use rows::{nearest, open, row, space};
use table::embeddings::Embeddings;
use table::ledger::{Ledger, drop_table};
use table::location::Access;
use table::schema::Space;
use table::{Database, TableError, embeddings};
use testkit::Store;

use crate::{proxied, rows};

async fn reader(store: &Store) -> Database {
    store.tables().connect(Access::reader(Duration::from_millis(1))).await.unwrap()
}

async fn filled(database: &Database, first: u128, commits: u128) -> Embeddings {
    let table = Embeddings::open_or_create(database, space(2)).await.unwrap();
    for id in first..first + commits {
        table.append(&[row(id, &format!("{id}.png"), 1, [1.0, 0.0])], "batch").await.unwrap();
    }
    table
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_finds_out_and_sees_the_new_table_without_a_restart() {
    let (store, database) = open().await;
    filled(&database, 1, 6).await;
    let reading = reader(&store).await;
    let held = Embeddings::open(&reading, space(2)).await.unwrap().unwrap();
    let snapshot = held.pinned().await.unwrap();
    let version = snapshot.ledger().version().await.unwrap();
    assert!(held.ledger().is_same_table().await.unwrap());
    filled(&database, 100, 1).await;
    assert!(held.ledger().is_same_table().await.unwrap(), "a commit makes no other table");

    // Fewer commits than before, as many, and more.
    for commits in [1, 7, 20] {
        drop_table(&database, &embeddings::name("tiny")).await.unwrap();
        for handle in [held.ledger(), snapshot.ledger()] {
            assert!(!handle.is_same_table().await.unwrap(), "it was dropped");
        }
        filled(&database, 1000, commits).await;
        for handle in [held.ledger(), snapshot.ledger()] {
            assert!(!handle.is_same_table().await.unwrap(), "{commits} commits");
        }
        assert!(held.at(&reading, version).await.unwrap().is_none(), "{commits} commits");
        // In the same process, whose caches know the former table.
        let anew = Embeddings::open(&reading, space(2)).await.unwrap().unwrap();
        assert!(anew.ledger().is_same_table().await.unwrap());
        assert_eq!(anew.ledger().count_rows().await.unwrap() as u128, commits);
        let found = nearest(&anew, &[1.0, 0.0], 100).await.best;
        assert_eq!(found.len() as u128, commits);
        assert!(found.iter().all(|found| found.image_id >= format!("{:032x}", 1000)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_another_space_are_not_appended_to_a_table_that_was_made_anew() {
    let (_store, database) = open().await;
    let held = filled(&database, 1, 1).await;
    drop_table(&database, &embeddings::name("tiny")).await.unwrap();
    // The same model again: its rows fit.
    filled(&database, 2, 1).await;
    held.append(&[row(3, "3.png", 1, [1.0, 0.0])], "batch").await.unwrap();
    drop_table(&database, &embeddings::name("tiny")).await.unwrap();
    let other = Space { space: "other".into(), ..space(2) };
    let anew = Embeddings::open_or_create(&database, other).await.unwrap();
    let error = held.append(&[row(4, "4.png", 1, [1.0, 0.0])], "batch").await.unwrap_err();
    assert!(matches!(error, TableError::Mismatch { .. }), "{error}");
    assert_eq!(anew.ledger().count_rows().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_does_not_exist_is_found_out_in_a_few_requests() {
    let (store, database) = open().await;
    let table = filled(&database, 1, 40).await;
    let (proxy, location) = proxied(&store).await;
    let reading = location.connect(Access::reader(Duration::from_secs(60))).await.unwrap();
    let held = Embeddings::open(&reading, space(2)).await.unwrap().unwrap();
    for missing in [0, 999, 1 << 63, u64::MAX] {
        proxy.count("GET", "_versions/");
        assert!(held.at(&reading, missing).await.unwrap().is_none(), "{missing}");
        assert!(proxy.counted() < 5, "{} manifests are read", proxy.counted());
    }
    let version = table.ledger().version().await.unwrap();
    let former = held.at(&reading, version - 5).await.unwrap().unwrap();
    assert_eq!(former.ledger().count_rows().await.unwrap(), 35);
    // A store that does not answer is no version that does not exist.
    proxy.set(&[testkit::Rule::any(1.0, testkit::Fault::Status(403))]);
    assert!(held.at(&reading, version - 6).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_a_table_that_notes_its_space_reads_no_row() {
    let (store, database) = open().await;
    filled(&database, 1, 10).await;
    let (proxy, location) = proxied(&store).await;
    let reading = location.connect(Access::reader(Duration::from_secs(60))).await.unwrap();
    proxy.count("GET", ".lance/data/");
    assert!(Embeddings::open(&reading, space(2)).await.unwrap().is_some());
    assert_eq!(proxy.counted(), 0);
    let ledger = Ledger::open(&reading, &embeddings::name("tiny")).await.unwrap().unwrap();
    ledger.count_rows().await.unwrap();
    ledger.existing(&["0".repeat(32)]).await.unwrap();
    assert!(proxy.counted() > 0, "reading rows is counted");
}
