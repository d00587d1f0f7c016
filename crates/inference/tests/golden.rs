//! The demo model gives the same pixels, tokens and vectors as the program that trained it.
//!
//! That program wrote `models/demo-clip/golden/golden.json` with Pillow, tokenizers and PyTorch
//! when it exported the model.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod runtime;

use std::fs;
use std::path::{Path, PathBuf};

use inference::{
    Detail, Embedding, ImageEncoder, Model, Picture, PictureLimits, Pixels, TextEncoder, decode,
};
use runtime::runtime;
use serde::Deserialize;

/// Least cosine similarity with PyTorch's vector, from our own pixels or token ids.
const GATE: f32 = 0.9999;
/// One step of a pixel byte after normalisation with std 0.5: 2 / 255.
const ONE_LEVEL: f32 = 2.0 / 255.0;

#[derive(Deserialize)]
struct Golden {
    sample_stride: usize,
    pictures: Vec<GoldenPicture>,
    texts: Vec<GoldenText>,
}

#[derive(Deserialize)]
struct GoldenPicture {
    file: String,
    width: u32,
    height: u32,
    tensor: GoldenTensor,
    embedding: Vec<f32>,
}

#[derive(Deserialize)]
struct GoldenTensor {
    first: Vec<f32>,
    samples: Vec<f32>,
    mean: f32,
}

#[derive(Deserialize)]
struct GoldenText {
    text: String,
    ids: Vec<i64>,
    embedding: Vec<f32>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo-clip/golden")
}

fn golden() -> Golden {
    let golden: Golden =
        serde_json::from_slice(&fs::read(folder().join("golden.json")).unwrap()).unwrap();
    assert!(golden.pictures.len() >= 6 && golden.texts.len() >= 10);
    golden
}

fn picture(golden: &GoldenPicture) -> Picture {
    let picture = decode(
        &fs::read(folder().join(&golden.file)).unwrap(),
        &PictureLimits::default(),
        Detail::Whole,
    )
    .unwrap();
    assert_eq!((picture.width, picture.height), (golden.width, golden.height), "{}", golden.file);
    picture
}

fn images() -> ImageEncoder {
    Model::find("demo-clip", Path::new("models")).unwrap().image_encoder(&runtime(), 7).unwrap()
}

fn texts() -> TextEncoder {
    Model::find("demo-clip", Path::new("models")).unwrap().text_encoder(&runtime()).unwrap()
}

fn embed(encoder: &ImageEncoder, picture: &Picture) -> Embedding {
    encoder.encode(&[encoder.prepare(picture)]).unwrap().remove(0)
}

fn expected(values: &[f32]) -> Embedding {
    Embedding::normalise(values.to_vec()).unwrap()
}

#[test]
fn the_built_in_model_is_whole_and_says_that_it_is_a_demo() {
    let model = Model::find("demo-clip", Path::new("models")).unwrap();
    assert!(model.manifest.demo);
    let runtime = runtime();
    assert_eq!(model.image_encoder(&runtime, 1).unwrap().dim(), model.manifest.dim);
    assert_eq!(model.text_encoder(&runtime).unwrap().dim(), model.manifest.dim);
}

#[test]
fn the_same_model_in_a_folder_is_the_same_model() {
    let folder = format!("{}/models/demo-clip", env!("CARGO_MANIFEST_DIR"));
    let from_folder =
        Model::find(&folder, Path::new("models")).unwrap().text_encoder(&runtime()).unwrap();
    let question = [String::from("a black cat")];
    assert_eq!(from_folder.encode(&question).unwrap(), texts().encode(&question).unwrap());
}

#[test]
fn pixels_are_those_of_pillow() {
    let (golden, encoder) = (golden(), images());
    for wanted in &golden.pictures {
        let Pixels { data } = encoder.prepare(&picture(wanted));
        let samples = data.iter().step_by(golden.sample_stride).take(wanted.tensor.samples.len());
        assert_eq!(wanted.tensor.first.len(), 64);
        let ours = data.iter().take(64).chain(samples);
        let theirs = wanted.tensor.first.iter().chain(&wanted.tensor.samples);
        for (index, (ours, theirs)) in ours.zip(theirs).enumerate() {
            assert!(
                (ours - theirs).abs() < 1.01 * ONE_LEVEL,
                "{} value {index}: {ours} and {theirs}",
                wanted.file
            );
        }
        let mean = data.iter().sum::<f32>() / data.len() as f32;
        assert!((mean - wanted.tensor.mean).abs() < 0.1 * ONE_LEVEL, "{}: {mean}", wanted.file);
    }
}

#[test]
fn picture_vectors_are_those_of_pytorch() {
    let encoder = images();
    for wanted in golden().pictures {
        let cosine = embed(&encoder, &picture(&wanted)).cosine(&expected(&wanted.embedding));
        assert!(cosine >= GATE, "{}: {cosine}", wanted.file);
    }
}

#[test]
fn token_ids_are_equal() {
    let encoder = texts();
    for wanted in golden().texts {
        assert_eq!(encoder.token_ids(&wanted.text).unwrap(), wanted.ids, "{:?}", wanted.text);
    }
}

#[test]
fn text_vectors_are_those_of_pytorch() {
    let encoder = texts();
    let golden = golden();
    let questions: Vec<String> = golden.texts.iter().map(|text| text.text.clone()).collect();
    for (ours, wanted) in encoder.encode(&questions).unwrap().iter().zip(&golden.texts) {
        let cosine = ours.cosine(&expected(&wanted.embedding));
        assert!(cosine >= GATE, "{:?}: {cosine}", wanted.text);
    }
}

/// Checks the gate itself: a common mistake must not pass it.
#[test]
fn swapped_colours_fall_below_the_gate() {
    let encoder = images();
    let (mut below, golden) = (0, golden());
    for wanted in &golden.pictures {
        let mut swapped = picture(wanted);
        swapped.rgb.pixels_mut().for_each(|pixel| pixel.0.reverse());
        below += usize::from(embed(&encoder, &swapped).cosine(&expected(&wanted.embedding)) < GATE);
    }
    assert_eq!(below, golden.pictures.len());
}

#[test]
fn a_vector_does_not_depend_on_its_batch() {
    let (encoder, golden) = (images(), golden());
    let pixels: Vec<Pixels> =
        golden.pictures.iter().map(|wanted| encoder.prepare(&picture(wanted))).collect();
    let single: Vec<Embedding> = pixels
        .iter()
        .map(|one| encoder.encode(std::slice::from_ref(one)).unwrap().remove(0))
        .collect();
    // Seven per run, and a last run that is not full.
    let order: Vec<usize> = (0..17).map(|index| (index * 5) % pixels.len()).collect();
    let batched =
        encoder.encode(&order.iter().map(|index| &pixels[*index]).collect::<Vec<_>>()).unwrap();
    for (embedding, index) in batched.iter().zip(&order) {
        assert!(embedding.cosine(&single[*index]) > 0.999_999, "{}", golden.pictures[*index].file);
    }

    let encoder = texts();
    let questions: Vec<String> = golden.texts.iter().map(|text| text.text.clone()).collect();
    let batched = encoder.encode(&questions).unwrap();
    for (question, embedding) in questions.iter().zip(batched) {
        let single = encoder.encode(std::slice::from_ref(question)).unwrap().remove(0);
        assert!(embedding.cosine(&single) > 0.999_999, "{question:?}");
    }
}

#[test]
fn answers_go_to_who_asked() {
    let (encoder, golden) = (images(), golden());
    std::thread::scope(|scope| {
        for wanted in &golden.pictures {
            let encoder = encoder.clone();
            scope.spawn(move || {
                let pixels = encoder.prepare(&picture(wanted));
                for count in 1..12 {
                    for embedding in encoder.encode(&vec![&pixels; count]).unwrap() {
                        assert!(
                            embedding.cosine(&expected(&wanted.embedding)) >= GATE,
                            "{}",
                            wanted.file
                        );
                    }
                }
            });
        }
    });
}

#[test]
fn words_find_their_picture_in_both_languages() {
    let golden = golden();
    let encoder = images();
    let pictures: Vec<(String, Embedding)> = golden
        .pictures
        .iter()
        .map(|wanted| (wanted.file.clone(), embed(&encoder, &picture(wanted))))
        .collect();
    for (question, file) in
        [("a red car on the beach at sunset", "car.png"), ("夕阳下海滩上的红色汽车", "car.png")]
    {
        let question = texts().encode(&[question.to_owned()]).unwrap().remove(0);
        let best = pictures
            .iter()
            .max_by(|a, b| a.1.cosine(&question).total_cmp(&b.1.cosine(&question)))
            .unwrap();
        assert_eq!(best.0, file);
    }
}
