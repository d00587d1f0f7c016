//! Samples of the tables, by which cosines are calibrated. A sample is kept until the table has
//! outgrown it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::calibration::{UnwantedPart, unrelated_floor};
use super::view::SearchView;
use crate::problem::Problem;
use crate::query::weights::Signal;

/// Rows of a sample: enough to measure a share of one percent, and a few megabytes.
const SAMPLE_ROWS: usize = 1000;

/// A fixed random sample of the rows of a table.
#[derive(Debug)]
pub(crate) struct RowSample {
    // Rows of the table when the sample was taken.
    table_rows: usize,
    // They may have been there later than the sample.
    unrelated_words: usize,
    pub(crate) vectors: Vec<Vec<f32>>,
    /// The cosine that hardly any unrelated words reach with these rows; `None` where it cannot be
    /// measured.
    floor: Option<f32>,
}

impl RowSample {
    /// The cosine that hardly any unrelated words reach with these rows, together with the part of
    /// the query that is unwanted; `None` where it cannot be measured.
    pub(crate) fn unrelated_floor(
        &self,
        unrelated_words: &[Vec<f32>],
        unwanted: Option<&UnwantedPart>,
    ) -> Option<f32> {
        match unwanted {
            None => self.floor,
            Some(_) => unrelated_floor(unrelated_words, &self.vectors, unwanted),
        }
    }
}

/// The samples of one model, one per signal.
#[derive(Debug, Default)]
pub(crate) struct Calibrator(Mutex<BTreeMap<Signal, Arc<RowSample>>>);

impl Calibrator {
    /// The sample of the table that a signal searches. It is taken anew when the table has fewer
    /// than half or at least twice the rows it had. `unrelated_words` are vectors of words that
    /// most pictures have nothing to do with.
    ///
    /// # Errors
    /// The sample cannot be read.
    pub(crate) async fn sample(
        &self,
        signal: Signal,
        view: &SearchView,
        unrelated_words: &[Vec<f32>],
    ) -> Result<Arc<RowSample>, Problem> {
        let rows = view.vectors(signal).await?;
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&signal).cloned();
        let still_fits = |kept: &Arc<RowSample>| {
            kept.unrelated_words == unrelated_words.len()
                && rows < 2 * kept.table_rows.max(1)
                && 2 * rows >= kept.table_rows
        };
        if let Some(kept) = kept.filter(still_fits) {
            return Ok(kept);
        }
        let vectors = view.sample(signal, SAMPLE_ROWS).await?;
        let sample = Arc::new(RowSample {
            table_rows: rows,
            unrelated_words: unrelated_words.len(),
            floor: unrelated_floor(unrelated_words, &vectors, None),
            vectors,
        });
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.insert(signal, Arc::clone(&sample));
        Ok(sample)
    }
}
