use super::*;
use crate::manifest::{FileRole, Manifest, Precision};

fn pulled(recipe: &Recipe) -> Vec<(String, u64, String)> {
    recipe.files.iter().map(|file| (file.path.clone(), 7, "a".repeat(64))).collect()
}

#[test]
fn every_entry_is_read_and_every_precision_makes_a_manifest() {
    for text in TEXTS {
        if let Err(error) = Entry::parse(text) {
            panic!("{error}: {}", text.lines().take(4).collect::<Vec<_>>().join(" "));
        }
    }
    assert_eq!(ids().len(), TEXTS.len());
    for entry in entries() {
        for precision in entry.precisions() {
            let recipe = entry.resolve(precision).unwrap();
            let manifest = Manifest::parse(&recipe.manifest(&pulled(&recipe)).unwrap()).unwrap();
            assert_eq!((manifest.id.as_str(), manifest.precision), (recipe.id.as_str(), precision));
            assert_eq!(
                (&manifest.space, manifest.image.as_ref()),
                (&entry.space, entry.image.as_ref())
            );
            assert_eq!(
                (manifest.text.as_ref(), manifest.score),
                (entry.text.as_ref(), entry.score)
            );
        }
    }
}

#[test]
fn a_precision_chooses_files_and_name() {
    let entry = find("clip-vit-base-patch32").unwrap();
    assert_eq!(entry.precisions(), Precision::ALL);
    let recipe = entry.resolve(Precision::Int8).unwrap();
    assert_eq!(recipe.id, "clip-vit-base-patch32-int8");
    let needed: Vec<&str> =
        recipe.files.iter().filter(|file| !file.optional).map(|file| file.path.as_str()).collect();
    assert_eq!(
        needed,
        ["onnx/vision_model_quantized.onnx", "onnx/text_model_quantized.onnx", "tokenizer.json"]
    );
    assert!(
        recipe
            .files
            .iter()
            .any(|file| file.optional && file.path == "onnx/vision_model_quantized.onnx_data")
    );
    let error = find("immich-vit-b-32-openai").unwrap().resolve(Precision::Fp16).unwrap_err();
    assert!(error.contains("no files in fp16: choose fp32"), "{error}");
}

#[test]
fn a_graph_of_both_towers_is_fetched_once_and_listed_twice() {
    let recipe = find("chinese-clip-vit-base-patch16").unwrap().resolve(Precision::Fp32).unwrap();
    assert_eq!(recipe.files[0].roles, [FileRole::Image, FileRole::Text]);
    let manifest = Manifest::parse(&recipe.manifest(&pulled(&recipe)).unwrap()).unwrap();
    assert_eq!(manifest.files.iter().filter(|file| file.path == "onnx/model.onnx").count(), 2);
}

#[test]
fn a_file_that_was_not_pulled_is_named_unless_it_is_optional() {
    let recipe = find("dinov3-vits16").unwrap().resolve(Precision::Fp32).unwrap();
    assert!(recipe.entry.gated && !recipe.entry.notice.is_empty());
    let manifest = recipe.manifest(&[("onnx/model.onnx".into(), 7, "a".repeat(64))]).unwrap();
    assert!(!manifest.contains("onnx_data"), "{manifest}");
    assert!(recipe.manifest(&[]).unwrap_err().contains("`onnx/model.onnx`"));
}

#[test]
fn what_is_wrong_in_an_entry_is_named() {
    let text = include_str!("../../catalogue/clip-vit-base-patch32.toml");
    for (from, to, reason) in [
        ("repo = \"Xenova/", "repo = \"../", "owner/name"),
        ("revision = \"main\"", "revision = \"../x\"", "branch, tag or commit"),
        ("onnx/vision_model.onnx\"", "../vision_model.onnx\"", "below the model's folder"),
        ("role = \"text\"", "role = \"weights\"", "no precision has a graph for every tower"),
        ("pad_id = 49407", "pad_idd = 49407", "pad_id"),
        ("width = 224", "width = 0", "`width`"),
    ] {
        assert!(text.contains(from), "{from}");
        let error = Entry::parse(&text.replace(from, to)).unwrap_err();
        assert!(error.contains(reason), "{to}: {error}");
    }
}
