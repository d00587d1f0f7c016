//! Long operations that operators start over HTTP. They run in the background, and can be looked at
//! and cancelled.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::refusal::Unknown;

const REMEMBERED: usize = 100;

/// The state of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OperationStatus {
    Running,
    Done,
    Failed,
    Cancelled,
}

/// One operation.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Operation {
    pub(crate) id: String,
    /// The action, e.g. `dead.replay`.
    pub(crate) kind: &'static str,
    /// What it works on, e.g. `dead/embed-demo-clip`. Only one operation at a time has a subject.
    pub(crate) subject: String,
    pub(crate) state: OperationStatus,
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
    /// The progress of a running operation, the result of an ended one.
    pub(crate) progress: Value,
    /// Why it failed; `null` otherwise.
    pub(crate) error: Option<String>,
    #[serde(skip)]
    cancel: CancellationToken,
}

/// How an operation ended that did not fail, with its result.
#[derive(Debug)]
pub(crate) enum OperationEnd {
    Done(Value),
    Cancelled(Value),
}

/// The running operations of this process, and the last hundred that ended. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Operations {
    known: Arc<Mutex<VecDeque<Operation>>>,
    shutdown: CancellationToken,
}

/// Given to an operation, which reports its progress to it and learns from it that it shall stop.
#[derive(Debug, Clone)]
pub(crate) struct OperationReporter {
    operations: Operations,
    id: String,
    /// Cancelled when the operation shall stop.
    pub(crate) cancel: CancellationToken,
}

impl OperationReporter {
    /// Replaces the shown progress.
    pub(crate) fn progress(&self, progress: Value) {
        self.operations.change(&self.id, |operation| operation.progress = progress);
    }
}

impl Operations {
    /// `shutdown` cancels all operations.
    pub(crate) fn new(shutdown: CancellationToken) -> Self {
        Self { known: Arc::default(), shutdown }
    }

    /// Starts an operation in the background.
    ///
    /// # Errors
    /// The running operation that has the same subject.
    pub(crate) fn start<F>(
        &self,
        kind: &'static str,
        subject: String,
        work: impl FnOnce(OperationReporter) -> F,
    ) -> Result<Operation, Box<Operation>>
    where
        F: Future<Output = anyhow::Result<OperationEnd>> + Send + 'static,
    {
        let mut known = self.known();
        if let Some(running) = known
            .iter()
            .find(|known| known.subject == subject && known.state == OperationStatus::Running)
        {
            return Err(Box::new(running.clone()));
        }
        let operation = Operation {
            id: uuid::Uuid::new_v4().simple().to_string(),
            kind,
            subject,
            state: OperationStatus::Running,
            started_at: Timestamp::now(),
            ended_at: None,
            progress: Value::Null,
            error: None,
            cancel: self.shutdown.child_token(),
        };
        known.push_back(operation.clone());
        drop(known);
        let reporter = OperationReporter {
            operations: self.clone(),
            id: operation.id.clone(),
            cancel: operation.cancel.clone(),
        };
        // A task of its own, so that a panic ends as a failed operation instead of one that runs
        // for ever.
        let work = tokio::spawn(work(reporter));
        let (operations, id) = (self.clone(), operation.id.clone());
        tokio::spawn(async move {
            let ended = work
                .await
                .unwrap_or_else(|panic| Err(anyhow::anyhow!("the operation broke off: {panic}")));
            operations.end(&id, ended);
        });
        Ok(operation)
    }

    /// The operation with this id.
    pub(crate) fn get(&self, id: &str) -> Result<Operation, Unknown> {
        self.known().iter().find(|known| known.id == id).cloned().ok_or_else(|| {
            let id: String = id.chars().take(64).collect();
            Unknown(format!(
                "no operation with the id '{id}' is known: the last {REMEMBERED} that ended are"
            ))
        })
    }

    /// Tells an operation to stop; returns how it stood.
    pub(crate) fn cancel(&self, id: &str) -> Result<Operation, Unknown> {
        let operation = self.get(id)?;
        operation.cancel.cancel();
        Ok(operation)
    }

    /// All that are known, newest first.
    pub(crate) fn list(&self) -> Vec<Operation> {
        self.known().iter().rev().cloned().collect()
    }

    fn end(&self, id: &str, ended: anyhow::Result<OperationEnd>) {
        self.change(id, |operation| {
            operation.ended_at = Some(Timestamp::now());
            operation.state = match ended {
                Ok(OperationEnd::Done(result)) => {
                    operation.progress = result;
                    OperationStatus::Done
                }
                Ok(OperationEnd::Cancelled(result)) => {
                    operation.progress = result;
                    OperationStatus::Cancelled
                }
                Err(error) => {
                    tracing::error!(operation.kind, operation.id, "an operation failed: {error:#}");
                    operation.error = Some(format!("{error:#}"));
                    OperationStatus::Failed
                }
            };
        });
        let mut known = self.known();
        let ended = known.iter().filter(|known| known.state != OperationStatus::Running).count();
        for _ in REMEMBERED..ended {
            if let Some(oldest) =
                known.iter().position(|known| known.state != OperationStatus::Running)
            {
                known.remove(oldest);
            }
        }
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Operation)) {
        if let Some(operation) = self.known().iter_mut().find(|known| known.id == id) {
            change(operation);
        }
    }

    fn known(&self) -> MutexGuard<'_, VecDeque<Operation>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    async fn ended(operations: &Operations, id: &str) -> Operation {
        for _ in 0..1000 {
            let operation = operations.get(id).expect("it is known");
            if operation.state != OperationStatus::Running {
                return operation;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("it does not end");
    }

    #[tokio::test]
    async fn one_operation_per_subject_and_every_end_is_told() {
        let operations = Operations::new(CancellationToken::new());
        let waits = |reporter: OperationReporter| async move {
            reporter.progress(json!(1));
            reporter.cancel.cancelled().await;
            Ok(OperationEnd::Cancelled(json!(2)))
        };
        let first = operations.start("test", "a".into(), waits).unwrap();
        assert_eq!(operations.start("test", "a".into(), waits).unwrap_err().id, first.id);
        let other =
            operations.start("test", "b".into(), |_| async { anyhow::bail!("no luck") }).unwrap();
        let broken = operations.start("test", "c".into(), |_| async { panic!("a bug") }).unwrap();
        first.cancel.cancel();
        let first = ended(&operations, &first.id).await;
        assert_eq!((first.state, first.progress), (OperationStatus::Cancelled, json!(2)));
        assert_eq!(ended(&operations, &other.id).await.error.as_deref(), Some("no luck"));
        assert_eq!(ended(&operations, &broken.id).await.state, OperationStatus::Failed);
        for _ in 0..150 {
            let next = operations
                .start("test", "a".into(), |_| async { Ok(OperationEnd::Done(json!(3))) })
                .unwrap();
            ended(&operations, &next.id).await;
        }
        assert_eq!(operations.list().len(), REMEMBERED);
    }
}
