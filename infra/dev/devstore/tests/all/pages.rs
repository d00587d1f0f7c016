//! A web page puts and gets objects through links, from its own origin.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use reqwest::{Client, Method};
use server::BUCKET;

use crate::server;

const PAGE: &str = "http://127.0.0.1:8080";
const BYTES: &[u8] = b"twelve bytes";

#[tokio::test]
async fn a_link_is_good_for_one_new_object_of_one_size() {
    let store = server::start().await;
    let put = store.client.put_object().bucket(BUCKET).key("uploads/a b.jpg");
    let put = put.content_type("image/jpeg").content_length(BYTES.len() as i64).if_none_match("*");
    let link = put
        .presigned(PresigningConfig::expires_in(Duration::from_secs(60)).unwrap())
        .await
        .unwrap();
    let http = Client::new();
    let asked = http
        .request(Method::OPTIONS, link.uri())
        .header("origin", PAGE)
        .header("access-control-request-method", "PUT");
    let asked = asked
        .header("access-control-request-headers", "content-type,if-none-match")
        .send()
        .await
        .unwrap();
    let allowed = |name: &str| {
        asked.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    };
    assert_eq!((asked.status().as_u16(), allowed("access-control-allow-origin")), (204, PAGE));
    assert_eq!(allowed("access-control-allow-headers"), "content-type,if-none-match");
    assert!(allowed("access-control-allow-methods").contains("PUT"));

    let send = async |bytes: &'static [u8], kind: &str| {
        let request = http
            .put(link.uri())
            .header("origin", PAGE)
            .header("content-type", kind)
            .header("if-none-match", "*");
        let answer = request.body(bytes).send().await.unwrap();
        assert_eq!(answer.headers()["access-control-allow-origin"], PAGE);
        answer.status().as_u16()
    };
    assert_eq!(
        send(b"more than twelve bytes", "image/jpeg").await,
        403,
        "the size is part of what was signed"
    );
    assert_eq!(send(BYTES, "text/html").await, 403, "and so is the type");
    assert_eq!(send(BYTES, "image/jpeg").await, 200);
    assert_eq!(send(BYTES, "image/jpeg").await, 412, "it is there already");
    assert_eq!(store.get("uploads/a b.jpg").await, BYTES);
}
