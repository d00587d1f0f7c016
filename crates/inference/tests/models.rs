//! Loading and running models whose results a test can foresee (see models/make.py).

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod runtime;

use std::fs;
use std::path::Path;

use inference::{
    Embedding, ImageEncoder, Model, ModelError, Pixels, Provider, Runtime, RuntimeSettings,
    TextEncoder,
};
use runtime::runtime;

fn folder(name: &str) -> String {
    format!("{}/tests/models/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn find_model(name: &str) -> Model {
    Model::find(name, Path::new("models")).unwrap()
}

fn image_encoder(name: &str, max_batch: usize) -> ImageEncoder {
    find_model(&folder(name)).image_encoder(&runtime(), max_batch).unwrap()
}

fn text_encoder(name: &str) -> TextEncoder {
    find_model(&folder(name)).text_encoder(&runtime()).unwrap()
}

/// A 4 x 4 picture of one colour.
fn colour(red: f32, green: f32, blue: f32) -> Pixels {
    Pixels { data: [red, green, blue].into_iter().flat_map(|value| [value; 16]).collect() }
}

fn direction(values: [f32; 3]) -> Embedding {
    Embedding::normalise(values.to_vec()).unwrap()
}

fn assert_same(ours: &Embedding, theirs: [f32; 3]) {
    assert!(ours.cosine(&direction(theirs)) > 0.999_999, "{ours:?} is not {theirs:?}");
}

/// A copy of a model with a changed manifest.
fn changed(name: &str, from: &str, to: &str) -> (tempfile::TempDir, String) {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(folder(name)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    let manifest = copy.path().join("model.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    assert!(text.contains(from), "{from} is not in the manifest");
    fs::write(&manifest, text.replacen(from, to, 1)).unwrap();
    let path = format!("{}/", copy.path().display());
    (copy, path)
}

#[test]
fn the_runtime_starts_once_and_says_what_it_is() {
    let runtime = runtime();
    assert!(runtime.threads() >= 1);
    assert!(runtime.version().starts_with("1."), "{}", runtime.version());
    let other =
        Runtime::start(&RuntimeSettings { threads: runtime.threads() + 1, ..Default::default() })
            .unwrap();
    assert_eq!(other.threads(), runtime.threads());
}

#[test]
fn pictures_get_their_own_vectors_in_order() {
    let encoder = image_encoder("colours", 3);
    assert_eq!(
        (encoder.dim(), encoder.max_batch(), encoder.placement().active),
        (3, 3, Provider::Cpu)
    );
    let colours: Vec<[f32; 3]> = (1..=7).map(|i| [i as f32, 1.0, -2.0]).collect();
    let embeddings = encoder
        .encode(&colours.iter().map(|[r, g, b]| colour(*r, *g, *b)).collect::<Vec<_>>())
        .unwrap();
    assert_eq!(embeddings.len(), 7);
    for (embedding, colour) in embeddings.iter().zip(colours) {
        assert_same(embedding, colour);
    }
    assert!(encoder.encode(&[] as &[Pixels]).unwrap().is_empty());
}

#[test]
fn a_gpu_that_is_not_there_is_said_and_the_cpu_takes_over() {
    runtime();
    for provider in [Provider::Cuda, Provider::TensorRt, Provider::Auto] {
        let wanted = RuntimeSettings { provider, ..Default::default() };
        let model = find_model(&folder("colours"));
        let encoder = model.image_encoder(&Runtime::start(&wanted).unwrap(), 0).unwrap();
        let placement = encoder.placement();
        assert_eq!(
            (placement.requested, placement.active, placement.is_gpu()),
            (provider, Provider::Cpu, false)
        );
        assert!(placement.gpu_nodes == 0 && placement.cpu_nodes > 0, "{placement:?}");
        assert!(
            placement
                .reason
                .as_ref()
                .is_some_and(|reason| reason.contains("cuda does not work here: ")),
            "{placement:?}"
        );
        assert_eq!(encoder.max_batch(), 8, "the batch is that of a CPU");
        assert_same(&encoder.encode(&[colour(1.0, 2.0, 3.0)]).unwrap()[0], [1.0, 2.0, 3.0]);

        let required = Runtime::start(&RuntimeSettings { require_gpu: true, ..wanted }).unwrap();
        let error = model.image_encoder(&required, 0).map(|_| ()).unwrap_err();
        assert!(
            error.is_fatal() && error.to_string().contains("`runtime.require_gpu` is true: "),
            "{error}"
        );
    }
}

#[test]
fn a_run_that_does_not_fit_into_memory_is_made_smaller() {
    // The graph asks for terabytes as soon as a run has more than two pictures.
    let encoder = image_encoder("hungry", 16);
    assert_eq!((encoder.max_batch(), encoder.batch()), (16, 16));
    let colours: Vec<[f32; 3]> = (1..=21).map(|i| [i as f32, 1.0, -2.0]).collect();
    let embeddings = encoder
        .encode(&colours.iter().map(|[r, g, b]| colour(*r, *g, *b)).collect::<Vec<_>>())
        .unwrap();
    assert_eq!(embeddings.len(), 21);
    for (embedding, colour) in embeddings.iter().zip(colours) {
        assert_same(embedding, colour);
    }
    assert_eq!((encoder.max_batch(), encoder.batch()), (16, 2));
}

#[test]
fn a_graph_for_single_pictures_runs_them_singly() {
    let encoder = image_encoder("single", 32);
    assert_eq!(encoder.max_batch(), 1);
    let embeddings = encoder.encode(&[colour(1.0, 0.0, 0.0), colour(0.0, 0.0, 1.0)]).unwrap();
    assert_same(&embeddings[0], [1.0, 0.0, 0.0]);
    assert_same(&embeddings[1], [0.0, 0.0, 1.0]);
}

#[test]
fn a_graph_for_batches_of_one_size_is_filled_up() {
    let model = find_model(&folder("fours"));
    let encoder = model.image_encoder(&runtime(), 32).unwrap();
    assert_eq!(encoder.max_batch(), 4);
    let texts = model.text_encoder(&runtime()).unwrap();
    for count in [1_usize, 3, 4, 5, 9] {
        let colours: Vec<Pixels> =
            (0..count).map(|index| colour(1.0, index as f32, -2.0)).collect();
        let embeddings = encoder.encode(&colours).unwrap();
        assert_eq!(embeddings.len(), count);
        for (index, embedding) in embeddings.iter().enumerate() {
            assert_same(embedding, [1.0, index as f32, -2.0]);
        }
        let words: Vec<String> = (0..count).map(|index| "blue ".repeat(index % 6)).collect();
        let embeddings = texts.encode(&words).unwrap();
        assert_eq!(embeddings.len(), count);
        for (index, embedding) in embeddings.iter().enumerate() {
            assert_same(embedding, [3.0 + 6.0 * (index % 6) as f32, 8.0, 8.0]);
        }
    }
}

#[test]
fn inputs_that_do_not_matter_are_filled_as_the_manifest_says() {
    // The mask is one of them: all ones, so that padding counts as tokens.
    let extra = "pad_to = 8\n\n[[text.extra_inputs]]\nname = \"mask\"\nshape = [-1, 8]\nfill = 1.0";
    let (_copy, path) = changed("colours", "mask_input = \"mask\"\nlowercase = true", extra);
    let encoder = find_model(&path).text_encoder(&runtime()).unwrap();
    let embeddings = encoder.encode(&["red".into(), "blue blue".into()]).unwrap();
    assert_same(&embeddings[0], [7.0, 8.0, 8.0]);
    assert_same(&embeddings[1], [15.0, 8.0, 8.0]);
}

#[test]
fn a_bad_input_is_named_and_hurts_nobody_else() {
    let encoder = image_encoder("colours", 2);
    let good = || colour(1.0, 2.0, 3.0);
    let bad = |values| encoder.encode(&[good(), good(), good(), values, good()]).unwrap_err();

    let error = bad(colour(f32::NAN, 0.0, 0.0));
    assert!(
        matches!(error, ModelError::NotFinite { index: 3, .. }) && !error.is_fatal(),
        "{error}"
    );
    let error = bad(colour(0.0, 0.0, 0.0));
    assert!(matches!(error, ModelError::NotFinite { index: 3, .. }), "{error}");
    let error = bad(Pixels { data: vec![1.0; 47] });
    assert!(matches!(error, ModelError::Input { index: 3, .. }) && !error.is_fatal(), "{error}");
    assert!(error.to_string().contains("47 pixel values"), "{error}");

    assert_same(&encoder.encode(&[good()]).unwrap()[0], [1.0, 2.0, 3.0]);
}

#[test]
fn texts_reach_the_graph_with_mask_and_padding() {
    let encoder = text_encoder("colours");
    assert_eq!((encoder.dim(), encoder.placement().active), (3, Provider::Cpu));
    assert_eq!(encoder.token_ids("RED green").unwrap(), [1, 4, 5, 2]);
    let embeddings = encoder.encode(&["red green".into(), "blue".into(), String::new()]).unwrap();
    assert_same(&embeddings[0], [12.0, 4.0, 4.0]);
    assert_same(&embeddings[1], [9.0, 3.0, 3.0]);
    assert_same(&embeddings[2], [3.0, 2.0, 2.0]);
}

#[test]
fn a_graph_of_fixed_length_and_32_bit_ids_is_fed_what_it_takes() {
    let encoder = text_encoder("single");
    assert_eq!(encoder.token_ids("red").unwrap(), [1, 4, 2, 0, 0, 0, 0, 0]);
    let embeddings = encoder.encode(&["red".into(), "blue blue".into()]).unwrap();
    assert_same(&embeddings[0], [7.0, 8.0, 8.0]);
    assert_same(&embeddings[1], [15.0, 8.0, 8.0]);
}

#[test]
fn a_failed_run_is_not_the_end_of_the_model_thread() {
    let (_copy, path) = changed("lookup", "max_len = 8", "max_len = 8\ntemplate = \"red {}\"");
    let encoder = find_model(&path).text_encoder(&runtime()).unwrap();
    for _ in 0..3 {
        let error = encoder.encode(&["grey".into()]).unwrap_err();
        assert!(matches!(error, ModelError::Run { .. }) && !error.is_fatal(), "{error}");
        assert_eq!(encoder.encode(&["green".into()]).unwrap().len(), 1);
    }
}

#[test]
fn many_callers_each_get_their_own_answer() {
    let model = find_model(&folder("colours"));
    let images = model.image_encoder(&runtime(), 4).unwrap();
    let texts = model.text_encoder(&runtime()).unwrap();
    std::thread::scope(|scope| {
        for caller in 1..=8_u8 {
            let (images, texts) = (images.clone(), texts.clone());
            scope.spawn(move || {
                for turn in 0..40_u8 {
                    let own = [f32::from(caller), f32::from(turn), 1.0];
                    let pictures: Vec<Pixels> =
                        (0..caller).map(|_| colour(own[0], own[1], own[2])).collect();
                    for embedding in images.encode(&pictures).unwrap() {
                        assert_same(&embedding, own);
                    }
                    let words = usize::from(caller % 6);
                    let [text] =
                        texts.encode(&["blue ".repeat(words)]).unwrap().try_into().unwrap();
                    assert_same(
                        &text,
                        [3.0 + 6.0 * words as f32, 2.0 + words as f32, 2.0 + words as f32],
                    );
                }
            });
        }
    });
}

#[test]
fn encoders_outlive_the_model_and_end_their_thread() {
    let encoder = image_encoder("colours", 1);
    let clone = encoder.clone();
    drop(encoder);
    assert_same(&clone.encode(&[colour(1.0, 0.0, 0.0)]).unwrap()[0], [1.0, 0.0, 0.0]);
    drop(clone);
}

#[test]
fn a_name_is_looked_up_in_the_folder_of_models() {
    let model = Model::find("colours", Path::new(&folder(""))).unwrap();
    assert_eq!(model.digest, find_model(&folder("colours")).digest);
    assert_eq!(
        Model::find("demo-clip", Path::new("no-such-folder")).unwrap().manifest.id,
        "demo-clip"
    );
}

#[test]
fn models_that_cannot_be_found_say_so() {
    for name in ["clip", "", "..", "demo-clip "] {
        let error = Model::find(name, Path::new("no-such-folder")).unwrap_err();
        assert!(matches!(error, ModelError::UnknownModel { .. }) && error.is_fatal(), "{error}");
        assert!(
            error.to_string().contains("holds no model")
                && error.to_string().contains("siglip2-base"),
            "{error}"
        );
    }
    let error = Model::find("clip", Path::new(&folder(""))).unwrap_err().to_string();
    assert!(error.contains("holds colours, fours, hungry, lookup, single"), "{error}");
    let error = Model::find("./no/such/folder", Path::new("models")).unwrap_err();
    assert!(matches!(error, ModelError::File { .. }), "{error}");
    assert!(error.to_string().contains("./no/such/folder/model.toml"), "{error}");
}

#[test]
fn files_that_are_not_what_the_manifest_says_are_refused() {
    let (copy, path) = changed("colours", "bytes = ", "bytes = 1");
    let error = Model::find(&path, Path::new("models")).unwrap_err().to_string();
    assert!(error.contains("image.onnx") && error.contains("1152"), "{error}");
    drop(copy);

    let (copy, path) = changed("colours", "licence", "licence");
    let graph = copy.path().join("image.onnx");
    let mut content = fs::read(&graph).unwrap();
    content[20] ^= 1;
    fs::write(&graph, content).unwrap();
    let error = Model::find(&path, Path::new("models")).unwrap_err().to_string();
    assert!(error.contains("image.onnx") && error.contains("sha256"), "{error}");

    fs::remove_file(&graph).unwrap();
    let error = Model::find(&path, Path::new("models")).unwrap_err();
    assert!(
        matches!(error, ModelError::File { .. }) && error.to_string().contains("cannot be read"),
        "{error}"
    );
}

#[test]
fn manifests_that_do_not_fit_the_graph_are_refused_at_load() {
    for (from, to, reason) in [
        ("input = \"pixels\"", "input = \"pixel_values\"", "no input `pixel_values`"),
        ("outputs = [\"colours\"]", "outputs = [\"image_embeds\"]", "image_embeds"),
        ("dim = 3", "dim = 4", "batch x 4"),
        ("width = 4", "width = 5", "batch x 3 x 4 x 5"),
    ] {
        let (_copy, path) = changed("colours", from, to);
        let error = find_model(&path).image_encoder(&runtime(), 1).err().unwrap();
        assert!(
            matches!(error, ModelError::Manifest { .. }) && error.to_string().contains(reason),
            "{error}"
        );
    }
    for (name, from, to, reason) in [
        ("colours", "mask_input = \"mask\"", "", "needs an input `mask`"),
        ("single", "max_len = 8", "max_len = 9", "exactly 8 tokens"),
        ("lookup", "input = \"ids\"", "input = \"input_ids\"", "needs an input `ids`"),
    ] {
        let (_copy, path) = changed(name, from, to);
        let error = find_model(&path).text_encoder(&runtime()).err().unwrap();
        assert!(
            matches!(error, ModelError::Manifest { .. }) && error.to_string().contains(reason),
            "{error}"
        );
    }
    let error = find_model(&folder("lookup")).image_encoder(&runtime(), 1).err().unwrap();
    assert!(error.to_string().contains("no image tower"), "{error}");
}

#[test]
fn a_file_that_is_no_graph_is_refused() {
    let (copy, path) = changed("lookup", "licence", "licence");
    let garbage = vec![7_u8; fs::metadata(copy.path().join("text.onnx")).unwrap().len() as usize];
    fs::write(copy.path().join("text.onnx"), &garbage).unwrap();
    rewrite_digest(copy.path(), &garbage);
    let error = find_model(&path).text_encoder(&runtime()).err().unwrap();
    assert!(matches!(error, ModelError::Load { .. }) && error.is_fatal(), "{error}");
}

/// Makes the manifest of a copy of `lookup` name a graph with this content.
fn rewrite_digest(folder: &Path, content: &[u8]) {
    use sha2::Digest;
    let manifest = folder.join("model.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let line = text.lines().find(|line| line.starts_with("sha256")).unwrap();
    let digest = hex::encode(sha2::Sha256::digest(content));
    fs::write(&manifest, text.replacen(line, &format!("sha256 = \"{digest}\""), 1)).unwrap();
}
