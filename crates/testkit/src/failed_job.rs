//! Dead letters for tests, as workers leave them.

use lapin::BasicProperties;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use pipeline::ObjectRef;
use pipeline::job::{Job, Origin};
use pipeline::stage_name::StageName;
use pipeline::topology::{Topology, TopologyMode};

use crate::world::World;

/// A job that failed for good, as the worker records it in the dead letter.
#[derive(Debug, Clone)]
pub struct FailedJob<'a> {
    /// Object key.
    pub key: &'a str,
    /// ETag of the content that failed.
    pub etag: &'a str,
    /// Class of the failure.
    pub class: &'a str,
    /// The failure in words.
    pub reason: &'a str,
    /// Time of the failure.
    pub at: &'a str,
}

impl World {
    /// Publishes dead letters to the dead queue, in this order; returns the message ids.
    pub async fn bury(&self, jobs: &[FailedJob<'_>]) -> Vec<String> {
        let (topology, stage) =
            (Topology::new(&self.amqp().namespace), StageName::embed("demo-clip"));
        let connection = self.broker().await;
        topology
            .ensure(&connection, TopologyMode::Declare, std::slice::from_ref(&stage))
            .await
            .expect("queues");
        let channel = connection.create_channel().await.expect("channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        let (mut ids, mut confirms) = (Vec::new(), Vec::new());
        for failed in jobs {
            let (bucket, key, etag) = (self.bucket().into(), failed.key.into(), failed.etag.into());
            let object = ObjectRef { bucket, key, etag, size_bytes: None, last_modified: None };
            let job = Job::new(stage.clone(), object, Origin::Event);
            let mut headers = FieldTable::default();
            headers.insert("bl-attempt".into(), AMQPValue::LongLongInt(1));
            let history = format!("{} {} worker-1", failed.at, failed.class);
            for (name, value) in [
                ("bl-origin", "event"),
                ("bl-first-failed", failed.at),
                ("bl-last-failed", failed.at),
                ("bl-error-class", failed.class),
                ("bl-error", failed.reason),
                ("bl-worker", "worker-1"),
                ("bl-model", "model-1"),
                ("bl-history", &history),
            ] {
                headers.insert(name.into(), AMQPValue::LongString(LongString::from(value)));
            }
            let properties = BasicProperties::default()
                .with_message_id(job.message_id().as_str().into())
                .with_delivery_mode(2)
                .with_headers(headers);
            let (exchange, key, options) =
                (topology.dead_exchange(), stage.as_str().into(), BasicPublishOptions::default());
            let sent = channel
                .basic_publish(exchange.as_str().into(), key, options, &job.encode(), properties)
                .await;
            confirms.push(sent.expect("the letter is sent"));
            ids.push(job.message_id());
        }
        for confirm in confirms {
            assert!(confirm.await.expect("a confirm").is_ack(), "the broker takes the dead letter");
        }
        ids
    }
}
