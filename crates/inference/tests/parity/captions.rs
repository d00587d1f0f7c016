//! A captioner of BLIP's architecture writes the same tokens as the reference's `generate`, alone
//! and in batches whose rows end at different steps.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use inference::Pixels;
use inference::captioner::{Captioner, CaptionerModel};
use serde::Deserialize;

use crate::fixture::{copy, home, open};
use crate::runtime::runtime;

#[derive(Deserialize)]
struct Golden {
    pictures: Vec<GoldenPicture>,
}

#[derive(Deserialize)]
struct GoldenPicture {
    file: String,
    ids: Vec<u32>,
    text: String,
}

fn golden() -> Vec<GoldenPicture> {
    let golden: Golden =
        serde_json::from_slice(&fs::read(home().join("blip/golden/golden.json")).unwrap()).unwrap();
    let lengths: BTreeSet<usize> =
        golden.pictures.iter().map(|picture| picture.ids.len()).collect();
    assert!(
        golden.pictures.len() >= 6 && lengths.len() >= 4,
        "rows must end at different steps: {lengths:?}"
    );
    golden.pictures
}

fn model() -> CaptionerModel {
    CaptionerModel::find(&format!("{}/", home().join("blip").display()), Path::new("models"))
        .unwrap()
}

/// The pixels of the reference's processor.
fn golden_pixels(model: &CaptionerModel, picture: &GoldenPicture) -> Pixels {
    let stem = picture.file.split('.').next().unwrap();
    let levels =
        image::open(home().join("blip/golden").join(format!("{stem}.png"))).unwrap().to_rgb8();
    let (mean, std) = (model.manifest.image.mean, model.manifest.image.std);
    let channel = |channel: usize| {
        let value = move |level: &u8| (f32::from(*level) / 255.0 - mean[channel]) / std[channel];
        levels.as_raw().iter().skip(channel).step_by(3).map(value).collect::<Vec<_>>()
    };
    Pixels { data: (0..3).flat_map(channel).collect() }
}

fn load(max_batch: usize) -> Captioner {
    model().load(&runtime(), max_batch, 0).unwrap()
}

#[test]
fn every_token_equals_the_references() {
    let (golden, model) = (golden(), model());
    let language = model.manifest.decoder.languages[0].language.clone();
    let pixels: Vec<Pixels> = golden.iter().map(|picture| golden_pixels(&model, picture)).collect();
    for max_batch in [1, 4, 6] {
        let written = load(max_batch).caption(&pixels, &language).unwrap();
        for (caption, picture) in written.iter().zip(&golden) {
            assert_eq!(caption.ids, picture.ids, "{} in batches of {max_batch}", picture.file);
            assert_eq!(caption.text, picture.text.trim(), "{}", picture.file);
            assert_eq!(
                caption.ended,
                picture.ids.len() < model.manifest.decoder.max_tokens,
                "{}",
                picture.file
            );
        }
    }
}

/// Our own pixels equal those of the reference within half a level on average.
#[test]
fn pictures_become_the_references_pixels() {
    let (captioner, model) = (load(4), model());
    for picture in golden() {
        let ours = captioner
            .prepare(&open(&fs::read(home().join("pictures").join(&picture.file)).unwrap()));
        let theirs = golden_pixels(&model, &picture);
        let apart = ours.data.iter().zip(&theirs.data).map(|(a, b)| (a - b).abs()).sum::<f32>()
            / ours.data.len() as f32;
        // Half a level in normalised units. JPEG decoders differ by more than resizing does.
        let tolerance = if picture.file.ends_with(".jpg") { 2.0 } else { 0.5 }
            / 255.0
            / model.manifest.image.std[0];
        assert!(apart <= tolerance, "{}: {apart}", picture.file);
    }
}

/// Checks the check: each of these mistakes changes a caption.
#[test]
fn mistakes_change_captions() {
    let (golden, model) = (golden(), model());
    let language = model.manifest.decoder.languages[0].language.clone();
    let wrong = |replacements: &[(&str, &str)], change: &dyn Fn(Pixels) -> Pixels| {
        let folder = copy("blip");
        let mut text = fs::read_to_string(home().join("blip/model.toml")).unwrap();
        for (from, to) in replacements {
            assert!(text.contains(from), "{from}");
            text = text.replacen(from, to, 1);
        }
        fs::write(folder.path().join("model.toml"), text).unwrap();
        let changed =
            CaptionerModel::find(&format!("{}/", folder.path().display()), Path::new("models"))
                .unwrap();
        let pixels: Vec<Pixels> =
            golden.iter().map(|picture| change(golden_pixels(&model, picture))).collect();
        let written = changed.load(&runtime(), 6, 0).unwrap().caption(&pixels, &language).unwrap();
        written.iter().zip(&golden).filter(|(caption, picture)| caption.ids != picture.ids).count()
    };
    let same = |pixels| pixels;
    assert_eq!(wrong(&[], &same), 0);
    let bgr = |pixels: Pixels| {
        let planes: Vec<&[f32]> = pixels.data.chunks(pixels.data.len() / 3).collect();
        Pixels { data: [planes[2], planes[1], planes[0]].concat() }
    };
    assert!(wrong(&[], &bgr) >= 4, "red and blue swapped");
    assert!(wrong(&[("end = 3", "end = 4")], &same) >= 1, "another end token");
    assert!(wrong(&[("prompt = [119]", "prompt = [120]")], &same) >= 1, "another prompt");
}
