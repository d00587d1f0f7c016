//! The settings of the searcher; `settings.toml` documents them for users.

mod validate;

use std::time::Duration;

use inference::RuntimeSettings;
use pipeline::bucket::BucketSettings;
use pipeline::connection::AmqpSettings;
use secrecy::SecretString;
use serde::Deserialize;
use service::http::HttpSettings;
use service::settings::list;
use service::telemetry::LogSettings;
use table::location::CacheSettings;

/// All settings of the searcher; `settings.toml` documents them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where pictures and tables lie.
    pub bucket: BucketSettings,
    /// The broker, for queue depths and requests for captions.
    pub amqp: AmqpSettings,
    /// Logging.
    pub log: LogSettings,
    /// The model whose vectors are searched.
    pub models: ModelSettings,
    /// How models are run.
    pub runtime: RuntimeSettings,
    /// The captioner whose captions are searched.
    pub captions: CaptionSettings,
    /// Limits of one search.
    pub search: SearchSettings,
    /// Files on the local disk.
    pub cache: CacheSettings,
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

/// `[models]`: the model whose vectors are searched.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// Built-in name, name of a folder below `folder`, or path of a folder. Holds until operators
    /// choose a model.
    pub active: String,
    /// Where the folders of models lie.
    pub folder: String,
}

/// `[captions]`: the captioner whose captions are searched.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptionSettings {
    /// Id of the captioner; empty: no captions are searched.
    pub active: String,
    /// Captions that may be asked for over HTTP, per process.
    pub requests_per_minute: u32,
}

/// `[search]`: limits of one search.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchSettings {
    /// Age up to which a version of a table may be read again.
    #[serde(with = "humantime_serde")]
    pub freshness: Duration,
    /// Compare all rows in every search, even where an index would be quicker.
    pub exact: bool,
    /// Candidates that each of several signals is asked for.
    pub candidates: usize,
    /// Memory in bytes that the snapshot of the tables may take; 0: searches read the tables.
    pub memory: u64,
    /// Maximum bytes of an uploaded picture.
    pub max_image_bytes: usize,
    /// Maximum pixels of an uploaded picture.
    pub max_pixels: u64,
    /// Time limit of decoding one.
    #[serde(with = "humantime_serde")]
    pub decode_timeout: Duration,
    /// Memory in bytes of all query pictures being decoded.
    pub max_decoded_in_flight: u64,
    /// Memory in bytes of vectors of words and pictures that were searched by lately.
    pub remembered_vectors: u64,
    /// Memory in bytes of thumbnails that were shown lately.
    pub thumbnail_memory: u64,
    /// Requests worked on at once.
    pub max_concurrent: usize,
    /// Time limit of one request.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

/// `[image_urls]`: query pictures that are given by their address.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageUrlSettings {
    /// Whether query pictures are fetched by their address.
    pub enabled: bool,
    /// Networks that may be asked although they are not public.
    #[serde(deserialize_with = "list")]
    pub allow: Vec<String>,
    /// Time limit of one fetch, redirects included.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

/// `[upload]`: putting pictures into the bucket from the page.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadSettings {
    /// Whether everybody who may search may also upload.
    pub enabled: bool,
    /// Prefix of the keys of all uploads; ends with a slash.
    pub prefix: String,
    /// Maximum bytes of a file.
    pub max_bytes: u64,
}

/// `[operations]`: where operators' requests go.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationsSettings {
    /// Address of ingest; empty: operations are not forwarded.
    pub url: String,
}

/// `[access]`: who may search and see originals.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessSettings {
    /// Key that clients must send; empty: everybody may search.
    pub api_key: SecretString,
    /// How long a link to an original works.
    #[serde(with = "humantime_serde")]
    pub link_lifetime: Duration,
}
