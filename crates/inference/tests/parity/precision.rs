//! Models with 16-bit and 8-bit weights stay close to the reference. fp16 inputs and outputs are
//! converted.

use inference::{Precision, gate};

use crate::fixture::{unit, with};
use crate::runtime::runtime;

#[test]
fn a_model_in_fp16_takes_and_gives_fp16_and_is_near() {
    let fixture = with("dinov3", Precision::Fp16, |text| text);
    assert_eq!(fixture.model.manifest.precision, Precision::Fp16);
    assert!(fixture.model.manifest.id.ends_with("-fp16") && gate::passed(&fixture.model).is_ok());
    let encoder = fixture.model.image_encoder(&runtime(), 4).unwrap();
    for golden in &fixture.golden.pictures {
        let ours = encoder.encode(&[fixture.golden_pixels(golden)]).unwrap().remove(0);
        for (ours, theirs) in ours.as_slice().iter().zip(&golden.vector) {
            assert!((ours - theirs).abs() <= 5e-3, "{}: {ours} and {theirs}", golden.file);
        }
    }
}

#[test]
fn a_model_in_int8_is_near() {
    let fixture = with("dinov3", Precision::Int8, |text| text);
    assert_eq!(fixture.model.manifest.precision, Precision::Int8);
    let encoder = fixture.model.image_encoder(&runtime(), 4).unwrap();
    for golden in &fixture.golden.pictures {
        let cosine = encoder
            .encode(&[fixture.golden_pixels(golden)])
            .unwrap()
            .remove(0)
            .cosine(&unit(&golden.vector));
        println!("{}: {cosine:.5}", golden.file);
        assert!(cosine >= 0.995, "{}: {cosine}", golden.file);
    }
}

/// Some graphs choose the scale of their 8-bit values per run. There the other pictures of a batch
/// shift a vector a little.
#[test]
fn in_int8_the_rest_of_the_batch_shifts_a_vector_only_a_little() {
    let fixture = with("dinov3", Precision::Int8, |text| text);
    let pixels: Vec<_> =
        fixture.golden.pictures.iter().map(|golden| fixture.golden_pixels(golden)).collect();
    let encoder = fixture.model.image_encoder(&runtime(), 8).unwrap();
    let together = encoder.encode(&pixels).unwrap();
    for ((one, vector), golden) in pixels.iter().zip(&together).zip(&fixture.golden.pictures) {
        let cosine = encoder.encode(&[one]).unwrap().remove(0).cosine(vector);
        println!("{}: {cosine:.6}", golden.file);
        assert!(cosine >= 0.995, "{}: {cosine}", golden.file);
    }
}
