//! The handle with which the process publishes.

use service::health::Health;
use tokio::sync::{mpsc, oneshot};

use super::message::Outgoing;
use super::task::PublisherTask;
use super::window::{PublishError, PublishRequest, WINDOW};
use crate::connection::AmqpSettings;
use crate::stage_name::StageName;
use crate::topology::Topology;

/// Handle to the publishing task; clones share it. The task ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Publisher {
    requests: mpsc::Sender<PublishRequest>,
}

impl Publisher {
    /// Starts the publishing task, which connects by itself and again whenever it must.
    pub fn start(
        settings: AmqpSettings,
        name: String,
        stages: Vec<StageName>,
        health: Health,
    ) -> Self {
        let (requests, inbox) = mpsc::channel(WINDOW);
        let topology = Topology::new(&settings.namespace);
        let task = PublisherTask { topology, settings, name, stages, health };
        tokio::spawn(task.run(inbox));
        Self { requests }
    }

    /// Publishes and returns once the broker has confirmed. Waits while the broker is away or its
    /// queue is full: that is the back pressure. A crash or reconnect in between may publish twice,
    /// never lose.
    ///
    /// # Errors
    /// No queue is bound for the message, or the publisher has stopped.
    pub async fn publish(&self, message: Outgoing) -> Result<(), PublishError> {
        let (reply, confirmed) = oneshot::channel();
        let request = PublishRequest { message, reply };
        self.requests.send(request).await.map_err(|_| PublishError::Stopped)?;
        confirmed.await.map_err(|_| PublishError::Stopped)?
    }
}
