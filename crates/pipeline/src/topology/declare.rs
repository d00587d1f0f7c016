//! Declaring exchanges and queues, or checking that they exist.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ExchangeKind};
use serde::Deserialize;

use super::names::Topology;
use super::queue::QueueSpec;
use crate::broker_error::BrokerError;
use crate::stage_name::StageName;

/// What a process does about exchanges and queues when it connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TopologyMode {
    /// Create what is missing; fail where something exists with other arguments.
    Declare,
    /// Fail where something is missing.
    Verify,
    /// Ask nothing.
    Skip,
}

impl Topology {
    /// Makes sure that the exchanges and the stages' queues exist, as `mode` says.
    ///
    /// # Errors
    /// The broker refused a declaration or something is missing; the message names it.
    pub async fn ensure(
        &self,
        connection: &Connection,
        mode: TopologyMode,
        stages: &[StageName],
    ) -> Result<(), BrokerError> {
        if mode == TopologyMode::Skip {
            return Ok(());
        }
        for exchange in [self.work_exchange(), self.dead_exchange()] {
            declare_exchange(connection, &exchange, ExchangeKind::Direct, mode).await?;
        }
        for stage in stages {
            for queue in self.queues(stage) {
                declare_queue(connection, &queue, mode).await?;
            }
        }
        Ok(())
    }

    /// Makes sure that the exchange and the queue for the store's notifications exist, as `mode`
    /// says. The exchange has no arguments, because MinIO declares it too, with none.
    ///
    /// # Errors
    /// The broker refused a declaration or something is missing; the message names it.
    pub async fn ensure_events(
        &self,
        connection: &Connection,
        mode: TopologyMode,
    ) -> Result<(), BrokerError> {
        if mode == TopologyMode::Skip {
            return Ok(());
        }
        declare_exchange(connection, &self.events(), ExchangeKind::Fanout, mode).await?;
        declare_queue(connection, &self.events_queue(), mode).await
    }
}

// A refused declaration closes its channel, so each exchange and queue gets its own.
async fn declare_queue(
    connection: &Connection,
    queue: &QueueSpec,
    mode: TopologyMode,
) -> Result<(), BrokerError> {
    let refused = |error| BrokerError::topology("queue", &queue.name, error);
    let channel = connection.create_channel().await.map_err(BrokerError::lost)?;
    let options = QueueDeclareOptions {
        passive: mode == TopologyMode::Verify,
        durable: true,
        ..Default::default()
    };
    channel
        .queue_declare(queue.name.as_str().into(), options, queue.arguments())
        .await
        .map_err(refused)?;
    if let (Some((exchange, key)), TopologyMode::Declare) = (&queue.binding, mode) {
        let (exchange, key) = (exchange.as_str().into(), key.as_str().into());
        let (options, table) = (QueueBindOptions::default(), FieldTable::default());
        channel
            .queue_bind(queue.name.as_str().into(), exchange, key, options, table)
            .await
            .map_err(refused)?;
    }
    channel.close(200, "declared".into()).await.map_err(BrokerError::lost)
}

async fn declare_exchange(
    connection: &Connection,
    name: &str,
    kind: ExchangeKind,
    mode: TopologyMode,
) -> Result<(), BrokerError> {
    let channel = connection.create_channel().await.map_err(BrokerError::lost)?;
    let options = ExchangeDeclareOptions {
        passive: mode == TopologyMode::Verify,
        durable: true,
        ..Default::default()
    };
    channel
        .exchange_declare(name.into(), kind, options, FieldTable::default())
        .await
        .map_err(|error| BrokerError::topology("exchange", name, error))?;
    channel.close(200, "declared".into()).await.map_err(BrokerError::lost)
}
