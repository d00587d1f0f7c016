//! Searching through the index: nearly everything that comparing all rows finds, with exact scores,
//! and what was appended since as well.

use crate::rows;

use std::collections::{HashMap, HashSet};

use rows::{Clusters, dot, open, query, row, space};
use table::embeddings::{Embeddings, Found, VectorQuery};
use table::filter::Filter;
use table::maintain::{MaintenancePlan, compact, index};

const DIM: usize = 64;
const ROWS: u128 = 20_000;
const QUERIES: usize = 40;
const TOP_K: usize = 10;

fn ids(found: &Found) -> Vec<String> {
    found.hits.iter().map(|hit| hit.facts.image_id.clone()).collect()
}

/// Share of the truly nearest rows that a search through the index finds, over some queries.
async fn recall(table: &Embeddings, queries: &[Vec<f32>], filter: &Filter) -> f64 {
    let mut found = 0;
    for vector in queries {
        let search = VectorQuery { filter: filter.clone(), ..query(vector.clone(), TOP_K) };
        let approximate = table.search(&search).await.unwrap();
        assert!(!approximate.exact, "the index must be used, or this measures nothing");
        let exact = table.search(&VectorQuery { exact: true, ..search }).await.unwrap();
        assert!(exact.exact && exact.hits.len() == TOP_K);
        let truth: HashSet<_> = ids(&exact).into_iter().collect();
        found += ids(&approximate).iter().filter(|id| truth.contains(*id)).count();
    }
    found as f64 / (queries.len() * TOP_K) as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_finds_nearly_all_with_exact_scores() {
    let (_store, database) = open().await;
    let table = Embeddings::open_or_create(&database, space(DIM)).await.unwrap();
    let mut clusters = Clusters::new(50, DIM);
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

    let queries: Vec<_> = (0..QUERIES).map(|_| clusters.vector()).collect();
    let with_prefix =
        |prefix: &str| Filter { prefix: Some(prefix.to_owned()), ..Filter::default() };
    let whole = recall(&table, &queries, &Filter::default()).await;
    let most = recall(&table, &queries, &with_prefix("most/")).await;
    assert!(
        whole >= 0.95 && most >= 0.95,
        "recall@{TOP_K}: {whole} without a filter, {most} with one"
    );

    // The scores are those of the stored vectors, not of their codes in the index.
    let found = table.search(&query(queries[0].clone(), 20)).await.unwrap();
    for hit in &found.hits {
        let expected = dot(&queries[0], &vectors[&hit.facts.image_id]);
        assert!((hit.score - expected).abs() < 1e-4, "{} instead of {expected}", hit.score);
    }
    // A filter that keeps few rows is answered exactly, and so is whoever asks for it.
    let few = VectorQuery { filter: with_prefix("few/"), ..query(queries[0].clone(), TOP_K) };
    let few = table.search(&few).await.unwrap();
    assert!(
        few.exact
            && few.hits.len() == TOP_K
            && few.hits.iter().all(|hit| hit.facts.key.starts_with("few/"))
    );

    // Rows that no index covers yet are found first where they are nearest, and so is an
    // overwritten object's newest.
    let fresh = row(ROWS, "some/fresh.png", 1, queries[1].clone());
    let overwritten = row(ROWS + 1, "most/1.png", 2, queries[2].clone());
    table.append(&[fresh.clone(), overwritten.clone()], "fresh").await.unwrap();
    for (row, vector) in [(fresh, &queries[1]), (overwritten, &queries[2])] {
        let found = table.search(&query(vector.clone(), TOP_K)).await.unwrap();
        assert!(!found.exact);
        assert_eq!(
            (found.hits[0].facts.image_id.as_str(), found.hits.len()),
            (row.facts.image_id.as_str(), TOP_K)
        );
        assert!((found.hits[0].score - 1.0).abs() < 1e-4);
    }
    let former =
        table.search(&query(vectors[&format!("{:032x}", 1)].clone(), TOP_K)).await.unwrap();
    assert!(
        former.hits.iter().all(|hit| hit.facts.key != "most/1.png"),
        "an object is found by its former content"
    );

    // Pages follow each other.
    let whole = ids(&table.search(&query(queries[3].clone(), 18)).await.unwrap());
    let mut paged = Vec::new();
    for offset in (0..18).step_by(6) {
        paged.extend(ids(&table
            .search(&VectorQuery { offset, ..query(queries[3].clone(), 6) })
            .await
            .unwrap()));
    }
    assert_eq!(paged, whole);
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
