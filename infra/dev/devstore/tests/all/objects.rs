//! Single objects: HEAD, GET and listings answer what was put.

use std::time::Duration;

use aws_sdk_s3::{
    presigning::PresigningConfig,
    types::{CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier},
};
use server::{BUCKET, status};

use crate::server;

const ODD_KEYS: [&str; 10] = [
    "a b/c  d.jpg",
    "1+1=2.png",
    "100%/50%25.jpg",
    "图片/夕阳.jpg",
    ".hidden/..dots/.jpg",
    "tree",
    "tree/leaf",
    "double//slash/",
    "quote'\"<&>?#.gif",
    "emoji 🐈.webp",
];

#[tokio::test]
async fn every_key_comes_back_as_it_was_given() {
    let store = server::start().await;
    let long = "long/".to_owned() + &"x".repeat(1000);
    let keys: Vec<&str> = ODD_KEYS.into_iter().chain([long.as_str()]).collect();
    for key in &keys {
        store.put(key, *key).await;
    }
    let mut expected = keys.clone();
    expected.sort_unstable();
    let listing = store.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    let listed: Vec<&str> = listing.contents().iter().filter_map(|object| object.key()).collect();
    assert_eq!(listed, expected);
    for key in keys {
        assert_eq!(store.get(key).await, key.as_bytes());
        store.client.delete_object().bucket(BUCKET).key(key).send().await.unwrap();
        assert_eq!(status(store.client.head_object().bucket(BUCKET).key(key).send().await), 404);
    }
}

#[tokio::test]
async fn the_etag_is_the_same_everywhere_and_follows_the_bytes() {
    let store = server::start().await;
    let first = store.put("one.jpg", "first").await;
    let second = store.put("one.jpg", "second").await;
    assert_ne!(first, second);
    let head = store.client.head_object().bucket(BUCKET).key("one.jpg").send().await.unwrap();
    let get = store.client.get_object().bucket(BUCKET).key("one.jpg").send().await.unwrap();
    let listing = store.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    assert_eq!(head.e_tag(), Some(second.as_str()));
    assert_eq!(get.e_tag(), Some(second.as_str()));
    assert_eq!(listing.contents()[0].e_tag(), Some(second.as_str()));
    assert_eq!(listing.contents()[0].size(), Some(6));
}

#[tokio::test]
async fn a_get_names_the_version_it_wants() {
    let store = server::start().await;
    let old = store.put("one.jpg", "first").await;
    let new = store.put("one.jpg", "second").await;
    let get = || store.client.get_object().bucket(BUCKET).key("one.jpg");
    assert_eq!(status(get().if_match(&old).send().await), 412);
    assert!(get().if_match(&new).send().await.is_ok());
    assert_eq!(status(get().if_none_match(&new).send().await), 304);
    assert_eq!(
        status(store.client.get_object().bucket(BUCKET).key("gone").if_match(&old).send().await),
        404
    );
    assert_eq!(status(store.client.get_object().bucket("nowhere").key("gone").send().await), 404);
}

#[tokio::test]
async fn ranges_content_type_and_metadata() {
    let store = server::start().await;
    let put = store.client.put_object().bucket(BUCKET).key("digits").content_type("image/jpeg");
    put.metadata("origin", "camera").body(b"0123456789".to_vec().into()).send().await.unwrap();
    for (range, bytes, content_range) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-4", "6789", "bytes 6-9/10"),
        ("bytes=8-100", "89", "bytes 8-9/10"),
    ] {
        let answer = store
            .client
            .get_object()
            .bucket(BUCKET)
            .key("digits")
            .range(range)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.content_range(), Some(content_range));
        assert_eq!(answer.content_type(), Some("image/jpeg"));
        assert_eq!(answer.metadata().unwrap()["origin"], "camera");
        assert_eq!(answer.body.collect().await.unwrap().to_vec(), bytes.as_bytes());
    }
    let beyond =
        store.client.get_object().bucket(BUCKET).key("digits").range("bytes=10-12").send().await;
    assert_eq!(status(beyond), 416);
}

#[tokio::test]
async fn parts_become_one_object() {
    let store = server::start().await;
    let upload =
        store.client.create_multipart_upload().bucket(BUCKET).key("big").content_type("image/png");
    let id = upload.send().await.unwrap().upload_id.unwrap();
    let mut whole: Vec<u8> = Vec::new();
    let mut parts = CompletedMultipartUpload::builder();
    for (number, size) in [(1, 5 << 20), (2, 5 << 20), (3, 123)] {
        let bytes: Vec<u8> = (0..size).map(|at: usize| (at % 251) as u8 ^ number as u8).collect();
        whole.extend(&bytes);
        let part =
            store.client.upload_part().bucket(BUCKET).key("big").upload_id(&id).part_number(number);
        let part = part.body(bytes.into()).send().await.unwrap();
        parts =
            parts.parts(CompletedPart::builder().part_number(number).set_e_tag(part.e_tag).build());
    }
    let complete =
        store.client.complete_multipart_upload().bucket(BUCKET).key("big").upload_id(&id);
    let complete = complete.multipart_upload(parts.build());
    let done = complete.clone().send().await.unwrap();
    let head = store.client.head_object().bucket(BUCKET).key("big").send().await.unwrap();
    assert_eq!(head.e_tag(), done.e_tag());
    assert!(head.e_tag().unwrap().ends_with("-3\""));
    assert_eq!(head.content_type(), Some("image/png"));
    assert_eq!(store.get("big").await, whole);
    assert_eq!(status(complete.send().await), 404, "a completed upload is over");
}

#[tokio::test]
async fn copies_bulk_deletes_and_presigned_reads() {
    let store = server::start().await;
    let etag = store.put("a.jpg", "bytes").await;
    let copy = store
        .client
        .copy_object()
        .copy_source(format!("{BUCKET}/a.jpg"))
        .bucket(BUCKET)
        .key("b.jpg");
    assert_eq!(
        copy.send().await.unwrap().copy_object_result().unwrap().e_tag(),
        Some(etag.as_str())
    );

    let presigned = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let url =
        store.client.get_object().bucket(BUCKET).key("b.jpg").presigned(presigned).await.unwrap();
    assert_eq!(reqwest::get(url.uri()).await.unwrap().text().await.unwrap(), "bytes");
    let unsigned = format!("{}/{BUCKET}/b.jpg", store.server.endpoint());
    assert_eq!(reqwest::get(unsigned).await.unwrap().status(), 403);

    let objects = ["a.jpg", "b.jpg", "never-there"]
        .map(|key| ObjectIdentifier::builder().key(key).build().unwrap());
    let delete = Delete::builder().set_objects(Some(objects.to_vec())).build().unwrap();
    let answer = store.client.delete_objects().bucket(BUCKET).delete(delete).send().await.unwrap();
    assert_eq!(answer.deleted().len(), 3);
    let listing = store.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    assert_eq!(listing.key_count(), Some(0));
}

#[tokio::test]
async fn buckets_and_keys_are_guarded() {
    let store = server::start().await;
    store.client.create_bucket().bucket("another").send().await.unwrap();
    assert_eq!(status(store.client.create_bucket().bucket("another").send().await), 409);
    store.client.delete_bucket().bucket("another").send().await.unwrap();
    assert_eq!(status(store.client.head_bucket().bucket("another").send().await), 404);
    let stranger = server::client(&store.server, "wrong-secret");
    assert_eq!(status(stranger.head_bucket().bucket(BUCKET).send().await), 403);
}

#[tokio::test]
async fn a_restart_keeps_objects_and_a_second_server_is_refused() {
    let store = server::start().await;
    let etag = store.put("kept.jpg", "bytes").await;
    let refused = devstore::start(server::options(&store.folder)).await.err().unwrap();
    assert!(format!("{refused:#}").contains("another server is using it"), "{refused:#}");

    let server::TestServer { server, client, folder } = store;
    server.stop().await;
    drop(client);
    let store = server::start_in(folder).await;
    let head = store.client.head_object().bucket(BUCKET).key("kept.jpg").send().await.unwrap();
    assert_eq!(head.e_tag(), Some(etag.as_str()));
    assert_eq!(store.get("kept.jpg").await, b"bytes");
}
