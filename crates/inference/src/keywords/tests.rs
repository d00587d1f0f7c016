//! Tags of made-up vectors: what stands out, what does not, and how many there may be.

use super::*;

const DIM: usize = 256;

/// Directions that look random and are always the same.
fn direction(seed: usize) -> Embedding {
    let mut state = seed as u64 + 1;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    Embedding::normalise((0..DIM).map(|_| next()).collect()).unwrap()
}

/// A picture that shows these terms and much else.
fn picture(terms: &[&str], seed: usize) -> Embedding {
    let shown: Vec<Embedding> = terms.iter().map(|name| direction(place(name))).collect();
    let else_shown = direction(1_000_000 + seed);
    mean_direction(shown.iter().chain([&else_shown])).unwrap()
}

fn place(name: &str) -> usize {
    vocabulary::grouped_terms().iter().position(|entry| entry.term.en == name).unwrap()
}

fn background(count: usize) -> Vec<Vec<f32>> {
    (0..count).map(|seed| picture(&[], seed).into_vec()).collect()
}

fn tagger(background: &[Vec<f32>]) -> Tagger {
    Tagger::of(
        (0..vocabulary::grouped_terms().len()).map(|place| Some(direction(place))),
        background,
    )
}

fn names(tags: &[Tag]) -> Vec<&'static str> {
    tags.iter().map(|tag| tag.en).collect()
}

#[test]
fn what_a_picture_shows_comes_first() {
    let tags = tagger(&background(300)).tags(&picture(&["cat", "beach", "red"], 5000), 3);
    let mut found = names(&tags);
    found.sort_unstable();
    assert_eq!(found, ["beach", "cat", "red"]);
    assert!(
        tags.is_sorted_by(|a, b| a.score >= b.score)
            && tags.iter().all(|tag| tag.score >= THRESHOLD)
    );
    let cat = tags.iter().find(|tag| tag.en == "cat").unwrap();
    assert_eq!((cat.zh, cat.group), ("猫", "animal"));
}

#[test]
fn a_picture_of_nothing_has_hardly_any_tags() {
    let tagger = tagger(&background(300));
    let tags: usize = (0..100).map(|seed| tagger.tags(&picture(&[], 9000 + seed), 100).len()).sum();
    assert!(tags < 120, "{tags} in 100 pictures");
    let many = tagger.with_threshold(2.0);
    let tags: usize = (0..100).map(|seed| many.tags(&picture(&[], 9000 + seed), 100).len()).sum();
    assert!(tags > 1000, "{tags} in 100 pictures");
}

#[test]
fn a_group_has_its_limit_and_so_has_the_whole() {
    let animals = ["cat", "dog", "fish", "horse", "cow"];
    let shown = picture(&animals, 5000);
    let tagger = tagger(&background(300));
    let tags = tagger.tags(&shown, 100);
    assert_eq!(tags.iter().filter(|tag| tag.group == "animal").count(), 3);
    assert_eq!(tagger.tags(&shown, 2), tags[..2]);
    assert!(tagger.tags(&shown, 0).is_empty());
}

#[test]
fn without_enough_pictures_there_are_no_tags() {
    let few = tagger(&background(49));
    assert!(!few.is_ready() && few.tags(&picture(&["cat"], 5000), 10).is_empty());
    let enough = few.with_background(&background(50));
    assert!(enough.is_ready() && enough.tags(&picture(&["cat"], 5000), 10)[0].en == "cat");
    // Vectors of another model say nothing.
    assert!(!few.with_background(&vec![vec![0.1; DIM / 2]; 100]).is_ready());
}

#[test]
fn the_vocabulary_can_be_narrowed() {
    let tagger = tagger(&background(300)).only(&[term("cat").unwrap(), term("狗").unwrap()]);
    assert_eq!(names(&tagger.tags(&picture(&["cat", "beach"], 5000), 10)), ["cat"]);
    assert!(!tagger.only(&[]).is_ready());
}

#[test]
fn the_middle_of_two_directions_is_between_them() {
    let (a, b) = (direction(1), direction(2));
    let between = mean_direction([&a, &b].into_iter()).unwrap();
    assert!(
        (between.cosine(&a) - between.cosine(&b)).abs() < 1e-5 && between.cosine(&a) > a.cosine(&b)
    );
    assert_eq!(mean_direction(std::iter::empty()), None);
}
