//! One store per test.
#![allow(dead_code, reason = "each test binary uses its part of this module")]

use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Builder, Credentials, Region},
};
use devstore::{Options, Server};
use tempfile::TempDir;

pub(crate) const BUCKET: &str = "pictures";
pub(crate) const ACCESS_KEY: &str = "test-key";
pub(crate) const SECRET_KEY: &str = "test-secret";

pub(crate) struct TestServer {
    pub(crate) server: Server,
    pub(crate) client: Client,
    pub(crate) folder: TempDir,
}

pub(crate) async fn start() -> TestServer {
    let folder = tempfile::tempdir().unwrap();
    start_in(folder).await
}

pub(crate) async fn start_in(folder: TempDir) -> TestServer {
    let server = devstore::start(options(&folder)).await.unwrap();
    let client = client(&server, SECRET_KEY);
    TestServer { server, client, folder }
}

pub(crate) fn options(folder: &TempDir) -> Options {
    Options {
        root: folder.path().to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.to_owned(),
        buckets: vec![BUCKET.to_owned()],
        delay: std::time::Duration::ZERO,
    }
}

pub(crate) fn client(server: &Server, secret_key: &str) -> Client {
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(server.endpoint())
        .credentials_provider(Credentials::new(ACCESS_KEY, secret_key, None, None, "test"))
        .force_path_style(true)
        .build();
    Client::from_conf(config)
}

impl TestServer {
    pub(crate) async fn put(&self, key: &str, body: impl Into<Vec<u8>>) -> String {
        let request = self.client.put_object().bucket(BUCKET).key(key).body(body.into().into());
        request.send().await.unwrap().e_tag.unwrap()
    }

    pub(crate) async fn get(&self, key: &str) -> Vec<u8> {
        let answer = self.client.get_object().bucket(BUCKET).key(key).send().await.unwrap();
        answer.body.collect().await.unwrap().to_vec()
    }
}

/// The HTTP status of a refused request.
pub(crate) fn status<T: std::fmt::Debug, E: std::fmt::Debug>(
    result: Result<T, aws_sdk_s3::error::SdkError<E, aws_sdk_s3::config::http::HttpResponse>>,
) -> u16 {
    result.unwrap_err().raw_response().unwrap().status().as_u16()
}
