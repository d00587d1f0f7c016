//! Limits of the broker: memory, time, length.

use std::time::Duration;

use lapin::options::{QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use pipeline::ObjectRef;
use pipeline::job::{Job, Origin};
use pipeline::publish::{Outgoing, Publisher};
use pipeline::stage_name::StageName;
use pipeline::topology::TopologyMode;
use service::health::Health;
use testkit::{Broker, World, eventually, solid_jpeg, within};

use super::ends::{
    Ends, LIMIT, MINUTE, all_have_a_row, job, nothing_waits, put_pictures, rows_become, troubles,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_alarm_stops_publishing_only() {
    within(LIMIT, async {
        let broker = Broker::start().await;
        let mut world = World::on_broker(broker.url()).await;
        let mut ingest = world.run_ingest();
        let door = ingest.ready().await;
        put_pictures(&world, "before", 20).await;
        eventually("all jobs wait", MINUTE, || async {
            (world.queued().await == 20).then_some(())
        })
        .await;
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
        let shorten = "application:set_env(rabbit, consumer_timeout, 3000), \
             application:set_env(rabbit, channel_tick_interval, 1000).";
        broker.control(&["eval", shorten]).await;
        let world = World::on_broker(broker.url()).await;
        let mut ends = Ends::start(&world);
        ends.publish(&world, "slow.jpg").await;
        let (key, held) = ends.next(MINUTE).await;
        assert_eq!(key, "slow.jpg");

        // Held for too long: the broker closes the channel (406) and delivers again, over whatever
        // connects next.
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
        eventually("the work queue is full", MINUTE, || async {
            (world.depths().await.work >= Some(5)).then_some(())
        })
        .await;
        // A retry that becomes due while the queue is full.
        let publisher = Publisher::start(world.amqp(), "test".into(), vec![], Health::default());
        let (topology, due) =
            (world.topology(), world.put("due.jpg", solid_jpeg([1, 2, 3], 96)).await);
        let object = ObjectRef { etag: due, ..job("due.jpg").object };
        let waiting = Job::new(StageName::embed("demo-clip"), object, Origin::Event);
        let retry = Outgoing {
            exchange: String::new(),
            routing_key: topology.retry_queue(&StageName::embed("demo-clip"), 0),
            ..Outgoing::job(&topology, &waiting)
        };
        publisher.publish(retry).await.unwrap();
        tokio::time::sleep(Duration::from_secs(7)).await;

        let mut embedder = world.run(
            "embedder",
            &[("AMQP__TOPOLOGY", "skip"), ("AMQP__PREFETCH", "4"), ("BATCH__MAX_ROWS", "4")],
        );
        embedder.ready().await;
        all_have_a_row(&world, 31).await;
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
    let (topology, stage) = (world.topology(), [StageName::embed("demo-clip")]);
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
    channel
        .queue_declare(work.as_str().into(), QueueDeclareOptions::durable(), arguments)
        .await
        .unwrap();
    let (exchange, bind) = (topology.work_exchange(), QueueBindOptions::default());
    channel
        .queue_bind(
            work.as_str().into(),
            exchange.as_str().into(),
            stage[0].as_str().into(),
            bind,
            FieldTable::default(),
        )
        .await
        .unwrap();
}
