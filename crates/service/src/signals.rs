//! The signals that a service and an operator's command obey.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

/// What came first: a signal, or the deadline.
pub(crate) enum Heard {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
    /// No signal before the deadline.
    TooLate,
}

/// The signals that a process listens to.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    // `None`: SIGHUP ends the process, which is the system's default.
    hangup: Option<Signal>,
}

impl Signals {
    /// SIGTERM and SIGINT, as [`Heard::Stop`].
    pub(crate) fn to_stop() -> std::io::Result<Self> {
        let [terminate, interrupt] = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
        Ok(Self { terminate: terminate?, interrupt: interrupt?, hangup: None })
    }

    /// The same, and SIGHUP as [`Heard::Reload`].
    pub(crate) fn to_stop_or_reload() -> std::io::Result<Self> {
        Ok(Self { hangup: Some(signal(SignalKind::hangup())?), ..Self::to_stop()? })
    }

    /// Waits for the next signal, but not beyond the deadline if there is one.
    pub(crate) async fn next(&mut self, deadline: Option<Instant>) -> Heard {
        let late = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => Heard::Stop,
            _ = self.interrupt.recv() => Heard::Stop,
            _ = hangup => Heard::Reload,
            () = late => Heard::TooLate,
        }
    }
}

/// Ends the process because a second signal came.
pub(crate) fn leave_at_once() -> ! {
    tracing::warn!("second signal, leaving at once");
    std::process::exit(1);
}

/// Ends the process because it did not finish in time.
pub(crate) fn leave_late(limit: Duration) -> ! {
    tracing::warn!(?limit, "not finished in time, leaving; jobs in hand are delivered again");
    std::process::exit(1);
}
