//! What is found, and how it is estimated.

use std::collections::HashMap;

use super::{Maker, compared, empty, recall, some};
use crate::vectors::{Allowed, Near, VectorError};

#[test]
fn few_vectors_are_compared_exactly() {
    for dim in [2, 3, 64, 100, 128, 768] {
        let mut maker = Maker::new(dim, 5, 1);
        let rows = maker.rows(0..200);
        let vectors = empty(dim).with(&rows).unwrap();
        for _ in 0..5 {
            let query = maker.vector();
            for wanted in [1, 7, 200, 500] {
                let right = compared(&rows, &query, None, wanted);
                assert_eq!(vectors.nearest(&query, None, wanted).unwrap(), right);
                assert_eq!(vectors.nearest_exact(&query, None, wanted).unwrap(), right);
            }
            let odd = some(200, 2, 1);
            let right = compared(&rows, &query, Some(&odd), 9);
            assert_eq!(vectors.nearest(&query, Some(&odd), 9).unwrap(), right);
            assert_eq!(vectors.nearest_exact(&query, Some(&odd), 9).unwrap(), right);
        }
    }
}

#[test]
fn codes_find_the_nearest_in_any_dimension() {
    for dim in [2, 3, 64, 100, 128, 768, 1100] {
        let mut maker = Maker::new(dim, 20, 2);
        let rows = maker.rows(0..2000);
        let vectors = empty(dim).with(&rows).unwrap();
        let mut share = 0.0;
        for _ in 0..10 {
            let query = maker.vector();
            let right = compared(&rows, &query, None, 10);
            let found = vectors.nearest(&query, None, 10).unwrap();
            share += recall(&found, &right) / 10.0;
            assert_eq!(found.first(), right.first());
        }
        assert!(share >= 0.98, "{share} in {dim} dimensions");
    }
}

#[test]
fn lists_find_the_nearest_with_filters_of_all_sizes() {
    let mut maker = Maker::new(64, 500, 3);
    let rows = maker.rows(0..50_000);
    let vectors = empty(64).with(&rows).unwrap();
    assert!(vectors.should_list());
    let vectors = vectors.listed().unwrap();
    assert!(!vectors.should_list());
    assert_eq!((vectors.unlisted(), vectors.len()), (0, 50_000));
    let queries: Vec<Vec<f32>> = (0..20).map(|_| maker.vector()).collect();
    let share = |allowed: Option<&Allowed>, wanted| {
        let recalls = queries.iter().map(|query| {
            let found = vectors.nearest(query, allowed, wanted).unwrap();
            let is_allowed = |near: &Near| allowed.is_none_or(|set| set.contains(near.slot));
            assert!(found.iter().all(is_allowed));
            let most = allowed.map_or(50_000, Allowed::count);
            assert_eq!(found.len(), wanted.min(most));
            recall(&found, &compared(&rows, query, allowed, wanted))
        });
        recalls.sum::<f64>() / queries.len() as f64
    };
    for wanted in [10, 100, 1000] {
        assert!(share(None, wanted) >= 0.97, "{wanted} wanted: {}", share(None, wanted));
    }
    for every in [2, 3, 10, 50, 100, 1000, 20_000] {
        let allowed = some(50_000, every, every - 1);
        let share = share(Some(&allowed), 10);
        assert!(share >= 0.97, "one in {every} allowed: {share}");
    }
    let most = (0..50_000).filter(|slot| slot % 10 != 0).collect();
    assert!(share(Some(&most), 10) >= 0.97);
}

#[test]
fn a_filter_far_from_the_query_still_gives_as_many_as_wanted() {
    let mut maker = Maker::new(32, 300, 4);
    let rows = maker.rows(0..60_000);
    let vectors = empty(32).with(&rows).unwrap().listed().unwrap();
    let query = maker.vector();
    // The farther two thirds: more than are looked at one by one.
    let far = compared(&rows, &query, None, 60_000).split_off(20_000);
    let allowed: Allowed = far.iter().map(|near| near.slot).collect();
    for wanted in [10, 500] {
        let found = vectors.nearest(&query, Some(&allowed), wanted).unwrap();
        assert_eq!(found.len(), wanted);
        // Very many rows are as near as the last one.
        let (last, right) = (found[wanted - 1].cosine, far[wanted - 1].cosine);
        assert!(last > right - 0.01, "{last} instead of {right}");
    }
}

#[test]
fn equal_vectors_are_ordered_by_slot() {
    let mut maker = Maker::new(64, 1, 5);
    let (same, query) = (maker.vector(), maker.vector());
    let rows: Vec<(u32, &[f32])> = (0..9000).rev().map(|slot| (slot, &same[..])).collect();
    let vectors = empty(64).with(&rows).unwrap();
    let found = vectors.nearest(&query, None, 100).unwrap();
    assert!(found.iter().map(|near| near.slot).eq(0..100));
    assert_eq!(found, vectors.nearest_exact(&query, None, 100).unwrap());
}

#[test]
fn nothing_is_found_where_nothing_is() {
    let vectors = empty(8);
    assert_eq!(vectors.nearest(&[0.5; 8], None, 10).unwrap(), []);
    assert!(vectors.is_empty() && !vectors.should_list());
    let listed = vectors.listed().unwrap().with(&[(3, [0.25; 8])]).unwrap();
    assert_eq!(listed.nearest(&[0.5; 8], None, 10).unwrap(), [Near { slot: 3, cosine: 1.0 }]);
    assert_eq!(listed.nearest(&[0.5; 8], Some(&Allowed::default()), 10).unwrap(), []);
    assert_eq!(listed.nearest(&[0.5; 8], None, 0).unwrap(), []);
    assert_eq!(listed.nearest(&[0.0; 8], None, 1).unwrap().len(), 1);
}

#[test]
fn what_is_no_vector_is_refused() {
    let vectors = empty(4);
    let wrong = vectors.with(&[(1, vec![0.5; 3])]);
    assert!(matches!(wrong, Err(VectorError::Dimension { wanted: 4, found: 3 })));
    for value in [f32::NAN, f32::INFINITY, f32::MAX] {
        let wrong = vectors.with(&[(7, [0.0, value, 0.0, 0.0])]);
        assert!(matches!(wrong, Err(VectorError::NotFinite { slot: 7 })));
        assert!(vectors.nearest(&[value; 4], None, 1).is_err());
    }
    assert_eq!(vectors.file().rows(), 0);
    assert!(vectors.cosines(&[0.5; 5], &[]).is_err());
    assert!(vectors.estimates(&[0.5; 5], None, |_, _| {}).is_err());
}

#[test]
fn estimates_are_within_their_bound() {
    for (dim, count) in [(3, 20_000), (64, 20_000), (100, 2000), (128, 2000), (768, 2000)] {
        let mut maker = Maker::new(dim, 50, 6);
        let rows = maker.rows(0..count);
        let unlisted = empty(dim).with(&rows).unwrap();
        let listed = unlisted.listed().unwrap().with(&rows[..99]).unwrap();
        for vectors in [unlisted, listed] {
            let bound = vectors.estimate_error();
            assert!(bound < 6.0 / (dim.max(64) as f32).sqrt(), "{bound} in {dim} dimensions");
            let allowed = some(count, 7, 0);
            for allowed in [None, Some(&allowed)] {
                let query = maker.vector();
                let mut estimates = HashMap::new();
                let out = |slot, estimate| assert!(estimates.insert(slot, estimate).is_none());
                vectors.estimates(&query, allowed, out).unwrap();
                assert_eq!(estimates.len(), allowed.map_or(count as usize, Allowed::count));
                let slots: Vec<u32> = estimates.keys().copied().collect();
                let cosines = vectors.cosines(&query, &slots).unwrap();
                let errors = slots.iter().zip(cosines);
                let outside = errors
                    .filter(|(slot, cosine)| (estimates[*slot] - cosine.unwrap()).abs() > bound);
                assert!(outside.count() <= slots.len() / 10_000);
            }
        }
    }
}
