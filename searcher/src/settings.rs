//! All settings of the searcher; `settings.toml` documents them.

use std::time::Duration;

use inference::RuntimeSettings;
use ipnet::IpNet;
use pipeline::bucket::BucketSettings;
use pipeline::connection::AmqpSettings;
use pipeline::models;
use secrecy::SecretString;
use serde::Deserialize;
use service::http::HttpSettings;
use service::process::ProcessSettings;
use service::settings::{self, SettingsError, list};
use service::telemetry::LogSettings;

/// All settings of the searcher; `settings.toml` documents them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where pictures and tables lie.
    pub bucket: BucketSettings,
    /// The broker: asked how much waits, and given the captions that somebody asks for.
    pub amqp: AmqpSettings,
    /// Logging.
    pub log: LogSettings,
    /// Whose vectors are searched.
    pub models: ModelSettings,
    /// How models are run.
    pub runtime: RuntimeSettings,
    /// Whose captions are searched.
    pub captions: CaptionSettings,
    /// Limits of one search.
    pub search: SearchSettings,
    /// Query pictures of other sites.
    pub image_urls: ImageUrlSettings,
    /// Putting pictures into the bucket.
    pub upload: UploadSettings,
    /// Where operators' requests go.
    pub operations: OperationsSettings,
    /// Who may search.
    pub access: AccessSettings,
    /// Where everything is served.
    pub http: HttpSettings,
}

/// `[models]`: whose vectors are searched.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// Built-in name, name of a folder below `folder`, or path of a folder; used until operators
    /// have chosen a model.
    pub active: String,
    /// Where the folders of models lie.
    pub folder: String,
}

/// `[captions]`: whose captions are searched.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptionSettings {
    /// Id of the captioner; empty: no captions are searched.
    pub active: String,
}

/// `[search]`: limits of one search.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchSettings {
    /// Age up to which a version of a table may be reused.
    #[serde(with = "humantime_serde")]
    pub freshness: Duration,
    /// Compare all rows at every search, even where an index would be quicker.
    pub exact: bool,
    /// Candidates that each of several signals is asked for.
    pub candidates: usize,
    /// Largest uploaded picture.
    pub max_image_bytes: usize,
    /// Most pixels of an uploaded picture.
    pub max_pixels: u64,
    /// Memory all query pictures being decoded may take together.
    pub max_decoded_in_flight: u64,
    /// Requests worked on at once.
    pub max_concurrent: usize,
    /// Longest time of one request.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

/// `[image_urls]`: query pictures that are given by their address.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageUrlSettings {
    /// Whether they are fetched.
    pub enabled: bool,
    /// Networks that may be asked although they are not public.
    #[serde(deserialize_with = "list")]
    pub allow: Vec<String>,
    /// Longest time of one of them, redirects included.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

/// `[upload]`: putting pictures into the bucket from the page.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadSettings {
    /// Whether whoever may search may also upload.
    pub enabled: bool,
    /// What all keys of uploads begin with; ends with a slash.
    pub prefix: String,
    /// Largest file.
    pub max_bytes: u64,
}

/// `[operations]`: where operators' requests go.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationsSettings {
    /// Address of ingest; empty: operations are not offered here.
    pub url: String,
}

/// `[access]`: who may search and see originals.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessSettings {
    /// What a client must know; empty lets everybody in.
    pub api_key: SecretString,
    /// How long a link to an original works.
    #[serde(with = "humantime_serde")]
    pub link_lifetime: Duration,
}

impl settings::Settings for Settings {
    const DEFAULTS: &'static [&'static str] =
        &[pipeline::DEFAULTS, inference::DEFAULTS, include_str!("../settings.toml")];

    fn process(&self) -> ProcessSettings {
        ProcessSettings { log: self.log.clone(), http: self.http.clone() }
    }

    fn validate(&self) -> Result<(), SettingsError> {
        self.bucket.validate()?;
        self.amqp.validate()?;
        if self.models.active.is_empty() {
            return Err(SettingsError::value("models.active", "must name a model"));
        }
        if !(1..=10_000).contains(&self.search.max_concurrent) {
            return Err(SettingsError::value("search.max_concurrent", "must be from 1 to 10000"));
        }
        if !(50..=5000).contains(&self.search.candidates) {
            return Err(SettingsError::value("search.candidates", "must be from 50 to 5000"));
        }
        if !self.captions.active.is_empty() && models::check_id(&self.captions.active).is_err() {
            return Err(SettingsError::value(
                "captions.active",
                "must be the id of a captioner: lower-case letters, digits, dashes",
            ));
        }
        if self.search.max_image_bytes < 1024 {
            return Err(SettingsError::value("search.max_image_bytes", "must be at least 1024"));
        }
        if self.search.max_decoded_in_flight < 1 << 20 {
            return Err(SettingsError::value(
                "search.max_decoded_in_flight",
                "must be at least 1048576 (1 MiB)",
            ));
        }
        self.image_urls.validate(self.search.timeout)?;
        self.upload.validate(&self.bucket)?;
        self.operations.validate()?;
        let week = Duration::from_secs(7 * 24 * 3600);
        if self.access.link_lifetime < Duration::from_secs(1) || self.access.link_lifetime > week {
            return Err(SettingsError::value(
                "access.link_lifetime",
                "must be from 1s to 7d, as the protocol allows",
            ));
        }
        Ok(())
    }
}

impl ImageUrlSettings {
    /// # Errors
    /// One of them is none.
    pub(crate) fn networks(&self) -> Result<Vec<IpNet>, SettingsError> {
        let network = |text: &String| {
            let wrong = |_| {
                SettingsError::value(
                    "image_urls.allow",
                    format!("'{text}' is not a network such as 10.1.0.0/16"),
                )
            };
            text.parse().map_err(wrong)
        };
        self.allow.iter().map(network).collect()
    }

    fn validate(&self, search: Duration) -> Result<(), SettingsError> {
        self.networks()?;
        if self.timeout.is_zero() || self.timeout > search {
            return Err(SettingsError::value(
                "image_urls.timeout",
                "must be more than 0s, and at most search.timeout",
            ));
        }
        Ok(())
    }
}

impl UploadSettings {
    fn validate(&self, bucket: &BucketSettings) -> Result<(), SettingsError> {
        let plain =
            self.prefix.len() > 1 && self.prefix.ends_with('/') && !self.prefix.starts_with('/');
        if !plain
            || self.prefix.len() > 256
            || self.prefix.split('/').any(|part| part == "." || part == "..")
        {
            return Err(SettingsError::value(
                "upload.prefix",
                "must be a folder of the bucket such as uploads/, ending with a slash",
            ));
        }
        if self.prefix.starts_with(&bucket.own_prefix)
            || bucket.own_prefix.starts_with(&self.prefix)
        {
            return Err(SettingsError::value(
                "upload.prefix",
                "must not be where the tables lie (bucket.own_prefix)",
            ));
        }
        if !(1024..=5 << 30).contains(&self.max_bytes) {
            return Err(SettingsError::value(
                "upload.max_bytes",
                "must be from 1024 to 5368709120 (5 GiB, the most of one PUT)",
            ));
        }
        Ok(())
    }
}

impl OperationsSettings {
    fn validate(&self) -> Result<(), SettingsError> {
        let is_http =
            |url: url::Url| matches!(url.scheme(), "http" | "https") && url.host().is_some();
        if self.url.is_empty() || url::Url::parse(&self.url).is_ok_and(is_http) {
            return Ok(());
        }
        Err(SettingsError::value(
            "operations.url",
            "must be an address such as http://127.0.0.1:8081, or empty",
        ))
    }
}
