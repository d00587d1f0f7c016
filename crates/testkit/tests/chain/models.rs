//! Several models: filled side by side, compared, switched under load, removed; and settings that
//! change while jobs flow.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{ProxyOptions, World, copy_demo_model, eventually, solid_jpeg, within};

const LIMIT: Duration = Duration::from_secs(300);
const SOON: Duration = Duration::from_secs(120);
const BOTH: &str = "demo-clip,second";

/// A folder of models with one named `second`: the demo model's graphs, seen through other
/// preprocessing, so that its vectors are others and its space is its own.
fn second_model() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let changes = [
        ("\nid = \"demo-clip\"", "\nid = \"second\""),
        ("space = \"demo-clip\"", "space = \"second-space\""),
        ("mean = [0.5, 0.5, 0.5]", "mean = [0.2, 0.5, 0.8]"),
    ];
    copy_demo_model(&folder.path().join("second"), &changes);
    folder
}

async fn put(world: &World, from: usize, to: usize) {
    for n in from..to {
        let colour = [(n * 37 % 256) as u8, (n * 91 % 256) as u8, (n * 53 % 256) as u8];
        world.put(&format!("photo-{n:03}.jpg"), solid_jpeg(colour, 48)).await;
    }
}

/// Waits until every object has its row, and then that none has two.
async fn rows_are(world: &World, model: &str, count: usize) {
    let table = format!("embeddings_{model}");
    let rows = eventually(&format!("{table} holds {count} pictures"), SOON, || async {
        let rows = world.rows(&table).await;
        (rows.iter().collect::<BTreeSet<_>>().len() == count).then_some(rows)
    })
    .await;
    assert_eq!(rows.len(), count, "{table} holds a picture twice");
}

async fn ingest(world: &World, arguments: &[&str]) -> Result<Value, String> {
    let output = world.command("ingest", arguments, &[("STAGES__MODELS", BOTH)]).await;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
    } else {
        Err(error)
    }
}

async fn listed(world: &World, id: &str) -> Value {
    let models = ingest(world, &["models", "--json"]).await.unwrap();
    models
        .as_array()
        .unwrap()
        .iter()
        .find(|model| model["id"] == id)
        .unwrap_or_else(|| panic!("{models}"))
        .clone()
}

/// Asks in every way there is, again and again.
struct Load {
    stop: Arc<AtomicBool>,
    // Every answer: status, model, space.
    seen: Arc<Mutex<Vec<(u16, String, String)>>>,
    failed: Arc<Mutex<Vec<String>>>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(base: &str, image_id: &str) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            seen: Arc::default(),
            failed: Arc::default(),
            clients: Vec::new(),
        };
        let url = format!("{base}/v1/search");
        let picture = solid_jpeg([200, 40, 40], 64);
        for example in 0..4 {
            let (url, id, picture) = (url.clone(), image_id.to_owned(), picture.clone());
            let (stop, seen, failed) =
                (Arc::clone(&load.stop), Arc::clone(&load.seen), Arc::clone(&load.failed));
            load.clients.push(tokio::spawn(async move {
                let http = reqwest::Client::new();
                while !stop.load(Ordering::Relaxed) {
                    let request = match example {
                        0 => http.get(&url).query(&[("q", "a red car")]),
                        1 => http.post(&url).json(&json!({ "image_id": id })),
                        2 => http.post(&url).json(&json!({ "text": "夕阳下的船", "top_k": 3 })),
                        _ => {
                            let part =
                                reqwest::multipart::Part::bytes(picture.clone()).file_name("x.jpg");
                            http.post(&url)
                                .multipart(reqwest::multipart::Form::new().part("image", part))
                        }
                    };
                    let answer = match request.send().await {
                        Ok(answer) => (
                            answer.status().as_u16(),
                            answer.json::<Value>().await.unwrap_or_default(),
                        ),
                        Err(error) => (0, json!(error.to_string())),
                    };
                    let (status, body) = answer;
                    let hits = body["hits"].as_array().map_or(0, Vec::len);
                    if status != 200 || hits == 0 {
                        failed.lock().unwrap().push(format!("{status}: {body}"));
                    }
                    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
                    seen.lock().unwrap().push((status, text("model"), text("space")));
                }
            }));
        }
        load
    }

    /// Waits until all of some answers in a row are of this model, and so every client has noticed.
    async fn all_of(&self, model: &str) {
        eventually(&format!("{model} answers everybody"), SOON, || async {
            let seen = self.seen.lock().unwrap();
            let last = seen.iter().rev().take(40);
            (seen.len() >= 40 && last.clone().all(|(_, of, _)| of == model)).then_some(())
        })
        .await;
    }

    /// Models in the order in which they answered, repeats left out.
    async fn end(self) -> (usize, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        assert!(self.failed.lock().unwrap().is_empty(), "{:?}", self.failed.lock().unwrap());
        let seen = self.seen.lock().unwrap();
        for (_, model, space) in seen.iter() {
            let right = if model == "second" { "second-space" } else { "demo-clip" };
            assert_eq!(space, right, "an answer of {model}");
        }
        (seen.len(), seen.iter().map(|(_, model, _)| model.clone()).collect())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_active_model_is_switched_under_load_and_back_and_the_other_removed() {
    within(LIMIT, async {
        const COUNT: usize = 30;
        let folder = second_model();
        let models = ("MODELS__FOLDER", folder.path().to_str().unwrap());
        let mut world = World::start().await;
        put(&world, 0, COUNT).await;
        let mut first = world.run_ingest();
        let mut embedder = world.run("embedder", &[("RUNTIME__THREADS", "1")]);
        let mut searcher = world.run("searcher", &[models, ("RUNTIME__THREADS", "1")]);
        first.ready().await;
        embedder.ready().await;
        let base = searcher.ready().await;
        world.indexed(&base, COUNT).await;
        let image_id = world.rows("embeddings_demo-clip").await[0].clone();
        let load = Load::start(&base, &image_id);

        // A second model is set; while its stage rests it lacks everything, and cannot be activated
        // by mistake.
        ingest(&world, &["pause", "--stage", "embed-second"]).await.unwrap();
        let error = ingest(&world, &["models", "activate", "second"]).await.unwrap_err();
        assert!(error.contains("no table"), "{error}");
        assert!(first.stop().await.success());
        let both = [("STAGES__MODELS", BOTH), ("WATCH__POLL_INTERVAL", "300ms")];
        let mut watching = world.run("ingest", &both);
        watching.ready().await;
        let mut other = world
            .run("embedder", &[models, ("MODELS__SERVE", "second"), ("RUNTIME__THREADS", "1")]);
        other.ready().await;
        eventually("the backfill of the second model waits in its bulk queue", SOON, || async {
            (listed(&world, "second").await["queues"]["bulk"] == json!(COUNT)).then_some(())
        })
        .await;
        let error = ingest(&world, &["models", "activate", "second"]).await.unwrap_err();
        assert!(
            error.contains(&format!("{COUNT} missing")) && error.contains("--force"),
            "{error}"
        );
        ingest(&world, &["resume", "--stage", "embed-second"]).await.unwrap();
        rows_are(&world, "second", COUNT).await;
        let row = listed(&world, "second").await;
        assert_eq!(
            (&row["coverage"], &row["active"], &row["space"]),
            (&json!(100.0), &json!(false), &json!("second-space"))
        );
        assert_eq!(listed(&world, "demo-clip").await["active"], json!(true));
        let overlap =
            ingest(&world, &["models", "overlap", "demo-clip", "second", "--json"]).await.unwrap();
        let mean = overlap["mean"].as_f64().unwrap();
        assert!(overlap["samples"] == json!(COUNT) && mean > 0.0 && mean < 1.0, "{overlap}");
        println!("overlap@10 {mean:.3} over {COUNT} samples");

        load.all_of("demo-clip").await;
        ingest(&world, &["models", "activate", "second"]).await.unwrap();
        load.all_of("second").await;
        let (_, status) = world.get(&format!("{base}/v1/status"), &[]).await;
        assert_eq!(
            (&status["model"]["id"], &status["wanted"]),
            (&json!("second"), &Value::Null),
            "{status}"
        );
        assert_eq!(status["tables"]["embeddings_second"]["rows"], json!(COUNT), "{status}");
        let question = |model: &str| json!({ "vector": vec![0.1; 128], "model": model });
        let (code, body) = world.post(&format!("{base}/v1/search"), question("demo-clip")).await;
        assert_eq!((code, &body["field"]), (400, &json!("model")), "{body}");
        assert_eq!(world.post(&format!("{base}/v1/search"), question("second")).await.0, 200);
        let strange = json!({ "vector": vec![0.1; 128], "space": "demo-clip" });
        let (code, body) = world.post(&format!("{base}/v1/search"), strange).await;
        assert_eq!((code, &body["field"]), (400, &json!("space")), "{body}");
        let error = ingest(&world, &["models", "remove", "second"]).await.unwrap_err();
        assert!(error.contains("active model"), "{error}");

        ingest(&world, &["models", "activate", "--previous"]).await.unwrap();
        load.all_of("demo-clip").await;
        let (answers, order) = load.end().await;
        let first_of_second = order.iter().position(|model| model == "second").unwrap();
        assert!(
            order[..first_of_second].iter().all(|model| model == "demo-clip")
                && order.contains(&"second".to_owned())
        );
        println!("{answers} answers, none failed, each of exactly one model");

        // Removed and kept: nothing is lost. Removed for good: its queues and its table go, and new
        // uploads ask nothing of it.
        ingest(&world, &["models", "remove", "second", "--grace", "1h"]).await.unwrap();
        ingest(&world, &["models", "keep", "second"]).await.unwrap();
        put(&world, COUNT, COUNT + 2).await;
        rows_are(&world, "second", COUNT + 2).await;
        ingest(&world, &["models", "remove", "second", "--grace", "10s"]).await.unwrap();
        eventually("its table and its queues are gone", SOON, || async {
            let row = listed(&world, "second").await;
            let gone = row["rows"].is_null()
                && row["queues"]["work"].is_null()
                && row["removed"]["dropped_at"].is_string();
            gone.then_some(())
        })
        .await;
        assert!(world.rows("embeddings_second").await.is_empty());
        put(&world, COUNT + 2, COUNT + 4).await;
        rows_are(&world, "demo-clip", COUNT + 4).await;
        assert!(
            listed(&world, "second").await["queues"]["work"].is_null(),
            "nothing is published for it"
        );

        // Taken back after that, it is filled anew.
        ingest(&world, &["models", "keep", "second"]).await.unwrap();
        rows_are(&world, "second", COUNT + 4).await;
        drop((first, watching, embedder, other, searcher));
        world.finish().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_cannot_take_over_leaves_the_old_one_in_force() {
    let mut world = World::start().await;
    let (mut ingest, mut embedder, mut searcher) =
        (world.run_ingest(), world.run("embedder", &[]), world.run("searcher", &[]));
    ingest.ready().await;
    embedder.ready().await;
    let base = searcher.ready().await;
    put(&world, 0, 3).await;
    world.indexed(&base, 3).await;
    let state = world.state().await;
    let choose = |id: &str| json!({ "active": id, "previous": "demo-clip", "removed": {} });
    state.put("models", &choose("ghost"), pipeline::bucket::Only::Always).await.unwrap();
    eventually("the searcher says what is wrong", SOON, || async {
        let (_, status) = world.get(&format!("{base}/v1/status"), &[]).await;
        let problem = status["problem"].as_str()?;
        (status["wanted"] == "ghost" && problem.contains("ghost")).then_some(())
    })
    .await;
    let (code, ready) = world.get(&format!("{base}/readyz"), &[]).await;
    assert_eq!(code, 200, "it answers: {ready}");
    assert!(ready["notes"]["model"].as_str().unwrap().contains("ghost"), "{ready}");
    let (code, body) = world.get(&format!("{base}/v1/search"), &[("q", "sky")]).await;
    assert_eq!(
        (code, &body["model"], &body["space"]),
        (200, &json!("demo-clip"), &json!("demo-clip")),
        "{body}"
    );
    state.put("models", &choose("demo-clip"), pipeline::bucket::Only::Always).await.unwrap();
    eventually("all is well again", SOON, || async {
        let (_, status) = world.get(&format!("{base}/v1/status"), &[]).await;
        status["wanted"].is_null().then_some(())
    })
    .await;
    drop((ingest, embedder, searcher));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_download_and_one_decode_feed_every_model_of_a_process() {
    let folder = second_model();
    let models = ("MODELS__FOLDER", folder.path().to_str().unwrap());
    let mut world = World::start_with(ProxyOptions::default()).await;
    let mut embedder =
        world.run("embedder", &[models, ("MODELS__SERVE", BOTH), ("RUNTIME__THREADS", "1")]);
    embedder.ready().await;
    world.store_proxy().count("GET", "/photo-");
    let both =
        [("STAGES__MODELS", BOTH), ("WATCH__POLL_INTERVAL", "1h"), ("EVENTS__SECRET", "knock")];
    let mut ingest = world.run("ingest", &both);
    let door = ingest.ready().await;
    put(&world, 0, 40).await;
    for n in 0..40 {
        assert_eq!(
            world.notify(&door, "s3:ObjectCreated:Put", &format!("photo-{n:03}.jpg")).await.0,
            200
        );
    }
    for model in ["demo-clip", "second"] {
        rows_are(&world, model, 40).await;
    }
    let images = world.rows("images").await;
    assert_eq!(
        (images.len(), images.iter().collect::<BTreeSet<_>>().len()),
        (40, 40),
        "rows of images"
    );
    assert_eq!(world.store_proxy().counted(), 40, "downloads of 40 pictures for two models");
    drop((ingest, embedder));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_change_while_jobs_flow_lose_and_double_none() {
    within(LIMIT, async {
        let folder = second_model();
        let file = folder.path().join("embedder.toml");
        let write = |serve: &str| {
            let models = folder.path().display();
            std::fs::write(
                &file,
                format!(
                    "[models]\nserve = {serve}\nfolder = \"{models}\"\n[batch]\nmax_rows = 4\n"
                ),
            )
            .unwrap();
        };
        write("[\"demo-clip\"]");
        let mut world = World::start().await;
        let mut embedder = world.run_with("embedder", &file, &[("RUNTIME__THREADS", "1")]);
        let mut ingest =
            world.run("ingest", &[("STAGES__MODELS", BOTH), ("WATCH__POLL_INTERVAL", "300ms")]);
        embedder.ready().await;
        ingest.ready().await;
        let process = embedder.id();
        put(&world, 0, 60).await;
        eventually("some pictures are indexed", SOON, || async {
            (world.rows("embeddings_demo-clip").await.len() >= 8).then_some(())
        })
        .await;
        write("[\"demo-clip\", \"second\"]");
        embedder.hang_up();
        put(&world, 60, 100).await;
        for model in ["demo-clip", "second"] {
            rows_are(&world, model, 100).await;
        }
        // What is wrong is named and changes nothing.
        write("[]");
        embedder.hang_up();
        eventually("the wrong setting is named", SOON, || async {
            embedder
                .log()
                .lines()
                .any(|line| line.contains("models.serve") && line.contains("ERROR"))
                .then_some(())
        })
        .await;
        put(&world, 100, 105).await;
        for model in ["demo-clip", "second"] {
            rows_are(&world, model, 105).await;
        }
        assert_eq!((embedder.id(), embedder.ended()), (process, None), "it is the same process");
        assert_eq!(world.queued().await, 0, "nothing waits, nothing is dead");
        assert!(embedder.stop().await.success(), "{}", embedder.log());
        drop(ingest);
        world.finish().await;
    })
    .await;
}
