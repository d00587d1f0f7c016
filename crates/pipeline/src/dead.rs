//! The dead queue, looked at without taking anything out.

use std::time::Duration;

use futures::StreamExt;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;

use crate::connection::{self, AmqpSettings, BrokerError};
use crate::job::{Job, StageName};
use crate::topology::{Topology, TopologyMode};

// The broker delivers what it has at once; a pause this long means that there is no more.
const IDLE: Duration = Duration::from_secs(1);

/// The jobs among the dead letters of a stage, at most `limit` of them. Consumes without settling and hands everything
/// back in one go: getting messages one by one would scramble their order. While it looks (well under a second per ten
/// thousand) nobody else sees them.
///
/// # Errors
/// The broker is not reachable or refuses.
pub async fn peek(settings: &AmqpSettings, stage: &StageName, limit: u16) -> Result<Vec<Job>, BrokerError> {
    connection::in_time(look(settings, stage, limit)).await
}

async fn look(settings: &AmqpSettings, stage: &StageName, limit: u16) -> Result<Vec<Job>, BrokerError> {
    let topology = Topology::new(&settings.namespace);
    let connection = connection::connect(settings, "dead letters").await?;
    if settings.topology == TopologyMode::Declare {
        topology.ensure(&connection, settings.topology, std::slice::from_ref(stage)).await?;
    }
    let queue = topology.dead_queue(stage);
    let channel = connection.create_channel().await.map_err(BrokerError::lost)?;
    channel.basic_qos(limit, BasicQosOptions::default()).await.map_err(BrokerError::lost)?;
    let mut consumer = channel
        .basic_consume(queue.as_str().into(), "".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await
        .map_err(|error| BrokerError::topology("queue", &queue, error))?;
    let (mut jobs, mut last) = (Vec::new(), None);
    for _ in 0..limit {
        let Ok(Some(message)) = tokio::time::timeout(IDLE, consumer.next()).await else { break };
        let message = message.map_err(BrokerError::lost)?;
        jobs.extend(Job::decode(&message.data).ok());
        last = Some(message.acker);
    }
    channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await.map_err(BrokerError::lost)?;
    if let Some(acker) = last {
        acker.nack(BasicNackOptions { multiple: true, requeue: true }).await.map_err(BrokerError::lost)?;
    }
    connection::close(connection).await;
    Ok(jobs)
}
