//! What a consumer subscribes to.

use crate::connection::AmqpSettings;
use crate::stage_name::StageName;

/// Which queues a process consumes, and from which broker.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// The broker.
    pub amqp: AmqpSettings,
    /// Shown in the broker's list of connections.
    pub name: String,
    /// The stage whose queues are consumed.
    pub stage: StageName,
}
