//! Worker processes that crash or stop, and the jobs they held.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use lapin::options::BasicGetOptions;
use lapin::types::AMQPValue;
use pipeline::ObjectRef;
use pipeline::job::{Job, Origin};
use pipeline::publish::{Outgoing, Publisher};
use pipeline::stage_name::StageName;
use service::health::Health;
use testkit::{World, eventually};

/// Puts objects with these orders and publishes their jobs; answers the image ids.
async fn put_jobs(world: &World, orders: &[(String, &str)]) -> BTreeSet<String> {
    let publisher = Publisher::start(
        world.amqp(),
        "test".into(),
        vec![StageName::embed("demo-clip")],
        Health::default(),
    );
    let mut ids = BTreeSet::new();
    for (key, order) in orders {
        let etag = world.put(key, *order).await;
        let object = ObjectRef {
            bucket: world.bucket().into(),
            key: key.clone(),
            etag,
            size_bytes: None,
            last_modified: None,
        };
        ids.insert(object.image_id().to_string());
        let job = Job::new(StageName::embed("demo-clip"), object, Origin::Event);
        publisher.publish(Outgoing::job(&world.topology(), &job)).await.unwrap();
    }
    ids
}

async fn done(world: &World) -> BTreeSet<String> {
    let names = world.state().await.names("done/").await.unwrap();
    names.iter().map(|name| name.strip_prefix("done/").unwrap().to_owned()).collect()
}

/// Takes everything out of the work queue: image ids, and each message's count of deliveries that
/// ended in a crash.
async fn take_waiting(world: &World) -> Vec<(String, i64)> {
    let channel = world.broker().await.create_channel().await.unwrap();
    let queue = world.topology().work_queue(&StageName::embed("demo-clip"));
    let mut waiting = Vec::new();
    while let Some(message) =
        channel.basic_get(queue.as_str().into(), BasicGetOptions { no_ack: true }).await.unwrap()
    {
        let headers = message.delivery.properties.headers().clone().unwrap_or_default();
        let count = match headers.inner().get("x-delivery-count") {
            None => 0,
            Some(AMQPValue::LongLongInt(count)) => *count,
            other => panic!("x-delivery-count is {other:?}"),
        };
        waiting.push((
            Job::decode(&message.delivery.data).unwrap().object.image_id().to_string(),
            count,
        ));
    }
    waiting
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_kills_its_worker_dies_alone() {
    let mut world = World::start().await;
    let orders: Vec<_> =
        (0..32).map(|n| (format!("{n}.jpg"), if n == 11 { "abort" } else { "good" })).collect();
    let ids = put_jobs(&world, &orders).await;
    // All 32 are on loan when the first worker dies, and in its one batch.
    let changed = [("AMQP__PREFETCH", "32"), ("BATCH__MAX_ROWS", "32"), ("BATCH__MAX_WAIT", "1s")];
    let (mut crashes, begun) = (0, Instant::now());
    let mut worker = world.run("testworker", &changed);
    loop {
        if worker.ended().is_some() {
            crashes += 1;
            worker = world.run("testworker", &changed);
        }
        if done(&world).await.len() == 31
            && world
                .topology()
                .depths(&world.broker().await, &StageName::embed("demo-clip"))
                .await
                .unwrap()
                .dead
                == Some(1)
        {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "after {crashes} crashes: {} done\n{}",
            done(&world).await.len(),
            worker.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Two with company, then three alone.
    assert_eq!(crashes, 5);
    worker.ready().await;
    assert!(worker.stop().await.success(), "{}", worker.log());
    let dead = world.take_dead().await;
    assert_eq!(dead.len(), 1, "{dead:?}");
    let (key, class, reason) = &dead[0];
    assert_eq!((key.as_str(), class.as_str()), ("11.jpg", "worker_crash"));
    assert!(
        reason.starts_with("5 workers ended") && reason.contains("the last 3 of them"),
        "{reason}"
    );
    assert_eq!(world.queued().await, 0);
    assert!(done(&world).await.is_subset(&ids));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_worker_hands_back_without_a_mark() {
    let mut world = World::start().await;
    let orders: Vec<_> = (0..40).map(|n| (format!("{n}.jpg"), "slow")).collect();
    let ids = put_jobs(&world, &orders).await;
    let mut worker = world.run("testworker", &[("AMQP__PREFETCH", "32")]);
    eventually("work is under way", Duration::from_secs(60), || async {
        (!done(&world).await.is_empty()).then_some(())
    })
    .await;
    assert!(worker.stop().await.success(), "{}", worker.log());

    let (done, waiting) = (done(&world).await, take_waiting(&world).await);
    assert!(waiting.len() >= 8, "nearly everything was on loan and not begun: {}", waiting.len());
    assert!(
        waiting.iter().all(|(_, count)| *count == 0),
        "handing back counted like a crash: {waiting:?}"
    );
    let waiting: BTreeSet<_> = waiting.into_iter().map(|(id, _)| id).collect();
    assert!(waiting.is_disjoint(&done), "what was finished is not handed back");
    assert_eq!(waiting.union(&done).cloned().collect::<BTreeSet<_>>(), ids);
    world.finish().await;
}

/// A broker of the test's own, whose memory alarm the test can raise; stopped when dropped.
struct Broker<'a>(&'a Path);

impl Broker<'_> {
    fn command(&self, command: &str) -> serde_json::Value {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/dev/broker.py");
        let output = Command::new(script)
            .arg(command)
            .arg("--dir")
            .arg(self.0)
            .output()
            .expect("infra/dev/broker.py runs");
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// Share of the memory above which nobody may publish.
    fn set_watermark(&self, share: &str) {
        let ports: serde_json::Value =
            serde_json::from_slice(&std::fs::read(self.0.join("ports.json")).unwrap()).unwrap();
        let output = Command::new("/usr/lib/rabbitmq/bin/rabbitmqctl")
            .args(["-n", "bucketlens@localhost", "set_vm_memory_high_watermark", share])
            .env("HOME", self.0.join("home"))
            .env("ERL_EPMD_PORT", ports["epmd"].to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_CONF_ENV_FILE", self.0.join("env.conf"))
            .output()
            .expect("rabbitmqctl runs");
        assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for Broker<'_> {
    fn drop(&mut self) {
        self.command("stop");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_stops_in_time_while_the_broker_takes_no_messages() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker(folder.path());
    let url = broker.command("start")["amqp_url"].as_str().unwrap().to_owned();
    let mut world = World::on_broker(&url).await;
    let orders: Vec<_> = (0..120).map(|n| (format!("{n}.jpg"), "slow")).collect();
    let ids = put_jobs(&world, &orders).await;
    let mut worker = world.run("testworker", &[("AMQP__PREFETCH", "32")]);
    eventually("work is under way", Duration::from_secs(60), || async {
        (!done(&world).await.is_empty()).then_some(())
    })
    .await;
    broker.set_watermark("0.00001");
    // Not killed by its deadline: that would be another exit code.
    assert!(worker.stop().await.success(), "{}", worker.log());
    assert!(worker.log().contains("requeued"), "{}", worker.log());

    broker.set_watermark("0.8");
    let done = done(&world).await;
    let waiting: BTreeSet<_> = take_waiting(&world).await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(waiting.union(&done).cloned().collect::<BTreeSet<_>>(), ids, "nothing is lost");
    world.finish().await;
}
