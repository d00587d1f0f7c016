//! Ingest: bucket → jobs. Watches by listing and by events, publishes what the tables lack, removes what is gone.
//! Exactly one of it runs: it alone deletes rows.

mod events;
mod index;
mod published;
mod reconcile;

use std::sync::Arc;
use std::time::Duration;

use pipeline::bucket::{Bucket, BucketSettings};
use pipeline::connection::{AmqpSettings, Backoff};
use pipeline::dead;
use pipeline::event::EventSource;
use pipeline::filter::{FilterSettings, KeyFilter};
use pipeline::health::Health;
use pipeline::job::StageName;
use pipeline::publish::Publisher;
use pipeline::service::{self, HttpSettings, Shared};
use pipeline::settings::{self, SettingsError, list};
use pipeline::telemetry::LogSettings;
use pipeline::topology::Topology;
use secrecy::SecretString;
use serde::Deserialize;
use table::location::{Access, Location};
use tokio_util::sync::CancellationToken;

use crate::index::Index;
use crate::published::Published;
use crate::reconcile::Reconciler;

// Longer than the whole retry ladder takes.
const OVERDUE: Duration = Duration::from_secs(2 * 3600);

// As many dead letters as one consumer may hold.
const MOST_DEAD: u16 = u16::MAX;

/// All settings of ingest; `settings.toml` documents them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the pictures lie.
    pub bucket: BucketSettings,
    /// The broker.
    pub amqp: AmqpSettings,
    /// Logging.
    pub log: LogSettings,
    /// Which jobs an object gets.
    pub stages: StageSettings,
    /// Which keys are pictures.
    pub filter: FilterSettings,
    /// Watching by listing.
    pub watch: WatchSettings,
    /// Watching by events.
    pub events: EventSettings,
    /// Where events, health and metrics are served.
    pub http: HttpSettings,
}

/// `[stages]`: which jobs an object gets.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageSettings {
    /// Ids of the models that embed.
    #[serde(deserialize_with = "list")]
    pub models: Vec<String>,
}

/// `[watch]`: watching by listing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchSettings {
    /// Pause between two listings.
    #[serde(with = "humantime_serde")]
    pub poll_interval: Duration,
    /// Largest share of indexed objects that is removed at once.
    pub max_delete_share: f64,
}

/// `[events]`: watching by notifications.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventSettings {
    /// What a sender must know; empty closes the door.
    pub secret: SecretString,
    /// Who sends, because each encodes keys its own way.
    pub source: EventSource,
}

impl settings::Settings for Settings {
    const DEFAULTS: &'static str = include_str!("../settings.toml");

    fn shared(&self) -> Shared {
        Shared { log: self.log.clone(), http: self.http.clone() }
    }

    fn validate(&self) -> Result<(), SettingsError> {
        self.bucket.validate()?;
        self.amqp.validate()?;
        KeyFilter::new(&self.filter, &self.bucket.own_prefix)?;
        if self.watch.poll_interval < Duration::from_millis(100) {
            return Err(SettingsError::value("watch.poll_interval", "must be at least 100ms"));
        }
        if !(0.0..=1.0).contains(&self.watch.max_delete_share) {
            return Err(SettingsError::value("watch.max_delete_share", "must be from 0 to 1"));
        }
        // One stage is named `embed`; serving several models needs a stage per model.
        let [model] = self.stages.models.as_slice() else {
            return Err(SettingsError::value("stages.models", "must name exactly one model"));
        };
        if model.is_empty() || !model.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
            return Err(SettingsError::value("stages.models", "must be the id of a model: letters, digits, '-', '_' or '.'"));
        }
        Ok(())
    }
}

/// Runs ingest until shutdown.
///
/// # Errors
/// The socket or the store cannot be used.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let health = Health::default();
    health.expect(&["store", "publisher", "listing"]);
    let listener = service::bind(&settings.http).await?;

    let bucket = Bucket::connect(&settings.bucket).await;
    let location = Location { uri: settings.bucket.tables_uri(), options: settings.bucket.storage_options() };
    table::probe::probe(&location).await?;
    let database = location.connect(Access::writer()).await?;
    health.ok("store");

    let stages = vec![StageName::embed()];
    let publisher = Publisher::start(settings.amqp.clone(), format!("ingest {}", std::process::id()), stages, health.clone());
    let published = Published::new(publisher, Topology::new(&settings.amqp.namespace));
    let index = Index::new(database, &settings.stages.models[0]);
    let filter = Arc::new(KeyFilter::new(&settings.filter, &settings.bucket.own_prefix)?);

    let door = events::Door::new(bucket.clone(), index.clone(), Arc::clone(&filter), published.clone(), settings.events);
    let http = tokio::spawn(service::serve(listener, events::router(door), health.clone(), shutdown.clone()));
    remember_dead(&published, &settings.amqp, &shutdown).await;
    let reconciler =
        Reconciler::new(bucket, index, filter, published.clone(), settings.filter.prefix, settings.watch.max_delete_share);
    let overdue = Overdue { published, amqp: settings.amqp };
    watch(reconciler, overdue, settings.watch.poll_interval, &health, &shutdown).await;
    http.await?
}

/// Dead letters lack a row for ever, but have had their job: without this, every restart would publish them again and
/// each would die once more.
async fn remember_dead(published: &Published, settings: &AmqpSettings, shutdown: &CancellationToken) {
    let mut backoff = Backoff::default();
    loop {
        match dead::peek(settings, &StageName::embed(), MOST_DEAD).await {
            Ok(jobs) => return published.remember(jobs.iter().map(|job| job.object.image_id())),
            Err(error) => tracing::warn!(%error, "the dead letters cannot be read, trying again"),
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.pause()) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Jobs that should have ended long ago: their message may be lost with a broker's disk, or their object was gone for the
/// moment in which a worker looked.
struct Overdue {
    published: Published,
    amqp: AmqpSettings,
}

impl Overdue {
    /// Lets them be published again, except those that lie among the dead letters.
    async fn look_into(&self) -> anyhow::Result<()> {
        if self.published.overdue(OVERDUE) {
            let dead = dead::peek(&self.amqp, &StageName::embed(), MOST_DEAD).await?;
            self.published.remember(dead.iter().map(|job| job.object.image_id()));
            self.published.forget_overdue(OVERDUE);
        }
        Ok(())
    }
}

/// Compares bucket and tables again and again; a failed comparison changes nothing and is tried again.
async fn watch(mut reconciler: Reconciler, overdue: Overdue, pause: Duration, health: &Health, shutdown: &CancellationToken) {
    loop {
        let comparison = async {
            overdue.look_into().await?;
            reconciler.run().await
        };
        let result = tokio::select! {
            result = comparison => result,
            () = shutdown.cancelled() => return,
        };
        match result {
            Ok(()) => health.ok("listing"),
            Err(error) => {
                tracing::error!("bucket and tables could not be compared, trying again: {error:#}");
                health.trouble("listing", format!("{error:#}"));
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => return,
        }
    }
}
