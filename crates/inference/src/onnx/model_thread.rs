//! The model thread: it owns one ONNX Runtime session and answers one request after the other.
//!
//! Only one caller may run a session at a time. A lock could be poisoned by a panic, so the session
//! never leaves its thread instead. Callers wait on a channel that holds one request: waiting work
//! stays with the callers (back pressure).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use ort::session::Session;

use super::placement::Placement;
use super::runtime::Runtime;
use super::session::{self, Graph};
use super::signature::GraphSignature;
use super::tensor::{GraphInput, Matrix, run_to_matrix};
use crate::ModelError;

/// Work for the session. It sends its result to the caller itself.
type SessionWork = Box<dyn FnOnce(&mut Session) + Send>;

const PANICKED: &str = "ONNX Runtime's binding panicked";

/// A handle on a model thread. Dropping it waits for the current run and ends the thread.
pub(crate) struct ModelThread {
    model: String,
    tower: &'static str,
    requests: Option<SyncSender<SessionWork>>,
    thread: Option<JoinHandle<()>>,
}

impl ModelThread {
    /// Starts the thread and loads the graph on it. Returns what the graph declares and where it
    /// runs.
    pub(crate) fn start(
        runtime: &Runtime,
        model: &str,
        tower: &'static str,
        graph: Graph,
    ) -> Result<(ModelThread, GraphSignature, Placement), ModelError> {
        let failed = |reason: String| ModelError::Load { model: model.to_owned(), tower, reason };
        let runtime = runtime.clone();
        let (requests, queue) = sync_channel(1);
        let (loaded, ready) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name(format!("{model} {tower}"))
            .spawn(move || {
                let session = catch_unwind(AssertUnwindSafe(|| session::load(&runtime, &graph)));
                match session.unwrap_or_else(|_| Err(String::from(PANICKED))) {
                    Ok((session, placement)) => {
                        let signature = GraphSignature::of(&session);
                        if loaded.send(Ok((signature, placement))).is_ok() {
                            answer_all(session, &queue);
                        }
                    }
                    // The receiver waits below. It is gone only if its own thread is.
                    Err(reason) => drop(loaded.send(Err(reason))),
                }
            })
            .map_err(|error| failed(format!("its thread did not start: {error}")))?;
        let (signature, placement) =
            ready.recv().map_err(|_| failed(String::from("its thread died")))?.map_err(failed)?;
        placement.log(model, tower);
        let (requests, thread) = (Some(requests), Some(thread));
        let handle = ModelThread { model: model.to_owned(), tower, requests, thread };
        Ok((handle, signature, placement))
    }

    /// Runs the graph once and returns one of its outputs as a matrix. Blocks until it is done.
    pub(crate) fn run(&self, inputs: Vec<GraphInput>, output: &str) -> Result<Matrix, ModelError> {
        let output = output.to_owned();
        self.with_session(move |session| run_to_matrix(session, inputs, &output))
    }

    /// Gives the session to `work`, which may run it several times. Blocks until it is done.
    pub(crate) fn with_session<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session) -> Result<T, String> + Send + 'static,
    ) -> Result<T, ModelError> {
        let stopped = || ModelError::Stopped { model: self.model.clone(), tower: self.tower };
        let (answer, result) = sync_channel(1);
        let requests = self.requests.as_ref().ok_or_else(stopped)?;
        let request: SessionWork = Box::new(move |session| {
            let worked = catch_unwind(AssertUnwindSafe(|| work(session)));
            // The thread serves the other callers, even if this one no longer waits.
            drop(answer.send(worked.unwrap_or_else(|_| Err(String::from(PANICKED)))));
        });
        requests.send(request).map_err(|_| stopped())?;
        let result = result.recv().map_err(|_| stopped())?;
        result.map_err(|reason| ModelError::Run {
            model: self.model.clone(),
            tower: self.tower,
            reason,
        })
    }
}

impl Drop for ModelThread {
    fn drop(&mut self) {
        // Closing the channel ends the thread. Joining it makes sure that no run is under way when
        // the process exits.
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn answer_all(mut session: Session, queue: &Receiver<SessionWork>) {
    for request in queue {
        request(&mut session);
    }
}
