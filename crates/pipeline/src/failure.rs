//! Failures, named by what the caller does about them.

use std::fmt;

/// What the worker does with a failed job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Try again after a growing delay: the store was slow, a connection broke.
    Retry,
    /// Put it into the dead queue with its reason: trying again cannot help, because the picture
    /// itself is bad.
    DeadLetter,
    /// The process cannot work, because the model or the store is away: keep the deliveries, take
    /// no more, and try again until it can.
    Halt,
}

/// Why a job did not succeed: an action, a stable class for grouping and a sentence for a person.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What to do about it.
    pub action: Action,
    /// Stable code, lower case with underscores: `corrupt_picture`, `store_unavailable`.
    pub class: &'static str,
    /// What happened, in a sentence.
    pub reason: String,
}

impl Failure {
    /// A failure that may pass.
    pub fn retry(class: &'static str, reason: impl fmt::Display) -> Self {
        Self { action: Action::Retry, class, reason: reason.to_string() }
    }

    /// A failure that stays.
    pub fn dead_letter(class: &'static str, reason: impl fmt::Display) -> Self {
        Self { action: Action::DeadLetter, class, reason: reason.to_string() }
    }

    /// A failure of the process, not of the job.
    pub fn halt(class: &'static str, reason: impl fmt::Display) -> Self {
        Self { action: Action::Halt, class, reason: reason.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reason, self.class)
    }
}

impl std::error::Error for Failure {}
