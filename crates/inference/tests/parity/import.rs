//! Folders in the layouts of public repositories become manifests.

use std::fs;

use inference::{Manifest, PixelOrder, Precision, ResizeMode, import};

use crate::fixture::{FAMILIES, copy, imported};

#[test]
fn every_layout_gives_a_manifest_that_says_what_was_assumed() {
    for family in FAMILIES {
        let folder = copy(family);
        let text = import::folder(folder.path()).unwrap();
        let manifest = Manifest::parse(&text).unwrap();
        assert_eq!((manifest.id.as_str(), manifest.precision), (family, Precision::Fp32));
        assert_eq!(
            (manifest.space.as_str(), manifest.licence.as_str()),
            (manifest.id.as_str(), "unknown")
        );
        let comments =
            text.lines().filter(|line| line.starts_with('#')).collect::<Vec<_>>().join(" ");
        assert!(
            comments.contains("after the pattern of") && comments.contains("`licence`"),
            "{comments}"
        );
        assert!(!comments.contains("check it"), "{comments}");
    }
}

#[test]
fn what_differs_between_models_is_read_from_the_folder() {
    let clip = imported("clip").model.manifest;
    let image = clip.image.unwrap();
    assert_eq!((clip.dim, image.width, image.resize), (24, 48, ResizeMode::ShortestCrop));
    let chinese = imported("chinese-clip").model.manifest;
    let text = chinese.text.unwrap();
    assert_eq!((text.max_len, text.mask_input.as_str()), (52, "attention_mask"));
    assert_eq!(text.extra_inputs[0].shape, [-1, 3, 48, 48]);
    let siglip = imported("siglip2").model.manifest.text.unwrap();
    assert_eq!((siglip.max_len, siglip.pad_to, siglip.pad_id, siglip.lowercase), (64, 64, 0, true));
    let dinov3 = imported("dinov3").model.manifest;
    assert_eq!(
        (dinov3.dim, dinov3.image.unwrap().order, dinov3.text.is_none()),
        (24, PixelOrder::RescaleThenResize, true)
    );
    let immich = imported("immich").model.manifest;
    assert_eq!((immich.image.unwrap().output_index, immich.text.unwrap().pad_to), (Some(0), 77));
}

#[test]
fn the_configuration_of_the_folder_wins_over_the_pattern() {
    let folder = copy("immich");
    let config = r#"{
        "embed_dim": 24,
        "text_cfg": {"context_length": 77, "tokenizer_kwargs": {"clean": "canonicalize"}},
        "init_logit_bias": -10
    }"#;
    fs::write(folder.path().join("config.json"), config).unwrap();
    let picture = r#"{
        "size": 48,
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
        "interpolation": "bilinear",
        "resize_mode": "squash"
    }"#;
    fs::write(folder.path().join("visual/preprocess_cfg.json"), picture).unwrap();
    let text = import::folder(folder.path()).unwrap();
    let manifest = Manifest::parse(&text).unwrap();
    let image = manifest.image.unwrap();
    assert_eq!((image.resize, image.std), (ResizeMode::Squash, [0.25; 3]));
    assert!(manifest.text.unwrap().canonicalize && text.contains("sigmoid"), "{text}");
    fs::write(
        folder.path().join("visual/preprocess_cfg.json"),
        picture.replace("squash", "longest"),
    )
    .unwrap();
    assert!(import::folder(folder.path()).unwrap_err().to_string().contains("`longest`"));
}

#[test]
fn what_was_not_found_stands_in_the_comments() {
    let folder = copy("siglip2");
    fs::remove_file(folder.path().join("tokenizer_config.json")).unwrap();
    fs::remove_file(folder.path().join("preprocessor_config.json")).unwrap();
    fs::write(folder.path().join("config.json"), r#"{"model_type": "siglip"}"#).unwrap();
    let text = import::folder(folder.path()).unwrap();
    for missing in [
        "`pad_id` is 0, check it",
        "everything in [image]",
        "`dim` is 768, check it",
        "`max_len` is 64, check it",
    ] {
        assert!(text.contains(missing), "{missing}: {text}");
    }
    fs::remove_file(folder.path().join("onnx/text_model.onnx")).unwrap();
    let error = import::folder(folder.path()).unwrap_err().to_string();
    assert!(error.contains("fp32 lacks onnx/text_model.onnx"), "{error}");
}

#[test]
fn a_precision_is_chosen_or_taken() {
    let folder = copy("dinov3");
    let manifest = |text: String| Manifest::parse(&text).unwrap();
    let int8 = manifest(import::folder_as(folder.path(), Precision::Int8).unwrap());
    let fp32 = manifest(import::folder(folder.path()).unwrap());
    assert_eq!((int8.precision, &int8.space), (Precision::Int8, &fp32.space));
    assert_eq!(int8.id, format!("{}-int8", fp32.id));
    fs::remove_file(folder.path().join("onnx/model.onnx")).unwrap();
    assert_eq!(manifest(import::folder(folder.path()).unwrap()).precision, Precision::Fp16);
}
