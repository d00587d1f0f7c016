//! Long operations that were asked for over HTTP: they run on, and can be looked at and stopped.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use service::http::problem::Problem;
use tokio_util::sync::CancellationToken;

const REMEMBERED: usize = 100;

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Running,
    Done,
    Failed,
    Cancelled,
}

/// One operation, as it is shown.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Operation {
    pub(crate) id: String,
    /// What it does, e.g. `dead.replay`.
    pub(crate) kind: &'static str,
    /// What it works on, of which only one operation at a time does, e.g. `dead/embed`.
    pub(crate) subject: String,
    pub(crate) state: Status,
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
    /// How far it is; at its end, its result.
    pub(crate) progress: Value,
    /// Why it failed.
    pub(crate) error: Option<String>,
    #[serde(skip)]
    cancel: CancellationToken,
}

/// How an operation ended that did not fail.
#[derive(Debug)]
pub(crate) enum End {
    Done(Value),
    Cancelled(Value),
}

/// All operations of this process: the running ones and the last hundred that ended. Clones share
/// them.
#[derive(Debug, Clone)]
pub(crate) struct Operations {
    known: Arc<Mutex<VecDeque<Operation>>>,
    shutdown: CancellationToken,
}

/// What an operation gets to say how far it is and to learn that it shall stop.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    operations: Operations,
    id: String,
    /// Stops the operation.
    pub(crate) cancel: CancellationToken,
}

impl Reporter {
    /// Replaces the progress that is shown.
    pub(crate) fn progress(&self, progress: Value) {
        self.operations.change(&self.id, |operation| operation.progress = progress);
    }
}

impl Operations {
    /// `shutdown` cancels all of them.
    pub(crate) fn new(shutdown: CancellationToken) -> Self {
        Self { known: Arc::default(), shutdown }
    }

    /// Starts an operation in the background.
    ///
    /// # Errors
    /// One of the same subject runs already; it is given back.
    pub(crate) fn start<F>(
        &self,
        kind: &'static str,
        subject: String,
        work: impl FnOnce(Reporter) -> F,
    ) -> Result<Operation, Box<Operation>>
    where
        F: Future<Output = anyhow::Result<End>> + Send + 'static,
    {
        let mut known = self.known();
        if let Some(running) =
            known.iter().find(|known| known.subject == subject && known.state == Status::Running)
        {
            return Err(Box::new(running.clone()));
        }
        let operation = Operation {
            id: uuid::Uuid::new_v4().simple().to_string(),
            kind,
            subject,
            state: Status::Running,
            started_at: Timestamp::now(),
            ended_at: None,
            progress: Value::Null,
            error: None,
            cancel: self.shutdown.child_token(),
        };
        known.push_back(operation.clone());
        drop(known);
        let reporter = Reporter {
            operations: self.clone(),
            id: operation.id.clone(),
            cancel: operation.cancel.clone(),
        };
        // A task of its own, so that a panic in it ends as a failed operation and not as one that
        // runs for ever.
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
    pub(crate) fn get(&self, id: &str) -> Option<Operation> {
        self.known().iter().find(|known| known.id == id).cloned()
    }

    /// All that are known, newest first.
    pub(crate) fn list(&self) -> Vec<Operation> {
        self.known().iter().rev().cloned().collect()
    }

    fn end(&self, id: &str, ended: anyhow::Result<End>) {
        self.change(id, |operation| {
            operation.ended_at = Some(Timestamp::now());
            operation.state = match ended {
                Ok(End::Done(result)) => {
                    operation.progress = result;
                    Status::Done
                }
                Ok(End::Cancelled(result)) => {
                    operation.progress = result;
                    Status::Cancelled
                }
                Err(error) => {
                    tracing::error!(operation.kind, operation.id, "an operation failed: {error:#}");
                    operation.error = Some(format!("{error:#}"));
                    Status::Failed
                }
            };
        });
        let mut known = self.known();
        let ended = known.iter().filter(|known| known.state != Status::Running).count();
        for _ in REMEMBERED..ended {
            if let Some(oldest) = known.iter().position(|known| known.state != Status::Running) {
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

/// `/v1/ops/operations`: list, look at, stop.
pub(crate) fn router(operations: Operations) -> Router {
    Router::new()
        .route("/v1/ops/operations", get(list))
        .route("/v1/ops/operations/{id}", get(show).delete(cancel))
        .with_state(operations)
}

async fn list(State(operations): State<Operations>) -> Json<Value> {
    Json(json!({ "operations": operations.list() }))
}

async fn show(
    State(operations): State<Operations>,
    Path(id): Path<String>,
) -> Result<Json<Operation>, Problem> {
    operations.get(&id).map(Json).ok_or_else(|| unknown(&id))
}

async fn cancel(
    State(operations): State<Operations>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Operation>), Problem> {
    let operation = operations.get(&id).ok_or_else(|| unknown(&id))?;
    operation.cancel.cancel();
    Ok((StatusCode::ACCEPTED, Json(operation)))
}

fn unknown(id: &str) -> Problem {
    let id: String = id.chars().take(64).collect();
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("no operation with the id '{id}' is known: the last {REMEMBERED} that ended are"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ended(operations: &Operations, id: &str) -> Operation {
        for _ in 0..1000 {
            let operation = operations.get(id).expect("it is known");
            if operation.state != Status::Running {
                return operation;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("it does not end");
    }

    #[tokio::test]
    async fn one_operation_per_subject_and_every_end_is_told() {
        let operations = Operations::new(CancellationToken::new());
        let waits = |reporter: Reporter| async move {
            reporter.progress(json!(1));
            reporter.cancel.cancelled().await;
            Ok(End::Cancelled(json!(2)))
        };
        let first = operations.start("test", "a".into(), waits).unwrap();
        assert_eq!(operations.start("test", "a".into(), waits).unwrap_err().id, first.id);
        let other =
            operations.start("test", "b".into(), |_| async { anyhow::bail!("no luck") }).unwrap();
        let broken = operations.start("test", "c".into(), |_| async { panic!("a bug") }).unwrap();
        first.cancel.cancel();
        let first = ended(&operations, &first.id).await;
        assert_eq!((first.state, first.progress), (Status::Cancelled, json!(2)));
        assert_eq!(ended(&operations, &other.id).await.error.as_deref(), Some("no luck"));
        assert_eq!(ended(&operations, &broken.id).await.state, Status::Failed);
        for _ in 0..150 {
            let next = operations
                .start("test", "a".into(), |_| async { Ok(End::Done(json!(3))) })
                .unwrap();
            ended(&operations, &next.id).await;
        }
        assert_eq!(operations.list().len(), REMEMBERED);
    }
}
