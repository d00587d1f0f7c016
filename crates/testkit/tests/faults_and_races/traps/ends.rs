//! Both ends of a queue, and what is asked of every program.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use pipeline::ObjectRef;
use pipeline::consume::{Consumer, Delivery, Subscription};
use pipeline::job::{Job, Origin};
use pipeline::publish::{Outgoing, Publisher};
use pipeline::stage_name::StageName;
use serde_json::Value;
use service::health::Health;
use testkit::{Process, World, eventually, solid_jpeg, within};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const LIMIT: Duration = Duration::from_secs(300);

pub(crate) fn job(key: &str) -> Job {
    let object = ObjectRef {
        bucket: "pictures".into(),
        key: key.into(),
        etag: "e".into(),
        size_bytes: None,
        last_modified: None,
    };
    Job::new(StageName::embed("demo-clip"), object, Origin::Event)
}

/// Both ends of the queue, as the programs use them.
pub(crate) struct Ends {
    pub(crate) publisher: Publisher,
    pub(crate) consumer: Consumer,
    pub(crate) health: Health,
}

impl Ends {
    pub(crate) fn start(world: &World) -> Self {
        let health = Health::default();
        let publisher = Publisher::start(
            world.amqp(),
            "test".into(),
            vec![StageName::embed("demo-clip")],
            health.clone(),
        );
        let consumer = Subscription {
            amqp: world.amqp(),
            name: "test".into(),
            stage: StageName::embed("demo-clip"),
        }
        .start(health.clone());
        Self { publisher, consumer, health }
    }

    pub(crate) fn publish(
        &self,
        world: &World,
        key: &str,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (publisher, message, key) =
            (self.publisher.clone(), Outgoing::job(&world.topology(), &job(key)), key.to_owned());
        async move {
            let sent = publisher.publish(message).await;
            sent.unwrap_or_else(|error| panic!("{key}: {error}"))
        }
    }

    pub(crate) async fn next(&mut self, limit: Duration) -> (String, Delivery) {
        let delivery = within(limit, self.consumer.next()).await.expect("a delivery");
        (Job::decode(&delivery.body).unwrap().object.key, delivery)
    }

    /// Takes and acks until each of these was there; a second delivery is no fault.
    pub(crate) async fn take(&mut self, keys: &[&str], limit: Duration) {
        let mut missing: BTreeSet<_> = keys.iter().map(|key| (*key).to_owned()).collect();
        while !missing.is_empty() {
            let (key, delivery) = self.next(limit).await;
            delivery.ack().await;
            missing.remove(&key);
        }
    }

    pub(crate) async fn all_well(&self) {
        eventually("nobody is in trouble", MINUTE, || async {
            self.health.troubles().is_empty().then_some(())
        })
        .await;
    }
}

pub(crate) async fn put_pictures(world: &World, prefix: &str, count: u8) {
    for n in 0..count {
        world
            .put(
                &format!("{prefix}/{n:03}.jpg"),
                solid_jpeg([n.wrapping_mul(37), 200, 255 - n], 96),
            )
            .await;
    }
}

/// What a program says is wrong with it; `None` while it is ready or does not answer.
pub(crate) async fn troubles(world: &World, base: &str) -> Option<String> {
    let answer = world.http().get(format!("{base}/readyz")).send().await.ok()?;
    if answer.status() != 503 {
        return None;
    }
    let body: Value = answer.json().await.ok()?;
    Some(body["troubles"].to_string())
}

pub(crate) async fn in_trouble(world: &World, program: &mut Process, word: &str) -> String {
    let base = format!("http://{}", program.address().await);
    eventually(&format!("/readyz speaks of {word}"), MINUTE, || async {
        troubles(world, &base).await.filter(|text| text.contains(word))
    })
    .await
}

pub(crate) async fn nothing_waits(world: &World) {
    eventually("nothing waits", 2 * MINUTE, || async { (world.queued().await == 0).then_some(()) })
        .await;
}

pub(crate) async fn rows_become(world: &World, count: usize) {
    eventually(&format!("{count} rows"), 2 * MINUTE, || async {
        (world.rows("embeddings_demo-clip").await.len() == count).then_some(())
    })
    .await;
}

/// Waits until this many object versions have a row, some of them perhaps a second one.
pub(crate) async fn all_have_a_row(world: &World, count: usize) {
    eventually("all have a row", 3 * MINUTE, || async {
        let rows: BTreeSet<_> = world.rows("embeddings_demo-clip").await.into_iter().collect();
        (rows.len() == count).then_some(())
    })
    .await;
}
