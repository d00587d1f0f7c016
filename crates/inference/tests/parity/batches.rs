//! A vector depends only on its own input, not on the rest of its batch or on other callers.

use inference::{Embedding, Pixels};

use crate::fixture::{FAMILIES, Fixture, SPEAKING, imported};
use crate::runtime::runtime;

/// Least cosine between the vectors of one input in two batches.
const SAME: f32 = 0.999_999;

fn pixels(fixture: &Fixture) -> Vec<Pixels> {
    fixture.golden.pictures.iter().map(|golden| fixture.golden_pixels(golden)).collect()
}

/// `count` numbers from 0 to `of - 1`, in a fixed irregular order with repetitions.
fn order(count: usize, of: usize) -> Vec<usize> {
    (0..count).map(|index| (index * index + 5 * index + 3) % of).collect()
}

#[test]
fn pictures_in_batches_of_1_7_and_32_get_their_own_vectors() {
    for family in FAMILIES {
        let fixture = imported(family);
        let pixels = pixels(&fixture);
        let single = fixture.model.image_encoder(&runtime(), 1).unwrap();
        let single: Vec<Embedding> =
            pixels.iter().map(|one| single.encode(&[one]).unwrap().remove(0)).collect();
        for batch in [1, 7, 32] {
            let encoder = fixture.model.image_encoder(&runtime(), batch).unwrap();
            for count in [1, 7, 32, 40] {
                let order = order(count, pixels.len());
                let vectors = encoder
                    .encode(&order.iter().map(|index| &pixels[*index]).collect::<Vec<_>>())
                    .unwrap();
                assert_eq!(vectors.len(), count);
                for (vector, index) in vectors.iter().zip(order) {
                    assert!(
                        vector.cosine(&single[index]) >= SAME,
                        "{family}, {count} in batches of {batch}"
                    );
                }
            }
        }
    }
}

/// Texts of all lengths share a batch, so short ones are padded to the longest.
#[test]
fn texts_in_batches_of_1_7_and_32_get_their_own_vectors() {
    for family in SPEAKING {
        let fixture = imported(family);
        let encoder = fixture.model.text_encoder(&runtime()).unwrap();
        let texts: Vec<String> =
            fixture.golden.texts.iter().map(|golden| golden.text.clone()).collect();
        let single: Vec<Embedding> = texts
            .iter()
            .map(|one| encoder.encode(std::slice::from_ref(one)).unwrap().remove(0))
            .collect();
        for count in [1, 7, 32, 40] {
            let order = order(count, texts.len());
            let vectors = encoder
                .encode(&order.iter().map(|index| texts[*index].clone()).collect::<Vec<_>>())
                .unwrap();
            assert_eq!(vectors.len(), count);
            for (vector, index) in vectors.iter().zip(order) {
                assert!(
                    vector.cosine(&single[index]) >= SAME,
                    "{family} {:?}, {count} texts",
                    texts[index]
                );
            }
        }
    }
}

#[test]
fn every_caller_gets_the_answer_to_its_own_request() {
    for family in ["clip", "chinese-clip"] {
        let fixture = imported(family);
        let pixels = pixels(&fixture);
        let texts: Vec<String> =
            fixture.golden.texts.iter().map(|golden| golden.text.clone()).collect();
        let images = fixture.model.image_encoder(&runtime(), 5).unwrap();
        let words = fixture.model.text_encoder(&runtime()).unwrap();
        let seen: Vec<Embedding> =
            pixels.iter().map(|one| images.encode(&[one]).unwrap().remove(0)).collect();
        let read: Vec<Embedding> = texts
            .iter()
            .map(|one| words.encode(std::slice::from_ref(one)).unwrap().remove(0))
            .collect();
        std::thread::scope(|scope| {
            for caller in 0..12 {
                let (images, words, pixels, texts, seen, read) =
                    (images.clone(), words.clone(), &pixels, &texts, &seen, &read);
                scope.spawn(move || {
                    for turn in 0..10 {
                        let own = (caller + turn) % pixels.len();
                        for vector in images.encode(&vec![&pixels[own]; 1 + caller % 7]).unwrap() {
                            assert!(
                                vector.cosine(&seen[own]) >= SAME,
                                "{family}: picture {own} of caller {caller}"
                            );
                        }
                        let own = (caller + turn) % texts.len();
                        for vector in
                            words.encode(&vec![texts[own].clone(); 1 + caller % 3]).unwrap()
                        {
                            assert!(
                                vector.cosine(&read[own]) >= SAME,
                                "{family}: text {own} of caller {caller}"
                            );
                        }
                    }
                });
            }
        });
    }
}
