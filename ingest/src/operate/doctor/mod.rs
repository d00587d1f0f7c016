//! `ingest doctor`: looks at everything this installation rests on and says what is wrong and what
//! to do about it. Writes nothing but a few objects below `bucket.own_prefix`, which it removes
//! again.

mod broker;
mod events;
mod models;
mod report;
mod store;
mod sweep;
mod tables;

use std::io::Write;

use pipeline::bucket::Bucket;
use pipeline::state::StateStore;

use crate::Settings;
pub(crate) use report::{Check, Report};

/// Runs all checks and prints them; the answer is `Ok` only if none failed.
///
/// # Errors
/// A check failed, or nothing could be printed.
pub async fn main(settings: Settings, json: bool) -> anyhow::Result<()> {
    let report = run(&settings).await;
    let text =
        if json { serde_json::to_string_pretty(&report)? + "\n" } else { report.to_string() };
    std::io::stdout().write_all(text.as_bytes())?;
    match report.failed() {
        0 => Ok(()),
        failed => anyhow::bail!("{failed} checks failed"),
    }
}

/// Runs all checks. What cannot be looked at because something below it failed is left out.
pub(crate) async fn run(settings: &Settings) -> Report {
    let bucket = Bucket::connect(&settings.bucket).await;
    let state = StateStore::new(bucket.clone(), &settings.bucket);
    let (store, broker) =
        tokio::join!(store::run(&settings.bucket, &bucket, &state), broker::run(settings));
    let usable = store.failed() == 0;
    let mut report = store;
    report.append(broker);
    if usable {
        report.append(tables::run(settings).await);
        report.append(models::run(&state, settings).await);
        report.append(sweep::run(&state, settings).await);
    }
    report.append(events::run(settings));
    report
}
