//! All pictures by date: read once, added to, and read again after a deletion.

use jiff::Timestamp;
use jiff::civil::date;
use rows::{facts, open};
use table::images::Images;
use table::schema::ImageRow;
use table::timeline::{Moment, Timelines, months};

use crate::rows;

const DAY: i64 = 24 * 3600;

fn picture(id: u128, key: &str, modified: i64, taken: Option<i64>) -> ImageRow {
    let mut facts = facts(id, key, modified);
    facts.taken_at = taken.map(|taken| Timestamp::from_second(taken).unwrap());
    ImageRow { facts, thumbnail: vec![1] }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_object_stands_once_at_its_date_whatever_happens_to_the_table() {
    let (_store, database) = open().await;
    let images = Images::open_or_create(&database).await.unwrap();
    let timelines = Timelines::default();
    let ids = async || {
        let timeline = timelines.newest(images.ledger()).await.unwrap();
        let all = timeline.between(None, None);
        timeline.slice(all).iter().map(|moment| moment.image_id).collect::<Vec<_>>()
    };
    assert_eq!(ids().await, Vec::<u128>::new());
    // 2023-11-14, and a picture taken in 2020 but uploaded later than that.
    let begin = 1_700_000_000;
    let old = 1_600_000_000;
    let rows = [
        picture(1, "a", begin, None),
        picture(2, "b", begin + 40 * DAY, Some(old)),
        picture(3, "c", begin + DAY, None),
    ];
    images.append(&rows, "first").await.unwrap();
    assert_eq!(ids().await, [3, 1, 2]);
    // An overwritten object counts with its newest version, and a row delivered twice counts once.
    images
        .append(
            &[picture(4, "a", begin + 2 * DAY, None), picture(3, "c", begin + DAY, None)],
            "second",
        )
        .await
        .unwrap();
    images.append(&[picture(5, "d", begin - DAY, None)], "third").await.unwrap();
    assert_eq!(ids().await, [4, 3, 5, 2]);
    let timeline = timelines.newest(images.ledger()).await.unwrap();
    assert_eq!(months(&timeline.dates()), [(date(2023, 11, 1), 3), (date(2020, 9, 1), 1)]);
    let micros = |second: i64| second * 1_000_000;
    assert_eq!(timeline.between(Some(micros(begin + DAY)), None), 0..2);
    assert_eq!(timeline.between(Some(micros(begin - DAY)), Some(micros(begin + DAY))), 2..3);
    assert_eq!(timeline.between(None, Some(micros(begin))), 2..4);
    // The picture that was shown last may be gone by now.
    let third = timeline.slice(1..2)[0];
    images.ledger().delete(&[format!("{:032x}", 3)]).await.unwrap();
    assert_eq!(ids().await, [4, 5, 2]);
    let timeline = timelines.newest(images.ledger()).await.unwrap();
    assert_eq!(
        (timeline.after(third), timeline.after(Moment { at: i64::MIN, image_id: 0 })),
        (1, 3)
    );
}
