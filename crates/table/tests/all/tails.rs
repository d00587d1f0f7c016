//! Rows that no index covers are few, however large the table is and however rows come.

use rows::{Clusters, facts, open, row, space, unit};
use table::captions::{CaptionRow, CaptionText, Captions};
use table::embeddings::{self, Embeddings};
use table::maintain::{MaintenancePlan, catch_up, index};

use crate::rows;

const DIM: usize = 8;

/// A word that only one caption has.
fn word(id: u128) -> String {
    let digits = id.to_string();
    let letters: String = digits.bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
    format!("zq{letters}zq")
}

fn caption(id: u128) -> CaptionRow {
    let said = CaptionText {
        caption: format!("picture {}", word(id)),
        language: "en".into(),
        others: Vec::new(),
        keywords: vec!["picture".into()],
        provider: "onnx:tiny".into(),
        prompt_hash: "1".into(),
    };
    let vector = unit(vec![1.0, id as f32 / 10_000.0, 0.0, 0.0]);
    CaptionRow { facts: facts(id, &format!("{id}.png"), 1), said, vector }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_hundred_new_captions_are_indexed_however_many_there_are() {
    let (_store, database) = open().await;
    let captions = Captions::open_or_create(&database, "tiny", space(4)).await.unwrap();
    let append = async |ids: std::ops::Range<u128>| {
        let name = format!("batch-{}", ids.start);
        captions.append(&ids.map(caption).collect::<Vec<_>>(), &name).await.unwrap();
    };
    let plan = MaintenancePlan::default();
    append(0..6000).await;
    append(6000..12_000).await;
    index(captions.ledger(), &plan).await.unwrap();
    let uncovered = async || {
        let stats = captions.ledger().stats().await.unwrap();
        let words = stats.indices.into_iter().find(|index| index.columns == ["words"]).unwrap();
        (words.unindexed_rows, words.segments)
    };
    assert_eq!(uncovered().await, (0, 1));
    append(12_000..12_512).await;
    assert!(index(captions.ledger(), &plan).await.unwrap().extended.is_empty());
    assert_eq!(uncovered().await, (512, 1));
    // One in twenty would be 600.
    append(12_512..12_540).await;
    assert_eq!(index(captions.ledger(), &plan).await.unwrap().extended.len(), 1);
    assert_eq!(uncovered().await, (0, 2), "the large segment is left as it is");
    for start in (12_540..15_540).step_by(600) {
        append(start..start + 600).await;
        index(captions.ledger(), &plan).await.unwrap();
        let (rows, segments) = uncovered().await;
        assert!(rows <= 512 && segments <= 4, "{rows} rows, {segments} segments");
    }
    // Words of every segment are found.
    let snapshot = captions.pinned().await.unwrap();
    for id in [0, 11_999, 12_000, 12_539, 13_000, 15_539] {
        let text = word(id);
        let found = snapshot.matching(&text, &Default::default(), 10, false).await.unwrap().best;
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(found[0].key, format!("{id}.png"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn between_two_rounds_only_what_has_fallen_behind_is_extended() {
    let (_store, database) = open().await;
    let name = embeddings::name("tiny");
    let plan = MaintenancePlan { index_from_rows: 2000, ..MaintenancePlan::default() };
    assert!(catch_up(&database, &name, &plan).await.unwrap().is_none(), "no table yet");
    let table = Embeddings::open_or_create(&database, space(DIM)).await.unwrap();
    let mut clusters = Clusters::new(30, DIM);
    let mut append = async |ids: std::ops::Range<u128>| {
        let name = format!("batch-{}", ids.start);
        let rows: Vec<_> =
            ids.map(|id| row(id, &format!("{id}.png"), 1, clusters.vector())).collect();
        table.append(&rows, &name).await.unwrap();
    };
    append(0..3000).await;
    assert!(catch_up(&database, &name, &plan).await.unwrap().is_none(), "no index yet");
    index(table.ledger(), &plan).await.unwrap();
    append(3000..7000).await;
    let version = table.ledger().version().await.unwrap();
    assert!(catch_up(&database, &name, &plan).await.unwrap().is_none());
    assert_eq!(table.ledger().version().await.unwrap(), version, "nothing was done");
    append(7000..7200).await;
    let report = catch_up(&database, &name, &plan).await.unwrap().unwrap();
    assert_eq!(report.failures().count(), 0, "{report:?}");
    assert_eq!(report.indexing.done().unwrap().extended.len(), 4);
    let stats = table.ledger().stats().await.unwrap();
    assert!(stats.indices.iter().all(|index| index.unindexed_rows == 0), "{stats:?}");
    let ids: Vec<_> = (0..7200u128).map(|id| format!("{id:032x}")).collect();
    assert_eq!(table.ledger().existing(&ids).await.unwrap().len(), ids.len());
}
