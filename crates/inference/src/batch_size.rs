//! How many inputs go into one run: as many as were asked for, fewer after memory has run out,
//! slowly more again.

use std::sync::{Mutex, PoisonError};

use crate::ModelError;

/// Runs of a full batch that must have worked before a larger one is tried: a few seconds to
/// minutes of work, so that a limit that is really there costs little.
const RUNS_BEFORE_GROWTH: u32 = 64;

/// The size of the next run, shared by all callers of one encoder.
pub(crate) struct BatchSize {
    max: usize,
    now: Mutex<Now>,
}

struct Now {
    size: usize,
    /// Full runs since the size last changed.
    worked: u32,
}

impl BatchSize {
    /// Starts with the largest.
    pub(crate) fn new(max: usize) -> Self {
        Self { max, now: Mutex::new(Now { size: max, worked: 0 }) }
    }

    /// The largest there will be.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// The present one, at least 1.
    pub(crate) fn get(&self) -> usize {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).size
    }

    /// Runs the first of `items`, as many as fit into memory; says how many those were. With
    /// `fixed` nothing smaller is tried.
    pub(crate) fn run_some<I, T>(
        &self,
        items: &[I],
        fixed: bool,
        run: impl Fn(&[I]) -> Result<T, ModelError>,
    ) -> Result<(usize, T), ModelError> {
        let mut size = self.get().min(items.len());
        loop {
            match run(items.get(..size).unwrap_or(items)) {
                Ok(result) => {
                    self.worked(size);
                    return Ok((size, result));
                }
                Err(ModelError::Run { model, tower, reason })
                    if !fixed && is_out_of_memory(&reason) =>
                {
                    let Some(smaller) = self.halve(size) else {
                        return Err(ModelError::Run { model, tower, reason });
                    };
                    tracing::warn!(
                        model,
                        tower,
                        batch = size,
                        smaller,
                        reason,
                        "out of memory: smaller runs from now on"
                    );
                    size = smaller;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// A run of so many worked.
    fn worked(&self, size: usize) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if now.size == self.max || size < now.size {
            return;
        }
        now.worked += 1;
        if now.worked >= RUNS_BEFORE_GROWTH {
            *now = Now { size: (now.size + now.size.div_ceil(4)).min(self.max), worked: 0 };
            tracing::info!(batch = now.size, "runs of the model grow again");
        }
    }

    /// A run of so many did not fit into memory. Says how many to try next; `None` where there is
    /// no smaller run.
    fn halve(&self, size: usize) -> Option<usize> {
        let smaller = (size > 1).then_some(size / 2)?;
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = Now { size: now.size.min(smaller), worked: 0 };
        Some(smaller)
    }
}

/// Whether ONNX Runtime, CUDA or the system's allocator says in these words that memory ran out.
fn is_out_of_memory(reason: &str) -> bool {
    const SIGNS: [&str; 5] = [
        "out of memory",
        "failed to allocate memory",
        "bad_alloc",
        "cublas_status_alloc_failed",
        "cudnn_status_alloc_failed",
    ];
    let reason = reason.to_ascii_lowercase();
    SIGNS.iter().any(|sign| reason.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_halves_at_once_and_grows_slowly() {
        let size = BatchSize::new(32);
        assert_eq!(size.halve(32), Some(16));
        assert_eq!(size.halve(16), Some(8));
        assert_eq!(size.get(), 8);
        for _ in 0..RUNS_BEFORE_GROWTH - 1 {
            size.worked(8);
        }
        size.worked(3);
        assert_eq!(size.get(), 8, "a run that was not full says nothing about a larger one");
        size.worked(8);
        assert_eq!(size.get(), 10);
        for _ in 0..20 * RUNS_BEFORE_GROWTH {
            size.worked(size.get());
        }
        assert_eq!(size.get(), 32);
    }

    #[test]
    fn one_is_the_least() {
        let size = BatchSize::new(1);
        assert_eq!((size.halve(1), size.get()), (None, 1));
    }

    #[test]
    fn words_of_several_allocators_are_known() {
        for said in [
            "CUDA failure 2: out of memory ; GPU=0",
            "BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 4398046511104",
            "std::bad_alloc",
            "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
        ] {
            assert!(is_out_of_memory(said), "{said}");
        }
        assert!(!is_out_of_memory("indices element out of data bounds"));
    }
}
