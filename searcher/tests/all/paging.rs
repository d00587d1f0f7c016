//! Hits and their pages, over tables that the test fills itself: every object once, by its newest
//! content, and equal contents as one hit where that is asked for.

use jiff::Timestamp;
use serde_json::{Value, json};
use table::embeddings::Embeddings;
use table::location::Access;
use table::maintain::{MaintenancePlan, index};
use table::schema::{EmbeddingRow, Facts};
use testkit::World;

use crate::vectors::{DIM, Numbers, demo_space};

async fn embeddings(world: &World) -> Embeddings {
    let database = world.tables().connect(Access::writer()).await.unwrap();
    Embeddings::open_or_create(&database, demo_space()).await.unwrap()
}

fn facts(id: u128, key: &str, modified: i64) -> Facts {
    Facts {
        image_id: format!("{id:032x}"),
        bucket: "pictures".into(),
        key: key.into(),
        etag: format!("etag-{id}"),
        size_bytes: 10 + id as u64,
        last_modified: Timestamp::from_second(modified).ok(),
        format: "png".into(),
        width: 30,
        height: 20,
        orientation: 1,
        taken_at: None,
        taken_offset_minutes: None,
        camera: None,
        latitude: None,
        longitude: None,
        content_hash: format!("content-{id}"),
        phash: 0,
    }
}

/// A vector in the plane of the first two axes.
fn plane([x, y]: [f32; 2]) -> Vec<f32> {
    let mut vector = vec![0.0; DIM];
    (vector[0], vector[1]) = (x, y);
    vector
}

fn row(id: u128, key: &str, modified: i64, vector: [f32; 2]) -> EmbeddingRow {
    EmbeddingRow { facts: facts(id, key, modified), vector: plane(vector) }
}

fn copy(id: u128, key: &str, content: &str, vector: [f32; 2]) -> EmbeddingRow {
    let mut row = row(id, key, 1, vector);
    row.facts.content_hash = content.to_owned();
    row
}

/// The query, with some fields changed.
fn with(query: &Value, changed: Value) -> Value {
    let mut query = query.clone();
    query.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
    query
}

async fn ask(world: &World, base: &str, query: &Value) -> Value {
    let (status, body) = world.post(&format!("{base}/v1/search"), query.clone()).await;
    assert_eq!(status, 200, "{body}");
    body
}

fn keys(answer: &Value) -> Vec<String> {
    let hits = answer["hits"].as_array().unwrap().iter();
    hits.map(|hit| hit["key"].as_str().unwrap().to_owned()).collect()
}

/// The keys of all pages of this size, by offset and by cursor.
async fn paged(world: &World, base: &str, query: &Value, size: usize) -> [Vec<String>; 2] {
    let (mut by_offset, mut by_cursor) = (Vec::new(), Vec::new());
    loop {
        let page = with(query, json!({ "top_k": size, "offset": by_offset.len() }));
        let page = keys(&ask(world, base, &page).await);
        if page.is_empty() {
            break;
        }
        by_offset.extend(page);
    }
    let mut page = with(query, json!({ "top_k": size }));
    loop {
        let answer = ask(world, base, &page).await;
        by_cursor.extend(keys(&answer));
        if answer["next_cursor"].is_null() {
            return [by_offset, by_cursor];
        }
        page["cursor"] = answer["next_cursor"].clone();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_shows_each_object_once_by_its_newest_content() {
    let mut world = World::start().await;
    let table = embeddings(&world).await;
    let near = [1.0, 0.0];
    let rows = [
        row(1, "old-and-new.png", 1000, near),
        row(2, "old-and-new.png", 2000, [0.0, 1.0]),
        row(3, "spare.png", 1000, [0.8, 0.6]),
        row(4, "plain.png", 1000, [0.6, 0.8]),
    ];
    table.append(&rows, "first").await.unwrap();
    // The same delivery a second time.
    table.append(&rows[2..3], "second").await.unwrap();
    let mut searcher = world.run("searcher", &[]);
    let base = searcher.ready().await;
    let query = json!({ "vector": plane(near), "top_k": 10 });

    let answer = ask(&world, &base, &query).await;
    assert_eq!(keys(&answer), ["spare.png", "plain.png", "old-and-new.png"]);
    let scores = [0, 1].map(|place: usize| answer["hits"][place]["score"].as_f64().unwrap());
    assert!((scores[0] - 0.8).abs() < 1e-5 && (scores[1] - 0.6).abs() < 1e-5, "{scores:?}");
    for (changed, expected) in [
        (json!({ "top_k": 1, "offset": 1 }), &["plain.png"][..]),
        (json!({ "min_score": 0.7 }), &["spare.png"]),
        (json!({ "filter": { "max_size_bytes": 13 } }), &["spare.png", "old-and-new.png"]),
    ] {
        let query = with(&query, changed.clone());
        assert_eq!(keys(&ask(&world, &base, &query).await), expected, "{changed}");
    }
    drop(searcher);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_old_versions_do_not_crowd_out_what_is_there() {
    let mut world = World::start().await;
    // 200 former contents of one object lie nearer than anything else.
    let mut rows: Vec<_> =
        (1..=200).map(|id| row(id, "often.png", id as i64, [1.0, 0.0])).collect();
    rows.push(row(1000, "often.png", 5000, [0.0, 1.0]));
    rows.extend((2000..2005).map(|id| row(id, &format!("other-{id}.png"), 1, [0.9, 0.435_889_9])));
    embeddings(&world).await.append(&rows, "all").await.unwrap();
    let mut searcher = world.run("searcher", &[]);
    let base = searcher.ready().await;
    let query = json!({ "vector": plane([1.0, 0.0]), "top_k": 3 });
    let found = keys(&ask(&world, &base, &query).await);
    assert_eq!(found, ["other-2000.png", "other-2001.png", "other-2002.png"]);
    drop(searcher);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_equal_scores_neither_repeat_nor_skip() {
    let mut world = World::start().await;
    // The order of ids is the reverse of the order of rows.
    let rows: Vec<_> =
        (1..=40).rev().map(|id| row(id, &format!("copy-{id:02}.png"), 1, [1.0, 0.0])).collect();
    embeddings(&world).await.append(&rows, "all").await.unwrap();
    let mut searcher = world.run("searcher", &[]);
    let base = searcher.ready().await;
    let query = json!({ "vector": plane([1.0, 0.0]) });
    let whole = keys(&ask(&world, &base, &with(&query, json!({ "top_k": 40 }))).await);
    assert_eq!(whole.len(), 40);
    assert_eq!(paged(&world, &base, &query, 3).await, [whole.clone(), whole]);
    drop(searcher);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_is_shown_once_with_its_other_places() {
    let mut world = World::start().await;
    let table = embeddings(&world).await;
    let near = [1.0, 0.0];
    let mut rows: Vec<_> =
        (1..=250).map(|id| copy(id, &format!("blank/{id:03}.png"), "blank", near)).collect();
    rows.push(copy(1001, "b/cat.png", "cat", [0.8, 0.6]));
    rows.push(copy(1002, "a/cat.png", "cat", [0.8, 0.6]));
    rows.push(copy(1003, "b/dog.png", "dog", [0.6, 0.8]));
    table.append(&rows, "first").await.unwrap();
    // Overwritten with other content, and a spare row: neither is a duplicate of the cat.
    let mut overwritten = copy(1005, "c/cat.png", "cow", [0.0, 1.0]);
    overwritten.facts.last_modified = Timestamp::from_second(2).ok();
    table
        .append(&[copy(1004, "c/cat.png", "cat", [0.8, 0.6]), overwritten], "second")
        .await
        .unwrap();
    table.append(&rows[250..251], "third").await.unwrap();
    let mut searcher = world.run("searcher", &[]);
    let base = searcher.ready().await;
    let query = json!({ "vector": plane(near), "collapse": "duplicates" });

    let answer = ask(&world, &base, &query).await;
    let found = keys(&answer);
    assert_eq!(found, ["blank/001.png", "b/cat.png", "b/dog.png", "c/cat.png"]);
    let hits = answer["hits"].as_array().unwrap();
    let totals: Vec<_> = hits.iter().map(|hit| hit["duplicates_total"].clone()).collect();
    assert_eq!(totals, [249, 1, 0, 0]);
    let named = hits[0]["duplicates"].as_array().unwrap();
    assert_eq!((named.len(), &named[0]["key"]), (100, &json!("blank/002.png")));
    let other = &hits[1]["duplicates"][0];
    assert_eq!(
        (&other["key"], &other["etag"], other["image_id"].as_str().unwrap().len()),
        (&json!("a/cat.png"), &json!("etag-1002"), 32)
    );

    // Pages count what is shown: none twice, none left out.
    for size in [1, 2, 3] {
        let pages = paged(&world, &base, &query, size).await;
        assert_eq!(pages, [found.clone(), found.clone()], "pages of {size}");
    }

    // Only what the filter keeps is shown and counted.
    let narrowed = with(&query, json!({ "filter": { "prefix": "b" }, "min_score": 0.7 }));
    let narrowed = ask(&world, &base, &narrowed).await;
    assert_eq!(keys(&narrowed), ["blank/001.png", "b/cat.png"]);
    assert_eq!(narrowed["hits"][1]["duplicates_total"], json!(0));

    let all = ask(&world, &base, &with(&query, json!({ "collapse": "none", "top_k": 1000 }))).await;
    let hits = all["hits"].as_array().unwrap();
    assert!(hits.len() == 254 && hits.iter().all(|hit| hit.get("duplicates").is_none()));
    drop(searcher);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_through_the_index_follow_each_other() {
    let mut world = World::start().await;
    let table = embeddings(&world).await;
    let mut numbers = Numbers(3);
    let centres: Vec<_> = (0..10).map(|_| numbers.direction()).collect();
    let rows: Vec<_> = (0..3000)
        .map(|id| EmbeddingRow {
            facts: facts(id, &format!("{id}.png"), 1),
            vector: numbers.near(&centres[id as usize % centres.len()], 0.1),
        })
        .collect();
    table.append(&rows, "all").await.unwrap();
    let plan = MaintenancePlan { index_from_rows: 1000, ..MaintenancePlan::default() };
    index(table.ledger(), &plan).await.unwrap();
    // An object that is found by its newest content only.
    let overwritten = EmbeddingRow { facts: facts(3000, "10.png", 2), vector: numbers.direction() };
    table.append(&[overwritten], "overwritten").await.unwrap();
    // The tables themselves, without a snapshot of them.
    let in_tables = [("SEARCH__MEMORY", "0"), ("SEARCH__CANDIDATES", "50")];
    let mut searcher = world.run("searcher", &in_tables);
    let base = searcher.ready().await;

    let query = json!({ "vector": numbers.near(&rows[10].vector, 0.01) });
    let answer = ask(&world, &base, &with(&query, json!({ "top_k": 18 }))).await;
    assert_eq!(answer["exact"], json!(false), "the index must be used, or this tests nothing");
    let whole = keys(&answer);
    assert!(whole.len() == 18 && !whole.iter().any(|key| key == "10.png"), "{whole:?}");
    let (mut by_offset, mut by_cursor) = (Vec::new(), Vec::new());
    let mut page = with(&query, json!({ "top_k": 6 }));
    for offset in [0, 6, 12] {
        let by_place = with(&query, json!({ "top_k": 6, "offset": offset }));
        by_offset.extend(keys(&ask(&world, &base, &by_place).await));
        let answer = ask(&world, &base, &page).await;
        by_cursor.extend(keys(&answer));
        page["cursor"] = answer["next_cursor"].clone();
    }
    assert_eq!([&by_offset, &by_cursor], [&whole, &whole]);
    drop(searcher);
    world.finish().await;
}
