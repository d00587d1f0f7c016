//! The connections and settings that everything in ingest works with.

use std::sync::Arc;

use pipeline::bucket::{Bucket, BucketSettings};
use pipeline::filter::KeyFilter;
use pipeline::state::StateStore;
use service::health::Health;
use service::settings::SettingsError;
use table::Database;
use table::location::{Access, Location};

use crate::settings::Settings;

/// The collaborators that exist before it is known whether this process is the active ingest.
/// Clones share them.
#[derive(Clone)]
pub(crate) struct IngestParts {
    pub(crate) settings: Arc<Settings>,
    pub(crate) bucket: Bucket,
    pub(crate) database: Database,
    pub(crate) state: StateStore,
    pub(crate) health: Health,
}

impl IngestParts {
    /// Makes next to no request.
    ///
    /// # Errors
    /// The location of the tables cannot be used.
    pub(crate) async fn connect(settings: Settings, health: Health) -> anyhow::Result<Self> {
        let bucket = Bucket::connect(&settings.bucket).await;
        let database = location(&settings.bucket).connect(Access::writer()).await?;
        let state = StateStore::new(bucket.clone(), &settings.bucket);
        Ok(Self { settings: Arc::new(settings), bucket, database, state, health })
    }

    /// For a command, which reports to its caller instead of a health page.
    ///
    /// # Errors
    /// As for [`Self::connect`].
    pub(crate) async fn for_command(settings: Settings) -> anyhow::Result<Self> {
        Self::connect(settings, Health::default()).await
    }

    /// Which keys are pictures.
    pub(crate) fn filter(&self) -> Result<KeyFilter, SettingsError> {
        KeyFilter::new(&self.settings.filter, &self.settings.bucket.own_prefix)
    }
}

/// Where the tables lie.
pub(crate) fn location(settings: &BucketSettings) -> Location {
    Location { uri: settings.tables_uri(), options: settings.storage_options() }
}
