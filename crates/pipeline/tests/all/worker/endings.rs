//! Where each delivery ends, and with which marks.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lapin::options::BasicGetOptions;
use lapin::types::{AMQPValue, LongString};
use pipeline::job::Origin;
use pipeline::publish::Outgoing;
use pipeline::stage_name::StageName;
use pipeline::worker::{HALT_HOLD, WorkerParts};
use testkit::eventually;

use super::bench::{Bench, Obedient};

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_goes_where_its_action_says() {
    let bench = Bench::start().await;
    let (retry, dead) = (
        bench.topology.retry_queue(&StageName::embed("demo-clip"), 0),
        bench.topology.dead_queue(&StageName::embed("demo-clip")),
    );

    bench.send(&bench.put("r", "retry").await).await;
    let headers = bench.take(&retry).await;
    assert_eq!(
        (headers["bl-attempt"].as_str(), headers["bl-error-class"].as_str()),
        ("1", "told_to_retry")
    );

    for (order, class) in
        [("dead", "told_to_die"), ("panic", "decode_panic"), (&"x".repeat(200), "too_many_bytes")]
    {
        let mut message = Outgoing::job(&bench.topology, &bench.put("d", order).await);
        // As the broker marks jobs that have been through a retry queue.
        message.headers.insert("x-first-death-queue".into(), AMQPValue::LongString("retry".into()));
        bench.publisher.publish(message).await.unwrap();
        let headers = bench.take(&dead).await;
        assert_eq!(headers["bl-error-class"], class);
        assert_eq!(
            (headers["bl-worker"].as_str(), headers["bl-model"].as_str()),
            ("worker-1", "model-1")
        );
        assert!(
            headers["bl-history"].contains(class)
                && headers["bl-first-failed"] == headers["bl-last-failed"],
            "{headers:?}"
        );
        assert!(
            !headers.contains_key("x-first-death-queue"),
            "broker headers must not be forwarded: {headers:?}"
        );
    }

    // After the sixth failure no retry queue is left. Replay headers stay.
    let mut last = Outgoing::job(&bench.topology, &bench.put("l", "retry").await);
    last.headers.insert("bl-attempt".into(), AMQPValue::LongLongInt(5));
    last.headers.insert("bl-replays".into(), AMQPValue::LongLongInt(2));
    last.headers.insert("bl-replay-id".into(), AMQPValue::LongString(LongString::from("replay-7")));
    bench.publisher.publish(last).await.unwrap();
    let headers = bench.take(&dead).await;
    assert_eq!(
        (headers["bl-replays"].as_str(), headers["bl-replay-id"].as_str()),
        ("2", "replay-7")
    );
    assert_eq!(
        (headers["bl-attempt"].as_str(), headers["bl-error-class"].as_str()),
        ("6", "told_to_retry")
    );

    // Another deployment's job, on the same broker by mistake.
    let mut foreign = bench.put("f", "good").await;
    foreign.object.bucket = "elsewhere".into();
    bench.send(&foreign).await;
    assert_eq!(bench.take(&dead).await["bl-error-class"], "foreign_bucket");

    // What is no job is kept too.
    for (body, class) in
        [(&b"hello"[..], "invalid_job"), (br#"{"version":99}"#, "unsupported_schema")]
    {
        let mut message = Outgoing::job(&bench.topology, &bench.put("j", "good").await);
        message.body = body.to_vec();
        bench.publisher.publish(message).await.unwrap();
        assert_eq!(bench.take(&dead).await["bl-error-class"], class);
    }
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_to_decode_is_a_dead_letter_and_keeps_its_thread() {
    let short = |parts: &mut WorkerParts<Obedient>| {
        parts.fetch.decoders = 1;
        parts.decoders = parts.fetch.turns();
        parts.fetch.decode_timeout = Duration::from_millis(500);
    };
    let bench = Bench::set(Duration::from_millis(200), HALT_HOLD, short).await;
    let memory = Arc::clone(&bench.stage.0);
    memory.hanging.store(true, Ordering::SeqCst);
    bench.send(&bench.put("slow", "hang").await).await;
    let headers = bench.take(&bench.topology.dead_queue(&StageName::embed("demo-clip"))).await;
    assert_eq!(headers["bl-error-class"], "decode_timeout", "{headers:?}");

    // The only turn is still taken.
    bench.send(&bench.put("good", "good").await).await;
    eventually("the next one is on loan", Duration::from_secs(30), || async {
        (bench.world.queued().await == 0).then_some(())
    })
    .await;
    assert_eq!(memory.decoded.load(Ordering::SeqCst), 1);
    memory.hanging.store(false, Ordering::SeqCst);
    bench.written(1).await;
    assert_eq!(memory.decoded.load(Ordering::SeqCst), 2);
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gone_changed_and_repeated_jobs_end_quietly() {
    let bench = Bench::start().await;
    let gone = bench.put("gone", "good").await;
    bench.world.remove("gone").await;
    let old = bench.put("changed", "good").await;
    bench.put("changed", "better").await;
    let job = bench.put("good", "good").await;
    for job in [&gone, &old, &job, &job, &job] {
        bench.send(job).await;
    }
    bench.written(1).await;
    bench.send(&job).await;
    eventually("every job is settled", Duration::from_secs(30), || async {
        (bench.world.queued().await == 0).then_some(())
    })
    .await;
    // Only when the worker has ended is nothing on loan any more.
    bench.shutdown.cancel();
    bench.worker.await.unwrap().unwrap();
    assert_eq!(bench.world.queued().await, 0, "every job was settled, none republished");
    assert_eq!(
        bench.stage.0.decoded.load(Ordering::SeqCst),
        1,
        "one object version is decoded once"
    );
    assert_eq!(*bench.stage.0.written.lock().unwrap(), [job.object.image_id().to_string()]);
    bench.world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_back_keeps_its_marks_and_gets_none() {
    let bench = Bench::start().await;
    bench.stage.0.away.store(usize::MAX, Ordering::SeqCst);
    for n in 0..20 {
        let mut job = bench.put(&format!("{n}"), "good").await;
        job.origin = if n % 2 == 0 { Origin::Sweep } else { Origin::Event };
        let mut message = Outgoing::job(&bench.topology, &job);
        message.headers.insert("bl-attempt".into(), AMQPValue::LongLongInt(3));
        message
            .headers
            .insert("bl-history".into(), AMQPValue::LongString(LongString::from("long ago")));
        bench.publisher.publish(message).await.unwrap();
    }
    bench.halted("store_away").await;
    eventually("all are on loan", Duration::from_secs(30), || async {
        (bench.world.queued().await == 0).then_some(())
    })
    .await;
    bench.shutdown.cancel();
    bench.worker.await.unwrap().unwrap();

    let channel = bench.world.broker().await.create_channel().await.unwrap();
    for queue in [
        bench.topology.work_queue(&StageName::embed("demo-clip")),
        bench.topology.bulk_queue(&StageName::embed("demo-clip")),
    ] {
        for _ in 0..10 {
            let message = channel
                .basic_get(queue.as_str().into(), BasicGetOptions { no_ack: true })
                .await
                .unwrap();
            let headers =
                message.expect("ten came from here").delivery.properties.headers().clone().unwrap();
            let header = |name: &str| headers.inner().get(name).cloned();
            assert!(
                matches!(header("x-delivery-count"), None | Some(AMQPValue::LongLongInt(0))),
                "{headers:?}"
            );
            assert_eq!(header("bl-attempt"), Some(AMQPValue::LongLongInt(3)));
            assert_eq!(
                header("bl-history"),
                Some(AMQPValue::LongString(LongString::from("long ago")))
            );
        }
    }
    assert_eq!(bench.world.queued().await, 0, "nothing was republished twice");
    bench.world.finish().await;
}
