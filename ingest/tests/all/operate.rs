//! What operators rely on: one active ingest at a time, nothing published twice, pauses that hold,
//! sweeps that find all.

use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{World, eventually, solid_jpeg};

const EMBEDDINGS: &str = "embeddings_demo-clip";
const LIMIT: Duration = Duration::from_secs(120);

/// Runs `ingest ARGUMENTS` in this world, on a thread of its own because programs of the world must
/// go on being served.
async fn run(world: &World, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ingest"));
    command.args(arguments).envs(world.variables()).stdin(Stdio::null());
    tokio::task::spawn_blocking(move || command.output().expect("the command runs")).await.unwrap()
}

async fn json_of(world: &World, arguments: &[&str]) -> Value {
    let output = run(world, arguments).await;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {error}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|problem| panic!("{problem}: {error}"))
}

async fn put(world: &World, from: usize, to: usize) {
    for n in from..to {
        world
            .put(
                &format!("{n:03}.jpg"),
                solid_jpeg([(n * 37 % 256) as u8, (n * 91 % 256) as u8, 90], 48),
            )
            .await;
    }
}

async fn depth_is(world: &World, what: &str, count: u32) {
    eventually(what, LIMIT, || async { (world.queued().await == count).then_some(()) }).await;
}

async fn rows_are(world: &World, count: usize) {
    eventually(&format!("there are {count} rows"), LIMIT, || async {
        let rows = world.rows(EMBEDDINGS).await;
        (rows.iter().collect::<BTreeSet<_>>().len() == count).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_and_publishes_nothing_again() {
    let mut world = World::start().await;
    put(&world, 0, 30).await;
    let mut first = world.run_ingest();
    first.ready().await;
    depth_is(&world, "30 jobs wait", 30).await;

    let mut second = world.run_ingest();
    let address = format!("http://{}", second.address().await);
    eventually("the second one waits", LIMIT, || async {
        let (status, body) = world.get(&format!("{address}/readyz"), &[]).await;
        (status == 503 && body["troubles"]["lease"].as_str()?.contains("standby")).then_some(())
    })
    .await;
    let (status, body) = world.notify(&address, "s3:ObjectCreated:Put", "000.jpg").await;
    assert_eq!(status, 503, "a standby acts on nothing: {body}");

    // The journal is written once a second; what was published before is then known to whoever
    // comes next.
    eventually("the journal is written", LIMIT, || async {
        let names = world.state().await.names("published/").await.unwrap();
        (!names.is_empty()).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    first.kill();
    put(&world, 30, 33).await;
    depth_is(&world, "the second one has taken over and published what is new, and only that", 33)
        .await;
    assert_eq!(second.ready().await, address);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.queued().await, 33, "what was queued is not published again");
    assert!(second.stop().await.success(), "{}", second.log());
    drop(first);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_finds_everything_with_and_without_an_ingest() {
    let mut world = World::start().await;
    put(&world, 0, 12).await;
    world.put("note.txt", "not a picture").await;
    let dry = json_of(&world, &["sweep", "--dry-run", "--json"]).await;
    assert_eq!(
        (&dry["objects"], &dry["skipped"], &dry["published"]),
        (&json!(12), &json!(1), &json!(12)),
        "{dry}"
    );
    assert_eq!(world.queued().await, 0, "a dry run publishes nothing");

    let part = json_of(&world, &["sweep", "--prefix", "00", "--json"]).await;
    assert_eq!((&part["objects"], &part["published"]), (&json!(10), &json!(10)), "{part}");
    let all = json_of(&world, &["sweep", "--json"]).await;
    assert_eq!(
        (&all["objects"], &all["published"], &all["waiting"]),
        (&json!(12), &json!(2), &json!(10)),
        "{all}"
    );
    assert_eq!(world.depths().await.bulk, Some(12), "an asked sweep is bulk traffic");

    // The same through the ingest that runs; a listing of its own is an hour away.
    let mut ingest = world.run("ingest", &[("WATCH__POLL_INTERVAL", "1h")]);
    let mut embedder = world.run("embedder", &[]);
    ingest.ready().await;
    embedder.ready().await;
    rows_are(&world, 12).await;
    put(&world, 12, 15).await;
    world.remove("000.jpg").await;
    let swept = json_of(&world, &["sweep", "--json"]).await;
    let counts =
        ["objects", "published", "removed_gone", "refused"].map(|name| swept[name].clone());
    assert_eq!(counts, [json!(14), json!(3), json!(1), json!(0)], "{swept}");
    rows_are(&world, 14).await;

    let (status, body) = world
        .post(&format!("{}/v1/ops/sweep", ingest.ready().await), json!({ "prefixx": "a" }))
        .await;
    assert_eq!((status, &body["field"]), (400, &json!("prefixx")), "{body}");
    let output = run(&world, &["sweep", "--stage", "nonsense"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nonsense"));
    drop((ingest, embedder));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_backfill_stays_away_until_it_is_released() {
    let mut world = World::start().await;
    put(&world, 0, 20).await;
    let mut ingest = world.run_ingest();
    ingest.ready().await;
    depth_is(&world, "the backfill waits", 20).await;
    let output = run(&world, &["cancel"]).await;
    assert!(String::from_utf8_lossy(&output.stdout).contains("took 20 jobs"), "{output:?}");
    assert_eq!(world.queued().await, 0);
    // New uploads go on, what was cancelled does not come back by itself, not even after a restart.
    put(&world, 20, 22).await;
    depth_is(&world, "what is new is published", 2).await;
    assert!(ingest.stop().await.success());
    let mut ingest = world.run_ingest();
    ingest.ready().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.queued().await, 2);
    let swept = json_of(&world, &["sweep", "--release", "--json"]).await;
    assert_eq!(swept["published"], json!(20), "{swept}");
    assert_eq!(world.depths().await.bulk, Some(20));
    drop(ingest);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_stage_rests_and_progress_says_where_it_is() {
    let mut world = World::start().await;
    assert!(run(&world, &["pause"]).await.status.success());
    put(&world, 0, 10).await;
    let (mut ingest, mut embedder) = (world.run_ingest(), world.run("embedder", &[]));
    let base = ingest.ready().await;
    embedder.ready().await;
    depth_is(&world, "all wait", 10).await;
    let progress = eventually("the progress is known", LIMIT, || async {
        let (status, body) = world.get(&format!("{base}/v1/ops/progress"), &[]).await;
        (status == 200 && body["stages"][0]["objects"] == json!(10))
            .then(|| body["stages"][0].clone())
    })
    .await;
    assert_eq!((&progress["indexed"], &progress["queued"]), (&json!(0), &json!(10)), "{progress}");
    assert!(progress["paused"].as_str().unwrap().contains("command line"), "{progress}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(world.rows(EMBEDDINGS).await.is_empty(), "a paused stage works on nothing");

    let (status, _) =
        world.post(&format!("{base}/v1/ops/stages/embed-demo-clip/resume"), json!({})).await;
    assert_eq!(status, 200);
    rows_are(&world, 10).await;
    let progress = json_of(&world, &["progress", "--over", "1s", "--json"]).await;
    let counts = ["objects", "indexed", "queued", "dead"].map(|name| progress[0][name].clone());
    assert_eq!(counts, [json!(10), json!(10), json!(0), json!(0)], "{progress}");
    assert_eq!(
        (&progress[0]["paused"], &progress[0]["seconds_left"]),
        (&Value::Null, &json!(0.0)),
        "{progress}"
    );
    drop((ingest, embedder));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_publish_between_two_marks_only() {
    let mut world = World::start().await;
    put(&world, 0, 5).await;
    let marks = [
        ("WATCH__POLL_INTERVAL", "300ms"),
        ("BACKPRESSURE__HIGH", "4"),
        ("BACKPRESSURE__LOW", "2"),
    ];
    let mut ingest = world.run("ingest", &marks);
    let base = ingest.ready().await;
    depth_is(&world, "the first page is published", 5).await;
    eventually("ingest has seen how full it is", LIMIT, || async {
        let text =
            world.http().get(format!("{base}/metrics")).send().await.ok()?.text().await.ok()?;
        text.contains("bucketlens_ingest_queue_open{stage=\"embed-demo-clip\"} 0").then_some(())
    })
    .await;
    put(&world, 5, 8).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.queued().await, 5, "nothing is added above the high mark");
    let mut embedder = world.run("embedder", &[]);
    embedder.ready().await;
    rows_are(&world, 8).await;
    drop((ingest, embedder));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_runs_on_demand_and_only_with_the_key() {
    let mut world = World::start().await;
    let key = [("WATCH__POLL_INTERVAL", "300ms"), ("OPS__API_KEY", "open sesame")];
    put(&world, 0, 40).await;
    let (mut ingest, mut embedder) =
        (world.run("ingest", &key), world.run("embedder", &[("BATCH__MAX_ROWS", "1")]));
    let base = ingest.ready().await;
    embedder.ready().await;
    rows_are(&world, 40).await;
    let (status, body) = world.post(&format!("{base}/v1/ops/maintain"), json!({})).await;
    assert_eq!(status, 401, "{body}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ingest"));
    command
        .args(["maintain", "--once", "--json"])
        .envs(world.variables())
        .env("BUCKETLENS__OPS__API_KEY", "open sesame");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let round: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(round["failures"], json!([]), "{round}");
    let tables = round["tables"]["tables"].as_array().unwrap();
    assert_eq!(tables.len(), 2, "{round}");
    assert!(
        tables.iter().all(|table| table["compaction"]["done"]["merged"] == json!(40)),
        "{round}"
    );
    assert_eq!(world.rows(EMBEDDINGS).await.len(), 40);
    drop((ingest, embedder));
    world.finish().await;
}
