//! Removing the rows of objects that are gone or overwritten.

use anyhow::Context;
use pipeline::ImageId;

use super::Sweeper;
use crate::watch::removal::{Fates, SuspectCheck, too_many};
use crate::watch::report::{SweepReport, SweepRequest};

impl Sweeper {
    /// Removes the rows of objects that are gone or overwritten. The listing only raises the
    /// suspicion; a HEAD decides.
    pub(super) async fn remove(
        &mut self,
        report: &mut SweepReport,
        request: &SweepRequest,
    ) -> anyhow::Result<()> {
        let lost = self.snapshot.unseen();
        if lost.is_empty() {
            return Ok(());
        }
        let check = SuspectCheck {
            bucket: &self.bucket,
            index: &self.index,
            filter: &self.filter,
            indexed: self.snapshot.rows_of(&self.stages.active())?,
            nothing_listed: report.objects == 0,
        };
        let Fates { gone, overwritten, unwatched } = check.ask(&lost).await?;
        report.unwatched = unwatched.len();
        self.dismiss(&unwatched);
        self.unwatched.extend(unwatched);
        let share = self.settings.watch.max_delete_share;
        let refused =
            !request.allow_mass_delete && too_many(gone.len(), self.snapshot.len(), share);
        let mut removed = overwritten;
        report.removed_overwritten = removed.len();
        if refused {
            report.refused = gone.len();
        } else {
            report.removed_gone = gone.len();
            removed.extend(gone);
        }
        if request.dry_run {
            return Ok(());
        }
        self.remove_rows(&removed).await?;
        anyhow::ensure!(
            !refused,
            "{} of {} indexed objects are gone from bucket '{}' or have other content, more than \
             watch.max_delete_share = {share}: their rows are kept. If that is on purpose, run \
             `ingest sweep --allow-mass-delete`",
            report.refused,
            self.snapshot.len(),
            self.bucket.name(),
        );
        Ok(())
    }

    async fn remove_rows(&mut self, removed: &[ImageId]) -> anyhow::Result<()> {
        self.index
            .remove(removed)
            .await
            .context("removing rows of objects that are gone or overwritten")?;
        self.dismiss(removed);
        for stage in self.stages.iter() {
            stage.published.forget(removed);
        }
        if !removed.is_empty() {
            metrics::counter!("bucketlens_ingest_removed_total").increment(removed.len() as u64);
            tracing::info!(
                objects = removed.len(),
                "removed rows of objects that are gone or overwritten"
            );
        }
        Ok(())
    }

    fn dismiss(&mut self, ids: &[ImageId]) {
        for table in self.snapshot.all_ids_mut() {
            table.dismiss(ids);
        }
    }
}
