//! Programs that are started again whenever they end, as systemd or Kubernetes would do it.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::process::Process;
use crate::world::eventually;

// systemd's default pause before it starts a service again.
const RESTART_PAUSE: Duration = Duration::from_millis(100);
// A program is left alone for this long after its start.
const GRACE: Duration = Duration::from_secs(1);

/// What became of one supervised program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fortune {
    /// Its label: the program's name and its number.
    pub label: String,
    /// Times it was killed by SIGKILL.
    pub kills: usize,
    /// Times it ended by itself and was started again.
    pub ends: usize,
}

/// Keeps programs running until it is stopped or dropped.
pub struct Supervisor {
    kept: Vec<Arc<Kept>>,
    watching: Vec<JoinHandle<()>>,
    stop: CancellationToken,
    _end: DropGuard,
}

/// A program to keep running: what [`Process::start`] needs.
pub(crate) struct Recipe {
    pub(crate) program: String,
    pub(crate) label: String,
    pub(crate) folder: PathBuf,
    pub(crate) variables: Vec<(String, String)>,
}

struct Kept {
    recipe: Recipe,
    state: Mutex<State>,
}

struct State {
    // `None` between an end and the next start.
    process: Option<Process>,
    since: Instant,
    starts: usize,
    kills: usize,
    ends: usize,
}

impl Kept {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> String {
        let path = |life| self.recipe.folder.join(format!("{}.{life}.log", self.recipe.label));
        (1..=self.state().starts)
            .map(|life| std::fs::read_to_string(path(life)).unwrap_or_default())
            .collect()
    }

    fn start(&self, state: &mut State) {
        state.starts += 1;
        let label = format!("{}.{}", self.recipe.label, state.starts);
        let process = Process::start(
            &self.recipe.program,
            &label,
            &self.recipe.folder,
            None,
            &self.recipe.variables,
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

    /// Kills it unless it is down or has hardly begun.
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
    pub(crate) fn start(recipes: Vec<Recipe>) -> Self {
        let stop = CancellationToken::new();
        let kept: Vec<_> = recipes
            .into_iter()
            .map(|recipe| {
                let state =
                    State { process: None, since: Instant::now(), starts: 0, kills: 0, ends: 0 };
                let kept = Kept { recipe, state: Mutex::new(state) };
                kept.start(&mut kept.state());
                Arc::new(kept)
            })
            .collect();
        let watch = |kept: &Arc<Kept>| {
            let watching = Arc::clone(kept).watch();
            let stop = stop.clone();
            tokio::spawn(async move {
                let _ = stop.run_until_cancelled(watching).await;
            })
        };
        let watching = kept.iter().map(watch).collect();
        Self { kept, watching, _end: stop.clone().drop_guard(), stop }
    }

    fn of(&self, label: &str) -> &Arc<Kept> {
        self.kept
            .iter()
            .find(|kept| kept.recipe.label == label)
            .unwrap_or_else(|| panic!("nobody supervises {label}"))
    }

    /// Where the program listens now; `None` while it is down or has not begun to. It moves at
    /// every start.
    pub fn base(&self, label: &str) -> Option<String> {
        let state = self.of(label).state();
        Some(format!("http://{}", state.process.as_ref()?.listening()?))
    }

    /// Waits until `/readyz` of the program says yes, however often it is started until then.
    pub async fn ready(&self, label: &str) {
        let client = reqwest::Client::new();
        eventually(&format!("{label} is ready"), Duration::from_secs(120), || async {
            let answer = client.get(format!("{}/readyz", self.base(label)?)).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// Kills one program at once; `false` if it was down or had hardly begun.
    pub fn kill(&self, label: &str) -> bool {
        self.of(label).kill()
    }

    /// Kills programs at random, `count` times, with random pauses in between.
    pub async fn kill_at_random(&self, seed: u64, count: usize, pauses: Range<Duration>) {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut done = 0;
        while done < count {
            tokio::time::sleep(dice.random_range(pauses.clone())).await;
            let victim = dice.random_range(0..self.kept.len());
            done += usize::from(self.kept[victim].kill());
        }
    }

    /// What became of each.
    pub fn fortunes(&self) -> Vec<Fortune> {
        let fortune = |kept: &Arc<Kept>| {
            let state = kept.state();
            Fortune { label: kept.recipe.label.clone(), kills: state.kills, ends: state.ends }
        };
        self.kept.iter().map(fortune).collect()
    }

    /// Everything all of them have logged, in all their lives.
    pub fn logs(&self) -> String {
        self.kept.iter().map(|kept| kept.log()).collect()
    }

    /// Ends supervision and sends SIGTERM; fails unless each ends in time and says that all was
    /// well.
    pub async fn stop(mut self) {
        self.stop.cancel();
        for task in self.watching.drain(..) {
            let _ = task.await;
        }
        for kept in &self.kept {
            let process = kept.state().process.take();
            if let Some(mut process) = process {
                let status = process.stop().await;
                assert!(status.success(), "{} ended with {status}", kept.recipe.label);
            }
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for kept in &self.kept {
                let log = kept.log();
                let tail = log.len().saturating_sub(8000);
                eprintln!(
                    "--- log of all lives of {}:\n{}",
                    kept.recipe.label,
                    &log[log.ceil_char_boundary(tail)..]
                );
            }
        }
    }
}
