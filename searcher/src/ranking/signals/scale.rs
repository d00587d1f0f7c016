//! The scale of a signal whose scores are cosines.

use table::TableError;
use table::ledger::Ledger;

use crate::query::Cutoff;
use crate::query::weights::Signal;
use crate::ranking::calibration::Scale;
use crate::ranking::search::Search;

impl Search<'_> {
    /// How the cosines of this query vector are read: by the scale of the cursor, or else by a
    /// sample of the table.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub(super) async fn scale(
        &self,
        signal: Signal,
        vector: &[f32],
        ledger: &Ledger,
    ) -> Result<Option<Scale>, TableError> {
        if let Some(cursor) = &self.query.cursor {
            return Ok(cursor.scales.of(signal));
        }
        let needs_floor = self.query.cutoff == Cutoff::Auto && self.is_words_only();
        let unrelated = match self.model.encoders().map(|encoders| &encoders.unrelated_words) {
            Some(words) if needs_floor => words.soon().await,
            Some(words) => words.get(),
            None => None,
        }
        .unwrap_or_default();
        let sample = self.model.calibrator.sample(signal, ledger, &unrelated).await?;
        // Pictures are nearer to each other than words to pictures.
        let floor = sample.unrelated_floor.filter(|_| self.is_words_only());
        Ok(Scale::of(vector, &sample.vectors, floor))
    }
}
