//! The batch size: how many inputs go into one run. It is halved when memory runs out and then
//! grows again slowly.

use std::sync::{Mutex, PoisonError};

use super::placement::Placement;
use crate::ModelError;

/// Full runs that must succeed before a larger batch is tried. They take seconds to minutes, so a
/// limit that still holds costs little.
const RUNS_BEFORE_GROWTH: u32 = 64;

/// Inputs per run where the caller asks for none.
pub(crate) struct DefaultBatch {
    pub(crate) cpu: usize,
    pub(crate) gpu: usize,
}

impl DefaultBatch {
    /// `asked`, or the default of the hardware where `asked` is 0.
    pub(crate) fn resolve(&self, asked: usize, placement: &Placement) -> usize {
        match asked {
            0 if placement.is_gpu() => self.gpu,
            0 => self.cpu,
            asked => asked,
        }
    }
}

/// The size of the next run, shared by all callers of one encoder.
pub(crate) struct BatchSize {
    max: usize,
    state: Mutex<BatchState>,
}

struct BatchState {
    size: usize,
    /// Full runs that succeeded since the size last changed.
    succeeded: u32,
}

impl BatchSize {
    /// Starts at the largest size.
    pub(crate) fn new(max: usize) -> Self {
        Self { max, state: Mutex::new(BatchState { size: max, succeeded: 0 }) }
    }

    /// The largest size.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// The current size, at least 1.
    pub(crate) fn get(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).size
    }

    /// Runs as many of the first `items` as fit into memory, and returns how many those were. A
    /// `fixed` batch cannot be made smaller, so running out of memory is an error then.
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
                    self.succeeded(size);
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

    /// Records that a run of `size` inputs succeeded.
    fn succeeded(&self, size: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.size == self.max || size < state.size {
            return;
        }
        state.succeeded += 1;
        if state.succeeded >= RUNS_BEFORE_GROWTH {
            let larger = (state.size + state.size.div_ceil(4)).min(self.max);
            *state = BatchState { size: larger, succeeded: 0 };
            tracing::info!(batch = larger, "runs of the model grow again");
        }
    }

    /// Records that a run of `size` inputs did not fit into memory, and returns the size to try
    /// next. `None` where no smaller run is possible.
    fn halve(&self, size: usize) -> Option<usize> {
        let smaller = (size > 1).then_some(size / 2)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = BatchState { size: state.size.min(smaller), succeeded: 0 };
        Some(smaller)
    }
}

/// Whether these words of ONNX Runtime, CUDA or the system's allocator mean that memory ran out.
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
            size.succeeded(8);
        }
        size.succeeded(3);
        assert_eq!(size.get(), 8, "a run that was not full says nothing about a larger one");
        size.succeeded(8);
        assert_eq!(size.get(), 10);
        for _ in 0..20 * RUNS_BEFORE_GROWTH {
            size.succeeded(size.get());
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
            "BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size \
             4398046511104",
            "std::bad_alloc",
            "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
        ] {
            assert!(is_out_of_memory(said), "{said}");
        }
        assert!(!is_out_of_memory("indices element out of data bounds"));
    }
}
