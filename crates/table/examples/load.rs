//! Sends searches from many clients at once, each over its own connection and one after the other.
//!
//!     load URL CLIENTS SECONDS FILE
//!
//! FILE holds one JSON body per line; every client takes the next one. Prints the number of answers
//! by status, the seconds, and the median and 99th percentile of their time in milliseconds.

#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;

/// Bodies, and which one is next.
struct SharedBodies {
    bodies: Vec<Bytes>,
    next: AtomicUsize,
}

/// Status and time of every answer of a client.
type Answers = Vec<(u16, Duration)>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, clients, seconds, file] = arguments.as_slice() else {
        bail!("usage: load URL CLIENTS SECONDS FILE");
    };
    let (clients, seconds): (usize, u64) = (clients.parse()?, seconds.parse()?);
    let lines = std::fs::read_to_string(file).with_context(|| format!("{file} cannot be read"))?;
    let bodies: Vec<Bytes> = lines.lines().map(|line| Bytes::from(line.to_owned())).collect();
    anyhow::ensure!(!bodies.is_empty() && clients > 0, "{file} is empty, or there is no client");
    let shared = Arc::new(SharedBodies { bodies, next: AtomicUsize::new(0) });
    let uri: Uri = url.parse()?;
    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds);
    let running: Vec<_> = (0..clients)
        .map(|_| tokio::spawn(client(uri.clone(), Arc::clone(&shared), until)))
        .collect();
    let mut answers = Answers::new();
    for each in running {
        answers.extend(each.await??);
    }
    print(answers, begun.elapsed());
    Ok(())
}

async fn client(uri: Uri, shared: Arc<SharedBodies>, until: Instant) -> anyhow::Result<Answers> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut answers = Answers::new();
    while Instant::now() < until {
        let number = shared.next.fetch_add(1, Ordering::Relaxed) % shared.bodies.len();
        let body = shared.bodies.get(number).cloned().unwrap_or_default();
        let request = Request::post(uri.clone())
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        let begun = Instant::now();
        let answer = client.request(request).await?;
        let status = answer.status().as_u16();
        answer.into_body().collect().await?;
        answers.push((status, begun.elapsed()));
    }
    Ok(answers)
}

fn print(answers: Answers, elapsed: Duration) {
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    let mut times = Vec::new();
    for (status, time) in answers {
        *statuses.entry(status).or_default() += 1;
        times.push(time);
    }
    times.sort_unstable();
    let at = |share: f64| {
        let place = (share * times.len() as f64) as usize;
        times.get(place.min(times.len().saturating_sub(1))).map_or(0.0, Duration::as_secs_f64)
    };
    println!(
        "{}",
        json!({
            "statuses": statuses, "seconds": elapsed.as_secs_f64(),
            "p50_ms": at(0.5) * 1000.0, "p99_ms": at(0.99) * 1000.0,
        })
    );
}
