//! Deriving one version from another.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::Rng;

use super::{Maker, compared, empty, recall};
use crate::vectors::Vectors;

/// Panics unless `vectors` holds just these.
fn assert_holds(vectors: &Vectors, right: &BTreeMap<u32, Vec<f32>>, maker: &mut Maker) {
    assert_eq!(vectors.len(), right.len());
    for (slot, vector) in right.iter().step_by(17) {
        assert_eq!(vectors.vector(*slot).unwrap().as_ref(), Some(vector));
    }
    let rows: Vec<(u32, Vec<f32>)> =
        right.iter().map(|(slot, vector)| (*slot, vector.clone())).collect();
    let query = maker.vector();
    let all = compared(&rows, &query, None, rows.len());
    assert_eq!(vectors.nearest_exact(&query, None, rows.len()).unwrap(), all);
    assert!(recall(&vectors.nearest(&query, None, 20).unwrap(), &all[..20]) >= 0.9);
    let mut estimated = Vec::new();
    vectors.estimates(&query, None, |slot, _| estimated.push(slot)).unwrap();
    estimated.sort_unstable();
    assert!(estimated.iter().eq(right.keys()));
}

#[test]
fn small_changes_give_what_a_fresh_build_gives() {
    let mut maker = Maker::new(48, 30, 11);
    let mut vectors = empty(48);
    let mut right = BTreeMap::new();
    let mut listed = None;
    for round in 0..120 {
        let slots: Vec<u32> = (0..60).map(|_| maker.random.random_range(0..9000)).collect();
        let rows = maker.rows(slots.into_iter());
        let before = vectors.clone();
        let former = right.clone();
        vectors = vectors.with(&rows).unwrap();
        right.extend(rows);
        let gone: Vec<u32> = (0..9).map(|_| maker.random.random_range(0..9500)).collect();
        vectors = vectors.without(&gone);
        for slot in &gone {
            right.remove(slot);
            assert!(!vectors.has(*slot));
            assert_eq!(vectors.vector(*slot).unwrap(), None);
        }
        match round % 40 {
            10 => listed = Some(vectors.listed().unwrap()),
            20 => {
                vectors = vectors.adopt_lists(&listed.take().unwrap()).unwrap();
                assert!(vectors.unlisted() <= 600, "{}", vectors.unlisted());
            }
            _ => {}
        }
        if round % 10 == 0 {
            assert_holds(&vectors, &right, &mut maker);
            assert_eq!(before.len(), former.len());
            let query = maker.vector();
            let found = before.nearest_exact(&query, None, 10_000).unwrap();
            assert!(found.iter().all(|near| former.contains_key(&near.slot)));
        }
    }
    let fresh: Vec<(u32, Vec<f32>)> = right.clone().into_iter().collect();
    let fresh = empty(48).with(&fresh).unwrap();
    let query = maker.vector();
    assert_eq!(
        vectors.nearest_exact(&query, None, 100).unwrap(),
        fresh.nearest_exact(&query, None, 100).unwrap()
    );
    let dropped = vectors.listed().unwrap();
    assert!(dropped.memory_bytes() < vectors.memory_bytes());
    assert_holds(&dropped, &right, &mut maker);
}

#[test]
fn trained_lists_are_adopted_by_a_version_that_went_on() {
    let mut maker = Maker::new(32, 100, 12);
    let rows = maker.rows(0..24_000);
    let base = empty(32).with(&rows).unwrap();
    let mut right: BTreeMap<u32, Vec<f32>> = rows.into_iter().collect();
    let listed = base.listed().unwrap();
    let later = maker.rows((10..60).chain(30_000..31_000));
    let newer = base.with(&later).unwrap().without(&[5, 12, 30_001]);
    right.extend(later);
    for slot in [5, 12, 30_001] {
        right.remove(&slot);
    }
    let adopted = newer.adopt_lists(&listed).unwrap();
    assert_eq!(adopted.unlisted(), 1050 - 2);
    assert_eq!(adopted.file_rows(), newer.file_rows());
    assert_holds(&adopted, &right, &mut maker);
    assert_holds(&adopted.listed().unwrap(), &right, &mut maker);
}

#[test]
fn lists_are_trained_again_when_the_rows_have_grown() {
    let mut maker = Maker::new(16, 40, 13);
    let few = empty(16).with(&maker.rows(0..20_000)).unwrap().listed().unwrap();
    let more = few.with(&maker.rows(20_000..79_999)).unwrap().listed().unwrap();
    let trained = |vectors: &Vectors| vectors.parts().coder.centroids.trained_rows;
    assert!(Arc::ptr_eq(&few.parts().coder, &more.parts().coder));
    let most = more.with(&maker.rows(79_999..80_000)).unwrap().listed().unwrap();
    assert_eq!((trained(&few), trained(&most)), (20_000, 80_000));
    assert_eq!(most.len(), 80_000);
}

#[test]
fn of_several_vectors_for_a_slot_the_last_counts() {
    let mut maker = Maker::new(8, 3, 14);
    let rows = maker.rows([4, 4, 9, 4].into_iter());
    let vectors = empty(8).with(&rows).unwrap();
    assert_eq!(vectors.len(), 2);
    assert_eq!(vectors.vector(4).unwrap().as_ref(), Some(&rows[3].1));
    let cosines = vectors.cosines(&rows[3].1, &[9, 5, 4]).unwrap();
    assert!(cosines[0].is_some() && cosines[1].is_none());
    assert!((cosines[2].unwrap() - 1.0).abs() < 1e-6);
    assert_eq!(vectors.without(&[4, 4, 77, u32::MAX]).len(), 1);
}

#[test]
fn the_greatest_slot_is_a_slot() {
    let vectors = empty(2).with(&[(u32::MAX, [1.0, 0.0]), (0, [0.0, 1.0])]).unwrap();
    assert!(vectors.has(u32::MAX) && !vectors.has(u32::MAX - 1));
    assert_eq!(vectors.nearest(&[1.0, 0.0], None, 1).unwrap()[0].slot, u32::MAX);
}
