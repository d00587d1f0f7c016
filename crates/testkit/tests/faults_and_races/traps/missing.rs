//! A missing exchange, and missing answers.

use lapin::options::{ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions};
use lapin::types::FieldTable;
use pipeline::stage_name::StageName;
use testkit::{Fault, ProxyOptions, Rule, World, eventually, within};

use super::ends::{Ends, LIMIT, MINUTE, in_trouble, put_pictures, rows_become};

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
        one_letter_is_dead(&world).await;
        drop((ingest, embedder));
        world.finish().await;
    })
    .await;
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
        let (mut ingest, mut embedder) =
            (world.run("ingest", &skip), world.run("embedder", &skip[..1]));
        ingest.ready().await;
        put_letter(&world, "letter.jpg").await;
        put_pictures(&world, "good", 4).await;
        rows_become(&world, 4).await;
        // The failed job cannot be moved: it stays on loan, and the embedder says why.
        in_trouble(&world, &mut embedder, "NOT_FOUND").await;

        let channel = world.broker().await.create_channel().await.unwrap();
        let (exchange, queue) = (
            world.topology().dead_exchange(),
            world.topology().dead_queue(&StageName::embed("demo-clip")),
        );
        let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let (kind, none) = (lapin::ExchangeKind::Direct, FieldTable::default());
        channel
            .exchange_declare(exchange.as_str().into(), kind, durable, none.clone())
            .await
            .unwrap();
        let bind = QueueBindOptions::default();
        channel
            .queue_bind(
                queue.as_str().into(),
                exchange.as_str().into(),
                "embed-demo-clip".into(),
                bind,
                none,
            )
            .await
            .unwrap();
        one_letter_is_dead(&world).await;
        embedder.ready().await;
        drop((ingest, embedder));
        world.finish().await;
    })
    .await;
}

/// A file that is no picture, and what it becomes.
async fn put_letter(world: &World, key: &str) {
    world.put(key, b"This is a letter, not a picture.\n".repeat(20)).await;
}

async fn delete_exchange(world: &World) {
    let channel = world.broker().await.create_channel().await.unwrap();
    let exchange = world.topology().dead_exchange();
    channel
        .exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default())
        .await
        .unwrap();
}

/// The one dead letter, once it is there: the file that is no picture.
async fn one_letter_is_dead(world: &World) {
    let letters = eventually("the dead letter arrives", 2 * MINUTE, || async {
        Some(world.dead_letters().await).filter(|letters| !letters.is_empty())
    })
    .await;
    assert_eq!((letters.len(), letters[0].class.as_str()), (1, "not_a_picture"), "{letters:?}");
}

/// The store did what was asked and could not say so: whoever asked must not take himself for
/// somebody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_while_tables_are_made_does_not_lock_everybody_out() {
    within(LIMIT, async {
        let world = World::start_with(ProxyOptions::default()).await;
        world
            .store_proxy()
            .set(&[Rule::any(1.0, Fault::LostAnswer).method("PUT").key(".creating")]);
        let supervisor = world.supervise(&[("embedder", "embedder", &[])]);
        eventually("the answer is lost", MINUTE, || async {
            world.store_proxy().counts().get("lost answer").copied()
        })
        .await;
        world.store_proxy().set(&[]);
        supervisor.ready("embedder").await;
        supervisor.stop().await;
        world.finish().await;
    })
    .await;
}
