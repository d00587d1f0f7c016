//! Searches through the index find nearly everything that comparing all rows finds, with exact
//! scores, and rows appended since as well.

use std::collections::{HashMap, HashSet};

use rows::{Clusters, dot, keys, newest_only, open, row, space};
use table::candidates::{Candidate, first_limit};
use table::embeddings::Embeddings;
use table::filter::{Filter, Values};
use table::maintain::{MaintenancePlan, compact, index};

use crate::rows;

const DIM: usize = 64;
const ROWS: u128 = 20_000;
const QUERIES: usize = 40;
const TOP_K: usize = 10;

/// The nearest candidates of a snapshot, and whether all rows were compared. Asks for as many rows
/// as a reader does that wants `TOP_K`.
async fn search(
    snapshot: &Embeddings,
    vector: &[f32],
    filter: &Filter,
    exact: bool,
) -> (Vec<Candidate>, bool) {
    let (found, exact) =
        snapshot.candidates(vector, filter, exact, first_limit(TOP_K)).await.unwrap();
    (found.best, exact)
}

fn ids(found: &[Candidate]) -> Vec<&str> {
    found.iter().map(|found| found.image_id.as_str()).collect()
}

/// Share of the truly nearest rows that a search through the index finds, over some queries.
async fn recall(table: &Embeddings, queries: &[Vec<f32>], filter: &Filter) -> f64 {
    let snapshot = table.pinned().await.unwrap();
    let mut found = 0;
    for vector in queries {
        let (approximate, compared_all) = search(&snapshot, vector, filter, false).await;
        assert!(!compared_all, "the index must be used, or this measures nothing");
        let (exact, compared_all) = search(&snapshot, vector, filter, true).await;
        assert!(compared_all && exact.len() >= TOP_K);
        let truth: HashSet<_> = ids(&exact[..TOP_K]).into_iter().collect();
        found += ids(&approximate[..TOP_K]).iter().filter(|id| truth.contains(*id)).count();
    }
    found as f64 / (queries.len() * TOP_K) as f64
}

/// A table of 20,000 rows and its index. Returns the stored vectors by id.
async fn indexed(table: &Embeddings, clusters: &mut Clusters) -> HashMap<String, Vec<f32>> {
    let mut vectors = HashMap::new();
    for start in (0..ROWS).step_by(2000) {
        // Keys of seven in ten begin with "most/", of one in a hundred with "few/".
        let key = |id: u128| {
            let kind = if id.is_multiple_of(100) {
                "few"
            } else if id % 10 < 7 {
                "most"
            } else {
                "some"
            };
            format!("{kind}/{id}.png")
        };
        let rows: Vec<_> =
            (start..start + 2000).map(|id| row(id, &key(id), 1, clusters.vector())).collect();
        vectors.extend(rows.iter().map(|row| (row.facts.image_id.clone(), row.vector.clone())));
        table.append(&rows, &format!("batch-{start}")).await.unwrap();
    }
    let settings = MaintenancePlan::default();
    compact(table.ledger(), &settings).await.unwrap();
    let indexing = index(table.ledger(), &settings).await.unwrap();
    assert_eq!(indexing.made, ["image_id", "key", "content_hash", "vector"]);
    vectors
}

fn with_prefix(prefix: &str) -> Filter {
    Filter { prefix: Values::any([prefix.to_owned()]), ..Filter::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_finds_nearly_all_with_exact_scores() {
    let (_store, database) = open().await;
    let table = Embeddings::open_or_create(&database, space(DIM)).await.unwrap();
    let mut clusters = Clusters::new(50, DIM);
    let vectors = indexed(&table, &mut clusters).await;

    let queries: Vec<_> = (0..QUERIES).map(|_| clusters.vector()).collect();
    let whole = recall(&table, &queries, &Filter::default()).await;
    let most = recall(&table, &queries, &with_prefix("most/")).await;
    assert!(
        whole >= 0.95 && most >= 0.95,
        "recall@{TOP_K}: {whole} without a filter, {most} with one"
    );

    // The scores are those of the stored vectors, not of their codes in the index.
    let snapshot = table.pinned().await.unwrap();
    let (found, _) = search(&snapshot, &queries[0], &Filter::default(), false).await;
    for hit in &found {
        let exact = dot(&vectors[&hit.image_id], &queries[0]);
        assert!((hit.score - exact).abs() < 1e-4, "{} instead of {exact}", hit.score);
    }
    assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score));
    // A filter that keeps few rows is answered exactly, and so is a request for exactness.
    let (few, compared_all) = search(&snapshot, &queries[0], &with_prefix("few/"), false).await;
    assert!(compared_all && few.len() >= TOP_K);
    assert!(few.iter().all(|found| found.key.starts_with("few/")));

    // The same question to the same version has the same answer: pages follow each other.
    let (again, _) = search(&snapshot, &queries[0], &Filter::default(), false).await;
    assert_eq!(again, found);

    fresh_rows_are_found(&table, &queries, &vectors[&format!("{:032x}", 1)]).await;
}

/// Rows that no index covers yet are found first if they are nearest, also the newest version of an
/// overwritten object. `former` is the vector of its former content.
async fn fresh_rows_are_found(table: &Embeddings, queries: &[Vec<f32>], former: &[f32]) {
    let fresh = row(ROWS, "some/fresh.png", 1, queries[1].clone());
    let overwritten = row(ROWS + 1, "most/1.png", 2, queries[2].clone());
    table.append(&[fresh.clone(), overwritten.clone()], "fresh").await.unwrap();
    let snapshot = table.pinned().await.unwrap();
    for (row, vector) in [(fresh, &queries[1]), (overwritten, &queries[2])] {
        let (found, compared_all) = search(&snapshot, vector, &Filter::default(), false).await;
        assert!(!compared_all && found.len() >= TOP_K);
        assert_eq!(found[0].image_id, row.facts.image_id);
        assert!((found[0].score - 1.0).abs() < 1e-4);
    }
    let (found, _) = search(&snapshot, former, &Filter::default(), false).await;
    assert_eq!(found[0].key, "most/1.png");
    let shown = newest_only(&snapshot, found).await;
    assert!(
        shown.len() >= TOP_K && !keys(&shown).contains(&"most/1.png"),
        "an object is found by its former content"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dimension_that_packs_into_no_bytes_is_indexed_all_the_same() {
    let (_store, database) = open().await;
    let table = Embeddings::open_or_create(&database, space(12)).await.unwrap();
    let mut clusters = Clusters::new(5, 12);
    let rows: Vec<_> =
        (0..3000).map(|id| row(id, &format!("{id}.png"), 1, clusters.vector())).collect();
    table.append(&rows, "batch").await.unwrap();
    let settings = MaintenancePlan { index_from_rows: 1000, ..MaintenancePlan::default() };
    index(table.ledger(), &settings).await.unwrap();
    let queries: Vec<_> = (0..10).map(|_| clusters.vector()).collect();
    assert!(recall(&table, &queries, &Filter::default()).await >= 0.95);
}
