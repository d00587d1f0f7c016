//! One connection to the broker.
//!
//! lapin's own recovery is off on purpose: after some failures it leaves consumers that never yield
//! and never end. Instead the owner of a connection drops it whole at the first sign of trouble and
//! connects again.

use std::future::Future;
use std::time::Duration;

use futures::{Stream, StreamExt};
use lapin::{Connection, ConnectionProperties, Event};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use service::SettingsError;

pub use crate::broker_error::BrokerError;
use crate::topology::TopologyMode;

// lapin's asynchronous connect has no limit of its own.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
// A healthy broker declares all queues of a stage in well under a second.
const CONVERSATION_TIMEOUT: Duration = Duration::from_secs(60);
// A connection that the broker has blocked never answers a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// `[amqp]`: the broker.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmqpSettings {
    /// `amqp://` or `amqps://` address; secret because it holds a password.
    pub url: SecretString,
    /// First part of every exchange and queue name.
    pub namespace: String,
    /// What to do about exchanges and queues.
    pub topology: TopologyMode,
    /// Unsettled deliveries a worker may hold.
    pub prefetch: u16,
}

impl AmqpSettings {
    /// Checks address and ranges.
    ///
    /// # Errors
    /// The first key that cannot be used.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let address = url::Url::parse(self.url.expose_secret());
        if !address.is_ok_and(|url| matches!(url.scheme(), "amqp" | "amqps")) {
            return Err(SettingsError::value("amqp.url", "is not an amqp:// or amqps:// address"));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if self.namespace.is_empty()
            || self.namespace.len() > 100
            || !self.namespace.chars().all(allowed)
        {
            return Err(SettingsError::value(
                "amqp.namespace",
                "must be 1 to 100 of the characters a-z A-Z 0-9 . - _",
            ));
        }
        if !(1..=5000).contains(&self.prefetch) {
            return Err(SettingsError::value("amqp.prefetch", "must be from 1 to 5000"));
        }
        Ok(())
    }
}

/// Makes one attempt to connect. `name` is shown in the broker's list of connections.
///
/// # Errors
/// The broker is not reachable within ten seconds or refuses.
pub async fn connect(settings: &AmqpSettings, name: &str) -> Result<Connection, BrokerError> {
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let connecting = Connection::connect(settings.url.expose_secret(), properties);
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(BrokerError::Connect(error.to_string())),
        Err(_) => Err(BrokerError::Connect(format!("no answer within {CONNECT_TIMEOUT:?}"))),
    }
}

/// Limits a conversation with the broker to a minute: a request that was under way when the
/// connection broke may never be answered.
pub(crate) async fn in_time<T>(
    conversation: impl Future<Output = Result<T, BrokerError>>,
) -> Result<T, BrokerError> {
    let late = |_| Err(BrokerError::Lost(format!("no answer within {CONVERSATION_TIMEOUT:?}")));
    tokio::time::timeout(CONVERSATION_TIMEOUT, conversation).await.unwrap_or_else(late)
}

/// Waits until the connection breaks and returns why. `events` is its event listener; nothing is
/// lost when this is dropped while it waits.
pub(crate) async fn broken(events: &mut (impl Stream<Item = Event> + Unpin)) -> BrokerError {
    loop {
        match events.next().await {
            Some(Event::Error(error)) => return BrokerError::lost(error),
            None => return BrokerError::Lost("its event stream ended".into()),
            Some(_) => {}
        }
    }
}

/// Closes a connection, waiting at most three seconds.
pub async fn close(connection: Connection) {
    if let Err(error) =
        tokio::time::timeout(CLOSE_TIMEOUT, connection.close(200, "finished".into())).await
    {
        tracing::debug!(%error, "the broker did not confirm the close");
    }
}
