//! Connections that break, freeze, vanish or cannot be opened.

use std::time::Duration;

use testkit::{Broker, ProxyOptions, World, eventually, within};

use super::ends::{
    Ends, LIMIT, MINUTE, all_have_a_row, in_trouble, nothing_waits, put_pictures, rows_become,
    troubles,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_ends_and_both_ends_come_back() {
    within(LIMIT, async {
        let world = World::start_with(ProxyOptions {
            heartbeat_seconds: Some(2),
            ..ProxyOptions::default()
        })
        .await;
        let mut ends = Ends::start(&world);
        ends.publish(&world, "before.jpg").await;
        let (_, held) = ends.next(MINUTE).await;

        // Behind a firewall that forgot them: bytes leave and never arrive, nobody hangs up.
        world.wire().swallow();
        let published = tokio::spawn(ends.publish(&world, "meanwhile.jpg"));
        held.ack().await;
        eventually("both ends notice", MINUTE, || async {
            (ends.health.troubles().len() >= 2).then_some(())
        })
        .await;
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
        let world = World::start_with(ProxyOptions {
            heartbeat_seconds: Some(2),
            ..ProxyOptions::default()
        })
        .await;
        let mut ends = Ends::start(&world);
        ends.publish(&world, "before.jpg").await;
        ends.take(&["before.jpg"], MINUTE).await;

        world.wire().freeze();
        // More than the buffers of both sockets and the proxy hold.
        let keys: Vec<_> = (0..200).map(|n| format!("{n}-{}.jpg", "x".repeat(60_000))).collect();
        let publishing: Vec<_> =
            keys.iter().map(|key| tokio::spawn(ends.publish(&world, key))).collect();
        eventually("both ends notice", MINUTE, || async {
            (ends.health.troubles().len() >= 2).then_some(())
        })
        .await;
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
        let mut world = World::start_with(ProxyOptions::default()).await;
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
        all_have_a_row(&world, 22).await;
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
        let right = world
            .variables()
            .into_iter()
            .find(|(name, _)| name == "BUCKETLENS__AMQP__URL")
            .unwrap()
            .1;
        let wrong = [
            ("AMQP__URL", right.replace("/%2f", "/no-such-host")),
            ("WATCH__POLL_INTERVAL", "1s".to_owned()),
        ];
        let wrong: Vec<_> = wrong.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (mut ingest, mut embedder) =
            (world.run("ingest", &wrong), world.run("embedder", &wrong[..1]));
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
async fn a_stopped_broker_that_goes_on_has_lost_nothing() {
    within(LIMIT, async {
        let broker = Broker::start().await;
        let through = ProxyOptions {
            broker_url: Some(broker.url().to_owned()),
            heartbeat_seconds: Some(2),
            seed: 0,
        };
        let mut world = World::start_with(through).await;
        let (mut ingest, mut embedder) =
            (world.run_ingest(), world.run("embedder", &[("BATCH__MAX_ROWS", "4")]));
        ingest.ready().await;
        let base = embedder.ready().await;
        put_pictures(&world, "before", 10).await;

        broker.pause().await;
        put_pictures(&world, "meanwhile", 10).await;
        eventually("the embedder misses it", MINUTE, || troubles(&world, &base)).await;
        broker.resume().await;
        put_pictures(&world, "after", 10).await;
        all_have_a_row(&world, 30).await;
        nothing_waits(&world).await;
        ingest.ready().await;
        embedder.ready().await;
    })
    .await;
}
