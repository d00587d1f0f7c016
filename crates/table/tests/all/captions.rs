//! Captions on a real S3 endpoint: found by words and by vectors, in one version, whatever is
//! appended meanwhile.

use rows::{facts, open, row, space, unit};
use table::TableError;
use table::candidates::Candidate;
use table::captions::{CaptionRow, CaptionText, Captions};
use table::embeddings::Embeddings;
use table::filter::{Filter, PictureShape, Place, Values};
use table::maintain::{MaintenancePlan, index};

use crate::rows;

fn said(caption: &str, chinese: &str, keywords: &[&str]) -> CaptionText {
    CaptionText {
        caption: caption.into(),
        language: "en".into(),
        others: vec![("zh".into(), chinese.into())],
        keywords: keywords.iter().map(|keyword| String::from(*keyword)).collect(),
        provider: "onnx:tiny".into(),
        prompt_hash: "1".into(),
    }
}

fn caption(id: u128, key: &str, said: CaptionText) -> CaptionRow {
    CaptionRow {
        facts: facts(id, key, 1000 + id as i64),
        said,
        vector: unit(vec![1.0, id as f32 / 10.0, 0.0, 0.0]),
    }
}

fn four() -> Vec<CaptionRow> {
    vec![
        caption(
            1,
            "trips/oslo-2019/IMG_0042.jpg",
            said("a red car on the beach", "海滩上的红色汽车", &["car", "汽车"]),
        ),
        caption(
            2,
            "trips/oslo-2019/IMG_0043.jpg",
            said("two cats in the snow", "雪地里的两只猫", &["cat", "猫"]),
        ),
        caption(
            3,
            "旅行/杭州/1.jpg",
            said("a red boat at night", "夜晚的红船", &["boat", "night"]),
        ),
        caption(4, "x.jpg", said("a hat", "帽子", &["Hat"])),
    ]
}

fn keys(found: &[Candidate]) -> Vec<&str> {
    found.iter().map(|candidate| candidate.key.as_str()).collect()
}

async fn words(captions: &Captions, text: &str) -> Vec<String> {
    let found = captions
        .pinned()
        .await
        .unwrap()
        .matching(text, &Filter::default(), 10, false)
        .await
        .unwrap()
        .best;
    assert!(
        found.windows(2).all(|pair| pair[0].score >= pair[1].score)
            && found.iter().all(|found| found.score > 0.0)
    );
    keys(&found).into_iter().map(|key| key.rsplit('/').next().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_is_found_by_words_of_both_languages_and_of_keys() {
    let (_store, database) = open().await;
    assert!(Captions::open(&database, "tiny").await.unwrap().is_none());
    let captions = Captions::open_or_create(&database, "tiny", space(4)).await.unwrap();
    // From the first row on, and without any maintenance.
    assert!(words(&captions, "car").await.is_empty());
    captions.append(&four(), "batch").await.unwrap();
    assert_eq!(words(&captions, "car").await, ["IMG_0042.jpg"]);
    assert_eq!(words(&captions, "Cats").await, ["IMG_0043.jpg"]);
    assert_eq!(words(&captions, "汽车").await, ["IMG_0042.jpg"]);
    assert_eq!(words(&captions, "雪地 猫").await, ["IMG_0043.jpg"]);
    assert_eq!(words(&captions, "oslo").await.len(), 2);
    assert_eq!(words(&captions, "IMG_0043").await[0], "IMG_0043.jpg");
    assert_eq!(words(&captions, "杭州").await, ["1.jpg"]);
    assert_eq!(words(&captions, "hat").await, ["x.jpg"]);
    assert_eq!(words(&captions, "oslo red car").await[0], "IMG_0042.jpg");
    for nothing in ["the", "dinosaur", "的", "", "' OR y=y --", "*", "\"", "(", "AND", "words:car"]
    {
        let found =
            captions.pinned().await.unwrap().matching(nothing, &Filter::default(), 10, false).await;
        let found = found.unwrap_or_else(|error| panic!("{nothing}: {error}")).best;
        assert!(nothing == "words:car" || found.is_empty(), "{nothing}: {found:?}");
    }

    let stored = captions.said(&[format!("{:032x}", 1), "f".repeat(32)]).await.unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[&format!("{:032x}", 1)], four()[0].said);
    let known = captions
        .said_of_content(&["content-2".into(), "content-9".into()], "onnx:tiny", "1")
        .await
        .unwrap();
    assert_eq!(known.keys().collect::<Vec<_>>(), ["content-2"]);
    assert!(
        captions.said_of_content(&["content-2".into()], "onnx:tiny", "2").await.unwrap().is_empty()
    );

    // Extended or made again, the index finds the same.
    let settings = MaintenancePlan::default();
    index(captions.ledger(), &settings).await.unwrap();
    assert_eq!(words(&captions, "红色").await, ["IMG_0042.jpg"]);
    let error =
        captions.append(&[caption(9, "e.jpg", said(" ", "", &[]))], "batch").await.unwrap_err();
    assert!(matches!(error, TableError::Rows { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_hold_for_words_and_vectors() {
    let (_store, database) = open().await;
    let captions = Captions::open_or_create(&database, "tiny", space(4)).await.unwrap();
    captions.append(&four(), "batch").await.unwrap();
    let captions = captions.pinned().await.unwrap();
    let vector = [1.0, 0.0, 0.0, 0.0];
    let all = captions.candidates(&vector, &Filter::default(), false, 10).await.unwrap().best;
    assert_eq!(
        keys(&all),
        [
            "trips/oslo-2019/IMG_0042.jpg",
            "trips/oslo-2019/IMG_0043.jpg",
            "旅行/杭州/1.jpg",
            "x.jpg"
        ]
    );
    assert!((all[0].score - unit(vec![1.0, 0.1])[0]).abs() < 1e-5);

    let found = async |filter: Filter| {
        let by_vector = captions.candidates(&vector, &filter, false, 10).await.unwrap().best.len();
        let by_words =
            captions.matching("red cat hat", &filter, 10, false).await.unwrap().best.len();
        let ids = captions.ids(&filter, 10).await.unwrap().unwrap().len();
        assert_eq!((by_vector, by_words), (ids, ids), "{filter:?}");
        ids
    };
    assert_eq!(found(Filter::default()).await, 4);
    assert_eq!(
        found(Filter { keywords: Values::all(["car".into()]), ..Filter::default() }).await,
        1
    );
    assert_eq!(
        found(Filter {
            keywords: Values::all(["汽车".into(), "CAR ".into()]),
            ..Filter::default()
        })
        .await,
        1
    );
    assert_eq!(
        found(Filter { keywords: Values::all(["car".into(), "cat".into()]), ..Filter::default() })
            .await,
        0
    );
    assert_eq!(
        found(Filter { keywords: Values::all(["' OR 1=1 --".into()]), ..Filter::default() }).await,
        0
    );
    assert_eq!(
        found(Filter { prefix: Values::any(["trips/".into()]), ..Filter::default() }).await,
        2
    );
    assert_eq!(
        found(Filter { orientation: Values::any([PictureShape::Landscape]), ..Filter::default() })
            .await,
        4
    );
    assert_eq!(
        found(Filter { orientation: Values::any([PictureShape::Portrait]), ..Filter::default() })
            .await,
        0
    );
    let somewhere = Place { north: 90.0, south: 40.0, west: -180.0, east: 180.0 };
    assert_eq!(
        found(Filter { place: Values::any([somewhere]), ..Filter::default() }).await,
        0,
        "their longitudes are not known"
    );
    assert_eq!(
        found(Filter { image_ids: Some(vec![format!("{:032x}", 3)]), ..Filter::default() }).await,
        1
    );
    assert_eq!(captions.ids(&Filter::default(), 3).await.unwrap(), None);
    let error = captions.candidates(&[1.0], &Filter::default(), false, 10).await.unwrap_err();
    assert!(error.to_string().contains("4 are expected"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_stays_what_it_was() {
    let (_store, database) = open().await;
    let captions = Captions::open_or_create(&database, "tiny", space(4)).await.unwrap();
    captions.append(&four()[..2], "batch").await.unwrap();
    let before = captions.pinned().await.unwrap();
    let version = before.ledger().version().await.unwrap();
    captions.append(&four()[2..], "batch").await.unwrap();
    assert_eq!(words(&captions, "red").await.len(), 2);
    for held in [before, captions.at(&database, version).await.unwrap().unwrap()] {
        assert_eq!(
            held.matching("red", &Filter::default(), 10, false).await.unwrap().best.len(),
            1
        );
        assert_eq!(held.ledger().version().await.unwrap(), version);
    }
    // Going back in one handle moves no other.
    assert_eq!(words(&captions, "red").await.len(), 2);
    assert!(captions.at(&database, 999).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_takes_vectors_of_one_space_only() {
    let (_store, database) = open().await;
    drop(Captions::open_or_create(&database, "tiny", space(4)).await.unwrap());
    let mut other = space(4);
    other.space = "another".into();
    let error = Captions::open_or_create(&database, "tiny", other).await.unwrap_err();
    assert!(
        matches!(error, TableError::Mismatch { .. }) && error.to_string().contains("another"),
        "{error}"
    );
    let opened = Captions::open(&database, "tiny").await.unwrap().unwrap();
    assert_eq!((opened.space().space.as_str(), opened.space().dim), ("tiny", 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_is_random_and_the_same_at_every_call() {
    let (_store, database) = open().await;
    let table = Embeddings::open_or_create(&database, space(4)).await.unwrap();
    // Ids of object versions are hashes: spread evenly.
    let step = u128::MAX / 400;
    let rows: Vec<_> = (0..400)
        .map(|i| row(i * step, &format!("{i}.jpg"), 1, unit(vec![1.0, i as f32, 0.0, 0.0])))
        .collect();
    table.append(&rows, "batch").await.unwrap();
    let sample = table.ledger().sample(100).await.unwrap();
    assert!((95..=105).contains(&sample.len()), "{}", sample.len());
    assert_eq!(sample, table.ledger().sample(100).await.unwrap());
    assert_eq!(table.ledger().sample(400).await.unwrap().len(), 400);
    assert_eq!(table.ledger().sample(1000).await.unwrap().len(), 400);
}
