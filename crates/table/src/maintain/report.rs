//! The result of a maintenance, for logs and operators.

use serde::Serialize;

use super::compact::Compaction;
use super::index::Indexing;
use super::prune::Pruning;
use super::spares::Spares;
use crate::error::TableError;

/// How one step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome<T> {
    /// The step ran; perhaps there was nothing to do.
    Done(T),
    /// The step failed for this reason. The next maintenance tries it again.
    Failed(String),
}

impl<T> StepOutcome<T> {
    /// The result, if there is one.
    pub fn done(&self) -> Option<&T> {
        match self {
            Self::Done(result) => Some(result),
            Self::Failed(_) => None,
        }
    }

    /// The reason, if it failed.
    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::Done(_) => None,
            Self::Failed(reason) => Some(reason),
        }
    }
}

/// The maintenance of one table; its steps in the order in which they ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableReport {
    /// Name of the table.
    pub table: String,
    /// Spare rows removed.
    pub spares: StepOutcome<Spares>,
    /// Fragments merged.
    pub compaction: StepOutcome<Compaction>,
    /// Indices made and extended.
    pub indexing: StepOutcome<Indexing>,
    /// Whether the sample of its vectors was taken anew.
    pub calibration: StepOutcome<bool>,
    /// Old versions removed.
    pub pruning: StepOutcome<Pruning>,
    /// How long all of it took, in milliseconds.
    pub took_ms: u64,
}

impl TableReport {
    /// The report of a table that cannot be opened.
    pub(super) fn unreachable(table: &str, error: &TableError) -> Self {
        let reason = error.to_string();
        Self {
            table: table.to_owned(),
            spares: StepOutcome::Failed(reason.clone()),
            compaction: StepOutcome::Failed(reason.clone()),
            indexing: StepOutcome::Failed(reason.clone()),
            calibration: StepOutcome::Failed(reason.clone()),
            pruning: StepOutcome::Failed(reason),
            took_ms: 0,
        }
    }

    /// The steps that failed, with their reasons.
    pub fn failures(&self) -> Vec<(&'static str, &str)> {
        let reasons = [
            ("spares", self.spares.failure()),
            ("compaction", self.compaction.failure()),
            ("indexing", self.indexing.failure()),
            ("calibration", self.calibration.failure()),
            ("pruning", self.pruning.failure()),
        ];
        reasons.into_iter().filter_map(|(step, reason)| Some((step, reason?))).collect()
    }
}

/// What catching up did to one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CatchUpReport {
    /// Fragments merged.
    pub compaction: StepOutcome<Compaction>,
    /// Indices made and extended.
    pub indexing: StepOutcome<Indexing>,
}

impl CatchUpReport {
    /// Why steps failed.
    pub fn failures(&self) -> impl Iterator<Item = &str> {
        [self.compaction.failure(), self.indexing.failure()].into_iter().flatten()
    }
}

/// The maintenance of several tables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MaintenanceReport {
    /// One entry per table that exists.
    pub tables: Vec<TableReport>,
}

impl MaintenanceReport {
    /// The steps that failed, one sentence each.
    pub fn failures(&self) -> Vec<String> {
        let sentences = |report: &TableReport| {
            let table = report.table.clone();
            let of_table = report
                .failures()
                .into_iter()
                .map(move |(step, reason)| format!("{step} of table {table}: {reason}"));
            of_table.collect::<Vec<_>>()
        };
        self.tables.iter().flat_map(sentences).collect()
    }
}
