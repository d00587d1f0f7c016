//! Dead letters as operators meet them: by command and over HTTP, on a real broker, store and
//! programs.

use std::collections::HashMap;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use pipeline::consume::Subscription;
use pipeline::dead::{self, DeadLetter};
use pipeline::depths::QueueDepths;
use pipeline::job::Job;
use pipeline::stage_name::StageName;
use serde_json::{Value, json};
use service::health::Health;
use testkit::{FailedJob, World, eventually};

const NOON: &str = "2026-07-01T12:00:00Z";
const LIMIT: Duration = Duration::from_secs(120);

fn command(world: &World, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ingest"));
    command.arg("dead").args(arguments).envs(world.variables()).stdin(Stdio::null());
    command
}

fn run(world: &World, arguments: &[&str]) -> Output {
    command(world, arguments).output().expect("the command runs")
}

/// Runs a command that must succeed; its stdout.
fn text(world: &World, arguments: &[&str]) -> String {
    let output = run(world, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn json_of(world: &World, arguments: &[&str]) -> Value {
    let text = text(world, arguments);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn spawn(world: &World, arguments: &[&str]) -> Child {
    command(world, arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts")
}

async fn bury(world: &World, keys: &[String]) {
    let burials = keys.iter().map(|key| FailedJob {
        key,
        etag: "e",
        class: "corrupt_picture",
        reason: "it failed",
        at: NOON,
    });
    world.bury(&burials.collect::<Vec<_>>()).await;
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{n:04}.jpg")).collect()
}

async fn look(world: &World) -> Vec<DeadLetter> {
    dead::peek(&world.amqp(), &StageName::embed("demo-clip"))
        .await
        .expect("the dead letters")
        .letters
}

async fn bulk_depth(world: &World) -> usize {
    let depths = QueueDepths::new(world.amqp())
        .depths(&StageName::embed("demo-clip"))
        .await
        .expect("depths");
    depths.bulk.unwrap_or(0) as usize
}

/// Takes everything out of work and bulk queue: how often each key was there.
async fn take_jobs(world: &World) -> HashMap<String, usize> {
    let count = bulk_depth(world).await;
    let mut consumer = Subscription {
        amqp: world.amqp(),
        name: "test".into(),
        stage: StageName::embed("demo-clip"),
    }
    .start(Health::default());
    let mut keys = HashMap::new();
    for _ in 0..count {
        let delivery = tokio::time::timeout(LIMIT, consumer.next())
            .await
            .expect("a job in time")
            .expect("a job");
        *keys.entry(Job::decode(&delivery.body).expect("a job").object.key).or_default() += 1;
        delivery.ack().await;
    }
    consumer.close().await;
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_shows_selects_and_moves() {
    let world = World::start().await;
    let etag = world.put("a/here.jpg", "half a picture").await;
    let old = world.put("a/changed.jpg", "before").await;
    world.put("a/changed.jpg", "after").await;
    let burial = |key, etag, class, reason, at| FailedJob { key, etag, class, reason, at };
    let ids = world
        .bury(&[
            burial(
                "a/here.jpg",
                etag.as_str(),
                "corrupt_picture",
                "'a/here.jpg' ends after 14 bytes",
                NOON,
            ),
            burial(
                "a/changed.jpg",
                old.as_str(),
                "corrupt_picture",
                "'a/changed.jpg' ends after 6 bytes",
                NOON,
            ),
            burial(
                "b/gone \u{1b}[31m.jpg",
                "e",
                "too_many_pixels",
                "has 40000 × 40000 pixels",
                "2026-07-02T12:00:00Z",
            ),
        ])
        .await;

    let groups = json_of(&world, &["groups", "--json"]);
    assert_eq!(
        (&groups["total"], groups["groups"].as_array().unwrap().len()),
        (&json!(3), 2),
        "{groups}"
    );
    assert_eq!(
        (&groups["groups"][0]["count"], &groups["groups"][0]["reason"]),
        (&json!(2), &json!("… ends after # bytes"))
    );
    let group = groups["groups"][0]["id"].as_str().unwrap();

    let list = json_of(&world, &["list", "--group", group, "--json"]);
    assert_eq!(
        (&list["matching"], &list["letters"][1]["object"]["key"]),
        (&json!(2), &json!("a/changed.jpg"))
    );
    let table = text(&world, &["list", "--since", "2026-07-02"]);
    assert!(table.contains("too_many_pixels") && !table.contains("corrupt_picture"), "{table}");
    assert!(!table.contains('\u{1b}'), "keys do not steer the terminal: {table}");

    for (id, now) in [(&ids[0], "present"), (&ids[1], "overwritten"), (&ids[2], "gone")] {
        let shown = json_of(&world, &["show", id, "--json"]);
        assert_eq!((&shown[0]["message_id"], &shown[0]["now"]["state"]), (&json!(id), &json!(now)));
        let shown = text(&world, &["show", &id[..10]]);
        assert!(
            shown.contains("worker-1") && shown.contains("model-1") && shown.contains(id.as_str()),
            "{shown}"
        );
    }

    let trial = json_of(&world, &["replay", "--all", "--dry-run", "--json"]);
    assert_eq!(
        trial["objects"],
        json!({ "present": 1, "overwritten": 1, "gone": 1, "unknown": 0 }),
        "{trial}"
    );
    assert_eq!(
        (look(&world).await.len(), bulk_depth(&world).await),
        (3, 0),
        "a dry run changes nothing"
    );

    let exported = text(&world, &["export"]);
    let lines: Vec<Value> =
        exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["body"]["object"]["etag"]), (3, &json!(etag)));

    let walked = json_of(&world, &["replay", "--key", "a/*", "--limit", "1", "--json"]);
    assert_eq!(
        (&walked["moved"], &walked["skipped"], &walked["left"]),
        (&json!(1), &json!(2), &json!(0)),
        "{walked}"
    );
    assert_eq!(take_jobs(&world).await, HashMap::from([("a/here.jpg".to_owned(), 1)]));
    let dropped = text(&world, &["drop", "--class", "too_many_pixels"]);
    assert!(dropped.contains("1 of 2 dead letters dropped"), "{dropped}");
    assert_eq!(
        look(&world).await.iter().map(|letter| letter.message_id.as_str()).collect::<Vec<_>>(),
        [ids[1].as_str()]
    );
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_arguments_exit_with_2_and_a_failure_with_1() {
    let world = World::start().await;
    for arguments in [
        &["replay"][..],
        &["drop", "--limit", "3"],
        &["replay", "--key", "a["],
        &["replay", "--all", "--rate", "0"],
        &["list", "--since", "soon"],
        &["list", "--stage", "nonsense"],
        &["show"],
    ] {
        let output = run(&world, arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    assert_eq!(run(&world, &["show", "0123456789"]).status.code(), Some(1));
    let away = command(&world, &["list"])
        .env("BUCKETLENS__AMQP__URL", "amqp://127.0.0.1:1/%2f")
        .output()
        .unwrap();
    assert_eq!(away.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&away.stderr).contains("amqp.url"), "{away:?}");
    let wrong = command(&world, &["list"]).env("BUCKETLENS__AMQP__PREFETCH", "0").output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_replay_loses_nothing_and_the_next_one_finishes_it() {
    let world = World::start().await;
    bury(&world, &numbered(200)).await;
    let mut replay = spawn(&world, &["replay", "--all", "--rate", "40"]);
    eventually("some are replayed", LIMIT, || async {
        (bulk_depth(&world).await >= 20).then_some(())
    })
    .await;
    replay.kill().unwrap();
    replay.wait().unwrap();

    let left = look(&world).await;
    assert!(
        left.len() > 50 && bulk_depth(&world).await + left.len() >= 200,
        "it was killed half way: {} left",
        left.len()
    );
    json_of(&world, &["replay", "--all", "--json"]);
    assert_eq!(look(&world).await.len(), 0);
    let jobs = take_jobs(&world).await;
    let mut keys: Vec<_> = jobs.keys().cloned().collect();
    keys.sort();
    assert_eq!(keys, numbered(200));
    // At most those that were between confirm and ack when it died.
    assert!(jobs.values().sum::<usize>() <= 200 + 64, "{}", jobs.values().sum::<usize>());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_replay_says_what_it_did() {
    let world = World::start().await;
    bury(&world, &numbered(200)).await;
    let replay = spawn(&world, &["replay", "--all", "--rate", "40", "--json"]);
    eventually("some are replayed", LIMIT, || async {
        (bulk_depth(&world).await >= 20).then_some(())
    })
    .await;
    assert!(
        Command::new("kill").args(["-INT", &replay.id().to_string()]).status().unwrap().success()
    );
    let output = replay.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let walked: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (moved, left) =
        (walked["moved"].as_u64().unwrap() as usize, walked["left"].as_u64().unwrap() as usize);
    assert!(walked["cancelled"] == true && moved + left == 200 && left > 0, "{walked}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("left"), "{output:?}");
    assert_eq!((bulk_depth(&world).await, look(&world).await.len()), (moved, left));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dies_again_says_how_often_it_was_replayed() {
    let mut world = World::start().await;
    world.put("half.jpg", testkit::broken()[0].1.clone()).await;
    let (mut ingest, mut embedder) = (world.run_ingest(), world.run("embedder", &[]));
    ingest.ready().await;
    embedder.ready().await;
    let died = |replays: u32| {
        let world = &world;
        eventually("the job dies", LIMIT, move || async move {
            look(world).await.into_iter().find(|letter| letter.replays == replays)
        })
    };
    let first = died(0).await;
    for replays in 1..=2 {
        json_of(&world, &["replay", "--id", &first.message_id, "--json"]);
        let again = died(replays).await;
        assert_eq!((&again.class, again.origin.as_deref()), (&first.class, Some("replay")));
        assert_eq!(
            (again.first_failed, again.history.len()),
            (first.first_failed, 1 + replays as usize)
        );
        assert!(again.replay_id.is_some());
    }
    assert_eq!(json_of(&world, &["groups", "--json"])["groups"][0]["replayed"], 1);
    assert!(ingest.stop().await.success() && embedder.stop().await.success());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_a_replay_is_started_watched_and_cancelled() {
    let mut world = World::start().await;
    bury(&world, &numbered(300)).await;
    let mut ingest = world.run("ingest", &[("OPS__API_KEY", "sesame")]);
    let base = format!("{}/v1/ops", ingest.ready().await);
    for path in ["dead", "dead/groups", "dead/01234567", "operations", "operations/x"] {
        assert_eq!(world.get(&format!("{base}/{path}"), &[]).await.0, 401, "{path}");
    }
    assert_eq!(world.post(&format!("{base}/dead/drop"), json!({ "all": true })).await.0, 401);

    let ask = |method: reqwest::Method, path: &str, body: Option<Value>| {
        let request = world.http().request(method, format!("{base}/{path}")).bearer_auth("sesame");
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        async move {
            let answer = request.send().await.expect("an answer");
            let status = answer.status().as_u16();
            (status, serde_json::from_str::<Value>(&answer.text().await.unwrap()).expect("JSON"))
        }
    };
    let (get, post, delete) =
        (reqwest::Method::GET, reqwest::Method::POST, reqwest::Method::DELETE);
    for (path, field) in [
        ("dead?limit=x", "limit"),
        ("dead?limit=5000", "limit"),
        ("dead?key=a%5B", "key"),
        ("dead?nope=1", "nope"),
    ] {
        let (status, problem) = ask(get.clone(), path, None).await;
        assert_eq!((status, &problem["field"]), (400, &json!(field)), "{path}: {problem}");
    }
    for (body, field) in [
        (json!({}), "all"),
        (json!({ "all": true, "rate": -1 }), "rate"),
        (json!({ "since": "soon" }), "since"),
    ] {
        let (status, problem) = ask(post.clone(), "dead/replay", Some(body)).await;
        assert_eq!((status, &problem["field"]), (400, &json!(field)), "{problem}");
    }

    let (status, list) = ask(get.clone(), "dead?limit=2", None).await;
    assert_eq!(
        (status, &list["total"], list["letters"].as_array().unwrap().len()),
        (200, &json!(300), 2)
    );
    let id = list["letters"][1]["message_id"].as_str().unwrap();
    let (status, shown) = ask(get.clone(), &format!("dead/{id}"), None).await;
    assert_eq!((status, &shown["letters"][0]["now"]["state"]), (200, &json!("gone")), "{shown}");
    assert_eq!(ask(get.clone(), "dead/ffffffffffff", None).await.0, 404);
    let (status, groups) = ask(get.clone(), "dead/groups", None).await;
    assert_eq!((status, &groups["groups"][0]["count"]), (200, &json!(300)));
    let (status, trial) =
        ask(post.clone(), "dead/replay", Some(json!({ "all": true, "dry_run": true }))).await;
    assert_eq!((status, &trial["objects"]["gone"]), (200, &json!(300)));

    let (status, started) =
        ask(post.clone(), "dead/replay", Some(json!({ "all": true, "rate": 20 }))).await;
    assert_eq!((status, &started["state"]), (202, &json!("running")), "{started}");
    let operation = format!("operations/{}", started["id"].as_str().unwrap());
    eventually("it goes on", LIMIT, || async {
        (ask(get.clone(), &operation, None).await.1["progress"]["moved"].as_u64()? >= 10)
            .then_some(())
    })
    .await;
    let (status, problem) = ask(post.clone(), "dead/drop", Some(json!({ "all": true }))).await;
    assert_eq!(status, 409, "{problem}");
    assert_eq!(ask(delete, &operation, None).await.0, 202);
    let ended = eventually("it stops", LIMIT, || async {
        let (_, operation) = ask(get.clone(), &operation, None).await;
        (operation["state"] != "running").then_some(operation)
    })
    .await;
    assert_eq!(ended["state"], "cancelled", "{ended}");
    let moved = ended["progress"]["moved"].as_u64().unwrap() as usize;
    assert_eq!((look(&world).await.len(), bulk_depth(&world).await), (300 - moved, moved));

    let (status, _) = ask(post, "dead/drop", Some(json!({ "class": "corrupt_picture" }))).await;
    assert_eq!(status, 202);
    eventually("all are dropped", LIMIT, || async {
        let (_, operations) = ask(get.clone(), "operations", None).await;
        (operations["operations"][0]["state"] == "done").then_some(())
    })
    .await;
    assert_eq!(look(&world).await.len(), 0);
    assert!(ingest.stop().await.success());
    world.finish().await;
}
