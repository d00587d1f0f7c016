//! Which values of the settings are allowed.

use std::time::Duration;

use ipnet::IpNet;
use pipeline::bucket::BucketSettings;
use pipeline::models;
use service::process::ProcessSettings;
use service::settings::SettingsError;
use url::Url;

use super::{
    AccessSettings, CaptionSettings, ImageUrlSettings, OperationsSettings, SearchSettings,
    Settings, UploadSettings,
};

impl service::settings::Settings for Settings {
    const DEFAULTS: &'static [&'static str] =
        &[pipeline::DEFAULTS, inference::DEFAULTS, include_str!("../../settings.toml")];

    fn process(&self) -> ProcessSettings {
        ProcessSettings { log: self.log.clone(), http: self.http.clone() }
    }

    fn validate(&self) -> Result<(), SettingsError> {
        self.bucket.validate()?;
        self.amqp.validate()?;
        if self.models.active.is_empty() {
            return Err(SettingsError::value("models.active", "must name a model"));
        }
        self.captions.validate()?;
        self.search.validate()?;
        if let Some(problem) = self.cache.problem() {
            return Err(SettingsError::value("cache.size", problem));
        }
        self.image_urls.validate(self.search.timeout)?;
        self.upload.validate(&self.bucket)?;
        self.operations.validate()?;
        self.access.validate()?;
        self.http.validate()
    }
}

impl CaptionSettings {
    fn validate(&self) -> Result<(), SettingsError> {
        if !self.active.is_empty() && models::check_id(&self.active).is_err() {
            return Err(SettingsError::value(
                "captions.active",
                "must be the id of a captioner: lower-case letters, digits, dashes",
            ));
        }
        if !(1..=60_000).contains(&self.requests_per_minute) {
            let range = "must be from 1 to 60000";
            return Err(SettingsError::value("captions.requests_per_minute", range));
        }
        Ok(())
    }
}

impl SearchSettings {
    fn validate(&self) -> Result<(), SettingsError> {
        if !(1..=10_000).contains(&self.max_concurrent) {
            return Err(SettingsError::value("search.max_concurrent", "must be from 1 to 10000"));
        }
        if !(50..=5000).contains(&self.candidates) {
            return Err(SettingsError::value("search.candidates", "must be from 50 to 5000"));
        }
        if self.max_image_bytes < 1024 {
            return Err(SettingsError::value("search.max_image_bytes", "must be at least 1024"));
        }
        if self.max_pixels == 0 {
            return Err(SettingsError::value("search.max_pixels", "must be at least 1"));
        }
        if self.decode_timeout.is_zero() || self.decode_timeout > self.timeout {
            return Err(SettingsError::value(
                "search.decode_timeout",
                "must be more than 0s, and at most search.timeout",
            ));
        }
        if self.max_decoded_in_flight < 1 << 20 {
            return Err(SettingsError::value(
                "search.max_decoded_in_flight",
                "must be at least 1048576 (1 MiB)",
            ));
        }
        Ok(())
    }
}

impl ImageUrlSettings {
    /// The networks of `allow`.
    ///
    /// # Errors
    /// An entry is no network.
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
        let is_http = |url: Url| matches!(url.scheme(), "http" | "https") && url.host().is_some();
        if self.url.is_empty() || Url::parse(&self.url).is_ok_and(is_http) {
            return Ok(());
        }
        Err(SettingsError::value(
            "operations.url",
            "must be an address such as http://127.0.0.1:8081, or empty",
        ))
    }
}

impl AccessSettings {
    fn validate(&self) -> Result<(), SettingsError> {
        let week = Duration::from_secs(7 * 24 * 3600);
        if self.link_lifetime < Duration::from_secs(1) || self.link_lifetime > week {
            return Err(SettingsError::value(
                "access.link_lifetime",
                "must be from 1s to 7d, as the protocol allows",
            ));
        }
        Ok(())
    }
}
