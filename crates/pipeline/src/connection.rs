//! One connection to the broker, and how to get the next one.
//!
//! lapin's own recovery is off on purpose: after some failures it leaves consumers that never yield
//! and never end. Instead whoever owns a connection drops it whole at the first sign of trouble and
//! connects again.

use std::future::Future;
use std::time::Duration;

use axum::http::StatusCode;
use lapin::{Connection, ConnectionProperties};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use service::SettingsError;
use service::http::problem::Problem;

use crate::topology::TopologyMode;

// lapin's asynchronous connect has no limit of its own.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
// Declaring everything of a stage takes well under a second on a broker that is well.
const CONVERSATION_TIMEOUT: Duration = Duration::from_secs(60);
// A connection that the broker has blocked never answers a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// `[amqp]`: the broker.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmqpSettings {
    /// `amqp://` or `amqps://` address; secret because it holds a password.
    pub url: SecretString,
    /// Begin of every exchange and queue name.
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
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if self.namespace.is_empty()
            || self.namespace.len() > 100
            || !self.namespace.chars().all(named)
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

/// The broker did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// No connection could be made. The address is left out: it holds a password.
    #[error("cannot connect to the broker at amqp.url: {0}")]
    Connect(String),
    /// The connection or channel broke.
    #[error("the connection to the broker was lost: {0}")]
    Lost(String),
    /// An exchange or queue is missing or differs.
    #[error("{kind} '{name}' is not as it must be: {reason}")]
    Topology {
        /// `queue` or `exchange`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What the broker said.
        reason: String,
    },
    /// Somebody else looks at the same dead letters.
    #[error(
        "the dead letters in queue '{0}' are held by another process (a listing or a replay): try again in a moment"
    )]
    Busy(String),
}

impl BrokerError {
    pub(crate) fn lost(error: lapin::Error) -> Self {
        Self::Lost(error.to_string())
    }

    pub(crate) fn topology(kind: &'static str, name: &str, error: lapin::Error) -> Self {
        Self::Topology { kind, name: name.to_owned(), reason: error.to_string() }
    }
}

impl From<BrokerError> for Problem {
    fn from(error: BrokerError) -> Self {
        match error {
            BrokerError::Busy(_) => Self::new(StatusCode::CONFLICT, error),
            error => Self::unavailable("the broker cannot be asked", error),
        }
    }
}

/// Makes one attempt to connect. `name` is shown in the broker's list of connections.
///
/// # Errors
/// The broker is not reachable within ten seconds or refuses.
pub async fn connect(settings: &AmqpSettings, name: &str) -> Result<Connection, BrokerError> {
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    match tokio::time::timeout(
        CONNECT_TIMEOUT,
        Connection::connect(settings.url.expose_secret(), properties),
    )
    .await
    {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(BrokerError::Connect(error.to_string())),
        Err(_) => Err(BrokerError::Connect(format!("no answer within {CONNECT_TIMEOUT:?}"))),
    }
}

/// Gives up a conversation with the broker that takes too long: a request that was under way when
/// the connection broke may never be answered.
pub(crate) async fn in_time<T>(
    conversation: impl Future<Output = Result<T, BrokerError>>,
) -> Result<T, BrokerError> {
    let late = |_| Err(BrokerError::Lost(format!("no answer within {CONVERSATION_TIMEOUT:?}")));
    tokio::time::timeout(CONVERSATION_TIMEOUT, conversation).await.unwrap_or_else(late)
}

/// Closes a connection without waiting for ever.
pub async fn close(connection: Connection) {
    if let Err(error) =
        tokio::time::timeout(CLOSE_TIMEOUT, connection.close(200, "finished".into())).await
    {
        tracing::debug!(%error, "the broker did not confirm the close");
    }
}
