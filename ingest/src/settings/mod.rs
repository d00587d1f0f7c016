//! All settings of ingest. `settings.toml` documents them and holds their defaults.

mod maintain;
mod stages;
mod watching;

use pipeline::bucket::BucketSettings;
use pipeline::connection::AmqpSettings;
use pipeline::filter::{FilterSettings, KeyFilter};
use secrecy::SecretString;
use serde::Deserialize;
use service::http::HttpSettings;
use service::process::ProcessSettings;
use service::settings::{self, SettingsError};
use service::telemetry::LogSettings;

pub(crate) use maintain::MaintainSettings;
pub(crate) use stages::StageSettings;
pub(crate) use watching::{BackpressureSettings, EventSettings, WatchSettings};

/// All settings of ingest.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The bucket that holds the pictures.
    pub bucket: BucketSettings,
    /// The broker.
    pub amqp: AmqpSettings,
    /// Logging.
    pub log: LogSettings,
    /// The models and captioners that get jobs.
    pub stages: StageSettings,
    /// The keys that are pictures.
    pub filter: FilterSettings,
    /// Finding changes by listing.
    pub watch: WatchSettings,
    /// Finding changes by events.
    pub events: EventSettings,
    /// When publishing pauses.
    pub backpressure: BackpressureSettings,
    /// Keeping the tables in order.
    pub maintain: MaintainSettings,
    /// The operators' interface.
    pub ops: OpsSettings,
    /// The address of events, health, metrics and the operators' interface.
    pub http: HttpSettings,
}

/// `[ops]`: the operators' interface.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpsSettings {
    /// The key that operators send as bearer token. Empty: everybody who reaches the address may
    /// operate.
    pub api_key: SecretString,
    /// The address under which other instances and commands reach this process. Empty: the address
    /// it listens on.
    pub address: String,
}

impl OpsSettings {
    fn validate(&self) -> Result<(), SettingsError> {
        let schemes = ["http://", "https://"];
        if !self.address.is_empty() && !schemes.iter().any(|http| self.address.starts_with(http)) {
            let problem = "must be an http:// or https:// address";
            return Err(SettingsError::value("ops.address", problem));
        }
        Ok(())
    }
}

impl settings::Settings for Settings {
    const DEFAULTS: &'static [&'static str] =
        &[pipeline::DEFAULTS, include_str!("../../settings.toml")];

    fn process(&self) -> ProcessSettings {
        ProcessSettings { log: self.log.clone(), http: self.http.clone() }
    }

    fn validate(&self) -> Result<(), SettingsError> {
        self.bucket.validate()?;
        self.amqp.validate()?;
        self.backpressure.validate()?;
        self.maintain.validate()?;
        KeyFilter::new(&self.filter, &self.bucket.own_prefix)?;
        self.watch.validate()?;
        self.ops.validate()?;
        self.http.validate()?;
        self.stages.validate()
    }
}
