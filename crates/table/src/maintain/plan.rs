//! When maintenance does what.

use std::time::Duration;

/// Least time for which versions must be kept while any process reads or writes: a reader whose
/// version is pruned fails.
pub const LEAST_KEPT: Duration = Duration::from_secs(3600);

/// Thresholds of the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaintenancePlan {
    /// Rows of a full fragment, which is not merged any further. Fewer in tables with large rows.
    pub target_rows_per_fragment: usize,
    /// Rows from which a table gets indices. In smaller tables a flat search is quick and exact.
    pub index_from_rows: usize,
    /// Age up to which old versions stay. The caller checks it against [`LEAST_KEPT`].
    pub keep_versions: Duration,
}

impl Default for MaintenancePlan {
    fn default() -> Self {
        Self {
            target_rows_per_fragment: 131_072,
            index_from_rows: 10_000,
            keep_versions: Duration::from_secs(6 * 3600),
        }
    }
}
