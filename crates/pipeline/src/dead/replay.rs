//! Putting dead letters back to work, or away for good, one by one.
//!
//! What lies in the queue at the start is what a walk is about: what dies meanwhile, replayed
//! letters included, is left alone. A letter is published and confirmed before it leaves the dead
//! queue, so a crash in between leaves it in both places, never in none.

use std::collections::HashSet;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::DeadError;
use super::hold::{Held, Hold};
use super::selection::Selection;
use crate::connection::{AmqpSettings, BrokerError};
use crate::publish::{PublishError, Publisher};
use crate::stage_name::StageName;
use crate::topology::Topology;
use service::backoff::Backoff;

mod brakes;

use brakes::Brakes;

/// A replay waits while more than this many jobs wait in the bulk queue.
pub const DEEP: u32 = 100_000;
/// Fastest rate that can be asked for, in letters per second.
pub const MAX_RATE: f64 = 10_000.0;

// Others get a turn between two rounds, and no letter is on loan for so long that the broker's
// consumer timeout matters.
const ROUND: Duration = Duration::from_secs(15);
const BETWEEN: Duration = Duration::from_secs(1);
// On their way at once.
const WINDOW: usize = 64;
// A publish that is under way when the walk is stopped is waited for, because its letter would else
// be in both queues.
const LANDING: Duration = Duration::from_secs(10);
const ATTEMPTS: usize = 5;
// More than a minute: a broker that restarts is waited for.
const PATIENT_ATTEMPTS: usize = 10;

/// How fast a walk goes, how it is stopped, and where it says how far it is.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Letters per second, above 0 and up to [`MAX_RATE`]; `None`: as fast as the broker takes
    /// them.
    pub rate: Option<f64>,
    /// A replay waits while more jobs than this wait in the bulk queue; usually [`DEEP`].
    pub most_waiting: u32,
    /// Stops the walk between two letters.
    pub cancel: CancellationToken,
    /// Told after every letter.
    pub progress: watch::Sender<Progress>,
}

impl Pace {
    /// As fast as the broker takes them, until cancelled.
    pub fn full(cancel: CancellationToken) -> Self {
        Self { rate: None, most_waiting: DEEP, cancel, progress: watch::Sender::default() }
    }
}

/// How far a walk is. `total = moved + skipped + left`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Dead letters at the start.
    pub total: usize,
    /// Replayed or dropped.
    pub moved: usize,
    /// Not selected.
    pub skipped: usize,
    /// Selected and still to come.
    pub left: usize,
}

/// How a walk ended.
#[derive(Debug, Clone, Serialize)]
pub struct Walked {
    /// Its identity, which replayed jobs carry as `bl-replay-id`.
    pub id: String,
    /// What was done.
    #[serde(flatten)]
    pub progress: Progress,
    /// Whether it was stopped before its end.
    pub cancelled: bool,
    /// Dead letters that were beyond what can be seen at once; a further walk finds them.
    pub unseen: usize,
}

/// Publishes the selected dead letters to their stage's bulk queue, each confirmed before it leaves
/// the dead queue.
///
/// # Errors
/// The broker is away for long, refuses, or somebody else holds the letters; what was moved by then
/// stays moved.
pub async fn replay(
    settings: &AmqpSettings,
    stage: &StageName,
    publisher: &Publisher,
    selection: &Selection,
    pace: &Pace,
) -> Result<Walked, DeadError> {
    walk(settings, stage, Some(publisher), selection, pace).await
}

/// Takes the selected dead letters out of the queue for good.
///
/// # Errors
/// As for [`replay`].
pub async fn discard(
    settings: &AmqpSettings,
    stage: &StageName,
    selection: &Selection,
    pace: &Pace,
) -> Result<Walked, DeadError> {
    walk(settings, stage, None, selection, pace).await
}

async fn walk(
    settings: &AmqpSettings,
    stage: &StageName,
    publisher: Option<&Publisher>,
    selection: &Selection,
    pace: &Pace,
) -> Result<Walked, DeadError> {
    let mut walked = Walked {
        id: uuid::Uuid::new_v4().simple().to_string(),
        progress: Progress::default(),
        cancelled: false,
        unseen: 0,
    };
    let Some(mut hold) = unless_cancelled(pace, Hold::take(settings, stage)).await.transpose()?
    else {
        walked.cancelled = true;
        return Ok(walked);
    };
    walked.unseen = hold.unseen();
    let topology = Topology::new(&settings.namespace);
    let bulk = publisher.map(|_| topology.bulk_queue(stage));
    let mut walk = Walk {
        topology: &topology,
        publisher,
        replay_id: &walked.id,
        pace,
        ledger: Ledger::new(&hold, selection),
    };
    let mut brakes = Brakes::new(pace, bulk);
    walk.report();
    let mut in_vain = 0;
    loop {
        let before = walk.ledger.pending.len();
        let round = walk.round(&hold, &mut brakes).await;
        hold.release(round.settled).await;
        if let Some(error) = round.error {
            return Err(error.into());
        }
        // Letters that cannot be found again were taken out by somebody else.
        in_vain = if walk.ledger.pending.len() < before || round.found { 0 } else { in_vain + 1 };
        if walk.ledger.pending.is_empty() || pace.cancel.is_cancelled() || in_vain == ATTEMPTS {
            break;
        }
        if unless_cancelled(pace, tokio::time::sleep(BETWEEN)).await.is_none() {
            break;
        }
        match unless_cancelled(pace, take_again(settings, stage, PATIENT_ATTEMPTS)).await {
            Some(taken) => hold = taken?,
            None => break,
        }
    }
    clear(settings, stage, &walk.ledger.moved).await;
    walked.progress = walk.ledger.progress();
    walked.cancelled = pace.cancel.is_cancelled() && walked.progress.left > 0;
    Ok(walked)
}

async fn unless_cancelled<T>(pace: &Pace, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = pace.cancel.cancelled() => None,
        done = work => Some(done),
    }
}

async fn take_again(
    settings: &AmqpSettings,
    stage: &StageName,
    attempts: usize,
) -> Result<Hold, BrokerError> {
    let mut backoff = Backoff::default();
    for _ in 1..attempts {
        match Hold::take(settings, stage).await {
            Ok(hold) => return Ok(hold),
            Err(error) => tracing::warn!(%error, "the dead letters cannot be held, trying again"),
        }
        tokio::time::sleep(backoff.pause()).await;
    }
    Hold::take(settings, stage).await
}

/// Takes out what was settled and is there again, because the broker had not worked on the ack when
/// the channel closed.
pub(super) async fn clear(settings: &AmqpSettings, stage: &StageName, settled: &HashSet<u128>) {
    for _ in 0..ATTEMPTS {
        if settled.is_empty() {
            return;
        }
        let hold = match take_again(settings, stage, ATTEMPTS).await {
            Ok(hold) => hold,
            Err(error) => {
                tracing::warn!(%error, "what was taken out could not be checked: some letters may be there still");
                return;
            }
        };
        let (mut found, mut again) = (0, 0);
        for held in hold.held.iter().filter(|held| settled.contains(&held.letter.fingerprint())) {
            found += 1;
            again += usize::from(held.settle().await);
        }
        hold.release(again).await;
        if found == 0 {
            return;
        }
    }
}

/// Which letters are to be moved and which have been, by fingerprint.
struct Ledger {
    total: usize,
    selected: usize,
    pending: HashSet<u128>,
    // Published, or about to be, and not yet known to be.
    flying: HashSet<u128>,
    moved: HashSet<u128>,
}

impl Ledger {
    fn new(hold: &Hold, selection: &Selection) -> Self {
        let selected = selection.of(hold.held.iter().map(|held| &held.letter));
        let pending = selected.iter().map(|letter| letter.fingerprint()).collect();
        Self {
            total: hold.held.len(),
            selected: selected.len(),
            pending,
            flying: HashSet::new(),
            moved: HashSet::new(),
        }
    }

    fn progress(&self) -> Progress {
        let left = self.pending.len() + self.flying.len();
        Progress {
            total: self.total,
            moved: self.selected - left,
            skipped: self.total - self.selected,
            left,
        }
    }
}

struct Walk<'a> {
    topology: &'a Topology,
    publisher: Option<&'a Publisher>,
    replay_id: &'a str,
    pace: &'a Pace,
    ledger: Ledger,
}

#[derive(Default)]
struct Round {
    settled: usize,
    found: bool,
    error: Option<PublishError>,
}

struct Landed {
    fingerprint: u128,
    // Whether the letter is where it belongs now, and whether it has left the dead queue.
    moved: Result<bool, PublishError>,
    settled: bool,
}

impl Walk<'_> {
    /// Moves letters until all are moved, the time is up or the walk is stopped.
    async fn round(&mut self, hold: &Hold, brakes: &mut Brakes) -> Round {
        let mut round = Round::default();
        let mut flying = FuturesUnordered::new();
        brakes.begin(ROUND);
        for held in &hold.held {
            let fingerprint = held.letter.fingerprint();
            if self.ledger.moved.contains(&fingerprint) {
                round.settled += usize::from(held.settle().await);
            }
            if !self.ledger.pending.contains(&fingerprint) {
                continue;
            }
            round.found = true;
            let go = {
                let mut turn = std::pin::pin!(brakes.turn(hold.connection()));
                loop {
                    tokio::select! {
                        Some(landed) = flying.next(), if !flying.is_empty() => self.land(landed, &mut round),
                        go = &mut turn, if flying.len() < WINDOW => break go,
                    }
                }
            };
            if !go || round.error.is_some() {
                break;
            }
            self.ledger.pending.remove(&fingerprint);
            self.ledger.flying.insert(fingerprint);
            flying.push(move_one(held, self.publisher, self.topology, self.replay_id));
        }
        self.let_land(flying, &mut round).await;
        // What did not land may be in both queues, never in none.
        let Ledger { pending, flying, .. } = &mut self.ledger;
        pending.extend(flying.drain());
        round
    }

    async fn let_land(
        &mut self,
        mut flying: FuturesUnordered<impl Future<Output = Landed>>,
        round: &mut Round,
    ) {
        let cancel = self.pace.cancel.clone();
        let patience = async {
            cancel.cancelled().await;
            tokio::time::sleep(LANDING).await;
        };
        let mut patience = std::pin::pin!(patience);
        while !flying.is_empty() {
            tokio::select! {
                Some(landed) = flying.next() => self.land(landed, round),
                () = &mut patience => return,
            }
        }
    }

    fn land(&mut self, landed: Landed, round: &mut Round) {
        round.settled += usize::from(landed.settled);
        self.ledger.flying.remove(&landed.fingerprint);
        match landed.moved {
            Ok(true) => {
                self.ledger.moved.insert(landed.fingerprint);
                let action = if self.publisher.is_some() { "replayed" } else { "dropped" };
                metrics::counter!("bucketlens_dead_letters_moved_total", "action" => action)
                    .increment(1);
            }
            Ok(false) => {
                self.ledger.pending.insert(landed.fingerprint);
            }
            Err(error) => {
                self.ledger.pending.insert(landed.fingerprint);
                round.error.get_or_insert(error);
            }
        }
        self.report();
    }

    fn report(&self) {
        self.pace.progress.send_replace(self.ledger.progress());
    }
}

async fn move_one(
    held: &Held,
    publisher: Option<&Publisher>,
    topology: &Topology,
    replay_id: &str,
) -> Landed {
    let fingerprint = held.letter.fingerprint();
    let Some(publisher) = publisher else {
        let settled = held.settle().await;
        return Landed { fingerprint, moved: Ok(settled), settled };
    };
    match publisher.publish(held.letter.revived(topology, replay_id)).await {
        Ok(()) => Landed { fingerprint, moved: Ok(true), settled: held.settle().await },
        Err(error) => Landed { fingerprint, moved: Err(error), settled: false },
    }
}
