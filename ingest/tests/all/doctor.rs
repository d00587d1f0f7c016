//! `ingest doctor`: silent about a healthy installation, and right about what is wrong with
//! another.

use std::process::Command;
use std::time::Duration;

use pipeline::bucket::Only;
use pipeline::stage_name::StageName;
use pipeline::state::StateStore;
use pipeline::topology::Topology;
use serde_json::{Value, json};
use testkit::{World, eventually, solid_jpeg};

/// Exit code and checks of `ingest doctor --json` with some settings changed.
fn doctor(world: &World, changed: &[(&str, &str)]) -> (Option<i32>, Vec<Value>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ingest"));
    command.args(["doctor", "--json"]).envs(world.variables());
    command.envs(changed.iter().map(|(name, value)| (format!("BUCKETLENS__{name}"), value)));
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text}\n{}", String::from_utf8_lossy(&output.stderr))
    });
    (output.status.code(), report["checks"].as_array().unwrap().clone())
}

fn with<'a>(checks: &'a [Value], verdict: &str) -> Vec<&'a str> {
    checks
        .iter()
        .filter(|check| check["verdict"] == verdict)
        .map(|check| check["name"].as_str().unwrap())
        .collect()
}

/// Exactly this check fails; what it saw and its advice say what they must.
fn fails(checks: &[Value], name: &str, seen: &str, advice: &str) {
    assert_eq!(with(checks, "fail"), [name], "{checks:#?}");
    let check = checks.iter().find(|check| check["name"] == name).unwrap();
    assert!(check["seen"].as_str().unwrap().contains(seen), "{check}");
    assert!(check["advice"].as_str().unwrap().contains(advice), "{check}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_installation_is_fine_in_every_respect() {
    let mut world = World::start().await;
    let mut ingest =
        world.run("ingest", &[("WATCH__POLL_INTERVAL", "300ms"), ("EVENTS__QUEUE", "true")]);
    let mut embedder = world.run("embedder", &[]);
    ingest.ready().await;
    embedder.ready().await;
    world.put("a.jpg", solid_jpeg([1, 2, 200], 64)).await;
    eventually("it is indexed", Duration::from_secs(60), || async {
        (world.rows("embeddings_demo-clip").await.len() == 1).then_some(())
    })
    .await;
    let settings = serde_json::from_value(json!({
        "name": world.bucket(), "endpoint": "", "public_endpoint": "", "region": "us-east-1",
        "access_key_id": "", "secret_access_key": "", "path_style": true,
        "own_prefix": ".bucketlens/", "timeout": "30s"
    }));
    let state = StateStore::new(world.open_bucket().await, &settings.unwrap());
    let now = jiff::Timestamp::now();
    state.put("sweep", &json!({ "finished_at": now, "more": 1 }), Only::Always).await.unwrap();

    let public = ("BUCKET__PUBLIC_ENDPOINT", "https://pictures.example.org");
    let open = [
        public,
        ("EVENTS__QUEUE", "true"),
        ("EVENTS__LISTEN", "true"),
        ("EVENTS__SECRET", "knock"),
    ];
    let (code, checks) = doctor(&world, &open);
    assert_eq!(with(&checks, "ok").len(), checks.len(), "{checks:#?}");
    assert_eq!(code, Some(0));
    let seen = |name: &str| {
        checks.iter().find(|check| check["name"] == name).unwrap()["seen"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(seen("broker.version").contains("RabbitMQ 3."), "{}", seen("broker.version"));
    assert!(seen("table.images").starts_with("1 rows in 1 fragments"), "{}", seen("table.images"));
    assert!(seen("table.embeddings_demo-clip").starts_with("1 rows"), "{checks:#?}");
    assert!(
        seen("events.doors").starts_with("webhook, queue, listening"),
        "{}",
        seen("events.doors")
    );

    // What someone should look at is told and does not count as failed.
    state
        .put(
            "stages",
            &json!({ "embed-demo-clip": { "paused": true, "changed_by": "eve" } }),
            Only::Always,
        )
        .await
        .unwrap();
    assert!(embedder.stop().await.success());
    // At last, because an ingest that sweeps meanwhile writes it, too.
    state
        .put("sweep", &json!({ "finished_at": "2020-01-01T00:00:00Z" }), Only::Always)
        .await
        .unwrap();
    let (code, checks) = doctor(&world, &[("STAGES__MODELS", "demo-clip,other")]);
    let warned = [
        "store.links",
        "broker.queues",
        "workers.embed-demo-clip",
        "table.embeddings_other",
        "stages.paused",
        "sweep.age",
    ];
    assert_eq!((code, with(&checks, "warn")), (Some(0), warned.to_vec()), "{checks:#?}");

    let mut command = Command::new(env!("CARGO_BIN_EXE_ingest"));
    let output = command.arg("doctor").envs(world.variables()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("ok    store.reachable") && text.ends_with("failed\n"), "{text}");
    // Nothing of the trials is left in the bucket.
    assert_eq!(state.names("doctor").await.unwrap(), Vec::<String>::new());
    drop(ingest);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named_with_what_to_do() {
    let world = World::start().await;
    let (code, checks) = doctor(&world, &[("BUCKET__SECRET_ACCESS_KEY", "hunter2")]);
    fails(&checks, "store.listing", "403", "bucket.secret_access_key");
    assert_eq!(code, Some(1));
    assert!(!format!("{checks:?}").contains("hunter2"), "no secret is printed");
    assert!(
        checks.iter().all(|check| check["name"] != "store.tables"),
        "nothing is tried that cannot work"
    );

    let (_, checks) = doctor(&world, &[("BUCKET__NAME", "another-bucket")]);
    fails(&checks, "store.listing", "NoSuchBucket", "create the bucket");
    let (_, checks) = doctor(&world, &[("BUCKET__ENDPOINT", "http://127.0.0.1:1")]);
    fails(&checks, "store.reachable", "127.0.0.1:1", "bucket.endpoint");
    let (_, checks) = doctor(&world, &[("AMQP__URL", "amqp://guest:hunter2@127.0.0.1:1/%2f")]);
    fails(&checks, "broker.reachable", "cannot connect", "amqp.url");
    assert!(!format!("{checks:?}").contains("hunter2"), "no secret is printed");

    // A fresh installation: nothing is there yet, and looking at it makes nothing.
    let (code, checks) = doctor(&world, &[]);
    assert_eq!((code, with(&checks, "fail")), (Some(0), vec![]), "{checks:#?}");
    assert!(with(&checks, "warn").contains(&"broker.queues"), "{checks:#?}");
    let (_, checks) = doctor(&world, &[("AMQP__TOPOLOGY", "verify")]);
    let bulk = Topology::new(&world.amqp().namespace).bulk_queue(&StageName::embed("demo-clip"));
    fails(&checks, "broker.queues", "none of the 11", "declare");

    // A queue of that name with other arguments.
    let channel = world.broker().await.create_channel().await.unwrap();
    channel
        .queue_declare(bulk.as_str().into(), Default::default(), Default::default())
        .await
        .unwrap();
    let (_, checks) = doctor(&world, &[]);
    fails(&checks, "broker.queues", &bulk, "delete");
    channel.queue_delete(bulk.as_str().into(), Default::default()).await.unwrap();
    world.finish().await;
}
