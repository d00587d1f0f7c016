//! How many messages wait in the queues.

use lapin::Connection;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use serde::Serialize;

use super::names::{RETRY_LADDER, Topology};
use crate::broker_error::BrokerError;
use crate::stage_name::StageName;

/// Ready messages per kind of queue of one stage; `None` where the queue does not exist.
#[derive(Default, Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Depths {
    /// Waiting in the work queue.
    pub work: Option<u32>,
    /// Waiting in the bulk queue.
    pub bulk: Option<u32>,
    /// Waiting in a retry queue for their delay to pass.
    pub retry: Option<u32>,
    /// Suspects: jobs that crashed workers held, waiting to be worked on one at a time.
    pub suspect: Option<u32>,
    /// Dead letters.
    pub dead: Option<u32>,
}

impl Topology {
    /// Counts the messages that wait in the stage's queues.
    ///
    /// # Errors
    /// The connection is gone; a missing queue is no error.
    pub async fn depths(
        &self,
        connection: &Connection,
        stage: &StageName,
    ) -> Result<Depths, BrokerError> {
        let mut retry = None;
        for step in 0..RETRY_LADDER.len() {
            if let Some(count) = depth(connection, &self.retry_queue(stage, step)).await? {
                retry = Some(retry.unwrap_or(0) + count);
            }
        }
        Ok(Depths {
            work: depth(connection, &self.work_queue(stage)).await?,
            bulk: depth(connection, &self.bulk_queue(stage)).await?,
            retry,
            suspect: depth(connection, &self.suspect_queue(stage)).await?,
            dead: depth(connection, &self.dead_queue(stage)).await?,
        })
    }

    /// Whether any job waits in the work or bulk queue of the stage.
    pub(crate) async fn waiting(
        &self,
        connection: &Connection,
        stage: &StageName,
    ) -> Result<bool, BrokerError> {
        let work = depth(connection, &self.work_queue(stage)).await?;
        let bulk = depth(connection, &self.bulk_queue(stage)).await?;
        Ok(work.unwrap_or(0) + bulk.unwrap_or(0) > 0)
    }

    /// Number of suspects that wait.
    pub(crate) async fn suspects(
        &self,
        connection: &Connection,
        stage: &StageName,
    ) -> Result<u32, BrokerError> {
        Ok(depth(connection, &self.suspect_queue(stage)).await?.unwrap_or(0))
    }

    /// Whether any notification waits.
    pub(crate) async fn events_waiting(
        &self,
        connection: &Connection,
    ) -> Result<bool, BrokerError> {
        Ok(depth(connection, &self.events()).await?.unwrap_or(0) > 0)
    }
}

/// Ready messages in a queue; `None` if it does not exist.
pub(crate) async fn depth(
    connection: &Connection,
    queue: &str,
) -> Result<Option<u32>, BrokerError> {
    let channel = connection.create_channel().await.map_err(BrokerError::lost)?;
    let options = QueueDeclareOptions { passive: true, durable: true, ..Default::default() };
    let Ok(state) = channel.queue_declare(queue.into(), options, FieldTable::default()).await
    else {
        return if connection.status().connected() {
            Ok(None)
        } else {
            Err(BrokerError::Lost("while counting".into()))
        };
    };
    let count = state.message_count();
    channel.close(200, "counted".into()).await.map_err(BrokerError::lost)?;
    Ok(Some(count))
}
