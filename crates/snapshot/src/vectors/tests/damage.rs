//! Files and saved versions that are not as they were.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::{Maker, some};
use crate::vectors::{VectorError, VectorFile, Vectors};

struct Saved {
    bytes: Vec<u8>,
    file: Arc<VectorFile>,
    vectors: Vectors,
    query: Vec<f32>,
}

/// A version with lists, unlisted rows and dead ones.
static SAVED: LazyLock<Saved> = LazyLock::new(|| {
    let mut maker = Maker::new(20, 10, 21);
    let file = Arc::new(VectorFile::anonymous(None, 20).unwrap());
    let rows = maker.rows(0..21_000);
    let vectors = Vectors::empty(Arc::clone(&file)).with(&rows).unwrap().listed().unwrap();
    let vectors = vectors.with(&maker.rows(20_500..24_000)).unwrap().without(&[3, 20_999, 21_001]);
    let mut bytes = Vec::new();
    vectors.save(&mut bytes).unwrap();
    Saved { bytes, file, vectors, query: maker.vector() }
});

/// Searches in every way; what is found does not matter.
fn search(vectors: &Vectors) {
    let query = &SAVED.query;
    for wanted in [1, 50] {
        let _ = vectors.nearest(query, None, wanted);
        let _ = vectors.nearest(query, Some(&some(24_000, 3, 0)), wanted);
    }
    let _ = vectors.cosines(query, &[0, 5, 23_999]);
    vectors.estimates(query, None, |_, _| {}).unwrap();
    let _ = vectors.with(&[(1, query)]);
}

#[test]
fn what_was_saved_is_loaded() {
    let Saved { bytes, file, vectors, query } = &*SAVED;
    let loaded = Vectors::load(&bytes[..], Arc::clone(file)).unwrap();
    assert_eq!(loaded.len(), vectors.len());
    assert_eq!(loaded.unlisted(), vectors.unlisted());
    assert_eq!(loaded.file_rows(), vectors.file_rows());
    assert_eq!(loaded.estimate_error(), vectors.estimate_error());
    let found = loaded.nearest(query, None, 100).unwrap();
    assert_eq!(found, vectors.nearest(query, None, 100).unwrap());
    assert!(!loaded.has(3) && loaded.has(4));
    let mut again = Vec::new();
    loaded.save(&mut again).unwrap();
    assert!(again == *bytes);
    let other = Arc::new(VectorFile::anonymous(None, 21).unwrap());
    assert!(matches!(Vectors::load(&bytes[..], other), Err(VectorError::Unusable(_))));
    let shorter = Arc::new(VectorFile::anonymous(None, 20).unwrap());
    assert!(matches!(Vectors::load(&bytes[..], shorter), Err(VectorError::Unusable(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn flipped_bytes_are_an_error_or_another_version(
        place in any::<proptest::sample::Index>(),
        in_header in any::<bool>(),
        value in 1u8..,
    ) {
        let mut bytes = SAVED.bytes.clone();
        let place = place.index(if in_header { 64 } else { bytes.len() });
        bytes[place] ^= value;
        if let Ok(vectors) = Vectors::load(&bytes[..], Arc::clone(&SAVED.file)) {
            search(&vectors);
        }
    }

    #[test]
    fn a_saved_version_that_was_cut_is_an_error(place in any::<proptest::sample::Index>()) {
        let bytes = &SAVED.bytes[..place.index(SAVED.bytes.len())];
        prop_assert!(Vectors::load(bytes, Arc::clone(&SAVED.file)).is_err());
    }

    #[test]
    fn any_header_is_an_error_or_a_version(numbers in prop::collection::vec(
        prop_oneof![0u64..70, any::<u64>(), 20_000u64..30_000], 6,
    )) {
        let mut bytes = SAVED.bytes.clone();
        for (place, number) in bytes[16..64].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_ne_bytes());
        }
        if let Ok(vectors) = Vectors::load(&bytes[..], Arc::clone(&SAVED.file)) {
            search(&vectors);
        }
    }
}

#[test]
fn a_vector_file_that_was_cut_or_overwritten_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vectors");
    let mut maker = Maker::new(10, 5, 22);
    let file = Arc::new(VectorFile::create(&path, 10).unwrap());
    let vectors = Vectors::empty(file).with(&maker.rows(0..3000)).unwrap();
    let query = maker.vector();
    let damaged = |slot| {
        assert!(matches!(vectors.cosines(&query, &[slot]), Err(VectorError::Damaged(_))));
        assert!(matches!(vectors.vector(slot), Err(VectorError::Damaged(_))));
        for wanted in [10, 3000] {
            let found = vectors.nearest_exact(&query, None, wanted);
            assert!(matches!(found, Err(VectorError::Damaged(_))));
        }
        assert!(matches!(vectors.nearest(&query, None, 3000), Err(VectorError::Damaged(_))));
    };
    let raw = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let row_bytes = raw.metadata().unwrap().len() / 3000;
    let mut former = [0; 4];
    raw.read_exact_at(&mut former, 1234 * row_bytes + 8).unwrap();
    raw.write_all_at(&[1, 2, 3, 4], 1234 * row_bytes + 8).unwrap();
    damaged(1234);
    raw.write_all_at(&former, 1234 * row_bytes + 8).unwrap();
    assert_eq!(vectors.nearest(&query, None, 3000).unwrap().len(), 3000);
    // Another row's vector with its checksum.
    let mut row = vec![0; row_bytes as usize];
    raw.read_exact_at(&mut row, 7 * row_bytes).unwrap();
    raw.write_all_at(&row, 8 * row_bytes).unwrap();
    damaged(8);
    assert!(vectors.cosines(&query, &[7]).is_ok());
    raw.set_len(2999 * row_bytes + 5).unwrap();
    damaged(2999);
    assert!(vectors.cosines(&query, &[2998]).is_ok());
    assert!(VectorFile::open(&path, 10, 3000).is_err());
    raw.set_len(0).unwrap();
    damaged(0);
}

#[test]
fn a_listing_of_damaged_vectors_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vectors");
    let mut maker = Maker::new(4, 5, 23);
    let file = Arc::new(VectorFile::create(&path, 4).unwrap());
    let vectors = Vectors::empty(file).with(&maker.rows(0..20_000)).unwrap();
    let raw = OpenOptions::new().write(true).open(&path).unwrap();
    raw.write_all_at(&[255; 8], 0).unwrap();
    assert!(matches!(vectors.listed(), Err(VectorError::Damaged(damaged)) if damaged.row == 0));
}
