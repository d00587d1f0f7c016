//! All settings of ingest; `settings.toml` documents them.

use std::time::Duration;

use pipeline::bucket::BucketSettings;
use pipeline::connection::AmqpSettings;
use pipeline::event::EventSource;
use pipeline::filter::{FilterSettings, KeyFilter};
use pipeline::models::check_id;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use service::http::HttpSettings;
use service::process::ProcessSettings;
use service::settings::{self, SettingsError, list};
use service::telemetry::LogSettings;

use crate::governor::BackpressureSettings;
use crate::upkeep::MaintainSettings;

/// All settings of ingest.
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
    /// When publishing pauses.
    pub backpressure: BackpressureSettings,
    /// Keeping the tables in order.
    pub maintain: MaintainSettings,
    /// The operator's interface.
    pub ops: OpsSettings,
    /// Where events, health, metrics and the operator's interface are served.
    pub http: HttpSettings,
}

/// `[stages]`: which jobs an object gets.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageSettings {
    /// Ids of the models that embed; the first is the active one until somebody activates another.
    #[serde(deserialize_with = "list")]
    pub models: Vec<String>,
    /// Ids of the captioners.
    #[serde(deserialize_with = "list")]
    pub captioners: Vec<String>,
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
    /// Whether to listen to the store.
    pub listen: bool,
    /// Whether to take what the store pushes into the broker.
    pub queue: bool,
    /// What a sender must know; empty closes the door.
    pub secret: SecretString,
    /// Who sends, because each encodes keys its own way.
    pub source: EventSource,
}

impl EventSettings {
    /// Whether any door is open, so that new objects are expected to be told of.
    pub(crate) fn any_open(&self) -> bool {
        self.listen || self.queue || !self.secret.expose_secret().is_empty()
    }
}

/// `[ops]`: the operator's interface.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpsSettings {
    /// What an operator must know; empty: whoever reaches the address may use it.
    pub api_key: SecretString,
    /// Address under which other instances and the commands reach this one; empty: as it listens.
    pub address: String,
}

impl settings::Settings for Settings {
    const DEFAULTS: &'static [&'static str] =
        &[pipeline::DEFAULTS, include_str!("../settings.toml")];

    fn process(&self) -> ProcessSettings {
        ProcessSettings { log: self.log.clone(), http: self.http.clone() }
    }

    fn validate(&self) -> Result<(), SettingsError> {
        self.bucket.validate()?;
        self.amqp.validate()?;
        self.backpressure.validate()?;
        self.maintain.validate()?;
        KeyFilter::new(&self.filter, &self.bucket.own_prefix)?;
        if self.watch.poll_interval < Duration::from_millis(100) {
            return Err(SettingsError::value("watch.poll_interval", "must be at least 100ms"));
        }
        if !(0.0..=1.0).contains(&self.watch.max_delete_share) {
            return Err(SettingsError::value("watch.max_delete_share", "must be from 0 to 1"));
        }
        if !self.ops.address.is_empty()
            && !self.ops.address.starts_with("http://")
            && !self.ops.address.starts_with("https://")
        {
            return Err(SettingsError::value(
                "ops.address",
                "must be an http:// or https:// address",
            ));
        }
        if self.stages.models.is_empty() {
            return Err(SettingsError::value("stages.models", "must name at least one model"));
        }
        for (setting, ids) in
            [("stages.models", &self.stages.models), ("stages.captioners", &self.stages.captioners)]
        {
            for (place, id) in ids.iter().enumerate() {
                check_id(id).map_err(|error| SettingsError::value(setting, error.to_string()))?;
                if ids[..place].contains(id) {
                    return Err(SettingsError::value(setting, format!("names '{id}' twice")));
                }
            }
        }
        Ok(())
    }
}
