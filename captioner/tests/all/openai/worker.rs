//! The whole captioner with an endpoint that fails in every way: no job is lost, no caption is
//! wrong.

use std::time::Duration;

use testkit::{World, eventually, solid_jpeg};

use super::ANSWER;
use super::server::{Reply, Server};

const SOON: Duration = Duration::from_secs(120);
const COUNT: u8 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn every_picture_gets_its_caption_whatever_the_endpoint_does() {
    let down = || Reply::new(500, "out of order");
    let server = Server::start([
        Reply::says(ANSWER),
        Reply::new(429, "slow down").header("retry-after", "1"),
        Reply::says(ANSWER).after(Duration::from_secs(2)),
        // The breaker opens, tries, opens again, and closes.
        down(),
        down(),
        down(),
        down(),
        down(),
        Reply::says(r#"{"caption_en": "A black cat.", "caption_zh"#),
        Reply::says(""),
        Reply::says("Sure! Here is the description:"),
        Reply::new(200, "<html>Log in first</html>"),
        Reply::says(ANSWER),
    ])
    .await;
    let mut world = World::start().await;
    let served = [("WATCH__POLL_INTERVAL", "300ms"), ("STAGES__CAPTIONERS", "remote")];
    let mut ingest = world.run("ingest", &served);
    ingest.ready().await;
    for n in 0..COUNT {
        world.put(&format!("{n}.jpg"), solid_jpeg([n * 30, 90, 200], 64)).await;
    }
    let mut captioner = world.run(
        "captioner",
        &[
            ("CAPTIONS__PROVIDER", "openai"),
            ("CAPTIONS__ID", "remote"),
            ("OPENAI__BASE_URL", &server.base_url),
            ("OPENAI__MODEL", "qwen-vl"),
            ("OPENAI__TRIES", "1"),
            ("OPENAI__CONCURRENCY", "1"),
            ("OPENAI__OPEN_AFTER", "2"),
            ("OPENAI__COOL_DOWN", "200ms"),
            ("RUNTIME__THREADS", "1"),
        ],
    );
    let base = captioner.ready().await;
    eventually("the endpoint's trouble stops the work", SOON, || async {
        let (code, ready) = world.get(&format!("{base}/readyz"), &[]).await;
        (code == 503 && ready["troubles"].to_string().contains("halted")).then_some(())
    })
    .await;
    let said = eventually("every picture has its caption", SOON, || async {
        let said = world.said("remote").await;
        (said.len() == usize::from(COUNT)).then_some(said)
    })
    .await;
    for said in said.values() {
        assert_eq!(
            (said.caption.as_str(), said.provider.as_str()),
            ("A black cat.", "openai:qwen-vl")
        );
        assert_eq!(said.others, [(String::from("zh"), String::from("一只黑猫。"))]);
        assert!(said.keywords.contains(&String::from("cat")), "{:?}", said.keywords);
    }
    eventually("it works again and nothing waits or is dead", SOON, || async {
        let ready = world.get(&format!("{base}/readyz"), &[]).await.0;
        let output =
            world.command("ingest", &["progress", "--json", "--over", "1ms"], &served).await;
        let stages: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        let stage = stages.as_array()?.iter().find(|stage| stage["stage"] == "caption-remote")?;
        let waits = ["queued", "retrying", "suspect", "dead"].iter().any(|name| stage[name] != 0);
        (ready == 200 && !waits).then_some(())
    })
    .await;
    drop((ingest, captioner));
    world.finish().await;
}
