//! Reads the queues of a world.

use lapin::options::BasicGetOptions;
use pipeline::stage_name::StageName;
use pipeline::topology::{Depths, Topology};
use serde_json::Value;

use super::World;

/// One message of a dead queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeadMessage {
    /// Object key.
    pub key: String,
    /// `bl-error-class`; empty if the broker itself moved it there.
    pub class: String,
    /// `bl-error`; empty if the broker itself moved it there.
    pub reason: String,
}

impl World {
    /// Removes and returns all messages of the stage's dead queue: (key, class, reason).
    pub async fn take_dead(&self) -> Vec<(String, String, String)> {
        let connection = self.broker().await;
        let channel = connection.create_channel().await.expect("channel");
        let queue = Topology::new(&self.namespace).dead_queue(&StageName::embed("demo-clip"));
        let mut dead = Vec::new();
        while let Some(message) = channel
            .basic_get(queue.as_str().into(), BasicGetOptions { no_ack: true })
            .await
            .expect("the dead queue answers")
        {
            let body: Value = serde_json::from_slice(&message.delivery.data).expect("a job");
            let headers = message.delivery.properties.headers().clone().unwrap_or_default();
            let text = |name: &str| match headers.inner().get(name) {
                Some(lapin::types::AMQPValue::LongString(text)) => text.to_string(),
                other => panic!("header {name} is {other:?}"),
            };
            dead.push((
                body["object"]["key"].as_str().expect("a key").to_owned(),
                text("bl-error-class"),
                text("bl-error"),
            ));
        }
        dead.sort();
        dead
    }

    /// Reads all messages of the stage's dead queue in order of keys, and leaves them there.
    pub async fn dead_letters(&self) -> Vec<DeadMessage> {
        let connection = self.broker().await;
        let channel = connection.create_channel().await.expect("channel");
        let queue = Topology::new(&self.namespace).dead_queue(&StageName::embed("demo-clip"));
        let mut dead = Vec::new();
        while let Some(message) = channel
            .basic_get(queue.as_str().into(), BasicGetOptions::default())
            .await
            .expect("the dead queue answers")
        {
            let body: Value = serde_json::from_slice(&message.delivery.data).expect("a job");
            let headers = message.delivery.properties.headers().clone().unwrap_or_default();
            let text = |name: &str| match headers.inner().get(name) {
                Some(lapin::types::AMQPValue::LongString(text)) => text.to_string(),
                _ => String::new(),
            };
            let key = body["object"]["key"].as_str().expect("a key").to_owned();
            dead.push(DeadMessage { key, class: text("bl-error-class"), reason: text("bl-error") });
        }
        // Messages without an ack return to the queue when the connection closes.
        connection.close(200, "looked".into()).await.expect("the connection closes");
        dead.sort();
        dead
    }

    /// The queues' depths, as the broker counts them: ready messages only.
    pub async fn depths(&self) -> Depths {
        self.depths_of(&StageName::embed("demo-clip")).await
    }

    /// The queues' depths of one stage.
    pub async fn depths_of(&self, stage: &StageName) -> Depths {
        let connection = self.broker().await;
        let depths =
            Topology::new(&self.namespace).depths(&connection, stage).await.expect("depths");
        connection.close(200, "counted".into()).await.expect("the connection closes");
        depths
    }

    /// Number of ready messages in the work, bulk, retry, suspect and dead queues together.
    pub async fn queued(&self) -> u32 {
        let depths = self.depths().await;
        [depths.work, depths.bulk, depths.retry, depths.suspect, depths.dead]
            .into_iter()
            .flatten()
            .sum()
    }

    /// A connection to the broker.
    pub async fn broker(&self) -> lapin::Connection {
        lapin::Connection::connect(&self.amqp_url, lapin::ConnectionProperties::default())
            .await
            .expect("the broker answers")
    }
}
