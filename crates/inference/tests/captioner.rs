//! The demo captioner writes the same captions as the program that trained it, whatever else is in
//! a batch.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod runtime;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use inference::captioner::{Captioner, CaptionerModel};
use inference::{Detail, ModelError, PictureLimits, Pixels, decode};
use runtime::runtime;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    pictures: Vec<GoldenPicture>,
}

#[derive(Deserialize)]
struct GoldenPicture {
    file: String,
    #[serde(flatten)]
    captions: BTreeMap<String, GoldenCaption>,
}

#[derive(Deserialize)]
struct GoldenCaption {
    ids: Vec<u32>,
    text: String,
}

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

fn golden() -> Vec<GoldenPicture> {
    let file = models().join("demo-captioner/golden/golden.json");
    let golden: Golden = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert!(golden.pictures.len() >= 6);
    golden.pictures
}

fn captioner(max_batch: usize, max_tokens: usize) -> Captioner {
    CaptionerModel::find("demo-captioner", Path::new("models"))
        .unwrap()
        .load(&runtime(), max_batch, max_tokens)
        .unwrap()
}

fn pixels(captioner: &Captioner, file: &str) -> Pixels {
    let bytes = fs::read(models().join("demo-clip/golden").join(file)).unwrap();
    captioner.prepare(&decode(&bytes, &PictureLimits::default(), Detail::Whole).unwrap())
}

#[test]
fn captions_equal_those_of_the_reference_in_both_languages() {
    let captioner = captioner(4, 0);
    assert_eq!(captioner.languages().collect::<Vec<_>>(), ["en", "zh"]);
    let golden = golden();
    // Several runs, whose rows end at different steps.
    let all: Vec<Pixels> = golden.iter().map(|picture| pixels(&captioner, &picture.file)).collect();
    let mut lengths = Vec::new();
    for language in ["en", "zh"] {
        let written = captioner.caption(&all, language).unwrap();
        for (picture, caption) in golden.iter().zip(&written) {
            let expected = &picture.captions[language];
            assert_eq!(
                (&caption.ids, &caption.text),
                (&expected.ids, &expected.text),
                "{} {language}",
                picture.file
            );
            assert!(caption.ended);
            lengths.push(caption.ids.len());
        }
    }
    assert!(
        lengths.iter().min() < lengths.iter().max(),
        "all rows end at the same step: {lengths:?}"
    );
}

#[test]
fn a_caption_does_not_depend_on_its_batch() {
    let golden = golden();
    let together = captioner(8, 0);
    let all: Vec<Pixels> =
        golden.iter().rev().map(|picture| pixels(&together, &picture.file)).collect();
    let together = together.caption(&all, "en").unwrap();
    let alone = captioner(1, 0);
    for (pixels, caption) in all.iter().zip(&together) {
        assert_eq!(
            alone.caption(std::slice::from_ref(pixels), "en").unwrap(),
            std::slice::from_ref(caption)
        );
    }
}

#[test]
fn a_caption_may_be_cut_short() {
    let (whole, short) = (captioner(4, 0), captioner(4, 3));
    let car = [pixels(&whole, "car.png")];
    let (whole, short) = (
        whole.caption(&car, "en").unwrap().remove(0),
        short.caption(&car, "en").unwrap().remove(0),
    );
    assert_eq!(short.ids, whole.ids[..3]);
    assert!(whole.ended && !short.ended);
}

#[test]
fn what_cannot_be_captioned_is_named() {
    let captioner = captioner(4, 0);
    let refused = captioner.caption(&[Pixels { data: vec![0.0; 3] }], "en").unwrap_err();
    assert!(matches!(refused, ModelError::Input { index: 0, .. }), "{refused}");
    let refused =
        captioner.caption(&[pixels(&captioner, "car.png")], "fr").unwrap_err().to_string();
    assert!(refused.contains("`fr`") && refused.contains("en, zh"), "{refused}");
    // The two kinds of models are told apart.
    let refused =
        inference::Model::find("demo-captioner", Path::new("models")).unwrap_err().to_string();
    assert!(refused.contains("captioner"), "{refused}");
    let refused = CaptionerModel::find("demo-clip", Path::new("models")).unwrap_err().to_string();
    assert!(refused.contains("decoder") || refused.contains("unknown field"), "{refused}");
    let refused =
        CaptionerModel::find("nothing", Path::new("no-such-folder")).unwrap_err().to_string();
    assert!(refused.contains("demo-captioner"), "{refused}");
}
