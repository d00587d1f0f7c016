//! Filters on a real table: all, any and none of their values, and what pictures lack. Every answer
//! is compared with the filter's meaning, worked out row by row.

use rows::{facts, open, row, space, unit};
use table::captions::{CaptionRow, CaptionText, Captions};
use table::embeddings::Embeddings;
use table::filter::{Filter, MissingFact, PictureShape, Place, Values};
use table::keyword::normalised;
use table::schema::Facts;

use crate::rows;

const AREA: Place = Place { north: 10.0, south: 0.0, west: 170.0, east: -170.0 };
const EVERYWHERE: Place = Place { north: 90.0, south: -90.0, west: -180.0, east: 180.0 };

/// Twelve pictures that differ in everything that a filter can name.
fn pictures() -> Vec<(Facts, &'static [&'static str])> {
    let keys = ["a/1.jpg", "a/b/2.png", "b/3.jpg", "旅行/4.jpg"];
    let formats = ["jpeg", "png", "webp"];
    let sizes = [(30, 20), (20, 30), (20, 20)];
    let places = [
        (Some(5.0), Some(175.0)),
        (Some(5.0), Some(-175.0)),
        (Some(5.0), Some(20.0)),
        (Some(40.0), Some(175.0)),
        (None, None),
        (Some(5.0), None),
    ];
    let keywords: [&[&str]; 4] = [&["car", "red"], &["T恤"], &[], &["red"]];
    (0..12)
        .map(|number| {
            let mut facts = facts(number as u128 + 1, keys[number % 4], 1000 + number as i64);
            facts.format = formats[number % 3].into();
            (facts.width, facts.height) = sizes[number % 3];
            (facts.latitude, facts.longitude) = places[number % 6];
            if number % 2 == 1 {
                facts.taken_at = None;
            }
            (facts, keywords[number % 4])
        })
        .collect()
}

/// Whether a picture meets the filter; `keywords` are `None` for one without a caption.
fn meets(filter: &Filter, picture: &Facts, keywords: Option<&[&str]>) -> bool {
    let place = picture.latitude.zip(picture.longitude);
    let keywords_of = || keywords.unwrap_or_default().iter().map(|keyword| normalised(keyword));
    let lacks = |fact: &MissingFact| match fact {
        MissingFact::TakenAt => picture.taken_at.is_none(),
        MissingFact::Place => place.is_none(),
        MissingFact::Caption => keywords.is_none(),
        MissingFact::Keywords => keywords_of().count() == 0,
    };
    filter.prefix.admits(|prefix| picture.key.starts_with(prefix))
        && filter.formats.admits(|format| picture.format == format.to_lowercase())
        && filter
            .orientation
            .admits(|shape| *shape == PictureShape::of(picture.width, picture.height))
        && filter.place.admits(|area| {
            place.is_some_and(|(latitude, longitude)| area.contains(latitude, longitude))
        })
        && filter.keywords.admits(|keyword| keywords_of().any(|one| one == normalised(keyword)))
        && filter.missing.iter().all(lacks)
}

fn texts<const N: usize>(texts: [&str; N]) -> [String; N] {
    texts.map(String::from)
}

fn filters() -> Vec<Filter> {
    let mut filters = Vec::new();
    for prefix in [
        Values::any(texts(["a/", "旅"])),
        Values::all(texts(["a/", "a/b"])),
        Values::none(texts(["a/b", "旅"])),
        Values::none(texts([""])),
        Values::any(texts(["", "a"])),
        Values { all: vec!["a".into()], any: Vec::new(), none: vec!["a/b/".into()] },
    ] {
        filters.push(Filter { prefix, ..Filter::default() });
    }
    for formats in [
        Values::any(texts(["PNG", "webp"])),
        Values::all(texts(["png", "webp"])),
        Values::none(texts(["png"])),
        Values::none(texts(["png", "JPEG"])),
    ] {
        filters.push(Filter { formats, ..Filter::default() });
    }
    for shape in [PictureShape::Landscape, PictureShape::Portrait, PictureShape::Square] {
        for orientation in [Values::any([shape]), Values::none([shape])] {
            filters.push(Filter { orientation, ..Filter::default() });
        }
    }
    for place in [
        Values::any([AREA]),
        Values::none([AREA]),
        Values::any([EVERYWHERE]),
        Values::none([EVERYWHERE]),
        Values { all: vec![EVERYWHERE], any: vec![AREA, EVERYWHERE], none: vec![AREA] },
    ] {
        filters.push(Filter { place, ..Filter::default() });
    }
    for missing in
        [vec![MissingFact::TakenAt], vec![MissingFact::Place, MissingFact::TakenAt], Vec::new()]
    {
        filters.push(Filter { missing, ..Filter::default() });
    }
    let place = Values::none([AREA]);
    filters.push(Filter { place, missing: vec![MissingFact::Place], ..Filter::default() });
    filters
}

fn filters_of_captions() -> Vec<Filter> {
    let mut filters = filters();
    for keywords in [
        Values::all(texts(["car", "RED "])),
        Values::any(texts(["car", "t恤"])),
        Values::none(texts(["car"])),
        Values::none(texts(["Ｔ恤", "red"])),
        Values { all: vec!["red".into()], any: vec!["red".into()], none: vec!["car".into()] },
        Values::all(texts(["boat"])),
        Values::none(texts(["boat"])),
    ] {
        filters.push(Filter { keywords, ..Filter::default() });
    }
    for fact in [MissingFact::Caption, MissingFact::Keywords] {
        filters.push(Filter { missing: vec![fact], ..Filter::default() });
    }
    let keywords = Values::none(texts(["red"]));
    filters.push(Filter { keywords, prefix: Values::any(texts(["a"])), ..Filter::default() });
    filters
}

/// The ids of those pictures that meet the filter, in order.
fn expected(filter: &Filter, with_captions: bool) -> Vec<String> {
    let pictures = pictures();
    let meeting = pictures
        .iter()
        .filter(|(facts, keywords)| meets(filter, facts, with_captions.then_some(*keywords)));
    meeting.map(|(facts, _)| facts.image_id.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_that_lack_a_value_fail_any_and_pass_none() {
    let (_store, database) = open().await;
    let table = Embeddings::open_or_create(&database, space(2)).await.unwrap();
    let rows: Vec<_> = pictures()
        .into_iter()
        .map(|(facts, _)| {
            let mut row = row(0, "", 0, [1.0, 0.0]);
            row.facts = facts;
            row
        })
        .collect();
    table.append(&rows, "batch").await.unwrap();
    let snapshot = table.pinned().await.unwrap();
    let (mut kept, filters) = (0, filters());
    for filter in &filters {
        assert!(!filter.needs_captions());
        let (found, _) = snapshot.candidates(&[1.0, 0.0], filter, false, 100).await.unwrap();
        let mut ids: Vec<_> = found.best.into_iter().map(|found| found.image_id).collect();
        ids.sort_unstable();
        assert_eq!(ids, expected(filter, false), "{filter:?}");
        kept += ids.len();
    }
    assert!(kept > filters.len() && kept < 10 * filters.len(), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn captions_know_their_keywords_in_any_spelling() {
    let (_store, database) = open().await;
    let captions = Captions::open_or_create(&database, "tiny", space(2)).await.unwrap();
    let rows: Vec<_> = pictures()
        .into_iter()
        .map(|(facts, keywords)| CaptionRow {
            facts,
            said: CaptionText {
                caption: "a picture".into(),
                keywords: keywords.iter().map(|keyword| String::from(*keyword)).collect(),
                ..CaptionText::default()
            },
            vector: unit(vec![1.0, 0.0]),
        })
        .collect();
    captions.append(&rows, "batch").await.unwrap();
    let snapshot = captions.pinned().await.unwrap();
    for filter in filters_of_captions() {
        let mut ids = snapshot.ids(&filter, 100).await.unwrap().unwrap();
        ids.sort_unstable();
        assert_eq!(ids, expected(&filter, true), "{filter:?}");
    }
    let ids: Vec<_> = rows.iter().take(2).map(|row| row.facts.image_id.clone()).collect();
    let said = snapshot.said(&ids).await.unwrap();
    assert_eq!(said[&ids[1]].keywords, ["t恤"], "stored in the one form");
}
