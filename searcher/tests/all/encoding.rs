//! What encoding a query may cost, and what is kept of it.

use std::time::Duration;

use pipeline::bucket::Only;
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use testkit::{World, eventually};

const SOON: Duration = Duration::from_secs(60);

/// The structure of a progressive JPEG of one component, with scans that hold nothing.
fn scanned_jpeg(side: u16, scans: usize) -> Vec<u8> {
    let [high, low] = side.to_be_bytes();
    let mut jpeg = vec![0xff, 0xd8];
    jpeg.extend([0xff, 0xc2, 0, 11, 8, high, low, high, low, 1, 1, 0x11, 0]);
    for _ in 0..scans {
        jpeg.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0, 0]);
    }
    jpeg.extend([0xff, 0xd9]);
    jpeg
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_is_costly_to_decode_is_refused_by_its_header() {
    let mut world = World::start().await;
    let mut searcher = world.run("searcher", &[]);
    let base = searcher.ready().await;
    let answer = async |bytes: Vec<u8>| {
        let form = Form::new().part("image", Part::bytes(bytes).file_name("x.jpg"));
        let request = world.http().post(format!("{base}/v1/search")).multipart(form);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    // 25 million pixels may have 16 scans, and a quarter of them four times as many.
    for (side, scans) in [(5000, 17), (2500, 65)] {
        let (status, body) = answer(scanned_jpeg(side, scans)).await;
        assert_eq!((status, &body["field"]), (400, &"image".into()), "{body}");
        assert!(body["detail"].as_str().unwrap().contains("more than the limit"), "{body}");
    }
    for (side, scans) in [(5000, 16), (2500, 64)] {
        let (_, body) = answer(scanned_jpeg(side, scans)).await;
        assert!(!body.to_string().contains("more than the limit"), "{body}");
    }
    drop(searcher);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_of_unrelated_words_are_encoded_once_for_all_searchers() {
    let mut world = World::start().await;
    let mut first = world.run("searcher", &[]);
    first.ready().await;
    let state = world.state().await;
    let name = eventually("they are kept", SOON, || async {
        state.names("calibration/demo-clip-").await.unwrap().pop()
    })
    .await;
    let (object, etag) = state.read(&name).await.unwrap().unwrap();
    drop(first);

    // What another program wrote there, or half of an object, is written anew.
    let damaged = object.slice(..object.len() / 2);
    assert!(state.write(&name, damaged, Only::IfStill(etag)).await.unwrap().is_some());
    let mut second = world.run("searcher", &[]);
    second.ready().await;
    let mended = eventually("it is mended", SOON, || async {
        let (mended, etag) = state.read(&name).await.unwrap().unwrap();
        (mended.len() == object.len()).then_some(etag)
    })
    .await;
    drop(second);

    // What is good stays.
    let mut third = world.run("searcher", &[]);
    let base = third.ready().await;
    let (status, body) =
        world.get(&format!("{base}/v1/search"), &[("q", "cat"), ("cutoff", "auto")]).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(state.read(&name).await.unwrap().unwrap().1, mended);
    assert_eq!(state.names("calibration/").await.unwrap(), [name]);
    drop(third);
    world.finish().await;
}
