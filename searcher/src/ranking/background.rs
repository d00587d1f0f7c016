//! What a question is measured by: a fixed random sample of the rows of a table, read again when
//! the table has outgrown it.

use std::sync::{Arc, Mutex, PoisonError};

use table::TableError;
use table::ledger::Ledger;

use crate::ranking::calibration;

/// Rows of a sample: enough to tell a share of one percent, and some megabytes.
const SAMPLE_ROWS: usize = 1000;

/// A sample, and what hardly any unrelated words reach with it.
#[derive(Debug)]
pub(crate) struct Background {
    rows: usize,
    pub(crate) sample: Vec<Vec<f32>>,
    pub(crate) unrelated: Option<f32>,
}

/// The background of one table.
#[derive(Debug, Default)]
pub(crate) struct Backdrop(Mutex<Option<Arc<Background>>>);

impl Backdrop {
    /// The sample, as long as the table has between half and twice the rows it was taken from.
    /// `words` are vectors of words that have nothing to do with most pictures.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub(crate) async fn of(
        &self,
        ledger: &Ledger,
        words: &[Vec<f32>],
    ) -> Result<Arc<Background>, TableError> {
        let rows = ledger.count_rows().await?;
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(kept) = kept.filter(|kept| rows < 2 * kept.rows.max(1) && 2 * rows >= kept.rows)
        {
            return Ok(kept);
        }
        let sample = ledger.sample(SAMPLE_ROWS).await?;
        let background = Arc::new(Background {
            rows,
            unrelated: calibration::unrelated(words, &sample),
            sample,
        });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&background));
        Ok(background)
    }
}
