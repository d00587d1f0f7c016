//! Pixels, tokens and vectors of each family are compared on their own, so that a failure names its
//! cause, and then all together.

use crate::fixture::{END_TO_END, EXACT, FAMILIES, SPEAKING, imported, unit};
use crate::runtime::runtime;

/// Greatest difference of a level (0 to 255) on a file that all decoders read alike.
const LOSSLESS: f32 = 1.0;
/// The same on a JPEG, where decoders round differently.
const LOSSY: f32 = 8.0;
/// Greatest mean difference of levels.
const MEAN: f32 = 0.3;

#[test]
fn preprocess_pixels_are_those_of_the_processor() {
    for family in FAMILIES {
        let fixture = imported(family);
        let encoder = fixture.model.image_encoder(&runtime(), 1).unwrap();
        for golden in &fixture.golden.pictures {
            let (ours, theirs) =
                (fixture.our_levels(&encoder.prepare(&golden.picture())), fixture.levels(golden));
            assert_eq!(ours.len(), theirs.len(), "{family} {}", golden.file);
            let apart: Vec<f32> =
                ours.iter().zip(&theirs).map(|(ours, theirs)| (ours - theirs).abs()).collect();
            let most = apart.iter().copied().fold(0.0, f32::max);
            let mean = apart.iter().sum::<f32>() / apart.len() as f32;
            println!("{family} {}: mean {mean:.3}, most {most:.3} of 255", golden.file);
            let limit = if golden.is_lossy() { LOSSY } else { LOSSLESS };
            // The reference is stored in steps of 1/256, and our levels are computed back in f32.
            assert!(
                most <= limit + 0.01 && mean <= MEAN,
                "{family} {}: mean {mean}, most {most}",
                golden.file
            );
        }
    }
}

#[test]
fn tokenise_ids_are_those_of_the_tokenizer() {
    for family in SPEAKING {
        let fixture = imported(family);
        let encoder = fixture.model.text_encoder(&runtime()).unwrap();
        for golden in &fixture.golden.texts {
            assert_eq!(
                encoder.token_ids(&golden.text).unwrap(),
                golden.ids,
                "{family} {:?}",
                golden.text
            );
        }
    }
}

#[test]
fn infer_image_vectors_are_those_of_pytorch() {
    for family in FAMILIES {
        let fixture = imported(family);
        let encoder = fixture.model.image_encoder(&runtime(), 1).unwrap();
        for golden in &fixture.golden.pictures {
            let ours = encoder.encode(&[fixture.golden_pixels(golden)]).unwrap().remove(0);
            assert_near(family, &golden.file, ours.as_slice(), &golden.vector);
        }
    }
}

#[test]
fn infer_text_vectors_are_those_of_pytorch() {
    for family in SPEAKING {
        let fixture = imported(family);
        let encoder = fixture.model.text_encoder(&runtime()).unwrap();
        for golden in &fixture.golden.texts {
            // A vector from other ids would prove nothing about the graph.
            assert_eq!(
                encoder.token_ids(&golden.text).unwrap(),
                golden.ids,
                "{family} {:?}",
                golden.text
            );
            let ours = encoder.encode(std::slice::from_ref(&golden.text)).unwrap().remove(0);
            assert_near(family, &golden.text, ours.as_slice(), &golden.vector);
        }
    }
}

#[test]
fn end_to_end_a_file_becomes_the_vector_of_the_reference() {
    for family in FAMILIES {
        let fixture = imported(family);
        let encoder = fixture.model.image_encoder(&runtime(), 1).unwrap();
        for golden in &fixture.golden.pictures {
            let ours = encoder.encode(&[encoder.prepare(&golden.picture())]).unwrap().remove(0);
            let cosine = ours.cosine(&unit(&golden.vector));
            println!("{family} {}: {cosine:.6}", golden.file);
            assert!(cosine >= END_TO_END, "{family} {}: {cosine}", golden.file);
        }
    }
}

/// The checks above would prove little if all pictures or all texts had nearly the same vector.
#[test]
fn the_vectors_of_the_reference_differ() {
    for family in FAMILIES {
        let golden = imported(family).golden;
        for vectors in [
            golden.pictures.iter().map(|golden| unit(&golden.vector)).collect::<Vec<_>>(),
            golden.texts.iter().map(|golden| unit(&golden.vector)).collect(),
        ] {
            for (index, one) in vectors.iter().enumerate() {
                for other in vectors.iter().skip(index + 1) {
                    assert!(one.cosine(other) < 0.995, "{family}: {}", one.cosine(other));
                }
            }
        }
    }
}

fn assert_near(family: &str, what: &str, ours: &[f32], theirs: &[f32]) {
    let largest = theirs.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!((ours - theirs).abs() <= 1e-4 * largest, "{family} {what:?}: {ours} and {theirs}");
    }
    let cosine = unit(ours).cosine(&unit(theirs));
    assert!(cosine >= EXACT, "{family} {what:?}: {cosine}");
}
