//! Search by pictures, captions and words together, over tables that the test fills itself.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use table::schema::Space;
use testkit::{World, copy_demo_model, eventually};

use crate::captioned_library::CaptionedLibrary;
use crate::vectors::demo_space;

pub(crate) async fn ask(world: &World, base: &str, query: Value) -> Value {
    let (status, body) = world.post(&format!("{base}/v1/search"), query).await;
    assert_eq!(status, 200, "{body}");
    body
}

pub(crate) fn keys(answer: &Value) -> Vec<String> {
    answer["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| hit["key"].as_str().unwrap().to_owned())
        .collect()
}

fn only(signal: &str) -> Value {
    let mut weights = json!({ "image": 0, "caption_vector": 0, "text": 0 });
    weights[signal] = 1.into();
    weights
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_found_in_both_languages_and_every_hit_says_why() {
    let mut world = World::start().await;
    CaptionedLibrary::make(&world, demo_space()).await.add("oslo-2019").await;
    let mut searcher = world.run("searcher", &[]);
    let base = searcher.ready().await;

    let answer =
        ask(&world, &base, json!({ "text": "a RED Car in oslo", "weights": only("text") })).await;
    let best = &answer["hits"][0];
    let chinese = if best["caption"] == "a red car at night" {
        "夜晚的红色汽车"
    } else {
        "白天的红色汽车"
    };
    assert_eq!(
        (&best["captions"]["zh"], &best["captions"]["en"]),
        (&json!(chinese), &best["caption"]),
        "{answer}"
    );
    assert_eq!(best["matched"], json!(["RED", "Car", "oslo"]));
    assert_eq!(best["keywords"], json!(["car", "汽车"]));
    let say = &best["signals"]["text"];
    assert_eq!((&say["rank"], &say["calibrated"]), (&json!(1), &json!(1.0)), "{best}");
    assert_eq!(
        (say["contribution"].as_f64(), best["score"].as_f64()),
        (Some(1.0), Some(1.0)),
        "it has all words: {best}"
    );
    assert!(best["signals"].get("image").is_none());

    let answer =
        ask(&world, &base, json!({ "text": "红色汽车", "weights": only("text"), "top_k": 2 }))
            .await;
    assert!(
        answer["hits"]
            .as_array()
            .unwrap()
            .iter()
            .all(|hit| hit["caption"].as_str().unwrap().contains("red car")),
        "{answer}"
    );

    // All three signals together: their contributions make up the score.
    let answer = ask(&world, &base, json!({ "text": "red car", "top_k": 5 })).await;
    assert_eq!(
        (&answer["degraded"], &answer["weights"]),
        (&Value::Null, &json!({ "image": 1.0, "caption_vector": 0.7, "text": 1.0 }))
    );
    for hit in answer["hits"].as_array().unwrap() {
        let sum: f64 = hit["signals"]
            .as_object()
            .unwrap()
            .values()
            .map(|say| say["contribution"].as_f64().unwrap())
            .sum();
        assert!((sum - hit["score"].as_f64().unwrap()).abs() < 1e-4, "{hit}");
    }
    assert!(answer["hits"][0]["caption"].as_str().unwrap().contains("red car"), "{answer}");

    // A word with a minus, a negative example, filters.
    let query = |more: Value| {
        let mut query = json!({ "text": "red car", "weights": only("text"), "top_k": 40 });
        query.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        query
    };
    let answer = ask(&world, &base, query(json!({ "text": "red car -night" }))).await;
    let captions: Vec<_> = answer["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| hit["caption"].as_str().unwrap())
        .collect();
    assert!(
        captions[0] == "a red car in the daytime"
            && captions.iter().all(|caption| !caption.contains("night")),
        "{captions:?}"
    );
    for (filter, count) in [
        (json!({ "keywords": ["car"] }), 8),
        (json!({ "keywords": ["汽车"] }), 8),
        (json!({ "keywords": ["car", "cat"] }), 0),
        (json!({ "keywords": ["car"], "orientation": "square" }), 4),
        (
            json!({
                "keywords": ["car"],
                "place": { "north": 3, "south": 0, "west": 178, "east": -178 },
            }),
            4,
        ),
        (
            json!({
                "keywords": ["car"],
                "place": { "north": 3, "south": 0, "west": -180, "east": 0 },
            }),
            2,
        ),
    ] {
        assert_eq!(
            keys(&ask(&world, &base, query(json!({ "filter": filter }))).await).len(),
            count,
            "{filter}"
        );
        let by_picture =
            json!({ "text": "red car", "weights": only("image"), "top_k": 40, "filter": filter });
        assert_eq!(keys(&ask(&world, &base, by_picture).await).len(), count, "{filter}");
    }
    // The latest first, and pictures without a date last.
    let answer =
        ask(&world, &base, query(json!({ "sort": "taken_at", "filter": { "keywords": ["car"] } })))
            .await;
    let taken: Vec<_> = answer["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| hit["taken_at"].as_str().unwrap_or(""))
        .collect();
    assert!(
        taken.windows(2).all(|pair| pair[0] >= pair[1])
            && taken[7].is_empty()
            && !taken[0].is_empty(),
        "{taken:?}"
    );

    let id = best["image_id"].as_str().unwrap();
    drop(searcher);
    assert_eq!(id.len(), 32);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_relevant_is_an_answer() {
    let mut world = World::start().await;
    let mut library = CaptionedLibrary::make(&world, demo_space()).await;
    for album in ["a", "b", "c"] {
        library.add(album).await;
    }
    let mut searcher = world.run("searcher", &[]);
    let base = searcher.ready().await;
    let cut = async |query: Value| {
        let mut query = query;
        query["cutoff"] = "auto".into();
        query["top_k"] = 1000.into();
        ask(&world, &base, query).await
    };
    let nothing = cut(json!({ "text": "dinosaur", "weights": only("text") })).await;
    assert_eq!((keys(&nothing).len(), &nothing["degraded"]), (0, &Value::Null), "{nothing}");
    let half = cut(json!({ "text": "night", "weights": only("text") })).await;
    assert_eq!(keys(&half).len(), 60, "{half}");
    let few = cut(json!({ "text": "red car night", "weights": only("text") })).await;
    // First the pictures with all words, then those with nearly all.
    let captions: Vec<_> = few["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| hit["caption"].as_str().unwrap())
        .collect();
    let [night, day] =
        ["a red car at night", "a red car in the daytime"].map(|caption| [caption; 3]);
    assert_eq!(captions, [night, day].concat());
    assert!(few["dropped_below_cutoff"].as_u64().unwrap() > 0, "{few}");
    // By an example: pictures of its kind, and no other.
    let cars = cut(json!({ "vector": library.example("car") })).await;
    assert!(
        keys(&cars).len() == 24 && keys(&cars).iter().all(|key| key.ends_with("car.jpg")),
        "{:?}",
        keys(&cars)
    );
    let unlike = cut(json!({ "vector": library.numbers.direction() })).await;
    assert!(keys(&unlike).len() < 12, "{:?}", keys(&unlike));
    drop(searcher);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_answer_lacks_is_said() {
    let mut world = World::start().await;
    CaptionedLibrary::make(
        &world,
        Space { space: "another".into(), manifest_hash: "0".into(), ..demo_space() },
    )
    .await
    .add("oslo")
    .await;
    let mut searcher = world.run("searcher", &[]);
    let base = searcher.ready().await;
    // Vectors of two spaces are never compared.
    let answer = ask(&world, &base, json!({ "text": "red car" })).await;
    assert!(answer["degraded"].as_str().unwrap().contains("'another'"), "{answer}");
    let signals = answer["hits"][0]["signals"].as_object().unwrap();
    assert!(
        signals.contains_key("text")
            && signals.contains_key("image")
            && !signals.contains_key("caption_vector"),
        "{answer}"
    );
    assert!(searcher.stop().await.success());

    // A model without a text encoder.
    let folder = tempfile::tempdir().unwrap();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/inference/models/demo-clip");
    let mute = folder.path().join("mute");
    std::fs::create_dir_all(mute.join("onnx")).unwrap();
    std::fs::copy(model.join("onnx/vision_model.onnx"), mute.join("onnx/vision_model.onnx"))
        .unwrap();
    let manifest = std::fs::read_to_string(model.join("model.toml")).unwrap();
    let text_file = manifest.find("[[files]]\npath = \"onnx/text_model.onnx\"").unwrap();
    let (image, text, score) = (
        manifest.find("[image]").unwrap(),
        manifest.find("[text]").unwrap(),
        manifest.find("[score]").unwrap(),
    );
    let manifest = [&manifest[..text_file], &manifest[image..text], &manifest[score..]].concat();
    std::fs::write(
        mute.join("model.toml"),
        manifest.replace("id = \"demo-clip\"", "id = \"mute\""),
    )
    .unwrap();
    let mut searcher = world.run(
        "searcher",
        &[("MODELS__ACTIVE", "mute"), ("MODELS__FOLDER", folder.path().to_str().unwrap())],
    );
    let base = searcher.ready().await;
    let answer = ask(&world, &base, json!({ "text": "red car" })).await;
    assert!(
        answer["degraded"]
            .as_str()
            .unwrap()
            .starts_with("only captions, keywords and keys were searched"),
        "{answer}"
    );
    assert!(answer["hits"][0]["caption"].as_str().unwrap().contains("red car"), "{answer}");
    // Without captions words cannot be answered at all.
    let (status, problem) = world
        .post(&format!("{base}/v1/search"), json!({ "text": "red car", "weights": only("image") }))
        .await;
    assert_eq!((status, &problem["field"]), (400, &json!("text")), "{problem}");
    assert!(searcher.stop().await.success());

    // A chosen model that is not there yet: only words are searched until it comes.
    let late = folder.path().join("late");
    let state = world.state().await;
    let chosen = json!({ "active": "late", "previous": "demo-clip", "removed": {} });
    state.put("models", &chosen, pipeline::bucket::Only::Always).await.unwrap();
    let mut searcher =
        world.run("searcher", &[("MODELS__FOLDER", folder.path().to_str().unwrap())]);
    let base = searcher.ready().await;
    let answer = ask(&world, &base, json!({ "text": "red car" })).await;
    assert!(answer["degraded"].as_str().unwrap().contains("'late' cannot be loaded"), "{answer}");
    assert!(answer["hits"][0]["caption"].as_str().unwrap().contains("red car"), "{answer}");
    assert!(
        answer["model"].is_null() && answer["hits"][0]["signals"].get("image").is_none(),
        "{answer}"
    );
    let status = world.get(&format!("{base}/v1/status"), &[]).await.1;
    assert!(
        status["model"].is_null() && status["problem"].is_string() && status["wanted"] == "late",
        "{status}"
    );
    let (status, problem) =
        world.post(&format!("{base}/v1/search"), json!({ "vector": vec![1.0; 64] })).await;
    assert_eq!(status, 503, "{problem}");
    copy_demo_model(&late, &[("\nid = \"demo-clip\"", "\nid = \"late\"")]);
    eventually("the model is loaded", Duration::from_secs(90), || async {
        (world.get(&format!("{base}/v1/status"), &[]).await.1["model"]["id"] == "late")
            .then_some(())
    })
    .await;
    let answer = ask(&world, &base, json!({ "text": "red car" })).await;
    assert_eq!(answer["model"], "late", "{answer}");
    assert!(searcher.stop().await.success());
    let chosen = json!({ "active": "demo-clip", "previous": null, "removed": {} });
    state.put("models", &chosen, pipeline::bucket::Only::Always).await.unwrap();

    // A search asks for captions, and there are none.
    let mut searcher = world.run("searcher", &[("CAPTIONS__ACTIVE", "")]);
    let base = searcher.ready().await;
    let answer = ask(&world, &base, json!({ "text": "red car" })).await;
    assert_eq!(
        (&answer["degraded"], answer["hits"][0].get("caption")),
        (&Value::Null, None),
        "{answer}"
    );
    let answer = ask(
        &world,
        &base,
        json!({ "text": "red car", "weights": { "image": 1, "text": 1, "caption_vector": 0 } }),
    )
    .await;
    // Words are looked for in keys, which need no captioner.
    assert_eq!(answer["degraded"], Value::Null, "{answer}");
    let answer =
        ask(&world, &base, json!({ "text": "07-car.jpg", "weights": only("text"), "top_k": 1 }))
            .await;
    assert_eq!(keys(&answer), ["oslo/07-car.jpg"], "{answer}");
    let only_captions = json!({ "text": "red car", "weights": only("caption_vector") });
    let answer = ask(&world, &base, only_captions).await;
    assert!(answer["degraded"].as_str().unwrap().contains("no captions"), "{answer}");
    drop(searcher);
    world.finish().await;
}
