//! The snapshot against the tables: a searcher that answers from memory, and one that compares all
//! rows in the tables, give the same hits to random questions, whatever happened to the rows.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use testkit::{World, eventually};

use crate::captioned_library::CaptionedLibrary;
use crate::vectors::demo_space;

/// Random questions after each change of the rows.
const QUESTIONS: usize = 150;

/// A random question.
fn question(random: &mut StdRng, library: &mut CaptionedLibrary, ids: &[String]) -> Value {
    let words = ["red", "car", "night", "白色", "汽车", "boat", "daytime", "zebra", "jpg", "猫"];
    let mut query = json!({ "top_k": random.random_range(1..60) });
    let mut text = || {
        let count = random.random_range(1..4);
        (0..count).map(|_| *words.choose(random).unwrap()).collect::<Vec<_>>().join(" ")
    };
    let text = text();
    match random.random_range(0..5) {
        0 => query["vector"] = json!(library.numbers.direction()),
        1 => query["vector"] = json!(library.example(["car", "cat"].choose(random).unwrap())),
        2 => query["image_id"] = json!(ids.choose(random).unwrap()),
        _ => query["text"] = json!(text),
    }
    if query["text"].is_string() && random.random_bool(0.2) {
        query["text"] = json!(format!("{text} -night"));
    }
    if random.random_bool(0.5) {
        let weights = [0.0, 0.3, 1.0, 2.0];
        let mut weight = || *weights.choose(random).unwrap();
        query["weights"] =
            json!({ "image": weight(), "caption_vector": weight(), "text": weight() });
        if query["text"].is_null() {
            query["weights"]["image"] = json!(1.0);
        } else if query["weights"].as_object().unwrap().values().all(|w| *w == json!(0.0)) {
            query["weights"]["text"] = json!(1.0);
        }
    }
    for (field, value, share) in [
        ("fusion", json!("rrf"), 0.15),
        ("cutoff", json!("auto"), 0.3),
        ("sort", json!("taken_at"), 0.15),
        ("collapse", json!("duplicates"), 0.15),
        ("min_score", json!(0.1), 0.15),
        ("offset", json!(7), 0.2),
    ] {
        if random.random_bool(share) {
            query[field] = value;
        }
    }
    if random.random_bool(0.6) {
        query["filter"] = filter(random);
    }
    query
}

fn filter(random: &mut StdRng) -> Value {
    let all = [
        json!({ "keywords": ["car"] }),
        json!({ "keywords": { "any": ["Car", "猫"], "none": ["boat"] } }),
        json!({ "keywords": { "none": ["car", "cat"] } }),
        json!({ "prefix": "a/" }),
        json!({ "prefix": { "none": ["a/", "b/0"] } }),
        json!({ "prefix": ["a/1", "c/"], "orientation": "landscape" }),
        json!({ "orientation": { "none": ["square"] } }),
        json!({ "missing": ["taken_at"] }),
        json!({ "missing": ["caption"] }),
        json!({ "missing": ["keywords"] }),
        json!({ "missing": ["place"] }),
        json!({ "taken_after": "1970-01-12T13:46:50Z", "taken_before": "1970-01-12T13:47:05Z" }),
        json!({ "place": { "north": 20, "south": 3, "west": 178, "east": -178 } }),
        json!({ "place": { "none": [{ "north": 20, "south": 3, "west": -180, "east": 0 }] } }),
        json!({ "formats": ["PNG", "jpeg"], "min_width": 350 }),
        json!({ "formats": { "none": ["jpeg"] } }),
        json!({ "max_size_bytes": 999 }),
    ];
    all.choose(random).unwrap().clone()
}

/// What must be the same: which hits, in which order, with which scores. Scores may differ by what
/// sums of floating-point numbers in another order differ by.
fn same(memory: &Value, tables: &Value) -> bool {
    let hits = |answer: &Value| -> Vec<(String, f64, Value)> {
        let hits = answer["hits"].as_array().unwrap().iter();
        hits.map(|hit| {
            let score = hit["score"].as_f64().unwrap();
            (hit["key"].as_str().unwrap().to_owned(), score, hit["matched"].clone())
        })
        .collect()
    };
    let (memory_hits, tables_hits) = (hits(memory), hits(tables));
    memory_hits.len() == tables_hits.len()
        && memory_hits.iter().zip(&tables_hits).all(|(a, b)| {
            (a.0 == b.0 || (a.1 - b.1).abs() < 1e-5) && (a.1 - b.1).abs() < 1e-3 && {
                a.0 != b.0 || a.2 == b.2
            }
        })
        && memory["degraded"] == tables["degraded"]
        && memory["dropped_below_cutoff"] == tables["dropped_below_cutoff"]
        && memory["next_cursor"].is_string() == tables["next_cursor"].is_string()
}

/// Two searchers, and the random questions that both are asked.
struct Comparison<'a> {
    world: &'a World,
    memory: &'a str,
    tables: &'a str,
    random: StdRng,
}

impl Comparison<'_> {
    async fn ask(&self, base: &str, query: &Value) -> Value {
        let (status, body) = self.world.post(&format!("{base}/v1/search"), query.clone()).await;
        assert_eq!(status, 200, "{query}: {body}");
        body
    }

    /// Waits until both read the same versions, then compares their answers.
    async fn compare(&mut self, library: &mut CaptionedLibrary) {
        let probe = json!({ "text": "car", "top_k": 1000 });
        let limit = Duration::from_secs(30);
        let newest = library.versions().await;
        let all = eventually("both searchers read the newest versions", limit, async || {
            let tables = self.ask(self.tables, &probe).await;
            let memory = self.ask(self.memory, &probe).await;
            let is_newest = |answer: &Value| {
                let version = |field: &str| answer[field].as_u64();
                (version("table_version"), version("captions_version"))
                    == (Some(newest.0), Some(newest.1))
            };
            (is_newest(&tables) && is_newest(&memory)).then_some(tables)
        })
        .await;
        let ids: Vec<String> = all["hits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hit| hit["image_id"].as_str().unwrap().to_owned())
            .collect();
        for number in 0..QUESTIONS {
            let query = question(&mut self.random, library, &ids);
            let (memory, tables) =
                tokio::join!(self.ask(self.memory, &query), self.ask(self.tables, &query));
            assert!(same(&memory, &tables), "{number}: {query}\n{memory:#}\n{tables:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_and_tables_answer_alike_whatever_happens_to_the_rows() {
    let mut world = World::start().await;
    let mut library = CaptionedLibrary::make(&world, demo_space()).await;
    library.add("a").await;
    let folder = tempfile::tempdir().unwrap();
    let kept = [("CACHE__FOLDER", folder.path().to_str().unwrap())];
    let mut memory = world.run("searcher", &kept);
    let mut tables = world.run("searcher", &[("SEARCH__EXACT", "true")]);
    let (memory_base, tables_base) = (memory.ready().await, tables.ready().await);
    let mut comparison = Comparison {
        world: &world,
        memory: &memory_base,
        tables: &tables_base,
        random: StdRng::seed_from_u64(3),
    };
    comparison.compare(&mut library).await;
    // Further rows; some pictures without a caption, some captions without a picture.
    library.add("b").await;
    library.add_uncaptioned("c").await;
    comparison.compare(&mut library).await;
    // Overwritten objects, captions written again, rows removed, rows moved by maintenance.
    library.overwrite("a").await;
    library.caption_again("b", "zebra").await;
    library.remove("b", 7).await;
    comparison.compare(&mut library).await;
    library.maintain().await;
    comparison.compare(&mut library).await;
    drop((memory, tables));
    world.finish().await;
}
