//! `ListenBucketNotification`: one line per change, for clients with the right to listen.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use serde_json::Value;
use server::{BUCKET, SECRET_KEY, TestServer};

use crate::server;

const QUERY: &str = "events=s3%3AObjectCreated%3A%2A&events=s3%3AObjectRemoved%3A%2A";

/// Asks as the product does: a signed GET whose address is replaced before it is signed.
async fn listen(
    server: &devstore::Server,
    secret: &str,
    bucket: &str,
    query: &str,
) -> Result<ByteStream, u16> {
    let uri = format!("{}/{bucket}?{query}", server.endpoint());
    let get = server::client(server, secret).get_object().bucket(bucket).key("x");
    let answer = get
        .customize()
        .mutate_request(move |request| request.set_uri(uri.as_str()).unwrap())
        .send()
        .await;
    match answer {
        Ok(answer) => Ok(answer.body),
        error => Err(server::status(error)),
    }
}

async fn line(stream: &mut ByteStream) -> Value {
    let next = tokio::time::timeout(Duration::from_secs(30), stream.next()).await;
    let bytes = next.expect("a line comes").expect("the stream goes on").unwrap();
    assert_eq!(bytes.last(), Some(&b'\n'));
    serde_json::from_slice(&bytes).unwrap()
}

async fn next_event(stream: &mut ByteStream) -> (String, String) {
    loop {
        let line = line(stream).await;
        if line["Records"].is_null() {
            continue;
        }
        let record = &line["Records"][0];
        assert_eq!(
            (&record["eventSource"], &record["s3"]["bucket"]["name"]),
            (&"minio:s3".into(), &BUCKET.into())
        );
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        return (text(&record["eventName"]), text(&record["s3"]["object"]["key"]));
    }
}

async fn started() -> TestServer {
    server::start().await
}

#[tokio::test]
async fn every_change_is_told_with_its_key_as_stored() {
    let store = started().await;
    let mut stream =
        listen(&store.server, SECRET_KEY, BUCKET, &format!("{QUERY}&ping=1")).await.unwrap();
    assert_eq!(line(&mut stream).await, serde_json::json!({ "Records": null }));
    let key = "a b+c%20d/海.jpg";
    store.put(key, "x").await;
    assert_eq!(next_event(&mut stream).await, ("s3:ObjectCreated:Put".into(), key.into()));
    store
        .client
        .copy_object()
        .bucket(BUCKET)
        .key("copy")
        .copy_source(format!("{BUCKET}/a%20b%2Bc%2520d/%E6%B5%B7.jpg"))
        .send()
        .await
        .unwrap();
    assert_eq!(next_event(&mut stream).await, ("s3:ObjectCreated:Copy".into(), "copy".into()));
    store.client.delete_object().bucket(BUCKET).key(key).send().await.unwrap();
    assert_eq!(next_event(&mut stream).await, ("s3:ObjectRemoved:Delete".into(), key.into()));
    // An open answer does not keep the server from stopping, it ends.
    store.server.stop().await;
    while let Some(Ok(_)) =
        tokio::time::timeout(Duration::from_secs(30), stream.next()).await.unwrap()
    {}
}

#[tokio::test]
async fn only_what_was_asked_for_is_told() {
    let store = started().await;
    let query = "events=s3%3AObjectRemoved%3ADelete&prefix=in%2F&suffix=.jpg&ping=10";
    let mut stream = listen(&store.server, SECRET_KEY, BUCKET, query).await.unwrap();
    for key in ["in/a.png", "out/a.jpg", "in/a.jpg"] {
        store.put(key, "x").await;
        store.client.delete_object().bucket(BUCKET).key(key).send().await.unwrap();
    }
    assert_eq!(
        next_event(&mut stream).await,
        ("s3:ObjectRemoved:Delete".into(), "in/a.jpg".into())
    );
}

#[tokio::test]
async fn strangers_and_wrong_requests_are_refused() {
    let store = started().await;
    assert_eq!(listen(&store.server, "wrong", BUCKET, QUERY).await.unwrap_err(), 403);
    assert_eq!(listen(&store.server, SECRET_KEY, "missing", QUERY).await.unwrap_err(), 404);
    assert_eq!(
        listen(&store.server, SECRET_KEY, BUCKET, &format!("{QUERY}&ping=0")).await.unwrap_err(),
        400
    );
    let anonymous =
        reqwest::get(format!("{}/{BUCKET}?{QUERY}", store.server.endpoint())).await.unwrap();
    assert_eq!(anonymous.status(), 403);
}
