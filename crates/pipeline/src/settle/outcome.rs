//! How a job ended.

use crate::failure::{Action, Failure};

/// How a job ended, as metrics name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JobOutcome {
    /// Its rows are committed.
    Done,
    /// Its rows were there already.
    Exists,
    /// The object is gone.
    Gone,
    /// The object has other content by now; that content has its own job.
    Superseded,
    /// It failed.
    Failed(FailureRecord),
}

/// The parts of a [`Failure`] that a settled job records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailureRecord {
    /// Whether it is tried again, if attempts are left.
    pub(super) retry: bool,
    pub(super) class: &'static str,
    pub(super) reason: String,
}

impl From<Failure> for JobOutcome {
    fn from(failure: Failure) -> Self {
        let retry = failure.action != Action::DeadLetter;
        Self::Failed(FailureRecord { retry, class: failure.class, reason: failure.reason })
    }
}

impl JobOutcome {
    /// Whether the process has shown that it can work.
    pub(crate) fn is_progress(&self) -> bool {
        !matches!(self, Self::Failed(_))
    }

    /// The name in metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Exists => "exists",
            Self::Gone => "gone",
            Self::Superseded => "superseded",
            Self::Failed(record) if record.retry => "retried",
            Self::Failed(_) => "dead",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halt_never_becomes_a_dead_letter_by_itself() {
        let outcome = JobOutcome::from(Failure::halt("store_unavailable", "away"));
        assert_eq!(outcome.name(), "retried");
        assert_eq!(JobOutcome::from(Failure::dead_letter("corrupt_picture", "bad")).name(), "dead");
    }
}
