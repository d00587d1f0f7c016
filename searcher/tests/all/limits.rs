//! A request costs no more memory than its bytes: whatever it holds is bounded while it is read.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use testkit::{World, solid_jpeg};

/// The peak of a process's resident memory so far, in bytes.
fn peak_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

async fn refused(answer: reqwest::Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    (status, body["field"].clone())
}

async fn post(world: &World, base: &str, body: String) -> (u16, Value) {
    let request = world.http().post(format!("{base}/v1/search"));
    let request = request.header("content-type", "application/json").body(body);
    refused(request.send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn millions_of_empty_values_cost_only_their_bytes() {
    let mut world = World::start().await;
    let mut searcher = world.run("searcher", &[]);
    let base = searcher.ready().await;
    let list = |value: &str, count: usize| vec![value; count].join(",");
    let examples = format!(r#"{{"text":"a","examples":[{}]}}"#, list("{}", 9_000_000));
    let vector = format!(r#"{{"vector":[{}]}}"#, list("1", 13_000_000));
    let keywords =
        format!(r#"{{"text":"a","filter":{{"keywords":[{}]}}}}"#, list("\"\"", 9_000_000));
    let bytes = examples.len();
    // A search beforehand, so that everything is in memory that a search needs.
    assert_eq!(world.get(&format!("{base}/v1/search"), &[("q", "cat")]).await.0, 200);
    let before = peak_bytes(searcher.id());
    for (body, field) in [(examples, "examples"), (vector, "vector"), (keywords, "filter.keywords")]
    {
        assert_eq!(post(&world, &base, body).await, (400, json!(field)));
    }
    let grown = peak_bytes(searcher.id()) - before;
    // The body while it arrives and as a whole; every value of it would be forty times as large.
    assert!(grown < 6 * bytes as u64, "{} MiB for bodies of {} MiB", grown >> 20, bytes >> 20);
    assert!(searcher.stop().await.success());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_pictures_make_a_request_large() {
    let mut world = World::start().await;
    let mut searcher = world.run("searcher", &[]);
    let base = searcher.ready().await;
    let space = " ".repeat(300 << 10);
    assert_eq!(post(&world, &base, format!(r#"{{"text":"a"}}{space}"#)).await.0, 413);
    assert_eq!(post(&world, &base, space).await, (400, json!("body")));

    let picture = || Part::bytes(solid_jpeg([1, 2, 3], 16)).file_name("x");
    let form =
        |name: &'static str, text: String| Form::new().part("image", picture()).text(name, text);
    let many = (0..40).fold(Form::new(), |form, _| form.text("top_k", "5"));
    for (form, field) in [
        (form("text", "a".repeat(4001)), "text"),
        (form("image_url", "a".repeat(2049)), "image_url"),
        (form("image_id", "a".repeat(65)), "image_id"),
        (form("cursor", "a".repeat(2049)), "cursor"),
        (form("filter", " ".repeat(65 << 10)), "filter"),
        (form("weights", " ".repeat(65 << 10)), "weights"),
        (form("top_k", "1".repeat(65)), "top_k"),
        (form("sort", "a".repeat(65)), "sort"),
        (form("filter", r#"{"keywords":[""]}"#.into()), "filter.keywords"),
        (many, "body"),
    ] {
        let request = world.http().post(format!("{base}/v1/search")).multipart(form);
        assert_eq!(refused(request.send().await.unwrap()).await, (400, json!(field)));
    }
    assert!(searcher.stop().await.success());
    world.finish().await;
}
