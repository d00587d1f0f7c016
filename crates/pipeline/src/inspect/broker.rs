//! The broker's answers about our exchanges and queues.

use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ErrorKind, ExchangeKind};

use super::greeting;
use crate::connection::{self, AmqpSettings, BrokerError};
use crate::stage_name::StageName;
use crate::topology::{QueueSpec, Topology, TopologyMode};

/// One of our exchanges or queues.
#[derive(Debug, Clone)]
pub struct BrokerPart {
    /// `exchange` or `queue`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: PartState,
}

/// The state of an exchange or queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartState {
    /// As we declare it. For a queue: its ready messages and consumers.
    Fine {
        /// Ready messages.
        messages: u32,
        /// Consumers.
        consumers: u32,
    },
    /// It does not exist.
    Missing,
    /// It exists with other arguments, or we may not ask. Holds the broker's reason.
    Differs(String),
}

/// The broker's answers about itself and our exchanges and queues.
#[derive(Debug, Clone)]
pub struct BrokerAnswer {
    /// Version as `3.10.8`; `None` if its greeting has none.
    pub version: Option<String>,
    /// Every exchange and queue that was asked for.
    pub parts: Vec<BrokerPart>,
}

/// Asks the broker about every exchange and queue of `stages`, and with `events` about those for
/// notifications. Creates nothing that is missing.
///
/// # Errors
/// The broker cannot be reached or the connection broke.
pub async fn broker(
    settings: &AmqpSettings,
    stages: &[StageName],
    events: bool,
) -> Result<BrokerAnswer, BrokerError> {
    let connection = connection::connect(settings, "doctor").await?;
    let parts = connection::in_time(parts(&connection, settings, stages, events)).await;
    connection::close(connection).await;
    Ok(BrokerAnswer { parts: parts?, version: greeting::version(settings).await })
}

async fn parts(
    connection: &Connection,
    settings: &AmqpSettings,
    stages: &[StageName],
    events: bool,
) -> Result<Vec<BrokerPart>, BrokerError> {
    let topology = Topology::new(&settings.namespace);
    let mut exchanges = vec![
        (topology.work_exchange(), ExchangeKind::Direct),
        (topology.dead_exchange(), ExchangeKind::Direct),
    ];
    let mut queues: Vec<_> = stages.iter().flat_map(|stage| topology.queues(stage)).collect();
    if events {
        exchanges.push((topology.events(), ExchangeKind::Fanout));
        queues.push(topology.events_queue());
    }
    // The broker compares arguments when an existing queue is declared again. With another mode
    // than `declare` we must not do that, and cannot compare.
    let compare = settings.topology == TopologyMode::Declare;
    let mut parts = Vec::new();
    for (name, kind) in exchanges {
        let state = exchange(connection, &name, kind, compare).await?;
        parts.push(BrokerPart { kind: "exchange", name, state });
    }
    for queue in queues {
        let state = queue_state(connection, &queue, compare).await?;
        parts.push(BrokerPart { kind: "queue", name: queue.name, state });
    }
    Ok(parts)
}

// A refused declaration closes its channel, so each has its own.
async fn exchange(
    connection: &Connection,
    name: &str,
    kind: ExchangeKind,
    compare: bool,
) -> Result<PartState, BrokerError> {
    let passive = [Some(true), compare.then_some(false)];
    for passive in passive.into_iter().flatten() {
        let channel = connection.create_channel().await.map_err(BrokerError::lost)?;
        let options = ExchangeDeclareOptions { passive, durable: true, ..Default::default() };
        if let Err(error) = channel
            .exchange_declare(name.into(), kind.clone(), options, FieldTable::default())
            .await
        {
            return refused(error);
        }
        channel.close(200, "looked".into()).await.map_err(BrokerError::lost)?;
    }
    Ok(PartState::Fine { messages: 0, consumers: 0 })
}

async fn queue_state(
    connection: &Connection,
    queue: &QueueSpec,
    compare: bool,
) -> Result<PartState, BrokerError> {
    let mut state = PartState::Missing;
    let passive = [Some(true), compare.then_some(false)];
    for passive in passive.into_iter().flatten() {
        let channel = connection.create_channel().await.map_err(BrokerError::lost)?;
        let options = QueueDeclareOptions { passive, durable: true, ..Default::default() };
        match channel.queue_declare(queue.name.as_str().into(), options, queue.arguments()).await {
            Ok(found) => {
                state = PartState::Fine {
                    messages: found.message_count(),
                    consumers: found.consumer_count(),
                };
            }
            Err(error) => return refused(error),
        }
        channel.close(200, "looked".into()).await.map_err(BrokerError::lost)?;
    }
    Ok(state)
}

/// The state that a refusal means. Anything but a refusal is an error.
fn refused(error: lapin::Error) -> Result<PartState, BrokerError> {
    const NOT_FOUND: u16 = 404;
    match error.kind() {
        ErrorKind::ProtocolError(said) if said.get_id() == NOT_FOUND => Ok(PartState::Missing),
        ErrorKind::ProtocolError(said) => Ok(PartState::Differs(said.get_message().to_string())),
        _ => Err(BrokerError::lost(error)),
    }
}
