//! The scale of a signal whose scores are cosines.

use super::calibration::Scale;
use super::query_vector::CombinedVector;
use super::search::Search;
use crate::problem::Problem;
use crate::query::Cutoff;
use crate::query::weights::Signal;

impl Search<'_> {
    /// How the cosines of this query vector are read: by the scale of the cursor, or else by a
    /// sample of the table.
    ///
    /// # Errors
    /// The sample cannot be read.
    pub(super) async fn scale(
        &self,
        signal: Signal,
        vector: &CombinedVector,
    ) -> Result<Option<Scale>, Problem> {
        if let Some(cursor) = &self.cursor {
            return Ok(cursor.scales.of(signal));
        }
        let needs_floor = self.query.cutoff == Cutoff::Auto && self.is_words_only();
        let unrelated = match self.model.encoders().map(|encoders| &encoders.unrelated_words) {
            Some(words) if needs_floor => words.soon().await,
            Some(words) => words.get(),
            None => None,
        }
        .unwrap_or_default();
        let sample = self.model.calibrator.sample(signal, &self.view, &unrelated).await?;
        // Pictures are nearer to each other than words to pictures.
        let floor = match self.is_words_only() {
            true => sample.unrelated_floor(&unrelated, vector.unwanted.as_ref()),
            false => None,
        };
        Ok(Scale::of(&vector.values, &sample.vectors, floor))
    }
}
