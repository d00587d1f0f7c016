//! Reads the captions in a world's tables, and publishes jobs of a test.

use std::collections::HashMap;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Confirmation};
use pipeline::job::Job;
use pipeline::publish::Outgoing;
use pipeline::topology::TopologyMode;
use table::captions::{CaptionText, Captions, name};
use table::location::Access;

use super::World;

impl World {
    /// The latest caption of every picture, by image id.
    pub async fn said(&self, captioner: &str) -> HashMap<String, CaptionText> {
        let database = self.store.tables().connect(Access::writer()).await.expect("tables open");
        let Some(captions) = Captions::open(&database, captioner).await.expect("table opens")
        else {
            return HashMap::new();
        };
        captions.said(&self.rows(&name(captioner)).await).await.expect("captions are read")
    }

    /// Publishes a job and waits for the broker's confirm.
    pub async fn publish(&self, job: &Job) {
        let (topology, connection) = (self.topology(), self.broker().await);
        topology
            .ensure(&connection, TopologyMode::Declare, std::slice::from_ref(&job.stage))
            .await
            .expect("queues");
        let channel = connection.create_channel().await.expect("channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        let Outgoing { exchange, routing_key, message_id, body, headers } =
            Outgoing::job(&topology, job);
        let properties = BasicProperties::default()
            .with_message_id(message_id.as_str().into())
            .with_delivery_mode(2)
            .with_headers(headers);
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let sent = channel
            .basic_publish(
                exchange.as_str().into(),
                routing_key.as_str().into(),
                options,
                &body,
                properties,
            )
            .await;
        let confirmed = sent.expect("the job is sent").await.expect("a confirm");
        assert!(matches!(confirmed, Confirmation::Ack(None)), "the broker takes the job");
        connection.close(200, "published".into()).await.expect("the connection closes");
    }
}
