//! `[maintain]`: keeping the tables in order.

use std::time::Duration;

use serde::Deserialize;
use service::settings::SettingsError;
use table::maintain::{LEAST_KEPT, MaintenancePlan};

/// `[maintain]`: keeping the tables in order.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaintainSettings {
    /// Pause between two rounds.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// Pause between two looks whether an index has fallen behind.
    #[serde(with = "humantime_serde")]
    pub index_interval: Duration,
    /// Rows per fragment that compaction aims at.
    pub rows_per_fragment: usize,
    /// A table with fewer rows than this gets no index.
    pub index_from_rows: usize,
    /// Old versions of a table are kept for this long.
    #[serde(with = "humantime_serde")]
    pub keep_versions: Duration,
}

impl MaintainSettings {
    pub(crate) fn plan(&self) -> MaintenancePlan {
        MaintenancePlan {
            target_rows_per_fragment: self.rows_per_fragment,
            index_from_rows: self.index_from_rows,
            keep_versions: self.keep_versions,
        }
    }

    pub(super) fn validate(&self) -> Result<(), SettingsError> {
        if self.interval < Duration::from_secs(1) {
            return Err(SettingsError::value("maintain.interval", "must be at least 1s"));
        }
        if self.index_interval < Duration::from_secs(1) {
            return Err(SettingsError::value("maintain.index_interval", "must be at least 1s"));
        }
        if !(1_024..=1_048_576).contains(&self.rows_per_fragment) {
            return Err(SettingsError::value(
                "maintain.rows_per_fragment",
                "must be from 1024 to 1048576",
            ));
        }
        if self.index_from_rows < 1_000 {
            return Err(SettingsError::value(
                "maintain.index_from_rows",
                "must be at least 1000: fewer rows train no index",
            ));
        }
        if self.keep_versions < LEAST_KEPT {
            return Err(SettingsError::value(
                "maintain.keep_versions",
                "must be at least 1h: slow readers still use old versions",
            ));
        }
        Ok(())
    }
}
