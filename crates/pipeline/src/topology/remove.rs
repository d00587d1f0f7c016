//! Emptying and deleting queues.

use lapin::Connection;
use lapin::options::{QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions};
use lapin::types::FieldTable;

use super::names::Topology;
use crate::broker_error::BrokerError;
use crate::stage_name::StageName;

impl Topology {
    /// Empties the bulk queue of a stage; returns how many jobs it held. Jobs on loan to workers
    /// stay with them.
    ///
    /// # Errors
    /// The connection is gone or the broker refuses.
    pub async fn empty_bulk(
        &self,
        connection: &Connection,
        stage: &StageName,
    ) -> Result<u32, BrokerError> {
        let queue = self.bulk_queue(stage);
        let channel = connection.create_channel().await.map_err(BrokerError::lost)?;
        let purged = channel.queue_purge(queue.as_str().into(), QueuePurgeOptions::default()).await;
        let purged = purged.map_err(|error| BrokerError::topology("queue", &queue, error))?;
        channel.close(200, "emptied".into()).await.map_err(BrokerError::lost)?;
        Ok(purged)
    }

    /// Deletes all queues of a stage and the messages in them, unless one of them still has a
    /// consumer. Returns whether they are gone.
    ///
    /// # Errors
    /// The connection is gone or the broker refuses.
    pub async fn remove(
        &self,
        connection: &Connection,
        stage: &StageName,
    ) -> Result<bool, BrokerError> {
        let queues = self.queues(stage);
        // Quorum queues have no "delete if unused".
        for queue in &queues {
            let channel = connection.create_channel().await.map_err(BrokerError::lost)?;
            let options =
                QueueDeclareOptions { passive: true, durable: true, ..Default::default() };
            let found = channel
                .queue_declare(queue.name.as_str().into(), options, FieldTable::default())
                .await;
            if found.is_ok_and(|found| found.consumer_count() > 0) {
                return Ok(false);
            }
        }
        for queue in queues {
            let channel = connection.create_channel().await.map_err(BrokerError::lost)?;
            let deleted = channel
                .queue_delete(queue.name.as_str().into(), QueueDeleteOptions::default())
                .await;
            deleted.map_err(|error| BrokerError::topology("queue", &queue.name, error))?;
            channel.close(200, "deleted".into()).await.map_err(BrokerError::lost)?;
        }
        Ok(true)
    }
}
