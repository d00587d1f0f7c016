//! A picture that is captioned again: the latest caption counts, and maintenance removes the
//! others.

use std::collections::HashSet;

use rows::{facts, open, space, unit};
use table::candidates::Candidates;
use table::captions::{self, CaptionRow, CaptionText, Captions};
use table::filter::Filter;
use table::maintain::{MaintenancePlan, maintain};

use crate::rows;

fn caption(id: u128, caption: &str, prompt_hash: &str) -> CaptionRow {
    let said = CaptionText {
        caption: caption.into(),
        language: "en".into(),
        others: vec![("zh".into(), "一只猫".into())],
        keywords: vec!["cat".into()],
        provider: "onnx:tiny".into(),
        prompt_hash: prompt_hash.into(),
    };
    CaptionRow {
        facts: facts(id, &format!("{id}.jpg"), 1_700_000_000),
        said,
        vector: unit(vec![1.0, id as f32]),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_caption_counts_before_and_after_maintenance() {
    let (_store, database) = open().await;
    let captions = Captions::open_or_create(&database, "tiny", space(2)).await.unwrap();
    let name = captions::name("tiny");
    captions
        .append(&[caption(1, "an animal", "old"), caption(2, "an animal, a dog", "old")], "first")
        .await
        .unwrap();
    let (one, two) = (format!("{:032x}", 1), format!("{:032x}", 2));
    let outdated = captions.outdated("onnx:tiny", "new").await.unwrap();
    assert_eq!(outdated, HashSet::from([one.clone(), two.clone()]));

    // CaptionText again; and a delivery that comes twice says it a third time.
    for batch in ["second", "third"] {
        captions.append(&[caption(1, "a black cat", "new")], batch).await.unwrap();
    }
    for maintained in [false, true] {
        if maintained {
            let report =
                maintain(&database, std::slice::from_ref(&name), &MaintenancePlan::default()).await;
            assert_eq!(
                (report.failures(), report.tables[0].spares.done().unwrap().removed),
                (Vec::new(), 2)
            );
            assert_eq!(captions.ledger().count_rows().await.unwrap(), 2);
        }
        let said = captions.said(&[one.clone(), two.clone()]).await.unwrap();
        assert_eq!(
            (said[&one].caption.as_str(), said[&two].caption.as_str()),
            ("a black cat", "an animal, a dog")
        );
        assert_eq!(said[&one].others, [("zh".to_owned(), "一只猫".to_owned())]);
        // Words of the former caption find nothing any more, and words of the latest find it once.
        let held = captions.pinned().await.unwrap();
        let ids = |found: Candidates| {
            found.best.into_iter().map(|candidate| candidate.image_id).collect::<Vec<_>>()
        };
        assert_eq!(
            ids(held.matching("animal", &Filter::default(), 10, false).await.unwrap()),
            std::slice::from_ref(&two)
        );
        assert_eq!(
            ids(held.matching("black", &Filter::default(), 10, false).await.unwrap()),
            std::slice::from_ref(&one)
        );
        // A search that finds too little because of former captions is told that there may be more.
        let few = held.matching("animal", &Filter::default(), 2, false).await.unwrap();
        assert_eq!((few.best.len(), few.is_full), (1, !maintained));
        let near =
            held.candidates(&unit(vec![1.0, 1.0]), &Filter::default(), true, 10).await.unwrap();
        assert_eq!(ids(near), [one.clone(), two.clone()]);
        let written = captions.written(&[one.clone(), two.clone()]).await.unwrap();
        assert_eq!(
            (written[&one].prompt_hash.as_str(), written[&two].prompt_hash.as_str()),
            ("new", "old")
        );
        assert!(written[&one].at > written[&two].at);
        assert_eq!(
            captions.outdated("onnx:tiny", "new").await.unwrap(),
            HashSet::from([two.clone()])
        );
        assert_eq!(
            captions.outdated("onnx:tiny", "old").await.unwrap(),
            HashSet::from([one.clone()])
        );
    }
    let look = table::inspect::look(&database, &name, table::schema::captions_schema)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((look.rows, look.problem), (2, None));
}
