//! Programs that are restarted whenever they end, as systemd or Kubernetes would do.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::process::Process;
use crate::wait::eventually;

// systemd's default pause before it starts a service again.
const RESTART_PAUSE: Duration = Duration::from_millis(100);
// A program is not killed within this time of its start.
const GRACE: Duration = Duration::from_secs(1);

/// How often a supervised program ended, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramHistory {
    /// Its label: the program's name and its number.
    pub label: String,
    /// Times it was killed by SIGKILL.
    pub kills: usize,
    /// Times it ended by itself and was started again.
    pub ends: usize,
}

/// Keeps programs running until it is stopped or dropped.
pub struct Supervisor {
    programs: Vec<Arc<SupervisedProgram>>,
    watching: Vec<JoinHandle<()>>,
    stop: CancellationToken,
    _end: DropGuard,
}

/// A program to keep running, with the arguments of [`Process::start`].
pub(crate) struct ProgramSpec {
    pub(crate) program: String,
    pub(crate) label: String,
    pub(crate) folder: PathBuf,
    pub(crate) variables: Vec<(String, String)>,
}

struct SupervisedProgram {
    spec: ProgramSpec,
    state: Mutex<ProgramState>,
}

struct ProgramState {
    // `None` between an end and the next start.
    process: Option<Process>,
    since: Instant,
    starts: usize,
    kills: usize,
    ends: usize,
}

impl SupervisedProgram {
    fn state(&self) -> MutexGuard<'_, ProgramState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> String {
        let path = |start| self.spec.folder.join(format!("{}.{start}.log", self.spec.label));
        (1..=self.state().starts)
            .map(|start| std::fs::read_to_string(path(start)).unwrap_or_default())
            .collect()
    }

    fn start(&self, state: &mut ProgramState) {
        state.starts += 1;
        let label = format!("{}.{}", self.spec.label, state.starts);
        let process = Process::start(
            &self.spec.program,
            &label,
            &self.spec.folder,
            None,
            &self.spec.variables,
        );
        (state.process, state.since) = (Some(process), Instant::now());
    }

    async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(RESTART_PAUSE).await;
            let mut state = self.state();
            if state.process.as_mut().is_some_and(|process| process.ended().is_some()) {
                state.ends += 1;
                state.process = None;
            } else if state.process.is_none() {
                self.start(&mut state);
            }
        }
    }

    /// Kills it unless it is down or started within [`GRACE`].
    fn kill(&self) -> bool {
        let mut state = self.state();
        if state.since.elapsed() < GRACE {
            return false;
        }
        let Some(process) = state.process.as_mut() else { return false };
        if process.ended().is_some() {
            return false;
        }
        process.kill();
        state.process = None;
        state.kills += 1;
        true
    }
}

impl Supervisor {
    pub(crate) fn start(specs: Vec<ProgramSpec>) -> Self {
        let stop = CancellationToken::new();
        let programs: Vec<_> = specs
            .into_iter()
            .map(|spec| {
                let state = ProgramState {
                    process: None,
                    since: Instant::now(),
                    starts: 0,
                    kills: 0,
                    ends: 0,
                };
                let program = SupervisedProgram { spec, state: Mutex::new(state) };
                program.start(&mut program.state());
                Arc::new(program)
            })
            .collect();
        let watch = |program: &Arc<SupervisedProgram>| {
            let watching = Arc::clone(program).watch();
            let stop = stop.clone();
            tokio::spawn(async move {
                let _ = stop.run_until_cancelled(watching).await;
            })
        };
        let watching = programs.iter().map(watch).collect();
        Self { programs, watching, _end: stop.clone().drop_guard(), stop }
    }

    fn of(&self, label: &str) -> &Arc<SupervisedProgram> {
        self.programs
            .iter()
            .find(|program| program.spec.label == label)
            .unwrap_or_else(|| panic!("no supervised program is called {label}"))
    }

    /// Where the program listens now, `None` while it does not. The address changes with every
    /// start.
    pub fn base(&self, label: &str) -> Option<String> {
        let state = self.of(label).state();
        Some(format!("http://{}", state.process.as_ref()?.listening()?))
    }

    /// Waits until `/readyz` of the program answers 200, over any number of restarts.
    pub async fn ready(&self, label: &str) {
        let client = reqwest::Client::new();
        eventually(&format!("{label} is ready"), Duration::from_secs(120), || async {
            let answer = client.get(format!("{}/readyz", self.base(label)?)).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// Kills one program at once; `false` if it was down or started only just now.
    pub fn kill(&self, label: &str) -> bool {
        self.of(label).kill()
    }

    /// Kills programs at random, `count` times, with random pauses in between.
    pub async fn kill_at_random(&self, seed: u64, count: usize, pauses: Range<Duration>) {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut done = 0;
        while done < count {
            tokio::time::sleep(dice.random_range(pauses.clone())).await;
            let victim = dice.random_range(0..self.programs.len());
            done += usize::from(self.programs[victim].kill());
        }
    }

    /// The history of each program.
    pub fn histories(&self) -> Vec<ProgramHistory> {
        let history = |program: &Arc<SupervisedProgram>| {
            let state = program.state();
            ProgramHistory {
                label: program.spec.label.clone(),
                kills: state.kills,
                ends: state.ends,
            }
        };
        self.programs.iter().map(history).collect()
    }

    /// The logs of all programs, from all their starts.
    pub fn logs(&self) -> String {
        self.programs.iter().map(|program| program.log()).collect()
    }

    /// Ends supervision and sends SIGTERM; fails unless each program ends in time and with
    /// success.
    pub async fn stop(mut self) {
        self.stop.cancel();
        for task in self.watching.drain(..) {
            let _ = task.await;
        }
        for program in &self.programs {
            let process = program.state().process.take();
            if let Some(mut process) = process {
                let status = process.stop().await;
                assert!(status.success(), "{} ended with {status}", program.spec.label);
            }
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for program in &self.programs {
                let log = program.log();
                let tail = log.len().saturating_sub(8000);
                eprintln!(
                    "--- log of {} over all its starts:\n{}",
                    program.spec.label,
                    &log[log.ceil_char_boundary(tail)..]
                );
            }
        }
    }
}
