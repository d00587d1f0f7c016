//! Objects with the same bytes: found by their content, each by its newest version.

use rows::{nearest_objects, open, row, space};
use table::duplicates::{Duplicates, MOST_NAMED};
use table::embeddings::Embeddings;
use table::filter::{Filter, Values};
use table::schema::EmbeddingRow;

use crate::rows;

fn copy(id: u128, key: &str, content: &str, vector: [f32; 2]) -> EmbeddingRow {
    let mut row = row(id, key, 1, vector);
    row.facts.content_hash = content.to_owned();
    row
}

/// The table of these tests: 250 blank pictures, two cats, a dog, and a cat that became a cow.
async fn filled(table: &Embeddings) {
    let near = [1.0, 0.0];
    let mut rows: Vec<_> =
        (1..=250).map(|id| copy(id, &format!("blank/{id:03}.png"), "blank", near)).collect();
    rows.push(copy(1001, "b/cat.png", "cat", [0.8, 0.6]));
    rows.push(copy(1002, "a/cat.png", "cat", [0.8, 0.6]));
    rows.push(copy(1003, "b/dog.png", "dog", [0.6, 0.8]));
    table.append(&rows, "first").await.unwrap();
    // Overwritten with other content, and a spare row: neither is a duplicate of the cat.
    let mut overwritten = copy(1005, "c/cat.png", "cow", [0.0, 1.0]);
    overwritten.facts.last_modified = jiff::Timestamp::from_second(2).ok();
    table
        .append(&[copy(1004, "c/cat.png", "cat", [0.8, 0.6]), overwritten], "second")
        .await
        .unwrap();
    table.append(&rows[250..251], "third").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_is_shown_once_with_its_other_places() {
    let (_store, database) = open().await;
    let table = Embeddings::open_or_create(&database, space(2)).await.unwrap();
    filled(&table).await;
    let snapshot = table.pinned().await.unwrap();
    let contents = ["blank", "cat", "dog", "cow", "none"].map(String::from).to_vec();
    let mut copies = snapshot.duplicates(contents, &Filter::default()).await.unwrap();
    assert_eq!(copies.len(), 4, "a content that no object has is left out");

    let of = [(1, "blank"), (1001, "cat"), (1003, "dog"), (1005, "cow")];
    let duplicates = of.map(|(id, content)| {
        Duplicates::of(&format!("{id:032x}"), copies.remove(content).unwrap())
    });
    assert_eq!(duplicates.each_ref().map(|all| all.total), [249, 1, 0, 0]);
    assert_eq!(duplicates[0].named.len(), MOST_NAMED);
    assert_eq!(duplicates[0].named[0].key, "blank/002.png");
    let other = &duplicates[1].named[0];
    assert_eq!(
        (other.key.as_str(), other.etag.as_str(), other.image_id.len()),
        ("a/cat.png", "etag-1002", 32)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_duplicates_that_meet_the_filter_are_counted() {
    let (_store, database) = open().await;
    let table = Embeddings::open_or_create(&database, space(2)).await.unwrap();
    filled(&table).await;
    let filter = Filter { prefix: Values::any(["b".into()]), ..Filter::default() };
    let snapshot = table.pinned().await.unwrap();
    let contents = ["blank", "cat", "cow"].map(String::from).to_vec();
    let copies = snapshot.duplicates(contents, &filter).await.unwrap();
    assert_eq!(copies["blank"].len(), 250);
    assert_eq!(copies["cat"].iter().map(|cat| cat.key.as_str()).collect::<Vec<_>>(), ["b/cat.png"]);
    assert!(!copies.contains_key("cow"), "its key has another prefix");
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_tell_their_content_and_each_object_comes_once() {
    let (_store, database) = open().await;
    let table = Embeddings::open_or_create(&database, space(2)).await.unwrap();
    filled(&table).await;
    let found = nearest_objects(&table, &[1.0, 0.0], &Filter::default(), 1000).await;
    assert_eq!(found.len(), 254);
    let contents: Vec<_> = found.iter().map(|found| found.content_hash.as_str()).collect();
    assert!(contents[..250].iter().all(|content| *content == "blank"));
    assert_eq!(contents[250..], ["cat", "cat", "dog", "cow"]);
}
