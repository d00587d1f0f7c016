//! Tables on a real S3 endpoint: rows come back as they were written, and the newest content of
//! each object is known, whatever is appended twice.

use futures::TryStreamExt;
use rows::{facts, keys, nearest, nearest_objects, newest_only, open, row, space};
use table::TableError;
use table::candidates::first_limit;
use table::embeddings::Embeddings;
use table::filter::Filter;
use table::images::Images;
use table::ledger::drop_table;
use table::location::Access;
use table::overlap::overlap;
use table::schema::{EmbeddingRow, ImageRow, Space, embeddings_schema};
use testkit::Store;

use crate::rows;

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_back_as_they_were_written() {
    let (_store, database) = open().await;
    assert!(Images::open(&database).await.unwrap().is_none());
    let images = Images::open_or_create(&database).await.unwrap();
    let rows: Vec<_> = (1..4)
        .map(|id| ImageRow { facts: facts(id, "a/'b\".png", 1000), thumbnail: vec![id as u8; 3] })
        .collect();
    images.append(&rows, "batch").await.unwrap();
    assert_eq!(images.facts(&rows[1].facts.image_id).await.unwrap().unwrap(), rows[1].facts);
    assert_eq!(images.thumbnail(&rows[2].facts.image_id).await.unwrap().unwrap(), [3, 3, 3]);
    assert_eq!(images.facts(&"f".repeat(32)).await.unwrap(), None);
    let ids: Vec<_> =
        rows.iter().map(|row| row.facts.image_id.clone()).chain(["e".repeat(32)]).collect();
    assert_eq!(images.ledger().existing(&ids).await.unwrap().len(), 3);
    assert_eq!(images.ledger().versions_of("pictures", "a/'b\".png").await.unwrap().len(), 3);
    assert!(images.ledger().versions_of("pictures", "a/%").await.unwrap().is_empty());

    images.ledger().delete(&ids[..2]).await.unwrap();
    assert_eq!(images.ledger().count_rows().await.unwrap(), 1);
    let error = images.ledger().delete(&["' OR 1=1 --".to_owned()]).await.unwrap_err();
    assert!(matches!(error, TableError::Rows { .. }), "{error}");
    assert_eq!(images.ledger().count_rows().await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_can_be_read_of_one_part_of_the_bucket() {
    let (_store, database) = open().await;
    let images = Images::open_or_create(&database).await.unwrap();
    let keys = ["a/1", "a/2", "a0", "a", "b/1", "海/1", "a/%"];
    let rows = keys
        .iter()
        .zip(1..)
        .map(|(key, id)| ImageRow { facts: facts(id, key, 1), thumbnail: Vec::new() });
    images.append(&rows.collect::<Vec<_>>(), "batch").await.unwrap();
    let ids = async |prefix: Option<&str>| {
        let ids: Vec<Vec<String>> =
            images.ledger().ids_with(prefix).await.unwrap().try_collect().await.unwrap();
        let mut ids: Vec<_> =
            ids.concat().iter().map(|id| u128::from_str_radix(id, 16).unwrap()).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(Some("a/")).await, [1, 2, 7]);
    assert_eq!(ids(Some("a/%")).await, [7]);
    assert_eq!(ids(Some("海")).await, [6]);
    assert_eq!(ids(Some("c")).await, [0; 0]);
    assert_eq!(ids(Some("")).await.len(), 7);
    assert_eq!(ids(None).await.len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_shows_each_object_once_by_its_newest_content() {
    let (_store, database) = open().await;
    let table = Embeddings::open_or_create(&database, space(2)).await.unwrap();
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

    // Candidates are object versions, each once.
    let candidates = nearest(&table, &near, 10).await;
    assert_eq!(
        keys(&candidates.best),
        ["old-and-new.png", "spare.png", "plain.png", "old-and-new.png"]
    );
    assert!(!candidates.is_full, "all five rows were found, ten were asked for");
    assert!(nearest(&table, &near, 5).await.is_full);
    let shown = nearest_objects(&table, &near, &Filter::default(), 10).await;
    assert_eq!(keys(&shown), ["spare.png", "plain.png", "old-and-new.png"]);
    let scores: Vec<_> = shown.iter().map(|found| found.score).collect();
    assert!((scores[0] - 0.8).abs() < 1e-5 && (scores[1] - 0.6).abs() < 1e-5, "{scores:?}");
    let small = Filter { max_size_bytes: Some(13), ..Filter::default() };
    let shown = nearest_objects(&table, &near, &small, 10).await;
    assert_eq!(keys(&shown), ["spare.png", "old-and-new.png"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_old_versions_do_not_crowd_out_what_is_there() {
    let (_store, database) = open().await;
    let table = Embeddings::open_or_create(&database, space(2)).await.unwrap();
    // 200 former contents of one object lie nearer than anything else.
    let mut rows: Vec<_> =
        (1..=200).map(|id| row(id, "often.png", id as i64, [1.0, 0.0])).collect();
    rows.push(row(1000, "often.png", 5000, [0.0, 1.0]));
    rows.extend((2000..2005).map(|id| row(id, &format!("other-{id}.png"), 1, [0.9, 0.435_889_9])));
    table.append(&rows, "all").await.unwrap();
    // Few candidates are all of former contents, but they tell that there is more to ask for.
    let snapshot = table.pinned().await.unwrap();
    let few = nearest(&snapshot, &[1.0, 0.0], first_limit(3)).await;
    assert!(few.is_full && newest_only(&snapshot, few.best).await.is_empty());
    let all = nearest(&snapshot, &[1.0, 0.0], first_limit(200)).await;
    assert!(!all.is_full);
    let shown = newest_only(&snapshot, all.best).await;
    assert_eq!(keys(&shown)[..3], ["other-2000.png", "other-2001.png", "other-2002.png"]);
    assert_eq!((keys(&shown)[5], shown.len()), ("often.png", 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_scores_have_one_order_whatever_the_order_of_rows() {
    let (_store, database) = open().await;
    let table = Embeddings::open_or_create(&database, space(2)).await.unwrap();
    // The order of ids is the reverse of the order of rows.
    let rows: Vec<_> =
        (1..=40).rev().map(|id| row(id, &format!("copy-{id:02}.png"), 1, [1.0, 0.0])).collect();
    table.append(&rows, "all").await.unwrap();
    let expected: Vec<_> = (1..=40).map(|id| format!("copy-{id:02}.png")).collect();
    for limit in [40, 64, 1000] {
        let found = nearest(&table, &[1.0, 0.0], limit).await;
        assert_eq!(keys(&found.best), expected, "among {limit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_stays_what_it_was() {
    let (_store, database) = open().await;
    let table = Embeddings::open_or_create(&database, space(2)).await.unwrap();
    let near = [1.0, 0.0];
    table.append(&[row(1, "a.png", 1, near)], "first").await.unwrap();
    let before = table.pinned().await.unwrap();
    let version = before.ledger().version().await.unwrap();
    // The object is overwritten, and another one comes.
    table.append(&[row(2, "a.png", 2, near), row(3, "b.png", 1, near)], "second").await.unwrap();
    let shown = nearest_objects(&table, &near, &Filter::default(), 10).await;
    assert_eq!(
        shown.iter().map(|found| found.image_id.as_str()).collect::<Vec<_>>(),
        [format!("{:032x}", 2), format!("{:032x}", 3)]
    );
    for held in [before, table.at(&database, version).await.unwrap().unwrap()] {
        let found = held.candidates(&near, &Filter::default(), false, 10).await.unwrap().0;
        let shown = newest_only(&held, found.best).await;
        assert_eq!((shown.len(), shown[0].image_id.as_str()), (1, &*format!("{:032x}", 1)));
        assert_eq!(held.ledger().version().await.unwrap(), version);
    }
    assert!(table.at(&database, 999).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_another_model_is_refused() {
    let (_store, database) = open().await;
    let table = Embeddings::open_or_create(&database, space(2)).await.unwrap();
    let error = Embeddings::open_or_create(&database, space(3)).await.unwrap_err();
    assert!(error.to_string().contains("another"), "{error}");
    // Also while the table is empty: what it is for was noted when it was made.
    for changed in [
        Space { space: "changed".into(), ..space(2) },
        Space { manifest_hash: "1".into(), ..space(2) },
    ] {
        for error in [
            Embeddings::open_or_create(&database, changed.clone()).await.unwrap_err(),
            Embeddings::open(&database, changed.clone()).await.unwrap_err(),
        ] {
            assert!(matches!(error, TableError::Mismatch { .. }), "{error}");
            assert!(error.to_string().contains("another id"), "it says what to do: {error}");
        }
    }
    let error = Embeddings::open(&database, space(3)).await.unwrap_err();
    assert!(matches!(error, TableError::Mismatch { .. }), "{error}");
    for vector in [vec![1.0], vec![f32::NAN, 0.0]] {
        let bad = EmbeddingRow { facts: facts(1, "a", 1), vector };
        assert!(table.append(&[bad], "x").await.unwrap_err().is_about_rows());
    }
    table.append(&[row(1, "a.png", 1, [1.0, 0.0])], "x").await.unwrap();
    let stored = Embeddings::open_stored(&database, "tiny").await.unwrap().unwrap();
    assert_eq!(*stored.space(), space(2));
    assert!(Embeddings::open_stored(&database, "other").await.unwrap().is_none());
    let wrong = table.candidates(&[1.0; 3], &Filter::default(), false, 1).await.unwrap_err();
    assert!(wrong.to_string().contains("2 are expected"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_of_another_space_among_many_spoils_a_table_that_notes_no_space() {
    let (store, database) = open().await;
    // This program notes the space, so another one makes the table.
    let place = store.tables();
    let other = lancedb::connect(&place.uri)
        .storage_options(place.options.iter().cloned())
        .execute()
        .await
        .unwrap();
    let foreign =
        other.create_empty_table("embeddings_tiny", embeddings_schema(2)).execute().await.unwrap();
    let table = Embeddings::open_or_create(&database, space(2)).await.unwrap();
    table
        .append(&[row(1, "a.png", 1, [1.0, 0.0]), row(2, "b.png", 1, [0.0, 1.0])], "x")
        .await
        .unwrap();
    assert!(Embeddings::open(&database, space(2)).await.unwrap().is_some());
    foreign.checkout_latest().await.unwrap();
    foreign
        .update()
        .only_if("key = 'b.png'")
        .column("manifest_hash", "'1'")
        .execute()
        .await
        .unwrap();
    let error = Embeddings::open(&database, space(2)).await.unwrap_err();
    assert!(matches!(error, TableError::Mismatch { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tables_are_compared_each_in_its_own_space() {
    let (_store, database) = open().await;
    let of = |model: &str| Space { model: model.into(), space: model.into(), ..space(2) };
    let (mut tables, angles) = (Vec::new(), 40u128);
    // The same circle in all of them; the last one holds it in another order.
    for (model, turn) in [("one", 1), ("two", 1), ("shuffled", 7)] {
        let table = Embeddings::open_or_create(&database, of(model)).await.unwrap();
        let rows: Vec<_> = (0..angles)
            .map(|id| {
                let angle = (id * turn % angles) as f32 / angles as f32 * std::f32::consts::TAU;
                row(id + 1, &format!("{id}.png"), 1, [angle.cos(), angle.sin()])
            })
            .collect();
        table.append(&rows, "all").await.unwrap();
        tables.push(table);
    }
    let same = overlap(&tables[0], &tables[1], 10, |_| {}).await.unwrap();
    assert_eq!((same.samples, same.common, same.mean), (10, 40, Some(1.0)));
    let other = overlap(&tables[0], &tables[2], 1000, |_| {}).await.unwrap();
    assert!(other.samples == 40 && other.mean.is_some_and(|mean| mean < 0.6), "{other:?}");
    drop_table(&database, "embeddings_two").await.unwrap();
    drop_table(&database, "embeddings_two").await.unwrap();
    assert!(Embeddings::open(&database, of("two")).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_processes_may_make_the_table_at_once() {
    let store = Store::start().await;
    let opening = (0..8).map(|n| {
        let location = store.tables();
        tokio::spawn(async move {
            let database = location.connect(Access::writer()).await.unwrap();
            let table = Embeddings::open_or_create(&database, space(2)).await.unwrap();
            table.append(&[row(n, &format!("{n}.png"), 1, [1.0, 0.0])], "x").await.unwrap();
        })
    });
    for task in opening.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let database = store.tables().connect(Access::writer()).await.unwrap();
    let table = Embeddings::open(&database, space(2)).await.unwrap().unwrap();
    assert_eq!(table.ledger().count_rows().await.unwrap(), 8);
}
