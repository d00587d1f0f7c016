//! The sample of a table's vectors: maintenance takes it, and takes it anew when the table has
//! changed much.

use std::collections::HashSet;

use rows::{Clusters, open, row, space};
use table::calibration::{self, Calibration};
use table::embeddings::{self, Embeddings};
use table::images::Images;
use table::maintain::{MaintenancePlan, maintain};
use table::schema::Space;

use crate::rows;

const DIM: usize = 8;

fn names() -> Vec<String> {
    vec!["images".to_owned(), embeddings::name("tiny")]
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_keeps_a_sample_of_every_table_with_vectors() {
    let (store, database) = open().await;
    Images::open_or_create(&database).await.unwrap();
    let table = Embeddings::open_or_create(&database, space(DIM)).await.unwrap();
    let mut clusters = Clusters::new(4, DIM);
    let mut stored = HashSet::new();
    let mut append = async |ids: std::ops::Range<u128>| {
        let name = format!("batch-{}", ids.start);
        // Ids are hashes, so they are spread over all values.
        let spread = |id: u128| id.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let rows: Vec<_> =
            ids.map(|id| row(spread(id), &format!("{id}.png"), 1, clusters.vector())).collect();
        stored.extend(rows.iter().map(|row| format!("{:?}", row.vector)));
        table.append(&rows, &name).await.unwrap();
    };
    let round = async || {
        let report = maintain(&database, &names(), &MaintenancePlan::default()).await;
        assert!(report.failures().is_empty(), "{:?}", report.failures());
        report.tables.iter().map(|table| *table.calibration.done().unwrap()).collect::<Vec<_>>()
    };
    let read = async || calibration::read(&database, &names()[1]).await.unwrap();
    assert_eq!(round().await, [false, false]);
    assert_eq!(read().await, None, "an empty table has no sample");

    append(0..100).await;
    assert_eq!(round().await, [false, true]);
    let sample = read().await.unwrap();
    assert_eq!((sample.vectors.len(), sample.of.rows), (100, 100));
    assert!(sample.is_of(&space(DIM)));
    assert!(!sample.is_of(&Space { manifest_hash: "1".into(), ..space(DIM) }));
    append(100..190).await;
    assert_eq!(round().await, [false, false], "it has not doubled");
    append(190..3000).await;
    assert_eq!(round().await, [false, true]);
    let sample = read().await.unwrap();
    assert!((800..=1000).contains(&sample.vectors.len()), "{}", sample.vectors.len());
    assert_eq!(sample.of.rows, 3000);
    let is_stored = |vector: &Vec<f32>| stored.contains(&format!("{vector:?}"));
    assert!(sample.vectors.iter().all(is_stored));

    // A damaged sample is none, and the next round replaces it.
    let key = format!(".bucketlens/tables/{}.calibration", names()[1]);
    let put = store.client().put_object().bucket("pictures").key(&key);
    put.body(b"BLCALIB1rubbish".to_vec().into()).send().await.unwrap();
    assert_eq!(read().await, None);
    assert_eq!(round().await, [false, true]);
    assert_eq!(read().await.map(|again| again.vectors), Some(sample.vectors));
    // It is no table.
    assert_eq!(table::ledger::table_names(&database).await.unwrap(), ["embeddings_tiny", "images"]);
    calibration::remove(&database, &names()[1]).await.unwrap();
    calibration::remove(&database, &names()[1]).await.unwrap();
    assert_eq!(read().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_that_is_too_large_is_not_read() {
    let (store, database) = open().await;
    let put = store
        .client()
        .put_object()
        .bucket("pictures")
        .key(".bucketlens/tables/embeddings_tiny.calibration");
    put.body(vec![0; (8 << 20) + 1].into()).send().await.unwrap();
    assert_eq!(calibration::read(&database, "embeddings_tiny").await.unwrap(), None::<Calibration>);
}
