//! The memory budget that all decoding of a process shares.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The bytes that the pictures of one process may hold together. Each picture takes a share before
/// it is decoded, and waits until the share is free.
///
/// Cheap to clone: all clones are the same budget. Shares are given in the order of the requests,
/// so that small pictures cannot starve a large one.
#[derive(Debug, Clone)]
pub struct Budget(Arc<BudgetQueue>);

#[derive(Debug)]
struct BudgetQueue {
    bytes: u64,
    state: Mutex<BudgetState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct BudgetState {
    taken: u64,
    // Ticket numbers: of the next request, and of the request to serve next.
    next: u64,
    serving: u64,
}

impl Budget {
    /// A budget of this many bytes.
    pub fn new(bytes: u64) -> Budget {
        Budget(Arc::new(BudgetQueue { bytes, state: Mutex::default(), changed: Condvar::new() }))
    }

    /// Takes a share, and blocks the calling thread until it is free. A request for more than the
    /// whole budget gets all of it, and is then alone.
    pub fn take(&self, bytes: u64) -> BudgetShare {
        let bytes = bytes.min(self.0.bytes);
        let mut state = self.0.lock();
        let number = state.next;
        state.next += 1;
        while state.serving != number || bytes > self.0.bytes - state.taken {
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.serving += 1;
        state.taken += bytes;
        drop(state);
        // The rest may be enough for the next request.
        self.0.changed.notify_all();
        BudgetShare { budget: self.clone(), bytes }
    }

    /// Bytes that are taken at present.
    pub fn taken(&self) -> u64 {
        self.0.lock().taken
    }
}

impl BudgetQueue {
    fn lock(&self) -> MutexGuard<'_, BudgetState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A share of a [`Budget`]. Dropping it gives it back.
#[derive(Debug)]
pub struct BudgetShare {
    budget: Budget,
    bytes: u64,
}

impl BudgetShare {
    /// Gives back all but this many bytes.
    pub fn shrink_to(&mut self, bytes: u64) {
        let spare = self.bytes.saturating_sub(bytes);
        self.bytes -= spare;
        self.budget.0.lock().taken -= spare;
        self.budget.0.changed.notify_all();
    }
}

impl Drop for BudgetShare {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn what_is_taken_comes_back() {
        let budget = Budget::new(100);
        let mut first = budget.take(60);
        let second = budget.take(40);
        assert_eq!(budget.taken(), 100);
        first.shrink_to(10);
        first.shrink_to(50);
        assert_eq!(budget.taken(), 50);
        drop((first, second));
        assert_eq!(budget.taken(), 0);
    }

    #[test]
    fn who_wants_more_than_there_is_gets_all_of_it_alone() {
        let budget = Budget::new(100);
        let small = budget.take(1);
        let (asked, answers) = mpsc::channel();
        let large = std::thread::spawn({
            let budget = budget.clone();
            move || {
                asked.send("asks").unwrap();
                let share = budget.take(1000);
                asked.send("has").unwrap();
                share
            }
        });
        assert_eq!(answers.recv().unwrap(), "asks");
        while budget.0.lock().next != 2 {
            std::thread::yield_now();
        }
        // The large request is next in line and cannot be served. Nobody may pass it.
        let late = std::thread::spawn({
            let budget = budget.clone();
            move || budget.take(1)
        });
        while budget.0.lock().next != 3 {
            std::thread::yield_now();
        }
        assert!(answers.try_recv().is_err() && budget.taken() == 1);
        drop(small);
        let share = large.join().unwrap();
        assert_eq!(budget.taken(), 100);
        drop(share);
        drop(late.join().unwrap());
        assert_eq!(budget.taken(), 0);
    }

    #[test]
    fn many_threads_never_hold_more_than_there_is() {
        let budget = Budget::new(100);
        std::thread::scope(|scope| {
            for seed in 0..8_u64 {
                let budget = &budget;
                scope.spawn(move || {
                    for round in 0..200 {
                        let share = budget.take((seed * 37 + round * 11) % 130);
                        assert!(budget.taken() <= 100);
                        drop(share);
                    }
                });
            }
        });
        assert_eq!(budget.taken(), 0);
    }
}
