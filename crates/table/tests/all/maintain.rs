//! Maintenance of tables that are in use: no row is lost, spares go, fragments stay few, and
//! readers notice nothing.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::TryStreamExt;
use rows::{Clusters, nearest, nearest_objects, newest_only, open, row, space};
use table::Database;
use table::embeddings::{self, Embeddings};
use table::filter::Filter;
use table::images::Images;
use table::ledger::Ledger;
use table::location::Access;
use table::maintain::{
    MaintenancePlan, MaintenanceReport, compact, index, maintain, prune, remove_spares,
};
use table::schema::{EmbeddingRow, ImageRow};
use testkit::Store;
use tokio_util::sync::CancellationToken;

use crate::rows;

const DIM: usize = 8;
const WRITERS: u128 = 6;
const BATCHES: u128 = 10;
const ROWS_PER_BATCH: u128 = 8;

fn names() -> Vec<String> {
    vec!["images".to_owned(), embeddings::name("tiny")]
}

fn small() -> MaintenancePlan {
    MaintenancePlan { index_from_rows: 300, ..MaintenancePlan::default() }
}

async fn connect(store: &Store) -> Database {
    store.tables().connect(Access::writer()).await.unwrap()
}

async fn all_ids(ledger: &Ledger) -> Vec<String> {
    let ids: Vec<Vec<String>> = ledger.all_ids().await.unwrap().try_collect().await.unwrap();
    let mut ids = ids.concat();
    ids.sort();
    ids
}

fn no_failures(report: &MaintenanceReport) {
    assert!(report.failures().is_empty(), "{:?}", report.failures());
}

/// The rows that must be found: committed, and not yet being deleted.
#[derive(Default)]
struct Expected {
    committed: BTreeSet<String>,
    deleted: BTreeSet<String>,
}

impl Expected {
    fn now(&self) -> BTreeSet<String> {
        self.committed.difference(&self.deleted).cloned().collect()
    }
}

/// Appends as an embedder does, every third batch as if its job were delivered twice, and then
/// removes one row as ingest does.
async fn write(database: Database, writer: u128, expected: Arc<Mutex<Expected>>) {
    let table = Embeddings::open_or_create(&database, space(DIM)).await.unwrap();
    let mut clusters = Clusters::new(4, DIM);
    for batch in 0..BATCHES {
        let first = writer * 10_000 + batch * 100;
        let rows: Vec<EmbeddingRow> = (first..first + ROWS_PER_BATCH)
            .map(|id| row(id, &format!("{id}.png"), 1, clusters.vector()))
            .collect();
        table.append(&rows, &format!("{writer}-{batch}")).await.unwrap();
        expected
            .lock()
            .unwrap()
            .committed
            .extend(rows.iter().map(|row| row.facts.image_id.clone()));
        if batch % 3 == 0 {
            table.append(&rows, &format!("{writer}-{batch}-again")).await.unwrap();
        }
        if batch % 4 == writer % 4 {
            let gone = rows[0].facts.image_id.clone();
            expected.lock().unwrap().deleted.insert(gone.clone());
            table.ledger().delete(&[gone]).await.unwrap();
        }
    }
}

/// Searches as a searcher does, until it is told to stop. Returns how often it searched.
async fn read(
    database: Database,
    expected: Arc<Mutex<Expected>>,
    stop: CancellationToken,
) -> usize {
    let table = Embeddings::open_or_create(&database, space(DIM)).await.unwrap();
    let mut looked = 0;
    while !stop.is_cancelled() {
        let before = expected.lock().unwrap().now();
        let snapshot = table.pinned().await.unwrap();
        let version = snapshot.ledger().version().await.unwrap();
        let found = nearest(&snapshot, &[0.5; DIM], 5000).await.best;
        let found = newest_only(&snapshot, found).await;
        let ids: Vec<_> = found.into_iter().map(|found| found.image_id).collect();
        let once: BTreeSet<_> = ids.iter().cloned().collect();
        assert_eq!(once.len(), ids.len(), "an object is found twice");
        let after = expected.lock().unwrap().now();
        let lost: Vec<_> = before.intersection(&after).filter(|id| !once.contains(*id)).collect();
        assert!(lost.is_empty(), "version {version} lost {lost:?}");
        looked += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    looked
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_removals_and_maintenance_at_once_lose_and_double_nothing() {
    let store = Store::start().await;
    let expected = Arc::new(Mutex::new(Expected::default()));
    let (stop, mut writers) = (CancellationToken::new(), Vec::new());
    for writer in 0..WRITERS {
        writers.push(tokio::spawn(write(connect(&store).await, writer, Arc::clone(&expected))));
    }
    let reader = tokio::spawn(read(connect(&store).await, Arc::clone(&expected), stop.clone()));
    let maintainer = {
        let (database, stop) = (connect(&store).await, stop.clone());
        tokio::spawn(async move {
            let (mut merged, mut removed) = (0, 0);
            while !stop.is_cancelled() {
                let report = maintain(&database, &names(), &small()).await;
                no_failures(&report);
                for table in &report.tables {
                    merged += table.compaction.done().unwrap().merged;
                    removed += table.spares.done().unwrap().removed;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            (merged, removed)
        })
    };
    for writer in writers {
        writer.await.unwrap();
    }
    stop.cancel();
    let (merged, _) = maintainer.await.unwrap();
    assert!(merged > 0, "nothing was merged while rows came, so nothing was tested");
    assert!(reader.await.unwrap() > 2);

    let database = connect(&store).await;
    no_failures(&maintain(&database, &names(), &small()).await);
    let table = Embeddings::open_or_create(&database, space(DIM)).await.unwrap();
    let left: Vec<_> = expected.lock().unwrap().now().into_iter().collect();
    assert_eq!(all_ids(table.ledger()).await, left);
    assert_eq!(table.ledger().spare_rows().await.unwrap(), 0);
    assert_eq!(table.ledger().existing(&left).await.unwrap().len(), left.len());
    assert_eq!(table.ledger().stats().await.unwrap().indices.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_small_commits_stay_few_fragments_and_versions() {
    let (store, database) = open().await;
    let table = Embeddings::open_or_create(&database, space(DIM)).await.unwrap();
    let mut clusters = Clusters::new(4, DIM);
    for id in 0..300 {
        table
            .append(&[row(id, &format!("{id}.png"), 1, clusters.vector())], &format!("batch-{id}"))
            .await
            .unwrap();
        if id % 60 == 59 {
            let before = table.ledger().stats().await.unwrap();
            no_failures(&maintain(&database, &names(), &MaintenancePlan::default()).await);
            let after = table.ledger().stats().await.unwrap();
            assert!(
                before.fragments >= 60 && after.fragments < 8,
                "{} became {}",
                before.fragments,
                after.fragments
            );
            assert_eq!((after.rows as u128, after.indices.len()), (id + 1, 0));
        }
    }
    let versions = async || {
        let list = store
            .client()
            .list_objects_v2()
            .bucket("pictures")
            .prefix(".bucketlens/tables/embeddings_tiny.lance/_versions/");
        list.send().await.unwrap().key_count().unwrap()
    };
    assert!(versions().await > 300);
    // Young versions stay.
    assert_eq!(prune(table.ledger(), Duration::from_secs(3600)).await.unwrap().versions, 0);
    // Nothing else runs here, so that all but the newest may go.
    let pruning = prune(table.ledger(), Duration::ZERO).await.unwrap();
    assert!(pruning.versions > 300 && pruning.bytes > 0, "{pruning:?}");
    assert!(versions().await < 3, "{} versions are left", versions().await);
    let reopened = Embeddings::open(&database, space(DIM)).await.unwrap().unwrap();
    assert_eq!(nearest(&reopened, &[0.5; DIM], 1000).await.best.len(), 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_made_once_and_extended_when_it_has_fallen_behind() {
    let (_store, database) = open().await;
    let table = Embeddings::open_or_create(&database, space(DIM)).await.unwrap();
    let mut clusters = Clusters::new(30, DIM);
    let mut append = async |ids: std::ops::Range<u128>| {
        let name = format!("batch-{}", ids.start);
        let rows: Vec<_> =
            ids.map(|id| row(id, &format!("{id}.png"), 1, clusters.vector())).collect();
        table.append(&rows, &name).await.unwrap();
    };
    let settings = MaintenancePlan { index_from_rows: 2000, ..MaintenancePlan::default() };
    append(0..1999).await;
    assert!(index(table.ledger(), &settings).await.unwrap().made.is_empty(), "too few rows");
    append(1999..2000).await;
    let first = index(table.ledger(), &settings).await.unwrap();
    assert_eq!((first.made.len(), first.extended.len()), (4, 0));

    let made = table.ledger().stats().await.unwrap();
    append(2000..6000).await;
    let again = index(table.ledger(), &settings).await.unwrap();
    assert!(again.made.is_empty() && again.extended.is_empty(), "{again:?}");
    let behind = table.ledger().stats().await.unwrap();
    assert_eq!(behind.version, made.version + 1, "an index was made anew");
    assert!(
        behind.indices.iter().all(|index| index.unindexed_rows == 4000),
        "{:?}",
        behind.indices
    );

    // Each time enough for an extension; the parts of an index stay few.
    for start in (6000..30_000).step_by(4000) {
        append(start..start + 4000).await;
        let report = maintain(&database, &names(), &settings).await;
        no_failures(&report);
    }
    let caught_up = table.ledger().stats().await.unwrap();
    assert_eq!((caught_up.rows, caught_up.indices.len()), (30_000, 4));
    for index in &caught_up.indices {
        assert!(index.unindexed_rows <= 4096 && index.segments <= 4, "{index:?}");
    }
    let snapshot = table.pinned().await.unwrap();
    let (found, compared_all) =
        snapshot.candidates(&clusters.vector(), &Filter::default(), false, 10).await.unwrap();
    assert!(!compared_all && found.best.len() == 10);
    let ids: Vec<_> = (0..30_000u128).map(|id| format!("{id:032x}")).collect();
    assert_eq!(table.ledger().existing(&ids).await.unwrap().len(), ids.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_find_the_same_before_and_after() {
    let (_store, database) = open().await;
    let table = Embeddings::open_or_create(&database, space(DIM)).await.unwrap();
    let mut clusters = Clusters::new(20, DIM);
    for start in (0..3000).step_by(150) {
        let rows: Vec<_> = (start..start + 150)
            .map(|id| row(id, &format!("{id}.png"), 1, clusters.vector()))
            .collect();
        table.append(&rows, &format!("batch-{start}")).await.unwrap();
        table.append(&rows[..5], &format!("again-{start}")).await.unwrap();
    }
    let gone: Vec<_> =
        (0..3000u128).filter(|id| id % 5 == 0).map(|id| format!("{id:032x}")).collect();
    table.ledger().delete(&gone).await.unwrap();
    let queries: Vec<_> = (0..10).map(|_| clusters.vector()).collect();
    let search = async || {
        let mut answers = Vec::new();
        for vector in &queries {
            let mut found = nearest_objects(&table, vector, &Filter::default(), 32).await;
            found.truncate(20);
            answers.push(
                found.into_iter().map(|found| (found.image_id, found.score)).collect::<Vec<_>>(),
            );
        }
        answers
    };
    let before = search().await;
    let settings = MaintenancePlan { index_from_rows: 1000, ..MaintenancePlan::default() };
    let report = maintain(&database, &names(), &settings).await;
    no_failures(&report);
    let done = &report.tables[0];
    assert_eq!(done.spares.done().unwrap().removed, 20 * 4, "the first of each five is deleted");
    assert!(
        done.compaction.done().unwrap().merged >= 20
            && done.indexing.done().unwrap().made.len() == 4,
        "{done:?}"
    );
    assert_eq!(table.ledger().stats().await.unwrap().deleted_rows, 0);
    for (before, after) in before.iter().zip(search().await) {
        assert_eq!(before.len(), after.len());
        for ((id, score), (same_id, same_score)) in before.iter().zip(after) {
            assert!(
                *id == same_id && (score - same_score).abs() < 1e-5,
                "{id} {score} became {same_id} {same_score}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_appended_twice_at_once_lose_their_spares_only() {
    let (store, database) = open().await;
    Images::open_or_create(&database).await.unwrap();
    let rows: Vec<_> = (0..50)
        .map(|id| ImageRow { facts: rows::facts(id, &format!("{id}.png"), 1), thumbnail: vec![1] })
        .collect();
    let mut appending = Vec::new();
    for delivery in 0..3 {
        let (database, rows) = (connect(&store).await, rows[delivery * 5..].to_vec());
        appending.push(tokio::spawn(async move {
            let images = Images::open_or_create(&database).await.unwrap();
            images.append(&rows, &format!("delivery-{delivery}")).await.unwrap();
        }));
    }
    for task in appending {
        task.await.unwrap();
    }
    let images = Images::open(&database).await.unwrap().unwrap();
    assert_eq!(images.ledger().spare_rows().await.unwrap(), 45 + 40);
    // Two maintainers at once agree on which row stays.
    let ledger = images.ledger();
    let (one, other) = tokio::join!(remove_spares(ledger), remove_spares(ledger));
    assert!(one.unwrap().removed.max(other.unwrap().removed) == 85);
    let ids: Vec<_> = rows.iter().map(|row| row.facts.image_id.clone()).collect();
    assert_eq!(all_ids(ledger).await, ids);
    assert_eq!(ledger.spare_rows().await.unwrap(), 0);
    assert_eq!(remove_spares(ledger).await.unwrap().removed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_stops_no_other() {
    let (_store, database) = open().await;
    let images = Images::open_or_create(&database).await.unwrap();
    // A row that another program wrote: spares cannot be looked for among such ids.
    let mut facts = rows::facts(1, "a.png", 1);
    facts.image_id = "no id".into();
    for batch in 0..10 {
        images
            .append(
                &[ImageRow { facts: facts.clone(), thumbnail: vec![1] }],
                &format!("batch-{batch}"),
            )
            .await
            .unwrap();
    }
    let report = maintain(&database, &[names(), vec!["missing".into()]].concat(), &small()).await;
    assert_eq!(report.tables.len(), 1, "tables that do not exist are left out");
    let failures = report.failures();
    assert!(
        failures.len() == 1 && failures[0].contains("'no id'") && failures[0].contains("images"),
        "{failures:?}"
    );
    assert_eq!(report.tables[0].compaction.done().unwrap().merged, 10);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["tables"][0]["compaction"]["done"]["into"], 1, "{json}");
    assert!(json["tables"][0]["spares"]["failed"].is_string(), "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fragment_full_of_deleted_rows_is_written_anew() {
    let (_store, database) = open().await;
    let images = Images::open_or_create(&database).await.unwrap();
    let rows: Vec<_> = (0..100)
        .map(|id| ImageRow { facts: rows::facts(id, &format!("{id}.png"), 1), thumbnail: vec![1] })
        .collect();
    images.append(&rows, "batch").await.unwrap();
    let ids: Vec<_> = rows.iter().map(|row| row.facts.image_id.clone()).collect();
    images.ledger().delete(&ids[..5]).await.unwrap();
    assert_eq!(
        compact(images.ledger(), &small()).await.unwrap().merged,
        0,
        "five in a hundred may stay"
    );
    images.ledger().delete(&ids[..30]).await.unwrap();
    let before = images.ledger().stats().await.unwrap();
    assert_eq!((before.rows, before.deleted_rows), (70, 30));
    assert_eq!(compact(images.ledger(), &small()).await.unwrap().merged, 1);
    let after = images.ledger().stats().await.unwrap();
    assert_eq!((after.rows, after.deleted_rows, after.fragments), (70, 0, 1));
}
