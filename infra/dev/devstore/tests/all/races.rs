//! Of many writers of one key exactly one wins, and readers never see a mixture.

use aws_sdk_s3::{
    operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder,
    types::{CompletedMultipartUpload, CompletedPart},
};
use futures::future::{join, join_all};
use server::{BUCKET, TestServer};

use crate::server;

const WRITERS: usize = 16;
const ROUNDS: usize = 20;

fn body_of(round: usize, writer: usize) -> Vec<u8> {
    format!("round {round} writer {writer} ").repeat(2000).into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_creators_wins() {
    let store = server::start().await;
    for round in 0..ROUNDS {
        let key = format!("race/{round}");
        let attempts = (0..WRITERS).map(|writer| {
            let request = store.client.put_object().bucket(BUCKET).key(&key).if_none_match("*");
            request.body(body_of(round, writer).into()).send()
        });
        let results = join_all(attempts).await;
        let winners: Vec<usize> = (0..WRITERS).filter(|writer| results[*writer].is_ok()).collect();
        for result in results.into_iter().filter(Result::is_err) {
            assert_eq!(server::status(result), 412);
        }
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(store.get(&key).await, body_of(round, winners[0]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_replacers_of_a_version_wins() {
    let store = server::start().await;
    let mut etag = store.put("state", "start").await;
    for round in 0..ROUNDS {
        let attempts = (0..WRITERS).map(|writer| {
            let request = store.client.put_object().bucket(BUCKET).key("state").if_match(&etag);
            request.body(body_of(round, writer).into()).send()
        });
        let results = join_all(attempts).await;
        let mut won = results.into_iter().filter_map(Result::ok);
        etag = won.next().unwrap().e_tag.unwrap();
        assert!(won.next().is_none(), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_multipart_uploads_wins() {
    let store = server::start().await;
    for round in 0..ROUNDS {
        let key = format!("parts/{round}");
        let uploads =
            join_all((0..WRITERS).map(|writer| uploaded(&store, &key, body_of(round, writer))))
                .await;
        let results =
            join_all(uploads.into_iter().map(|complete| complete.if_none_match("*").send())).await;
        let winners: Vec<usize> = (0..WRITERS).filter(|writer| results[*writer].is_ok()).collect();
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(store.get(&key).await, body_of(round, winners[0]));
    }
}

/// An upload whose one part is there, ready to be completed.
async fn uploaded(
    store: &TestServer,
    key: &str,
    body: Vec<u8>,
) -> CompleteMultipartUploadFluentBuilder {
    let upload =
        store.client.create_multipart_upload().bucket(BUCKET).key(key).send().await.unwrap();
    let id = upload.upload_id.unwrap();
    let part = store.client.upload_part().bucket(BUCKET).key(key).upload_id(&id).part_number(1);
    let part = part.body(body.into()).send().await.unwrap();
    let part = CompletedPart::builder().part_number(1).set_e_tag(part.e_tag).build();
    let complete = store.client.complete_multipart_upload().bucket(BUCKET).key(key).upload_id(id);
    complete.multipart_upload(CompletedMultipartUpload::builder().parts(part).build())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_one_whole_version() {
    let store = server::start().await;
    store.put("busy", body_of(0, 0)).await;
    let writing = async {
        for round in 0..100 {
            store.put("busy", body_of(round, 0)).await;
        }
    };
    let reading = async {
        for _ in 0..100 {
            let answer = store.client.get_object().bucket(BUCKET).key("busy").send().await.unwrap();
            let etag = answer.e_tag.clone().unwrap();
            let body = answer.body.collect().await.unwrap().to_vec();
            let round = (0..100).find(|round| body == body_of(*round, 0)).unwrap();
            let again = store.put("copy", body_of(round, 0)).await;
            assert_eq!(etag, again, "the ETag belongs to the bytes");
        }
    };
    join(writing, reading).await;
}
