//! Tests of fusion.

use super::*;
use crate::ranking::calibration::Scale;
use crate::ranking::scored::WordScore;

const SCALE: Scale = Scale { mean: 0.1, deviation: 0.1, unrelated_floor: Some(0.3), broad: false };

fn picture(id: char, image: Option<f32>, caption: Option<f32>, share: f32) -> ScoredPicture {
    let words = WordScore { share, bm25: share * 9.0 };
    let image_id = u128::from(u32::from(id));
    ScoredPicture { image_id, image, caption, words, taken: None, content: 0 }
}

fn fuser(signals: &[(Signal, f32)], fusion: Fusion) -> Fuser {
    let reading = |(signal, weight): &(Signal, f32)| SignalReading {
        signal: *signal,
        weight: *weight,
        scale: (*signal != Signal::Text).then_some(SCALE),
    };
    Fuser { readings: signals.iter().map(reading).collect(), fusion, sort: Sort::Relevance }
}

fn ids(fused: &[FusedPicture]) -> String {
    fused.iter().filter_map(|fused| char::from_u32(fused.picture.image_id as u32)).collect()
}

fn cut(mut fused: Vec<FusedPicture>) -> Vec<FusedPicture> {
    let least = least_strength(&fused);
    fused.retain(|fused| fused.is_relevant && fused.strength >= least);
    fused
}

const BOTH: [(Signal, f32); 2] = [(Signal::Image, 1.0), (Signal::Text, 1.0)];

#[test]
fn all_words_count_more_than_an_ordinary_likeness() {
    let pictures = [
        picture('a', Some(0.25), None, 0.0),
        picture('b', Some(0.24), None, 0.0),
        picture('c', Some(0.1), None, 1.0),
    ];
    let fuser = fuser(&BOTH, Fusion::Weighted);
    let ranks = fuser.ranks(&pictures);
    let fused = fuser.fuse(&pictures, &ranks);
    assert_eq!(ids(&fused), "cab");
    let explained = fuser.explained(&pictures[2], &ranks);
    assert_eq!((explained[0].1.contribution, explained[1].1.contribution), (0.0, 9.0));
    assert_eq!((explained[0].1.rank, explained[1].1.rank), (Some(3), Some(1)));
    let sum: f32 = fuser.explained(&pictures[0], &ranks).iter().map(|(_, s)| s.contribution).sum();
    assert_eq!(sum, fused[1].place.score);
}

#[test]
fn ranks_add_up_whatever_the_scores_are() {
    let pictures = [
        picture('a', Some(0.9), None, 0.0),
        picture('b', Some(0.2), None, 1.0),
        picture('c', None, None, 0.5),
    ];
    let fuser = fuser(&BOTH, Fusion::Rrf);
    let fused = fuser.fuse(&pictures, &fuser.ranks(&pictures));
    assert_eq!(ids(&fused), "bac");
    assert!((fused[0].place.score - (1.0 / 61.0 + 1.0 / 62.0)).abs() < 1e-6);
}

#[test]
fn a_single_signal_keeps_its_scores_and_what_is_equal_is_ordered_by_id() {
    let pictures = ['b', 'c', 'a'].map(|id| picture(id, Some(0.5), None, 0.0));
    let mut alone = fuser(&[(Signal::Image, 0.3)], Fusion::Weighted);
    alone.readings[0].scale = None;
    let fused = alone.fuse(&pictures, &Ranks::new());
    assert_eq!((ids(&fused).as_str(), fused[0].place.score), ("abc", 0.5));
    // Of the same share of words, BM25 decides.
    let mut words = ['a', 'x'].map(|id| picture(id, None, None, 0.5));
    words[1].words.bm25 = 99.0;
    let fused = fuser(&[(Signal::Text, 1.0)], Fusion::Weighted).fuse(&words, &Ranks::new());
    assert_eq!((ids(&fused).as_str(), fused[0].place.score), ("xa", 0.5));
}

#[test]
fn the_cut_leaves_what_speaks_and_counts() {
    let pictures = [
        picture('a', Some(0.9), None, 0.0),
        picture('b', Some(0.85), None, 0.0),
        picture('c', Some(0.4), None, 0.0),
        picture('d', Some(0.1), None, 0.3),
    ];
    for fusion in [Fusion::Weighted, Fusion::Rrf] {
        let fuser = fuser(&BOTH, fusion);
        assert_eq!(ids(&cut(fuser.fuse(&pictures, &fuser.ranks(&pictures)))), "ab");
    }
    let unlike = [picture('a', Some(0.29), Some(0.9), 0.0), picture('b', Some(0.2), None, 0.0)];
    let captions = fuser(&[(Signal::CaptionVector, 1.0)], Fusion::Weighted);
    assert_eq!(ids(&cut(captions.fuse(&unlike[..1], &Ranks::new()))), "a");
    let all = fuser(&[(Signal::Image, 1.0), (Signal::CaptionVector, 1.0)], Fusion::Weighted);
    assert!(cut(all.fuse(&unlike, &Ranks::new())).is_empty());
}
