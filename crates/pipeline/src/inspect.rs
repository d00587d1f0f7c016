//! Looking at store and broker from outside, for whoever wants to know what is wrong. Changes
//! nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::{BoxError, ProvideErrorMetadata};
use futures::{AsyncReadExt, AsyncWriteExt};
use jiff::Timestamp;
use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::tcp::AMQPUriTcpExt;
use lapin::types::FieldTable;
use lapin::uri::AMQPUri;
use lapin::{Connection, ErrorKind, ExchangeKind};
use secrecy::ExposeSecret;

use crate::bucket::{Bucket, status};
use crate::connection::{self, AmqpSettings, BrokerError};
use crate::stage_name::StageName;
use crate::topology::{Queue, Topology, TopologyMode};

const GREETING_TIMEOUT: Duration = Duration::from_secs(5);
const GREETING_BYTES: usize = 8192;

/// What the store says to a listing of one key.
#[derive(Debug, Clone)]
pub struct StoreAnswer {
    /// HTTP status; `None` if there was no answer at all.
    pub status: Option<u16>,
    /// The store's word for what is wrong, as `SignatureDoesNotMatch`.
    pub code: Option<String>,
    /// Why there was no answer or not the wanted one.
    pub problem: Option<String>,
    /// The store's clock.
    pub date: Option<Timestamp>,
}

impl Bucket {
    /// Lists one key and tells what the store answered.
    pub async fn ask(&self) -> StoreAnswer {
        let clock = Clock::default();
        let list = self
            .client
            .list_objects_v2()
            .bucket(self.name())
            .max_keys(1)
            .customize()
            .interceptor(clock.clone());
        let answer = list.send().await;
        let date = *clock.0.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(_) => StoreAnswer { status: Some(200), code: None, problem: None, date },
            Err(error) => StoreAnswer {
                status: status(&error),
                code: error.code().map(str::to_owned),
                problem: Some(chain(&error)),
                date,
            },
        }
    }
}

/// An error and what it came from, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        source = error.source();
    }
    text
}

/// Notes the `Date` of an answer, whatever else it says.
#[derive(Debug, Clone, Default)]
struct Clock(Arc<Mutex<Option<Timestamp>>>);

impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date =
            date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|date| date.timestamp());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}

/// One exchange or queue of ours.
#[derive(Debug, Clone)]
pub struct Part {
    /// `exchange` or `queue`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// How it is.
    pub state: PartState,
}

/// How an exchange or queue is.
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
    /// It exists with other arguments, or we may not ask; what the broker said.
    Differs(String),
}

/// What the broker says about itself and our exchanges and queues.
#[derive(Debug, Clone)]
pub struct Broker {
    /// Version as `3.10.8`; `None` if it does not say.
    pub version: Option<String>,
    /// Every exchange and queue of the asked stages, and those for notifications if asked for.
    pub parts: Vec<Part>,
}

/// Asks the broker. Creates nothing: what is missing stays missing.
///
/// # Errors
/// The broker cannot be reached or the connection broke.
pub async fn broker(
    settings: &AmqpSettings,
    stages: &[StageName],
    events: bool,
) -> Result<Broker, BrokerError> {
    let connection = connection::connect(settings, "doctor").await?;
    let parts = connection::in_time(parts(&connection, settings, stages, events)).await;
    connection::close(connection).await;
    Ok(Broker { parts: parts?, version: version(settings).await })
}

async fn parts(
    connection: &Connection,
    settings: &AmqpSettings,
    stages: &[StageName],
    events: bool,
) -> Result<Vec<Part>, BrokerError> {
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
    // Declaring again what exists is how the broker compares; who must not declare cannot compare
    // either.
    let compare = settings.topology == TopologyMode::Declare;
    let mut parts = Vec::new();
    for (name, kind) in exchanges {
        let state = exchange(connection, &name, kind, compare).await?;
        parts.push(Part { kind: "exchange", name, state });
    }
    for queue in queues {
        let state = queue_state(connection, &queue, compare).await?;
        parts.push(Part { kind: "queue", name: queue.name, state });
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
    queue: &Queue,
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

/// What a refusal means; everything that is none is an error.
fn refused(error: lapin::Error) -> Result<PartState, BrokerError> {
    const NOT_FOUND: u16 = 404;
    match error.kind() {
        ErrorKind::ProtocolError(said) if said.get_id() == NOT_FOUND => Ok(PartState::Missing),
        ErrorKind::ProtocolError(said) => Ok(PartState::Differs(said.get_message().to_string())),
        _ => Err(BrokerError::lost(error)),
    }
}

/// The version the broker greets with. The client library keeps the greeting to itself, so a
/// second, short connection reads it and goes.
async fn version(settings: &AmqpSettings) -> Option<String> {
    let greeting = async {
        let uri: AMQPUri = settings.url.expose_secret().parse().ok()?;
        let runtime = lapin::runtime::default_runtime().ok()?;
        let mut stream = uri.connect_async(&runtime).await.ok()?;
        stream.write_all(b"AMQP\x00\x00\x09\x01").await.ok()?;
        stream.flush().await.ok()?;
        let mut greeting = Vec::new();
        let mut some = [0; 1024];
        while greeting.len() < GREETING_BYTES {
            let count = stream.read(&mut some).await.ok().filter(|count| *count > 0)?;
            greeting.extend_from_slice(&some[..count]);
            if let Some(version) = version_in(&greeting) {
                return Some(version);
            }
        }
        None
    };
    tokio::time::timeout(GREETING_TIMEOUT, greeting).await.ok().flatten()
}

/// Finds the entry `version` of the properties in a greeting: a name with its length, `S`, and a
/// text with its length.
fn version_in(greeting: &[u8]) -> Option<String> {
    const ENTRY: &[u8] = b"\x07versionS";
    let at = greeting.windows(ENTRY.len()).position(|window| window == ENTRY)? + ENTRY.len();
    let length = u32::from_be_bytes(greeting.get(at..at + 4)?.try_into().ok()?);
    let text = greeting.get(at + 4..)?.get(..usize::try_from(length).ok()?)?;
    Some(
        text.iter()
            .take(40)
            .filter(|byte| byte.is_ascii_graphic())
            .map(|byte| char::from(*byte))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_a_whole_greeting_only() {
        let greeting =
            b"\x01\0\0xx\x07productS\0\0\0\x08RabbitMQ\x07versionS\0\0\0\x063.10.8\x05otherS";
        assert_eq!(version_in(greeting).as_deref(), Some("3.10.8"));
        for cut in [10, 35, 40] {
            assert_eq!(version_in(&greeting[..cut]), None, "{cut}");
        }
        assert_eq!(version_in(b"\x07versionS\xff\xff\xff\xff3"), None);
    }
}
