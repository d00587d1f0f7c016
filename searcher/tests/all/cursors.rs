//! Cursors are sealed: every searcher of a deployment takes those of the others, and nobody else's.

use pipeline::bucket::Only;
use serde_json::{Value, json};
use testkit::{Fault, ProxyOptions, Rule, World};

use crate::captioned_library::CaptionedLibrary;
use crate::vectors::demo_space;

async fn page(world: &World, base: &str, cursor: &Value) -> (u16, Value) {
    let mut query = json!({ "text": "red car", "top_k": 5 });
    if cursor.is_string() {
        query["cursor"] = cursor.clone();
    }
    world.post(&format!("{base}/v1/search"), query).await
}

async fn cursor_of(world: &World, base: &str) -> Value {
    let (status, answer) = page(world, base, &Value::Null).await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer["next_cursor"].as_str().unwrap().len() < 512, "{answer}");
    answer["next_cursor"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_searcher_takes_the_cursors_of_its_deployment_only() {
    let mut world = World::start().await;
    CaptionedLibrary::make(&world, demo_space()).await.add("a").await;
    let (mut first, mut second) = (world.run("searcher", &[]), world.run("searcher", &[]));
    let (base, other) = (first.ready().await, second.ready().await);
    let cursor = cursor_of(&world, &base).await;
    for base in [&base, &other] {
        let (status, answer) = page(&world, base, &cursor).await;
        assert_eq!(status, 200, "{answer}");
    }
    let query = json!({ "text": "blue car", "top_k": 5, "cursor": cursor });
    let (status, problem) = world.post(&format!("{base}/v1/search"), query).await;
    assert_eq!((status, &problem["field"]), (400, &json!("cursor")), "{problem}");

    // After a restart, too.
    let state = world.state().await;
    let (stored, _) = state.read("seal").await.unwrap().unwrap();
    let stored: Value = serde_json::from_slice(&stored).unwrap();
    let key = stored["key"].as_str().unwrap().to_owned();
    assert!(!first.log().contains(&key) && !second.log().contains(&key), "the key is logged");
    assert!(first.stop().await.success() && second.stop().await.success());
    let mut again = world.run("searcher", &[]);
    let base = again.ready().await;
    assert_eq!(page(&world, &base, &cursor).await.0, 200);
    assert!(again.stop().await.success());

    // Another deployment has another key.
    state.put("seal", &json!({ "key": "0".repeat(64) }), Only::Always).await.unwrap();
    let mut foreign = world.run("searcher", &[]);
    let base = foreign.ready().await;
    let (status, problem) = page(&world, &base, &cursor).await;
    assert_eq!((status, &problem["field"]), (400, &json!("cursor")), "{problem}");
    assert!(foreign.stop().await.success());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_searcher_that_may_not_write_takes_its_own_cursors() {
    let mut world = World::start_with(ProxyOptions::default()).await;
    CaptionedLibrary::make(&world, demo_space()).await.add("a").await;
    let refused = Rule::any(1.0, Fault::Status(403)).method("PUT").key("state/seal");
    world.store_proxy().set(&[refused]);
    let (mut first, mut second) = (world.run("searcher", &[]), world.run("searcher", &[]));
    let (base, other) = (first.ready().await, second.ready().await);
    let cursor = cursor_of(&world, &base).await;
    assert_eq!(page(&world, &base, &cursor).await.0, 200);
    let (status, problem) = page(&world, &other, &cursor).await;
    assert_eq!((status, &problem["field"]), (400, &json!("cursor")), "{problem}");
    assert_eq!(first.log().matches("cannot write the key of cursors").count(), 1);
    assert!(first.stop().await.success() && second.stop().await.success());
    world.finish().await;
}
