//! Dead letters as operators meet them: by command and over HTTP, on a real broker, store and
//! programs.

mod command;
mod over_http;
mod replay;

use std::collections::HashMap;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use pipeline::consume::Subscription;
use pipeline::dead::{self, DeadLetter};
use pipeline::depths::QueueDepths;
use pipeline::job::Job;
use pipeline::stage_name::StageName;
use serde_json::{Value, json};
use service::health::Health;
use testkit::{FailedJob, World, eventually};

const NOON: &str = "2026-07-01T12:00:00Z";
const LIMIT: Duration = Duration::from_secs(120);

fn command(world: &World, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ingest"));
    command.arg("dead").args(arguments).envs(world.variables()).stdin(Stdio::null());
    command
}

fn run(world: &World, arguments: &[&str]) -> Output {
    command(world, arguments).output().expect("the command runs")
}

/// Runs a command that must succeed; its stdout.
fn text(world: &World, arguments: &[&str]) -> String {
    let output = run(world, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn json_of(world: &World, arguments: &[&str]) -> Value {
    let text = text(world, arguments);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn spawn(world: &World, arguments: &[&str]) -> Child {
    command(world, arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts")
}

async fn bury(world: &World, keys: &[String]) {
    let burials = keys.iter().map(|key| FailedJob {
        key,
        etag: "e",
        class: "corrupt_picture",
        reason: "it failed",
        at: NOON,
    });
    world.bury(&burials.collect::<Vec<_>>()).await;
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{n:04}.jpg")).collect()
}

async fn look(world: &World) -> Vec<DeadLetter> {
    dead::peek(&world.amqp(), &StageName::embed("demo-clip"))
        .await
        .expect("the dead letters")
        .letters
}

async fn bulk_depth(world: &World) -> usize {
    let depths = QueueDepths::new(world.amqp())
        .depths(&StageName::embed("demo-clip"))
        .await
        .expect("depths");
    depths.bulk.unwrap_or(0) as usize
}

/// Takes everything out of work and bulk queue: how often each key was there.
async fn take_jobs(world: &World) -> HashMap<String, usize> {
    let count = bulk_depth(world).await;
    let mut consumer = Subscription {
        amqp: world.amqp(),
        name: "test".into(),
        stage: StageName::embed("demo-clip"),
    }
    .start(Health::default());
    let mut keys = HashMap::new();
    for _ in 0..count {
        let delivery = tokio::time::timeout(LIMIT, consumer.next())
            .await
            .expect("a job in time")
            .expect("a job");
        *keys.entry(Job::decode(&delivery.body).expect("a job").object.key).or_default() += 1;
        delivery.ack().await;
    }
    consumer.close().await;
    keys
}
