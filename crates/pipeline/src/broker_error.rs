//! What can go wrong with the broker.

use axum::http::StatusCode;
use service::http::problem::Problem;

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
    /// Another process reads the same dead letters.
    #[error(
        "the dead letters in queue '{0}' are held by another process (a listing or a replay): \
         try again in a moment"
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
