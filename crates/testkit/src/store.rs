//! A real S3 server for one test.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use table::location::Location;
use tempfile::TempDir;

pub(crate) const BUCKET: &str = "pictures";
pub(crate) const ACCESS_KEY: &str = "test";
pub(crate) const SECRET_KEY: &str = "test-secret";

/// A store in its own folder; dropping it removes both.
pub struct Store {
    server: devstore::Server,
    client: Client,
    folder: TempDir,
}

impl Store {
    /// Starts it on a free port, with one bucket.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let server = devstore::start(devstore::Options {
            root: folder.path().join("store"),
            listen: ([127, 0, 0, 1], 0).into(),
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.to_owned(),
            buckets: vec![BUCKET.to_owned()],
            delay: std::time::Duration::ZERO,
        })
        .await
        .expect("the store starts");
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(server.endpoint())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test"))
            .force_path_style(true)
            .build();
        Self { server, client: Client::from_conf(config), folder }
    }

    /// Address of the server.
    pub fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    /// A client for it.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Where the tables of this store lie.
    pub fn tables(&self) -> Location {
        let options = [
            ("aws_endpoint", self.endpoint()),
            ("aws_access_key_id", ACCESS_KEY.to_owned()),
            ("aws_secret_access_key", SECRET_KEY.to_owned()),
            ("aws_region", "us-east-1".to_owned()),
            ("allow_http", "true".to_owned()),
        ];
        let options = options.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Location { uri: format!("s3://{BUCKET}/.bucketlens/tables"), options }
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}
