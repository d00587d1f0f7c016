//! The handle to the bucket.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use secrecy::ExposeSecret;

use super::settings::BucketSettings;

/// Handle to the bucket; clones share one HTTP client.
#[derive(Debug, Clone)]
pub struct Bucket {
    pub(super) name: String,
    pub(crate) client: Client,
    // Signs for the address under which browsers reach the store.
    pub(super) presigner: Client,
}

impl Bucket {
    /// Builds the client. Makes no request.
    pub async fn connect(settings: &BucketSettings) -> Self {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(settings.region.clone()))
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(5))
                    .operation_attempt_timeout(settings.timeout)
                    .build(),
            );
        if !settings.access_key_id.is_empty() {
            let secret = settings.secret_access_key.expose_secret();
            loader = loader.credentials_provider(Credentials::new(
                &settings.access_key_id,
                secret,
                None,
                None,
                "settings",
            ));
        }
        let shared = loader.load().await;
        let client = |endpoint: &str| {
            let mut builder = aws_sdk_s3::config::Builder::from(&shared)
                .force_path_style(settings.path_style)
                // Many compatible stores do not know the newer default checksums.
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
            if !endpoint.is_empty() {
                builder = builder.endpoint_url(endpoint);
            }
            Client::from_conf(builder.build())
        };
        let public = if settings.public_endpoint.is_empty() {
            &settings.endpoint
        } else {
            &settings.public_endpoint
        };
        Self {
            name: settings.name.clone(),
            client: client(&settings.endpoint),
            presigner: client(public),
        }
    }

    /// Name of the bucket.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the store lists the bucket at all.
    pub async fn answers(&self) -> bool {
        self.client.list_objects_v2().bucket(&self.name).max_keys(1).send().await.is_ok()
    }
}

/// An ETag without the quotes that listings and HTTP headers put around it.
pub(super) fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}
