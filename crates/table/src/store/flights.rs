//! Single flight: a block that is being fetched is not fetched a second time. Whoever asks for it
//! meanwhile waits for the same answer.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use object_store::path::Path;

use super::block::{BlockKey, StoredBlock};

/// Most blocks of one request (8 MiB).
const LONGEST_RUN: u64 = 128;

/// Consecutive blocks, fewer than asked for if the object ends before.
pub(super) type FetchedBlocks = Result<Arc<Vec<StoredBlock>>, Arc<object_store::Error>>;
type Flight = Shared<BoxFuture<'static, FetchedBlocks>>;
type Going = HashMap<BlockKey, FlyingBlock>;

/// A block that is being fetched.
struct FlyingBlock {
    number: u64,
    /// First block of its request.
    first: u64,
    /// Weak: if nobody waits any more, the request is given up.
    flight: WeakShared<BoxFuture<'static, FetchedBlocks>>,
}

/// The requests that are under way.
#[derive(Default)]
pub(super) struct Flights {
    going: Arc<Mutex<Going>>,
    numbers: AtomicU64,
}

/// A request that will bring some of the wanted blocks.
pub(super) struct JoinedFlight {
    /// The wanted blocks that it brings.
    pub(super) blocks: Range<u64>,
    /// First block of the request.
    pub(super) first: u64,
    pub(super) flight: Flight,
}

impl std::fmt::Debug for Flights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

impl Flights {
    /// The requests that together bring these blocks (in ascending order). Those under way are
    /// joined; `fetch` makes the others, each for consecutive blocks.
    pub(super) fn join(
        &self,
        path: &Path,
        blocks: &[u64],
        fetch: impl Fn(Range<u64>) -> BoxFuture<'static, FetchedBlocks>,
    ) -> Vec<JoinedFlight> {
        // Declared before the lock is taken and dropped after it is released: the last handle on a
        // request locks when it is dropped.
        let mut under_way = Vec::with_capacity(blocks.len());
        let mut joined: Vec<JoinedFlight> = Vec::new();
        let mut going = lock(&self.going);
        under_way.extend(blocks.iter().map(|block| {
            let flying = going.get(&BlockKey::new(path, *block))?;
            Some((flying.first, flying.flight.upgrade()?))
        }));
        let mut at = 0;
        while let (Some(&block), Some(flight)) = (blocks.get(at), under_way.get(at)) {
            if let Some((first, flight)) = flight {
                let (first, flight) = (*first, flight.clone());
                joined.push(JoinedFlight { blocks: block..block + 1, first, flight });
                at += 1;
                continue;
            }
            let more = blocks.iter().zip(&under_way).skip(at);
            let run = more
                .zip(block..block + LONGEST_RUN)
                .take_while(|((wanted, flight), next)| *wanted == next && flight.is_none())
                .count();
            let run = block..block + run as u64;
            at += (run.end - run.start) as usize;
            let flight = self.begin(&mut going, path, run.clone(), fetch(run.clone()));
            joined.push(JoinedFlight { blocks: run, first: block, flight });
        }
        drop(going);
        joined
    }

    fn begin(
        &self,
        going: &mut Going,
        path: &Path,
        run: Range<u64>,
        fetching: BoxFuture<'static, FetchedBlocks>,
    ) -> Flight {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let keys: Vec<_> = run.clone().map(|block| BlockKey::new(path, block)).collect();
        let landing = Landing { going: Arc::clone(&self.going), keys: keys.clone(), number };
        let flight = async move {
            let fetched = fetching.await;
            drop(landing);
            fetched
        };
        let flight = flight.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            going.extend(
                keys.into_iter().map(|key| {
                    (key, FlyingBlock { number, first: run.start, flight: weak.clone() })
                }),
            );
        }
        flight
    }
}

/// Takes a request out of those under way, also if it is given up.
struct Landing {
    going: Arc<Mutex<Going>>,
    keys: Vec<BlockKey>,
    number: u64,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut going = lock(&self.going);
        for key in &self.keys {
            if going.get(key).is_some_and(|flying| flying.number == self.number) {
                going.remove(key);
            }
        }
    }
}

fn lock(going: &Mutex<Going>) -> MutexGuard<'_, Going> {
    going.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures::future;

    use super::*;

    fn answer(_: Range<u64>) -> BoxFuture<'static, FetchedBlocks> {
        future::ready(Ok(Arc::new(Vec::new()))).boxed()
    }

    fn runs(joined: &[JoinedFlight]) -> Vec<(u64, Range<u64>)> {
        joined.iter().map(|joined| (joined.first, joined.blocks.clone())).collect()
    }

    #[test]
    fn consecutive_blocks_are_one_request_and_those_under_way_are_joined() {
        let (flights, path) = (Flights::default(), Path::from("a"));
        let first = flights.join(&path, &[3, 4, 5, 9], answer);
        assert_eq!(runs(&first), [(3, 3..6), (9, 9..10)]);
        let second = flights.join(&path, &[2, 3, 5, 6, 7], answer);
        assert_eq!(runs(&second), [(2, 2..3), (3, 3..4), (3, 5..6), (6, 6..8)]);
        // Another object has other blocks.
        assert_eq!(runs(&flights.join(&Path::from("b"), &[3], answer)), [(3, 3..4)]);
        let long: Vec<_> = (0..LONGEST_RUN + 1).collect();
        assert_eq!(flights.join(&Path::from("c"), &long, answer).len(), 2);
    }

    #[test]
    fn what_has_arrived_or_was_given_up_is_not_under_way() {
        let (flights, path) = (Flights::default(), Path::from("a"));
        drop(flights.join(&path, &[1, 2], answer));
        assert!(lock(&flights.going).is_empty(), "given up");
        for joined in flights.join(&path, &[1, 2], answer) {
            assert!(joined.flight.now_or_never().is_some_and(|fetched| fetched.is_ok()));
        }
        assert!(lock(&flights.going).is_empty(), "arrived");
    }
}
