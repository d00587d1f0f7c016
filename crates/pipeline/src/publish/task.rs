//! The task that owns the publishing connection.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use lapin::options::ConfirmSelectOptions;
use lapin::{Channel, Connection};
use service::backoff::Backoff;
use service::health::Health;
use tokio::sync::mpsc;

use super::window::{self, PublishRequest, WINDOW, WindowResult};
use crate::connection::{self, AmqpSettings, BrokerError};
use crate::stage_name::StageName;
use crate::topology::{Topology, TopologyMode};

const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct PublisherTask {
    pub(super) settings: AmqpSettings,
    pub(super) topology: Topology,
    pub(super) name: String,
    pub(super) stages: Vec<StageName>,
    pub(super) health: Health,
}

impl PublisherTask {
    /// Publishes what comes in until every handle is gone.
    pub(super) async fn run(self, mut inbox: mpsc::Receiver<PublishRequest>) {
        let mut pending = Vec::new();
        let mut backoff = Backoff::default();
        loop {
            match connection::in_time(self.open()).await {
                Ok((connection, channel)) => {
                    self.health.ok("publisher");
                    backoff.reset();
                    match self.serve(&connection, &channel, &mut inbox, &mut pending).await {
                        Ok(()) => return connection::close(connection).await,
                        Err(error) => self.note_trouble(&error),
                    }
                }
                Err(error) => self.note_trouble(&error),
            }
            if inbox.is_closed() && pending.is_empty() && inbox.is_empty() {
                return;
            }
            tokio::time::sleep(backoff.pause()).await;
            drop_abandoned(&mut pending);
        }
    }

    fn note_trouble(&self, error: &BrokerError) {
        metrics::counter!("bucketlens_broker_reconnects_total", "role" => "publisher").increment(1);
        self.health.trouble("publisher", error.to_string());
        tracing::warn!(%error, "publisher will connect again");
    }

    async fn open(&self) -> Result<(Connection, Channel), BrokerError> {
        let connection =
            connection::connect(&self.settings, &format!("{} publisher", self.name)).await?;
        self.topology.ensure(&connection, self.settings.topology, &self.stages).await?;
        let channel = connection.create_channel().await.map_err(BrokerError::lost)?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(BrokerError::lost)?;
        Ok((connection, channel))
    }

    /// Publishes window after window until every handle is gone (`Ok`) or the connection breaks
    /// (`Err`). Unconfirmed messages stay in `pending` and go out again on the next connection.
    async fn serve(
        &self,
        connection: &Connection,
        channel: &Channel,
        inbox: &mut mpsc::Receiver<PublishRequest>,
        pending: &mut Vec<PublishRequest>,
    ) -> Result<(), BrokerError> {
        let mut events = Box::pin(connection.events_listener());
        loop {
            while pending.is_empty() {
                tokio::select! {
                    taken = inbox.recv_many(pending, WINDOW) => if taken == 0 { return Ok(()) },
                    error = connection::broken(&mut events) => return Err(error),
                }
            }
            let WindowResult { refused, returned } =
                self.confirmed(connection, window::publish(channel, pending)).await?;
            if returned && self.settings.topology == TopologyMode::Declare {
                // A queue was deleted under us: connect again, which declares it. Not at once,
                // because a queue that comes back within milliseconds can leave its former
                // consumers stalled (seen on RabbitMQ 3.10).
                return Err(BrokerError::Lost("a queue is missing, declaring it again".into()));
            }
            if refused {
                metrics::counter!("bucketlens_publish_refused_total").increment(1);
                tracing::warn!("the broker refuses messages (queue full?), trying again");
                tokio::time::sleep(REFUSED_PAUSE).await;
                drop_abandoned(pending);
            }
        }
    }

    /// Waits for the confirms of a window. While the broker blocks publishers (memory or disk
    /// alarm) it goes on waiting: a new connection would be blocked as well, and the old one could
    /// not even be closed.
    async fn confirmed(
        &self,
        connection: &Connection,
        window: impl Future<Output = Result<WindowResult, BrokerError>>,
    ) -> Result<WindowResult, BrokerError> {
        let mut window = pin!(window);
        loop {
            match tokio::time::timeout(CONFIRM_TIMEOUT, &mut window).await {
                Ok(result) => {
                    self.health.ok("publisher");
                    return result;
                }
                Err(_) if connection.status().blocked() => {
                    self.health.trouble(
                        "publisher",
                        "the broker takes no messages: look for a memory or disk alarm",
                    );
                }
                Err(_) => {
                    let reason = format!("no confirm within {CONFIRM_TIMEOUT:?}");
                    return Err(BrokerError::Lost(reason));
                }
            }
        }
    }
}

/// Drops messages whose callers no longer wait for the confirm.
fn drop_abandoned(pending: &mut Vec<PublishRequest>) {
    pending.retain(|request| !request.reply.is_closed());
}
