//! The section `[bucket]` of the settings.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use service::SettingsError;

/// `[bucket]`: where the pictures are and how to reach them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketSettings {
    /// Bucket name.
    pub name: String,
    /// Store address; empty means Amazon S3.
    pub endpoint: String,
    /// Store address as browsers see it; empty means [`Self::endpoint`].
    pub public_endpoint: String,
    /// Region name.
    pub region: String,
    /// Access key; empty means the AWS default chain.
    pub access_key_id: String,
    /// Secret key.
    pub secret_access_key: SecretString,
    /// Bucket name in the path instead of in the host name.
    pub path_style: bool,
    /// Key prefix of the product's own objects.
    pub own_prefix: String,
    /// Limit of one attempt of one request.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

impl BucketSettings {
    /// Checks names and addresses.
    ///
    /// # Errors
    /// The first key that cannot be used.
    pub fn validate(&self) -> Result<(), SettingsError> {
        if self.name.is_empty() {
            return Err(SettingsError::value(
                "bucket.name",
                "is required: the bucket with the pictures",
            ));
        }
        for (key, address) in
            [("bucket.endpoint", &self.endpoint), ("bucket.public_endpoint", &self.public_endpoint)]
        {
            if !address.is_empty()
                && !url::Url::parse(address)
                    .is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
            {
                return Err(SettingsError::value(
                    key,
                    format!("'{address}' is not an http:// or https:// address"),
                ));
            }
        }
        if self.own_prefix.len() < 2
            || !self.own_prefix.ends_with('/')
            || self.own_prefix.starts_with('/')
        {
            return Err(SettingsError::value(
                "bucket.own_prefix",
                "must be a key prefix that ends with '/'",
            ));
        }
        if self.access_key_id.is_empty() != self.secret_access_key.expose_secret().is_empty() {
            return Err(SettingsError::value(
                "bucket.access_key_id",
                "and bucket.secret_access_key go together",
            ));
        }
        Ok(())
    }

    /// Where the tables lie: `s3://BUCKET/PREFIX/tables`.
    pub fn tables_uri(&self) -> String {
        format!("s3://{}/{}tables", self.name, self.own_prefix)
    }

    /// The same access in the `aws_*` words of object-store libraries.
    pub fn storage_options(&self) -> Vec<(String, String)> {
        let mut options = vec![
            ("aws_region", self.region.clone()),
            ("aws_virtual_hosted_style_request", (!self.path_style).to_string()),
            ("timeout", format!("{}s", self.timeout.as_secs().max(1))),
        ];
        if !self.endpoint.is_empty() {
            options.push(("aws_endpoint", self.endpoint.clone()));
            options.push(("allow_http", self.endpoint.starts_with("http://").to_string()));
        }
        if !self.access_key_id.is_empty() {
            options.push(("aws_access_key_id", self.access_key_id.clone()));
            options
                .push(("aws_secret_access_key", self.secret_access_key.expose_secret().to_owned()));
        }
        options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
