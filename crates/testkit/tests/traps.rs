//! What brokers and networks do to their clients. Each trap is one that has hung or emptied real systems: afterwards
//! everybody works again by himself, and nothing is lost.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use pipeline::ObjectRef;
use pipeline::consume::{Consumer, Delivery};
use pipeline::health::Health;
use pipeline::job::{Job, Origin, StageName};
use pipeline::publish::{Outgoing, Publisher};
use pipeline::topology::TopologyMode;
use serde_json::Value;
use testkit::{Broker, Fault, Process, Rule, Through, World, eventually, solid_jpeg, within};

const MINUTE: Duration = Duration::from_secs(60);
const LIMIT: Duration = Duration::from_secs(300);

fn job(key: &str) -> Job {
    let object =
        ObjectRef { bucket: "pictures".into(), key: key.into(), etag: "e".into(), size_bytes: None, last_modified: None };
    Job::new(StageName::embed(), object, Origin::Event)
}

/// Both ends of the queue, as the programs use them.
struct Ends {
    publisher: Publisher,
    consumer: Consumer,
    health: Health,
}

impl Ends {
    fn start(world: &World) -> Self {
        let health = Health::default();
        let publisher = Publisher::start(world.amqp(), "test".into(), vec![StageName::embed()], health.clone());
        let consumer = Consumer::start(world.amqp(), "test".into(), StageName::embed(), health.clone());
        Self { publisher, consumer, health }
    }

    fn publish(&self, world: &World, key: &str) -> impl Future<Output = ()> + Send + 'static {
        let (publisher, message, key) = (self.publisher.clone(), Outgoing::job(&world.topology(), &job(key)), key.to_owned());
        async move { publisher.publish(message).await.unwrap_or_else(|error| panic!("{key}: {error}")) }
    }

    async fn next(&mut self, limit: Duration) -> (String, Delivery) {
        let delivery = within(limit, self.consumer.next()).await.expect("a delivery");
        (Job::decode(&delivery.body).unwrap().object.key, delivery)
    }

    /// Takes and acks until each of these was there; a second delivery is no fault.
    async fn take(&mut self, keys: &[&str], limit: Duration) {
        let mut missing: BTreeSet<_> = keys.iter().map(|key| (*key).to_owned()).collect();
        while !missing.is_empty() {
            let (key, delivery) = self.next(limit).await;
            delivery.ack().await;
            missing.remove(&key);
        }
    }

    async fn all_well(&self) {
        eventually("nobody is in trouble", MINUTE, || async { self.health.troubles().is_empty().then_some(()) }).await;
    }
}

async fn put_pictures(world: &World, prefix: &str, count: u8) {
    for n in 0..count {
        world.put(&format!("{prefix}/{n:03}.jpg"), solid_jpeg([n.wrapping_mul(37), 200, 255 - n], 96)).await;
    }
}

/// What a program says is wrong with it; `None` while it is ready or does not answer.
async fn troubles(world: &World, base: &str) -> Option<String> {
    let answer = world.http().get(format!("{base}/readyz")).send().await.ok()?;
    if answer.status() != 503 {
        return None;
    }
    let body: Value = answer.json().await.ok()?;
    Some(body["troubles"].to_string())
}

async fn in_trouble(world: &World, program: &mut Process, word: &str) -> String {
    let base = format!("http://{}", program.address().await);
    eventually(&format!("/readyz speaks of {word}"), MINUTE, || async {
        troubles(world, &base).await.filter(|text| text.contains(word))
    })
    .await
}

async fn nothing_waits(world: &World) {
    eventually("nothing waits", 2 * MINUTE, || async { (world.queued().await == 0).then_some(()) }).await;
}

async fn rows_become(world: &World, count: usize) {
    eventually(&format!("{count} rows"), 2 * MINUTE, || async {
        (world.rows("embeddings_demo-clip").await.len() == count).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_ends_and_both_ends_come_back() {
    within(LIMIT, async {
        let world = World::start_with(Through { heartbeat_seconds: Some(2), ..Through::default() }).await;
        let mut ends = Ends::start(&world);
        ends.publish(&world, "before.jpg").await;
        let (_, held) = ends.next(MINUTE).await;

        // Behind a firewall that forgot them: bytes leave and never arrive, nobody hangs up.
        world.wire().swallow();
        let published = tokio::spawn(ends.publish(&world, "meanwhile.jpg"));
        held.ack().await;
        eventually("both ends notice", MINUTE, || async { (ends.health.troubles().len() >= 2).then_some(()) }).await;
        world.wire().pass().await;
        published.await.unwrap();
        ends.publish(&world, "after.jpg").await;
        // The ack was swallowed, so the first comes once more.
        ends.take(&["before.jpg", "meanwhile.jpg", "after.jpg"], MINUTE).await;
        ends.all_well().await;
        ends.consumer.close().await;
        nothing_waits(&world).await;
        world.finish().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_connection_with_full_buffers_is_given_up() {
    within(LIMIT, async {
        let world = World::start_with(Through { heartbeat_seconds: Some(2), ..Through::default() }).await;
        let mut ends = Ends::start(&world);
        ends.publish(&world, "before.jpg").await;
        ends.take(&["before.jpg"], MINUTE).await;

        world.wire().freeze();
        // More than the buffers of both sockets and the proxy hold.
        let keys: Vec<_> = (0..200).map(|n| format!("{n}-{}.jpg", "x".repeat(60_000))).collect();
        let publishing: Vec<_> = keys.iter().map(|key| tokio::spawn(ends.publish(&world, key))).collect();
        eventually("both ends notice", MINUTE, || async { (ends.health.troubles().len() >= 2).then_some(()) }).await;
        // The frozen connections never go on.
        world.wire().cut();
        world.wire().pass().await;
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        ends.take(&keys, MINUTE).await;
        for published in publishing {
            published.await.unwrap();
        }
        ends.all_well().await;
        world.finish().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_started_without_a_broker_wait_for_it_and_say_so() {
    within(LIMIT, async {
        let mut world = World::start_with(Through::default()).await;
        world.wire().refuse().await;
        put_pictures(&world, "early", 6).await;
        let (mut ingest, mut embedder) = (world.run_ingest(), world.run("embedder", &[]));
        for program in [&mut ingest, &mut embedder] {
            let text = in_trouble(&world, program, "amqp.url").await;
            assert!(!text.contains("guest:guest"), "the address holds a password: {text}");
        }
        world.wire().pass().await;
        ingest.ready().await;
        embedder.ready().await;
        rows_become(&world, 6).await;

        // Cut again and again while there is work.
        for round in 0..4u8 {
            put_pictures(&world, &format!("cut-{round}"), 4).await;
            world.wire().cut();
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        eventually("all have a row", 2 * MINUTE, || async {
            let rows: BTreeSet<_> = world.rows("embeddings_demo-clip").await.into_iter().collect();
            (rows.len() == 22).then_some(())
        })
        .await;
        nothing_waits(&world).await;
        drop((ingest, embedder));
        world.finish().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_virtual_host_is_named() {
    within(LIMIT, async {
        let mut world = World::start().await;
        let right = world.variables().into_iter().find(|(name, _)| name == "BUCKETLENS__AMQP__URL").unwrap().1;
        let wrong = [("AMQP__URL", right.replace("/%2f", "/no-such-host")), ("WATCH__POLL_INTERVAL", "1s".to_owned())];
        let wrong: Vec<_> = wrong.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (mut ingest, mut embedder) = (world.run("ingest", &wrong), world.run("embedder", &wrong[..1]));
        for program in [&mut ingest, &mut embedder] {
            let text = in_trouble(&world, program, "no-such-host").await;
            assert!(text.contains("amqp.url"), "the setting to look at is not named: {text}");
            assert!(program.stop().await.success());
        }
        world.finish().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_alarm_stops_publishing_only() {
    within(LIMIT, async {
        let broker = Broker::start().await;
        let mut world = World::on_broker(broker.url()).await;
        let mut ingest = world.run_ingest();
        let door = ingest.ready().await;
        put_pictures(&world, "before", 20).await;
        eventually("all jobs wait", MINUTE, || async { (world.queued().await == 20).then_some(()) }).await;
        broker.control(&["set_vm_memory_high_watermark", "0.000001"]).await;

        // What is queued is worked on and acked, although the same process could publish nothing.
        let mut embedder = world.run("embedder", &[]);
        put_pictures(&world, "meanwhile", 20).await;
        rows_become(&world, 20).await;
        nothing_waits(&world).await;
        eventually("ingest says what holds it up", 2 * MINUTE, || async {
            troubles(&world, &door).await.filter(|text| text.contains("alarm"))
        })
        .await;
        // Both end in time with a connection that cannot even be closed.
        assert!(embedder.stop().await.success(), "{}", embedder.log());
        assert!(ingest.stop().await.success(), "{}", ingest.log());

        let mut ingest = world.run_ingest();
        let mut embedder = world.run("embedder", &[]);
        broker.control(&["set_vm_memory_high_watermark", "0.4"]).await;
        ingest.ready().await;
        embedder.ready().await;
        rows_become(&world, 40).await;
        nothing_waits(&world).await;
        drop((ingest, embedder));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_timeout_while_a_job_is_held_costs_only_the_channel() {
    within(LIMIT, async {
        let broker = Broker::start().await;
        let shorten =
            "application:set_env(rabbit, consumer_timeout, 3000), application:set_env(rabbit, channel_tick_interval, 1000).";
        broker.control(&["eval", shorten]).await;
        let world = World::on_broker(broker.url()).await;
        let mut ends = Ends::start(&world);
        ends.publish(&world, "slow.jpg").await;
        let (key, held) = ends.next(MINUTE).await;
        assert_eq!(key, "slow.jpg");

        // Held for too long: the broker closes the channel (406) and delivers again, over whatever connects next.
        let (key, again) = ends.next(MINUTE).await;
        assert_eq!(key, "slow.jpg");
        again.ack().await;
        held.ack().await;
        ends.publish(&world, "next.jpg").await;
        ends.take(&["next.jpg"], MINUTE).await;
        ends.all_well().await;
        ends.consumer.close().await;
        assert_eq!(world.queued().await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_broker_that_goes_on_has_lost_nothing() {
    within(LIMIT, async {
        let broker = Broker::start().await;
        let through = Through { broker_url: Some(broker.url().to_owned()), heartbeat_seconds: Some(2), seed: 0 };
        let mut world = World::start_with(through).await;
        let (mut ingest, mut embedder) = (world.run_ingest(), world.run("embedder", &[("BATCH__MAX_ROWS", "4")]));
        ingest.ready().await;
        let base = embedder.ready().await;
        put_pictures(&world, "before", 10).await;

        broker.pause().await;
        put_pictures(&world, "meanwhile", 10).await;
        eventually("the embedder misses it", MINUTE, || troubles(&world, &base)).await;
        broker.resume().await;
        put_pictures(&world, "after", 10).await;
        eventually("all have a row", 2 * MINUTE, || async {
            let rows: BTreeSet<_> = world.rows("embeddings_demo-clip").await.into_iter().collect();
            (rows.len() == 30).then_some(())
        })
        .await;
        nothing_waits(&world).await;
        ingest.ready().await;
        embedder.ready().await;
    })
    .await;
}

/// The store did what was asked and could not say so: whoever asked must not take himself for somebody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_while_tables_are_made_does_not_lock_everybody_out() {
    within(LIMIT, async {
        let world = World::start_with(Through::default()).await;
        world.store_proxy().set(&[Rule::any(1.0, Fault::LostAnswer).method("PUT").key(".creating")]);
        let supervisor = world.supervise(&[("embedder", "embedder", &[])]);
        eventually("the answer is lost", MINUTE, || async { world.store_proxy().counts().get("lost answer").copied() }).await;
        world.store_proxy().set(&[]);
        supervisor.ready("embedder").await;
        supervisor.stop().await;
        world.finish().await;
    })
    .await;
}

/// A file that is no picture, and what it becomes.
async fn put_letter(world: &World, key: &str) {
    world.put(key, b"This is a letter, not a picture.\n".repeat(20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_dead_exchange_is_made_again() {
    within(LIMIT, async {
        let mut world = World::start().await;
        let (mut ingest, mut embedder) = (world.run_ingest(), world.run("embedder", &[]));
        ingest.ready().await;
        embedder.ready().await;
        delete_exchange(&world).await;
        put_letter(&world, "letter.jpg").await;
        put_pictures(&world, "good", 4).await;
        rows_become(&world, 4).await;
        let letters = eventually("the dead letter arrives", 2 * MINUTE, || async {
            Some(world.dead_letters().await).filter(|letters| !letters.is_empty())
        })
        .await;
        assert_eq!((letters.len(), letters[0].class.as_str()), (1, "not_a_picture"), "{letters:?}");
        drop((ingest, embedder));
        world.finish().await;
    })
    .await;
}

async fn delete_exchange(world: &World) {
    let channel = world.broker().await.create_channel().await.unwrap();
    let exchange = world.topology().dead_exchange();
    channel.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_programs_may_not_declare_a_missing_dead_exchange_is_waited_for() {
    within(LIMIT, async {
        let mut world = World::start().await;
        let first = Ends::start(&world);
        first.publish(&world, "first.jpg").await;
        first.consumer.close().await;
        drop(first.publisher);
        delete_exchange(&world).await;

        let skip = [("AMQP__TOPOLOGY", "skip"), ("WATCH__POLL_INTERVAL", "500ms")];
        let (mut ingest, mut embedder) = (world.run("ingest", &skip), world.run("embedder", &skip[..1]));
        ingest.ready().await;
        put_letter(&world, "letter.jpg").await;
        put_pictures(&world, "good", 4).await;
        rows_become(&world, 4).await;
        // The failed job cannot be moved: it stays on loan, and the embedder says why.
        in_trouble(&world, &mut embedder, "NOT_FOUND").await;

        let channel = world.broker().await.create_channel().await.unwrap();
        let (exchange, queue) = (world.topology().dead_exchange(), world.topology().dead_queue(&StageName::embed()));
        let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let (kind, none) = (lapin::ExchangeKind::Direct, FieldTable::default());
        channel.exchange_declare(exchange.as_str().into(), kind, durable, none.clone()).await.unwrap();
        let bind = QueueBindOptions::default();
        channel.queue_bind(queue.as_str().into(), exchange.as_str().into(), "embed".into(), bind, none).await.unwrap();
        let letters = eventually("the dead letter arrives", 2 * MINUTE, || async {
            Some(world.dead_letters().await).filter(|letters| !letters.is_empty())
        })
        .await;
        assert_eq!((letters.len(), letters[0].class.as_str()), (1, "not_a_picture"), "{letters:?}");
        embedder.ready().await;
        drop((ingest, embedder));
        world.finish().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_work_queue_makes_publishers_and_retries_wait() {
    within(LIMIT, async {
        let broker = Broker::start().await;
        let mut world = World::on_broker(broker.url()).await;
        declare_small_work_queue(&world, 5).await;
        let skip = [("AMQP__TOPOLOGY", "skip"), ("WATCH__POLL_INTERVAL", "500ms")];
        let mut ingest = world.run("ingest", &skip);
        // What lies there at its first look would go to the bulk queue.
        ingest.ready().await;
        put_pictures(&world, "many", 30).await;
        eventually("the work queue is full", MINUTE, || async { (world.depths().await.work >= Some(5)).then_some(()) }).await;
        // A retry that becomes due while the queue is full.
        let publisher = Publisher::start(world.amqp(), "test".into(), vec![], Health::default());
        let (topology, due) = (world.topology(), world.put("due.jpg", solid_jpeg([1, 2, 3], 96)).await);
        let object = ObjectRef { etag: due, ..job("due.jpg").object };
        let waiting = Job::new(StageName::embed(), object, Origin::Event);
        let retry = Outgoing {
            exchange: String::new(),
            routing_key: topology.retry_queue(&StageName::embed(), 0),
            ..Outgoing::job(&topology, &waiting)
        };
        publisher.publish(retry).await.unwrap();
        tokio::time::sleep(Duration::from_secs(7)).await;

        let mut embedder =
            world.run("embedder", &[("AMQP__TOPOLOGY", "skip"), ("AMQP__PREFETCH", "4"), ("BATCH__MAX_ROWS", "4")]);
        embedder.ready().await;
        eventually("all have a row", 3 * MINUTE, || async {
            let rows: BTreeSet<_> = world.rows("embeddings_demo-clip").await.into_iter().collect();
            (rows.len() == 31).then_some(())
        })
        .await;
        eventually("nothing waits, not even what the counts do not show", 2 * MINUTE, || async {
            let listed = broker.control(&["list_queues", "messages", "--no-table-headers"]).await;
            listed.split_whitespace().all(|count| count == "0").then_some(())
        })
        .await;
        drop((ingest, embedder, publisher));
    })
    .await;
}

/// The usual topology, except that the work queue refuses beyond `length` messages.
async fn declare_small_work_queue(world: &World, length: i64) {
    let (topology, stage) = (world.topology(), [StageName::embed()]);
    let connection = world.broker().await;
    topology.ensure(&connection, TopologyMode::Declare, &stage).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let work = topology.work_queue(&stage[0]);
    channel.queue_delete(work.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    let text = |value: &str| AMQPValue::LongString(value.into());
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-overflow".into(), text("reject-publish"));
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(length));
    channel.queue_declare(work.as_str().into(), QueueDeclareOptions::durable(), arguments).await.unwrap();
    let (exchange, bind) = (topology.work_exchange(), QueueBindOptions::default());
    channel
        .queue_bind(work.as_str().into(), exchange.as_str().into(), stage[0].as_str().into(), bind, FieldTable::default())
        .await
        .unwrap();
}
