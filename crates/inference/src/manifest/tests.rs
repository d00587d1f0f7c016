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

#[test]
fn what_is_written_is_read_back() {
    let manifest = Manifest::parse(&format!("{VALID}{TEXT}")).unwrap();
    let text = manifest.to_toml().unwrap();
    assert_eq!(Manifest::parse(&text).unwrap(), manifest);
    assert!(!text.contains("demo") && !text.contains("pad_to"), "defaults are left out: {text}");
    let broken = Manifest { dim: 0, ..manifest };
    assert!(broken.to_toml().unwrap_err().contains("`dim`"));
}

#[test]
fn outputs_are_known_by_name_or_by_position() {
    let by_position = VALID.replace("outputs = [\"image_embeds\"]", "output_index = 0");
    assert_eq!(Manifest::parse(&by_position).unwrap().image.unwrap().output_index, Some(0));
    let both = VALID.replace("outputs = [", "output_index = 0\noutputs = [");
    assert!(Manifest::parse(&both).unwrap_err().contains("both `outputs` and `output_index`"));
}

#[test]
fn extra_inputs_and_sizes_before_the_crop_are_checked() {
    let image =
        |line: &str| Manifest::parse(&VALID.replace("filter = ", &format!("{line}\nfilter = ")));
    assert_eq!(image("resize_to = 256").unwrap().image.unwrap().resize_to, 256);
    assert!(image("resize_to = 200").unwrap_err().contains("`resize_to`"));
    assert!(image("resize = \"squash\"").is_err());
    let extra = |shape: &str| {
        Manifest::parse(&format!(
            "{VALID}[[image.extra_inputs]]\nname = \"input_ids\"\nshape = {shape}\nfill = 101\n"
        ))
    };
    assert_eq!(extra("[-1, 3]").unwrap().image.unwrap().extra_inputs[0].fill, 101.0);
    for shape in ["[-1, -1]", "[-2, 3]", "[0]", "[100000, 100000]", "[9223372036854775807, 2]"] {
        assert!(extra(shape).unwrap_err().contains("`input_ids`"), "{shape}");
    }
}

#[test]
fn golden_values_must_fit_the_model() {
    let golden = |lines: &str| Manifest::parse(&format!("{VALID}{TEXT}[golden]\n{lines}\n"));
    let eight = "[0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]";
    assert!(golden(&format!("text = \"a\"\ntext_vector = {eight}")).is_ok());
    assert!(
        golden("text = \"a\"\ntext_vector = [0.1]")
            .unwrap_err()
            .contains("`text_vector` needs 8 to 512")
    );
    assert!(golden("text = \"a\"").unwrap_err().contains("`text_vector`"));
    assert!(golden(&format!("text_vector = {eight}")).unwrap_err().contains("`text_vector`"));
    assert!(
        golden(&format!("picture = \"a.png\"\npicture_vector = {eight}"))
            .unwrap_err()
            .contains("role = \"golden\"")
    );
    assert!(golden("cosine = 0.5").unwrap_err().contains("`cosine`"));
    assert!(golden("min_agreement = 0.0").unwrap_err().contains("`min_agreement`"));
}
