//! The queue side on a real broker: exact confirms, exact topology, connections that come back.

use std::time::Duration;

use futures::future::join_all;
use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use pipeline::ObjectRef;
use pipeline::consume::Subscription;
use pipeline::job::{Job, Origin};
use pipeline::publish::{Outgoing, PublishError, Publisher};
use pipeline::stage_name::StageName;
use pipeline::topology::{Topology, TopologyMode};
use service::health::Health;
use testkit::{World, eventually};

fn job(key: &str) -> Job {
    let object = ObjectRef {
        bucket: "pictures".into(),
        key: key.into(),
        etag: "e".into(),
        size_bytes: None,
        last_modified: None,
    };
    Job::new(StageName::embed("demo-clip"), object, Origin::Event)
}

fn subscription(world: &World) -> Subscription {
    let stage = StageName::embed("demo-clip");
    Subscription { amqp: world.amqp(), name: "test".into(), stage }
}

fn publisher(world: &World) -> (Publisher, Topology) {
    let settings = world.amqp();
    let topology = Topology::new(&settings.namespace);
    (
        Publisher::start(
            settings,
            "test".into(),
            vec![StageName::embed("demo-clip")],
            Health::default(),
        ),
        topology,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_unroutable_messages_are_reported() {
    let world = World::start().await;
    let (publisher, topology) = publisher(&world);
    let publishing = (0..600).map(|n| {
        let mut message = Outgoing::job(&topology, &job(&format!("{n}.jpg")));
        if n % 10 == 3 {
            message.routing_key = "nobody".into();
        }
        let publisher = publisher.clone();
        tokio::spawn(async move { publisher.publish(message).await })
    });
    for (n, result) in join_all(publishing.collect::<Vec<_>>()).await.into_iter().enumerate() {
        match result.unwrap() {
            Ok(()) => assert_ne!(n % 10, 3, "message {n} went nowhere and was confirmed"),
            Err(PublishError::Unroutable(key)) => {
                assert_eq!((n % 10, key.ends_with("/nobody")), (3, true), "message {n}: {key}")
            }
            Err(error) => panic!("message {n}: {error}"),
        }
    }
    eventually("exactly the routable ones wait", Duration::from_secs(30), || async {
        (world.queued().await == 540).then_some(())
    })
    .await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sweep_traffic_waits_in_the_bulk_queue_and_both_are_consumed() {
    let world = World::start().await;
    let (publisher, topology) = publisher(&world);
    for n in 0..20 {
        let mut job = job(&format!("{n}.jpg"));
        job.origin = if n % 2 == 0 { Origin::Sweep } else { Origin::Event };
        publisher.publish(Outgoing::job(&topology, &job)).await.unwrap();
    }
    let connection = world.broker().await;
    let depths = topology.depths(&connection, &StageName::embed("demo-clip")).await.unwrap();
    assert_eq!((depths.work, depths.bulk, depths.dead), (Some(10), Some(10), Some(0)));

    let mut consumer = subscription(&world).start(Health::default());
    let mut bodies = Vec::new();
    for _ in 0..20 {
        let delivery = consumer.next().await.unwrap();
        bodies.push(Job::decode(&delivery.body).unwrap().object.key);
        delivery.ack().await;
    }
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 20);
    consumer.close().await;
    assert_eq!(world.queued().await, 0);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_comes_back_when_the_broker_cancels_it() {
    let world = World::start().await;
    let (publisher, topology) = publisher(&world);
    let health = Health::default();
    let mut consumer = subscription(&world).start(health.clone());
    publisher.publish(Outgoing::job(&topology, &job("before.jpg"))).await.unwrap();
    consumer.next().await.unwrap().ack().await;

    // Someone deletes the queue under it: the stream ends without any error.
    let channel = world.broker().await.create_channel().await.unwrap();
    channel
        .queue_delete(
            topology.work_queue(&StageName::embed("demo-clip")).as_str().into(),
            QueueDeleteOptions::default(),
        )
        .await
        .unwrap();
    eventually(
        "the job after that is published and delivered",
        Duration::from_secs(60),
        || async { publisher.publish(Outgoing::job(&topology, &job("after.jpg"))).await.ok() },
    )
    .await;
    let delivery = tokio::time::timeout(Duration::from_secs(90), consumer.next())
        .await
        .expect("the consumer comes back")
        .unwrap();
    assert_eq!(Job::decode(&delivery.body).unwrap().object.key, "after.jpg");
    delivery.ack().await;
    assert!(health.troubles().is_empty(), "{:?}", health.troubles());
    consumer.close().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topology_problems_name_the_queue() {
    let world = World::start().await;
    let (settings, stage) = (world.amqp(), StageName::embed("demo-clip"));
    let topology = Topology::new(&settings.namespace);
    let connection = world.broker().await;
    let error = topology
        .ensure(&connection, TopologyMode::Verify, std::slice::from_ref(&stage))
        .await
        .unwrap_err();
    assert!(error.to_string().contains(&topology.work_exchange()), "{error}");

    // A queue of that name with other arguments.
    let channel = connection.create_channel().await.unwrap();
    let bulk = topology.bulk_queue(&stage);
    channel
        .queue_declare(bulk.as_str().into(), QueueDeclareOptions::durable(), FieldTable::default())
        .await
        .unwrap();
    let error = topology
        .ensure(&connection, TopologyMode::Declare, std::slice::from_ref(&stage))
        .await
        .unwrap_err();
    assert!(error.to_string().contains(&bulk), "{error}");
    channel.queue_delete(bulk.as_str().into(), QueueDeleteOptions::default()).await.unwrap();

    topology
        .ensure(&connection, TopologyMode::Declare, std::slice::from_ref(&stage))
        .await
        .unwrap();
    topology
        .ensure(&connection, TopologyMode::Declare, std::slice::from_ref(&stage))
        .await
        .unwrap();
    topology.ensure(&connection, TopologyMode::Verify, std::slice::from_ref(&stage)).await.unwrap();
    world.finish().await;
}
