//! The store probe passes on a store that creates atomically and refuses one that checks and writes
//! in two steps.

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use table::location::Location;
use table::probe::{ProbeError, probe};
use testkit::Store;

/// The stock file server of `s3s`: it looks whether the key exists, and then writes.
async fn racy_store(folder: &std::path::Path) -> String {
    std::fs::create_dir(folder.join("pictures")).unwrap();
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder).unwrap());
    builder.set_auth(SimpleAuth::from_single("test", "test-secret"));
    let service = builder.build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(socket), service)
                    .await;
            });
        }
    });
    endpoint
}

#[tokio::test(flavor = "multi_thread")]
async fn an_atomic_store_passes_and_is_left_clean() {
    let store = Store::start().await;
    probe(&store.tables()).await.unwrap();
    let listing = store.client().list_objects_v2().bucket("pictures").send().await.unwrap();
    assert_eq!(listing.key_count(), Some(0), "the probe leaves nothing behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_checks_and_writes_in_two_steps_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut location: Location = Store::start().await.tables();
    let endpoint = racy_store(folder.path()).await;
    for (name, value) in &mut location.options {
        if name == "aws_endpoint" {
            value.clone_from(&endpoint);
        }
    }
    let error = probe(&location).await.unwrap_err();
    assert!(matches!(error, ProbeError::Unsafe { .. }), "{error}");
    assert!(
        error.to_string().contains("concurrent") && error.to_string().contains(".bucketlens"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_not_there_is_said_so() {
    let mut location = Store::start().await.tables();
    for (name, value) in &mut location.options {
        if name == "aws_endpoint" {
            *value = "http://127.0.0.1:9".to_owned();
        }
    }
    location.options.push(("client_max_retries".to_owned(), "0".to_owned()));
    let error = probe(&location).await.unwrap_err();
    assert!(matches!(error, ProbeError::Request { .. }), "{error}");
}
