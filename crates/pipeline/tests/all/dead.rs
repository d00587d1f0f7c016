//! Dead letters on a real broker: looking changes nothing, replaying loses nothing, and only what
//! is meant is touched.

use std::collections::HashSet;
use std::time::Duration;

use lapin::options::{BasicGetOptions, BasicNackOptions};
use pipeline::ObjectRef;
use pipeline::dead::{self, DeadLetter, Pace, Selection};
use pipeline::job::{Job, Origin};
use pipeline::publish::{Outgoing, Publisher};
use pipeline::stage_name::StageName;
use pipeline::topology::Topology;
use service::health::Health;
use testkit::{FailedJob, World, eventually};
use tokio_util::sync::CancellationToken;

const NOON: &str = "2026-07-01T12:00:00Z";

struct Yard {
    world: World,
    publisher: Publisher,
    topology: Topology,
    stage: StageName,
}

impl Yard {
    async fn open() -> Self {
        let world = World::start().await;
        let (settings, stage) = (world.amqp(), StageName::embed("demo-clip"));
        let publisher = Publisher::start(
            settings.clone(),
            "test".into(),
            vec![stage.clone()],
            Health::default(),
        );
        Self { topology: Topology::new(&settings.namespace), world, publisher, stage }
    }

    async fn bury(&self, keys: impl Iterator<Item = String>, class: &str, at: &str) {
        let keys: Vec<String> = keys.collect();
        let burials =
            keys.iter().map(|key| FailedJob { key, etag: "e", class, reason: "it failed", at });
        self.world.bury(&burials.collect::<Vec<_>>()).await;
    }

    async fn look(&self) -> Vec<DeadLetter> {
        dead::peek(&self.world.amqp(), &self.stage).await.unwrap().letters
    }

    async fn keys(&self) -> Vec<String> {
        keys(&self.look().await)
    }

    async fn replay(&self, selection: &Selection, pace: &Pace) -> dead::Walked {
        dead::replay(&self.world.amqp(), &self.stage, &self.publisher, selection, pace)
            .await
            .unwrap()
    }

    /// Takes up to `most` messages out of a queue.
    async fn take(&self, queue: &str, most: usize) -> Vec<lapin::message::Delivery> {
        let connection = self.world.broker().await;
        let channel = connection.create_channel().await.unwrap();
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(message) =
                channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap()
        {
            taken.push(message.delivery);
        }
        connection.close(200, "taken".into()).await.unwrap();
        taken
    }

    async fn take_bulk(&self) -> Vec<lapin::message::Delivery> {
        self.take(&self.topology.bulk_queue(&self.stage), usize::MAX).await
    }
}

fn keys(letters: &[DeadLetter]) -> Vec<String> {
    letters.iter().map(|letter| letter.object.as_ref().expect("an object").key.clone()).collect()
}

fn all() -> Selection {
    Selection::default()
}

fn full() -> Pace {
    Pace::full(CancellationToken::new())
}

fn header(message: &lapin::message::Delivery, name: &str) -> Option<String> {
    match message.properties.headers().as_ref()?.inner().get(name)? {
        lapin::types::AMQPValue::LongString(text) => Some(text.to_string()),
        other => other.as_long_long_int().map(|number| number.to_string()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_a_hundred_times_changes_nothing() {
    let yard = Yard::open().await;
    yard.bury((0..300).map(|n| format!("{n}.jpg")), "corrupt_picture", NOON).await;
    let expected: Vec<String> = (0..300).map(|n| format!("{n}.jpg")).collect();
    for round in 0..100 {
        assert_eq!(yard.keys().await, expected, "look {round}");
    }
    assert_eq!(yard.world.queued().await, 300);
    // Two at once: one waits for the other, and both see everything.
    let (one, other) = tokio::join!(yard.keys(), yard.keys());
    assert_eq!((&one, &other), (&expected, &expected));
    yard.world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_buried_is_explained_and_survives_replay_and_retry() {
    let yard = Yard::open().await;
    let object = ObjectRef {
        bucket: "pictures".into(),
        key: "a.jpg".into(),
        etag: "e".into(),
        size_bytes: None,
        last_modified: None,
    };
    let job = Job::new(yard.stage.clone(), object, Origin::Event);
    yard.publisher.publish(Outgoing::job(&yard.topology, &job)).await.unwrap();

    // Every worker that gets it crashes.
    let (connection, work) = (yard.world.broker().await, yard.topology.work_queue(&yard.stage));
    let channel = connection.create_channel().await.unwrap();
    eventually("the delivery limit is passed", Duration::from_secs(60), || async {
        if let Some(message) =
            channel.basic_get(work.as_str().into(), BasicGetOptions::default()).await.unwrap()
        {
            message.acker.nack(BasicNackOptions { requeue: true, multiple: false }).await.unwrap();
        }
        (yard.look().await.len() == 1).then_some(())
    })
    .await;
    let letter = yard.look().await.remove(0);
    assert_eq!((letter.class.as_str(), letter.message_id), ("delivery_limit", job.message_id()));
    assert!(letter.reason.contains("crashed") && letter.last_failed.is_some(), "{}", letter.reason);

    let walked = yard.replay(&all(), &full()).await;
    assert_eq!((walked.progress.moved, walked.progress.left), (1, 0));
    let message = yard.take_bulk().await.pop().expect("it is back at work");
    let headers = message.properties.headers().clone().unwrap();
    // Getting a message by itself adds this one.
    let names: Vec<String> = headers
        .inner()
        .keys()
        .map(|name| name.to_string())
        .filter(|name| name != "x-delivery-count")
        .collect();
    assert!(names.iter().all(|name| !name.starts_with("x-")), "{names:?}");
    assert_eq!(header(&message, "bl-attempt").as_deref(), Some("0"));
    assert_eq!(header(&message, "bl-replays").as_deref(), Some("1"));
    assert_eq!(header(&message, "bl-replay-id").as_deref(), Some(walked.id.as_str()));
    assert_eq!(header(&message, "bl-origin").as_deref(), Some("replay"));
    assert!(header(&message, "bl-history").unwrap().contains("delivery_limit"));

    // Now a worker puts it into the first retry queue: with x-death kept, the broker
    // would drop it here.
    let (routing_key, message_id) = (yard.topology.retry_queue(&yard.stage, 0), job.message_id());
    let retry =
        Outgoing { exchange: String::new(), routing_key, message_id, body: message.data, headers };
    yard.publisher.publish(retry).await.unwrap();
    let back =
        eventually("it comes back from the retry queue", Duration::from_secs(60), || async {
            yard.take(&work, 1).await.pop()
        })
        .await;
    assert_eq!(Job::decode(&back.data).unwrap().object.key, "a.jpg");
    yard.world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_selected_are_replayed_and_the_others_keep_their_place() {
    let yard = Yard::open().await;
    yard.bury((0..100).map(|n| format!("a/{n}.jpg")), "corrupt_picture", NOON).await;
    yard.bury((0..100).map(|n| format!("b/{n}.jpg")), "decode_panic", "2026-07-02T12:00:00Z").await;
    yard.bury((0..100).map(|n| format!("a/deep/{n}.jpg")), "decode_panic", "2026-07-03T12:00:00Z")
        .await;
    let mut expected = yard.keys().await;
    let groups = dead::groups(&yard.look().await);
    assert_eq!(
        groups.iter().map(|group| (group.class.as_str(), group.count)).collect::<Vec<_>>(),
        [("decode_panic", 200), ("corrupt_picture", 100)]
    );

    for (selection, picks) in [
        (Selection { class: Some("decode_panic".into()), limit: Some(7), ..all() }, 7),
        (Selection { key: Some(dead::key_glob("a/*.jpg").unwrap()), ..all() }, 100),
        (Selection { since: Some("2026-07-03T00:00:00Z".parse().unwrap()), ..all() }, 100),
        (Selection { class: Some("no_such".into()), ..all() }, 0),
        (Selection { group: Some(groups[0].id.clone()), ..all() }, 93),
    ] {
        let letters = yard.look().await;
        let chosen: HashSet<String> =
            keys(&selection.of(&letters).into_iter().cloned().collect::<Vec<_>>())
                .into_iter()
                .collect();
        let walked = yard.replay(&selection, &full()).await;
        assert_eq!(
            (walked.progress.moved, walked.progress.left, walked.cancelled),
            (picks, 0, false),
            "{selection:?}"
        );
        assert_eq!(walked.progress.skipped, letters.len() - picks);
        let moved: HashSet<String> = yard
            .take_bulk()
            .await
            .iter()
            .map(|message| Job::decode(&message.data).unwrap().object.key)
            .collect();
        assert_eq!(moved, chosen, "{selection:?}");
        expected.retain(|key| !chosen.contains(key));
        assert_eq!(yard.keys().await, expected, "{selection:?}");
    }
    yard.world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dies_during_a_replay_is_not_chased() {
    let yard = Yard::open().await;
    yard.bury((0..30).map(|n| format!("old-{n}.jpg")), "corrupt_picture", NOON).await;
    let pace = Pace { rate: Some(10.0), ..full() };
    let mut progress = pace.progress.subscribe();
    let dying = async {
        progress.wait_for(|progress| progress.moved > 0).await.unwrap();
        yard.bury((0..20).map(|n| format!("new-{n}.jpg")), "corrupt_picture", NOON).await;
    };
    let selection = all();
    let (walked, ()) = tokio::join!(yard.replay(&selection, &pace), dying);
    assert_eq!((walked.progress.total, walked.progress.moved, walked.progress.left), (30, 30, 0));
    assert_eq!(yard.keys().await, (0..20).map(|n| format!("new-{n}.jpg")).collect::<Vec<_>>());
    assert_eq!(yard.take_bulk().await.len(), 30);
    yard.world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_replay_loses_and_doubles_nothing() {
    let yard = Yard::open().await;
    yard.bury((0..200).map(|n| format!("{n}.jpg")), "corrupt_picture", NOON).await;
    let pace = Pace { rate: Some(50.0), ..full() };
    let mut progress = pace.progress.subscribe();
    let stop = async {
        progress.wait_for(|progress| progress.moved >= 25).await.unwrap();
        pace.cancel.cancel();
    };
    let selection = all();
    let (walked, ()) = tokio::join!(yard.replay(&selection, &pace), stop);
    assert!(
        walked.cancelled && walked.progress.moved >= 25 && walked.progress.left > 0,
        "{walked:?}"
    );
    let left = yard.keys().await;
    let moved: Vec<String> = yard
        .take_bulk()
        .await
        .iter()
        .map(|message| Job::decode(&message.data).unwrap().object.key)
        .collect();
    assert_eq!((moved.len(), left.len()), (walked.progress.moved, walked.progress.left));
    let mut everything: Vec<String> = moved.into_iter().chain(left.clone()).collect();
    everything.sort();
    everything.dedup();
    assert_eq!(everything.len(), 200);
    // Letters that were not moved are still there, in their order.
    let numbers: Vec<usize> =
        left.iter().map(|key| key.trim_end_matches(".jpg").parse().unwrap()).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
    yard.world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_waits_while_the_bulk_queue_is_deep() {
    let yard = Yard::open().await;
    yard.bury((0..5).map(|n| format!("{n}.jpg")), "corrupt_picture", NOON).await;
    let object = ObjectRef {
        bucket: "pictures".into(),
        key: "b.jpg".into(),
        etag: "e".into(),
        size_bytes: None,
        last_modified: None,
    };
    let waiting = Job::new(yard.stage.clone(), object, Origin::Sweep);
    yard.publisher.publish(Outgoing::job(&yard.topology, &waiting)).await.unwrap();
    let pace = Pace { most_waiting: 0, ..full() };
    let mut progress = pace.progress.subscribe();
    let worker = async {
        progress.wait_for(|progress| progress.left == 5).await.unwrap();
        let message = yard.take_bulk().await.pop().expect("the waiting job");
        assert_eq!(Job::decode(&message.data).unwrap().object.key, "b.jpg", "nothing overtook it");
        assert_eq!(progress.borrow().moved, 0);
    };
    let selection = all();
    let (walked, ()) = tokio::join!(yard.replay(&selection, &pace), worker);
    assert_eq!(walked.progress.moved, 5);
    yard.world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drop_takes_only_the_selected() {
    let yard = Yard::open().await;
    yard.bury((0..50).map(|n| format!("a/{n}.jpg")), "corrupt_picture", NOON).await;
    yard.bury((0..50).map(|n| format!("b/{n}.jpg")), "corrupt_picture", NOON).await;
    let selection = Selection { key: Some(dead::key_glob("a/*").unwrap()), ..all() };
    let walked = dead::discard(&yard.world.amqp(), &yard.stage, &selection, &full()).await.unwrap();
    assert_eq!((walked.progress.moved, walked.progress.skipped), (50, 50));
    assert_eq!(yard.keys().await, (0..50).map(|n| format!("b/{n}.jpg")).collect::<Vec<_>>());
    assert_eq!(yard.world.queued().await, 50);
    yard.world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tidying_keeps_the_latest_failure_of_a_job_and_drops_what_is_done() {
    let yard = Yard::open().await;
    let burial =
        |key, at| FailedJob { key, etag: "e", class: "corrupt_picture", reason: "it failed", at };
    yard.world
        .bury(&[
            burial("twice.jpg", "2026-07-01T12:00:00Z"),
            burial("once.jpg", "2026-07-01T12:00:00Z"),
            burial("twice.jpg", "2026-07-03T12:00:00Z"),
            burial("done.jpg", "2026-07-01T12:00:00Z"),
            burial("twice.jpg", "2026-07-02T12:00:00Z"),
            burial("same.jpg", "2026-07-01T12:00:00Z"),
            burial("same.jpg", "2026-07-01T12:00:00Z"),
        ])
        .await;
    let is_done =
        |letter: &DeadLetter| letter.object.as_ref().is_some_and(|object| object.key == "done.jpg");
    let tidied = dead::tidy(&yard.world.amqp(), &yard.stage, is_done).await.unwrap();
    assert_eq!((tidied.looked_at, tidied.merged, tidied.resolved, tidied.unseen), (7, 3, 1, 0));
    let letters = yard.look().await;
    assert_eq!(keys(&letters), ["once.jpg", "twice.jpg", "same.jpg"]);
    assert_eq!(letters[1].last_failed.unwrap().to_string(), "2026-07-03T12:00:00Z");
    assert_eq!(dead::tidy(&yard.world.amqp(), &yard.stage, |_| false).await.unwrap().merged, 0);
    yard.world.finish().await;
}
