//! Every door for events, on a real broker and a real store: each key is found by it, whatever its
//! form, and nothing that comes in by a door makes trouble.

use std::time::Duration;

use front::{Front, Mode};
use pipeline::job::{Job, Origin};
use pipeline::stage_name::StageName;
use pipeline::topology::{Topology, TopologyMode};
use serde_json::{Value, json};
use testkit::{World, eventually, solid_jpeg};

use crate::front;

const LIMIT: Duration = Duration::from_secs(60);
const FAR: (&str, &str) = ("WATCH__POLL_INTERVAL", "1h");

/// Keys with everything that stores, JSON and two ways of encoding could trip over.
const KEYS: [&str; 8] = [
    "plain.jpg",
    "a b+c%20d%2B.jpg",
    "海滩/😀 'quoted\" \\ key'.JPG",
    "/leading/slash.jpg",
    "100%.jpg",
    "%zz+.png",
    "a&b=c?d#e;f.jpg",
    "%E6%B5%B7.jpg",
];

/// Another `shade` is other content, and so another job.
async fn put_keys(world: &World, keys: &[&str], shade: u8) {
    for key in keys {
        world.put(key, solid_jpeg([200, 10, shade], 32)).await;
    }
}

/// Takes every job out of the work and bulk queues.
async fn take_jobs(world: &World) -> Vec<Job> {
    let connection = world.broker().await;
    let channel = connection.create_channel().await.unwrap();
    let (topology, stage) = (Topology::new(&world.amqp().namespace), StageName::embed("demo-clip"));
    let mut jobs = Vec::new();
    for queue in [topology.work_queue(&stage), topology.bulk_queue(&stage)] {
        while let Some(message) =
            channel.basic_get(queue.as_str().into(), Default::default()).await.unwrap()
        {
            jobs.push(Job::decode(&message.delivery.data).unwrap());
            message.delivery.acker.ack(Default::default()).await.unwrap();
        }
    }
    jobs
}

/// Waits until exactly these keys have become jobs, each once and each by an event.
async fn jobs_by_event(world: &World, keys: &[&str]) {
    eventually("all keys are jobs", LIMIT, || async {
        (world.queued().await as usize >= keys.len()).then_some(())
    })
    .await;
    let jobs = take_jobs(world).await;
    let mut found: Vec<_> = jobs.iter().map(|job| job.object.key.as_str()).collect();
    found.sort_unstable();
    let mut expected = keys.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert!(jobs.iter().all(|job| job.origin == Origin::Event), "{jobs:?}");
}

async fn metric(world: &World, base: &str, name: &str) -> f64 {
    let text =
        world.http().get(format!("{base}/metrics")).send().await.unwrap().text().await.unwrap();
    let lines = text.lines().filter(|line| line.starts_with(name));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// With listings far apart, everything after this one is found by events.
async fn listed(world: &World, base: &str, times: f64) {
    eventually(&format!("{times} listings"), LIMIT, || async {
        (metric(world, base, "bucketlens_ingest_listings_total").await >= times).then_some(())
    })
    .await;
}

fn form_encoded(key: &str) -> String {
    let url = reqwest::Url::parse_with_params("http://x/", [("", key)]).unwrap();
    url.query().unwrap()[1..].to_owned()
}

fn notification(source: &str, bucket: &str, event: &str, key: &str) -> Value {
    json!({ "EventName": event, "Key": format!("{bucket}/{key}"), "Records": [{
        "eventVersion": "2.0", "eventSource": source, "eventName": event,
        "eventTime": "2026-01-01T00:00:00.000Z",
        "s3": { "bucket": { "name": bucket },
                "object": { "key": key, "size": "12", "eTag": "hint", "versionId": "",
                            "sequencer": "0A" } },
    }]})
}

async fn push(world: &World, body: impl AsRef<[u8]>) {
    let connection = world.broker().await;
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(Default::default()).await.unwrap();
    let exchange = Topology::new(&world.amqp().namespace).events();
    let sent = channel.basic_publish(
        exchange.as_str().into(),
        "any".into(),
        Default::default(),
        body.as_ref(),
        Default::default(),
    );
    assert!(sent.await.unwrap().await.unwrap().is_ack());
    connection.close(200, "sent".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn listening_finds_uploads_and_removals_with_nothing_configured() {
    let mut world = World::start().await;
    let mut ingest = world.run("ingest", &[FAR, ("EVENTS__LISTEN", "true")]);
    let base = ingest.ready().await;
    // The first, and the one that is due once the listening has begun.
    listed(&world, &base, 2.0).await;
    put_keys(&world, &KEYS, 0).await;
    jobs_by_event(&world, &KEYS).await;
    assert!(
        metric(&world, &base, "bucketlens_ingest_events_total{door=\"listen\"}").await
            >= KEYS.len() as f64
    );

    let mut embedder = world.run("embedder", &[]);
    embedder.ready().await;
    world.put("shown.jpg", solid_jpeg([10, 200, 10], 64)).await;
    let rows = || async { world.rows("embeddings_demo-clip").await.len() };
    eventually("the upload has its row", LIMIT, || async { (rows().await == 1).then_some(()) })
        .await;
    world.remove("shown.jpg").await;
    eventually("the row is gone with the object", LIMIT, || async {
        (rows().await == 0).then_some(())
    })
    .await;
    assert_eq!(metric(&world, &base, "bucketlens_ingest_listings_total").await, 2.0);
    assert!(ingest.stop().await.success(), "{}", ingest.log());
    drop(embedder);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pushed_notifications_find_uploads_in_every_form_and_garbage_blocks_nobody() {
    let mut world = World::start().await;
    let mut ingest = world.run("ingest", &[FAR, ("EVENTS__QUEUE", "true")]);
    let base = ingest.ready().await;
    listed(&world, &base, 1.0).await;
    let topology = Topology::new(&world.amqp().namespace);
    let connection = world.broker().await;
    eventually("ingest has made the queue", LIMIT, || async {
        topology.ensure_events(&connection, TopologyMode::Verify).await.ok()
    })
    .await;
    // MinIO declares its exchange by itself, as durable fanout without arguments; that must go
    // together with ours.
    topology.ensure_events(&connection, TopologyMode::Declare).await.unwrap();

    let long = "x".repeat(3000) + ".jpg";
    for garbage in [
        "",
        "nonsense",
        "{\"Records\":[{}]}",
        "\u{0}\u{1}",
        "[1,2]",
        &"[".repeat(200_000),
        &"x".repeat(2 << 20),
    ] {
        push(&world, garbage).await;
    }
    for quiet in [
        r#"{"Records":null}"#,
        r#"{"Records":[]}"#,
        r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#,
    ] {
        push(&world, quiet).await;
    }
    for (bucket, event, key) in [
        ("elsewhere", "s3:ObjectCreated:Put", "plain.jpg"),
        (world.bucket(), "s3:ObjectCreated:Put", "never/was.jpg"),
        (world.bucket(), "s3:ObjectRemoved:Delete", "never/was.jpg"),
        (world.bucket(), "s3:ObjectCreated:Put", &long),
        (world.bucket(), "s3:ObjectCreated:Put", ".bucketlens/own.jpg"),
        (world.bucket(), "s3:ObjectTagging:Put", "plain.jpg"),
    ] {
        push(&world, notification("minio:s3", bucket, event, key).to_string()).await;
    }
    // The last is a source whose encoding is mistaken: the other reading is tried.
    let sources = [
        ("minio:s3", true),
        ("rustfs:s3", true),
        ("aws:s3", true),
        ("ceph:s3", false),
        ("minio:s3", false),
    ];
    for (round, (source, encoded)) in sources.into_iter().enumerate() {
        put_keys(&world, &KEYS, round as u8 * 50).await;
        let event = if source == "aws:s3" { "ObjectCreated:Put" } else { "s3:ObjectCreated:Put" };
        for key in KEYS {
            let key = if encoded { form_encoded(key) } else { key.to_owned() };
            push(&world, notification(source, world.bucket(), event, &key).to_string()).await;
        }
        jobs_by_event(&world, &KEYS).await;
    }
    assert_eq!(
        metric(&world, &base, "bucketlens_ingest_events_unreadable_total{door=\"queue\"}").await,
        7.0
    );
    assert!(ingest.stop().await.success(), "{}", ingest.log());
    let log = ingest.log();
    assert!(log.lines().all(|line| line.len() < 8000), "what strangers send is cut in the log");
    eventually("nothing is left in the queue", LIMIT, || async {
        let channel = connection.create_channel().await.unwrap();
        let left =
            channel.basic_get(topology.events().as_str().into(), Default::default()).await.unwrap();
        left.is_none().then_some(())
    })
    .await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_finds_uploads_in_every_form() {
    let mut world = World::start().await;
    let mut ingest = world.run("ingest", &[FAR, ("EVENTS__SECRET", "knock")]);
    let base = ingest.ready().await;
    listed(&world, &base, 1.0).await;
    put_keys(&world, &KEYS, 0).await;
    let post = |body: Value| {
        world
            .http()
            .post(format!("{base}/events"))
            .bearer_auth("knock")
            .body(body.to_string())
            .send()
    };
    for (n, key) in KEYS.into_iter().enumerate() {
        let (source, key) =
            if n % 2 == 0 { ("ceph:s3", key.to_owned()) } else { ("minio:s3", form_encoded(key)) };
        let answer =
            post(notification(source, world.bucket(), "s3:ObjectCreated:Put", &key)).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    for quiet in [json!({ "Records": null }), json!({ "Event": "s3:TestEvent" })] {
        assert_eq!(post(quiet).await.unwrap().status(), 200);
    }
    assert_eq!(post(json!([1])).await.unwrap().status(), 400);
    jobs_by_event(&world, &KEYS).await;
    assert_eq!(
        metric(&world, &base, "bucketlens_ingest_events_total{door=\"webhook\"}").await,
        KEYS.len() as f64
    );
    drop(ingest);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_was_cut_off_finds_what_it_has_missed() {
    let mut world = World::start().await;
    let front = Front::before(&endpoint(&world), Mode::Pass).await;
    let mut ingest = world
        .run("ingest", &[FAR, ("EVENTS__LISTEN", "true"), ("BUCKET__ENDPOINT", &front.endpoint)]);
    let base = ingest.ready().await;
    listed(&world, &base, 2.0).await;

    front.cut(Mode::Away);
    put_keys(&world, &["missed.jpg"], 0).await;
    let asked = front.asked();
    eventually("ingest asks again and again", LIMIT, || async {
        (front.asked() >= asked + 2).then_some(())
    })
    .await;
    assert_eq!(world.queued().await, 0, "nobody can have told");
    front.cut(Mode::Pass);
    eventually("the missed upload is a job", LIMIT, || async {
        (world.queued().await == 1).then_some(())
    })
    .await;
    assert_eq!(take_jobs(&world).await[0].object.key, "missed.jpg");

    // It hears again, too.
    listed(&world, &base, 3.0).await;
    put_keys(&world, &["heard.jpg"], 0).await;
    jobs_by_event(&world, &["heard.jpg"]).await;
    drop(ingest);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_listened_to_does_no_harm() {
    for mode in [Mode::NotImplemented, Mode::Lists] {
        let mut world = World::start().await;
        let front = Front::before(&endpoint(&world), mode).await;
        let poll = ("WATCH__POLL_INTERVAL", "300ms");
        let mut ingest = world.run(
            "ingest",
            &[poll, ("EVENTS__LISTEN", "true"), ("BUCKET__ENDPOINT", &front.endpoint)],
        );
        let base = ingest.ready().await;
        put_keys(&world, &["listed.jpg"], 0).await;
        eventually("the listing finds it", LIMIT, || async {
            (world.queued().await == 1).then_some(())
        })
        .await;
        listed(&world, &base, 10.0).await;
        let (status, body) = world.get(&format!("{base}/readyz"), &[]).await;
        assert_eq!((status, &body["ready"]), (200, &json!(true)), "{body}");
        assert_eq!(front.asked(), 1, "{mode:?}: it is asked again rarely");
        let told =
            ingest.log().lines().filter(|line| line.contains("does not let us listen")).count();
        assert_eq!(told, 1, "{}", ingest.log());
        drop(ingest);
        world.finish().await;
    }
}

/// Address of this world's store.
fn endpoint(world: &World) -> String {
    let variables = world.variables();
    variables
        .into_iter()
        .find(|(name, _)| name == "BUCKETLENS__BUCKET__ENDPOINT")
        .expect("an endpoint")
        .1
}
