use super::*;

const VALID: &str = r#"
id = "clip-b32"
space = "clip-b32"
dim = 512
licence = "MIT"

[[files]]
path = "onnx/vision_model.onnx"
role = "image"
bytes = 1
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"

[image]
input = "pixel_values"
outputs = ["image_embeds"]
width = 224
height = 224
resize = "shortest_crop"
filter = "bicubic"
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]
"#;

const TEXT: &str = r#"
[[files]]
path = "onnx/text_model.onnx"
role = "text"
bytes = 1
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"

[[files]]
path = "tokenizer.json"
role = "tokenizer"
bytes = 1
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"

[text]
input = "input_ids"
outputs = ["text_embeds"]
max_len = 77
pad_id = 0
"#;

#[test]
fn defaults_are_those_of_the_documentation() {
    let manifest = Manifest::parse(&format!("{VALID}{TEXT}")).unwrap();
    assert!(!manifest.demo && manifest.notice.is_empty());
    assert_eq!(manifest.score, Score { kind: ScoreKind::None, scale: 1.0, bias: 0.0 });
    assert_eq!(manifest.image.as_ref().unwrap().scale, 1.0 / 255.0);
    let text = manifest.text.as_ref().unwrap();
    assert!(text.add_special && !text.lowercase && text.template == "{}" && text.pad_to == 0);
    assert_eq!(manifest.file(FileRole::Tokenizer).unwrap().path, "tokenizer.json");
    assert!(manifest.file(FileRole::Weights).is_none());
}

#[test]
fn what_is_wrong_is_named() {
    for (from, to, reason) in [
        ("dim = 512", "dim = 0", "`dim` is 0"),
        ("dim = 512", "dims = 512", "dims"),
        ("clip-b32", "CLIP/B32", "`CLIP/B32`"),
        ("onnx/vision", "../vision", "below the model's folder"),
        ("onnx/vision", "/vision", "below the model's folder"),
        ("role = \"image\"", "role = \"weights\"", "0 files with role `image`"),
        ("sha256 = \"00", "sha256 = \"zz", "64 hexadecimal digits"),
        ("width = 224", "width = 225", "shortest_crop"),
        ("std = [0.5", "std = [0.0", "no `std` may be 0"),
        ("filter = \"bicubic\"", "filter = \"nearest\"", "line 19: unknown variant `nearest`"),
        ("[\"image_embeds\"]", "[]", "at least one of `outputs`"),
    ] {
        assert!(VALID.contains(from), "{from}");
        let error = Manifest::parse(&VALID.replace(from, to)).unwrap_err();
        assert!(error.contains(reason) && !error.contains('\n'), "{to}: {error}");
    }
}

#[test]
fn a_text_tower_is_checked_too() {
    for (from, to, reason) in [
        ("max_len = 77", "max_len = 0", "`max_len`"),
        ("max_len = 77", "max_len = 77\npad_to = 64", "`pad_to`"),
        ("pad_id = 0", "pad_id = 0\ntemplate = \"a photo\"", "`{}` exactly once"),
        ("role = \"tokenizer\"", "role = \"weights\"", "0 files with role `tokenizer`"),
    ] {
        let error = Manifest::parse(&format!("{VALID}{TEXT}").replace(from, to)).unwrap_err();
        assert!(error.contains(reason), "{to}: {error}");
    }
}
