//! Every entry of the catalogue says what the configuration of its repository says.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use inference::catalogue::{Entry, entries, find};
use inference::import::{Contradiction, check};
use inference::{ResampleFilter, ResizeMode};

fn repository(entry: &Entry) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/repositories").join(&entry.id)
}

/// The keys that are contradicted after a change of the entry.
fn contradicted(entry: &Entry, change: impl FnOnce(&mut Entry)) -> Vec<String> {
    let mut changed = entry.clone();
    change(&mut changed);
    let found = check(&repository(entry), &changed).unwrap();
    found.into_iter().map(|found| found.field).collect()
}

#[test]
fn every_entry_agrees_with_its_repository() {
    for entry in entries() {
        let of_pictures: Vec<_> = entry
            .config_files()
            .iter()
            .filter(|config| config.of_pictures && repository(entry).join(config.path).is_file())
            .collect();
        assert_eq!(of_pictures.len(), 1, "{}", entry.id);
        assert_eq!(check(&repository(entry), entry), Ok(Vec::new()), "{}", entry.id);
    }
}

/// An agreement would prove little if nothing were compared.
#[test]
fn every_value_of_a_picture_is_compared() {
    for entry in entries() {
        let image = |change: fn(&mut inference::ImageTower)| {
            contradicted(entry, |entry| change(entry.image.as_mut().unwrap()))
        };
        let other = |tower: &mut inference::ImageTower| {
            tower.filter = match tower.filter {
                ResampleFilter::Bilinear => ResampleFilter::Bicubic,
                _ => ResampleFilter::Bilinear,
            }
        };
        assert_eq!(image(other), ["[image] filter"], "{}", entry.id);
        let other = |tower: &mut inference::ImageTower| {
            tower.resize = match tower.resize {
                ResizeMode::Squash => ResizeMode::ShortestCrop,
                _ => ResizeMode::Squash,
            }
        };
        assert_eq!(image(other), ["[image] resize"], "{}", entry.id);
        assert_eq!(image(|tower| tower.width = 256), ["[image] width"], "{}", entry.id);
        assert_eq!(image(|tower| tower.height = 256), ["[image] height"], "{}", entry.id);
        assert_eq!(image(|tower| tower.resize_to = 256), ["[image] resize_to"], "{}", entry.id);
        assert_eq!(image(|tower| tower.mean[2] += 0.01), ["[image] mean"], "{}", entry.id);
        assert_eq!(image(|tower| tower.std[0] += 0.01), ["[image] std"], "{}", entry.id);
    }
    let scaled = |entry: &mut Entry| entry.image.as_mut().unwrap().scale = 1.0;
    assert_eq!(contradicted(find("dinov3-vits16").unwrap(), scaled), ["[image] scale"]);
}

#[test]
fn length_padding_and_form_of_texts_are_compared() {
    for entry in entries().iter().filter(|entry| entry.text.is_some()) {
        let text = |change: fn(&mut inference::TextTower)| {
            contradicted(entry, |entry| change(entry.text.as_mut().unwrap()))
        };
        let longer = text(|tower| (tower.max_len, tower.pad_to) = (1000, 1000));
        assert!(longer.contains(&String::from("[text] max_len")), "{}: {longer:?}", entry.id);
        assert_eq!(text(|tower| tower.pad_id = 7), ["[text] pad_id"], "{}", entry.id);
    }
    let cased = |entry: &mut Entry| entry.text.as_mut().unwrap().lowercase = false;
    let siglip2 = find("siglip2-base-patch16-224").unwrap();
    assert_eq!(contradicted(siglip2, cased), ["[text] lowercase"]);
    // CLIP's tokenizer makes lower case itself.
    assert!(contradicted(find("clip-vit-base-patch32").unwrap(), cased).is_empty());
    let plain = |entry: &mut Entry| entry.text.as_mut().unwrap().canonicalize = false;
    let immich = find("immich-vit-b-16-siglip2-webli").unwrap();
    assert_eq!(contradicted(immich, plain), ["[text] canonicalize", "[text] lowercase"]);
    assert_eq!(contradicted(immich, |entry| entry.dim = 512), ["dim"]);
}

#[test]
fn a_contradiction_names_the_key_both_values_and_the_file() {
    let entry = find("siglip2-base-patch16-224").unwrap();
    let mut wrong = entry.clone();
    wrong.image.as_mut().unwrap().filter = ResampleFilter::Bicubic;
    wrong.image.as_mut().unwrap().mean = [0.25, 0.5, 0.5];
    let found = check(&repository(entry), &wrong).unwrap();
    let said: Vec<String> = found.iter().map(Contradiction::to_string).collect();
    assert_eq!(
        said,
        [
            "`[image] filter` is bicubic in the entry and bilinear by preprocessor_config.json",
            "`[image] mean` is [0.25, 0.5, 0.5] in the entry and [0.5, 0.5, 0.5] by \
             preprocessor_config.json",
        ]
    );
}

#[test]
fn the_configuration_may_stand_in_other_files() {
    let entry = find("siglip2-base-patch16-224").unwrap();
    let read = fs::read_to_string(repository(entry).join("preprocessor_config.json")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    assert_eq!(check(folder.path(), entry), Ok(Vec::new()), "nothing is stated");

    write(
        "open_clip_config.json",
        r#"{"model_cfg": {"vision_cfg": {"image_size": 224}},
            "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
                               "interpolation": "bicubic", "resize_mode": "squash"}}"#,
    );
    let found = check(folder.path(), entry).unwrap();
    assert_eq!((found.len(), found[0].file.as_str()), (1, "open_clip_config.json"), "{found:?}");

    // As transformers 5 writes it.
    let nested = read.replace("\"resample\": 2", "\"resample\": 3");
    write("processor_config.json", &format!("{{\"image_processor\": {nested}}}"));
    let found = check(folder.path(), entry).unwrap();
    assert_eq!((found.len(), found[0].file.as_str()), (1, "processor_config.json"), "{found:?}");

    write("preprocessor_config.json", &read);
    assert_eq!(check(folder.path(), entry), Ok(Vec::new()));
    write("preprocessor_config.json", &read.replace("\"resample\": 2", "\"resample\": 0"));
    assert!(check(folder.path(), entry).unwrap_err().contains("resampling 0"));
    write("preprocessor_config.json", "{");
    assert!(check(folder.path(), entry).unwrap_err().contains("is not JSON"));
}
