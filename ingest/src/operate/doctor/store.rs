//! The object store: reachable, ours to use, in time, and safe for tables.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pipeline::bucket::{Bucket, BucketSettings, Only};
use pipeline::inspect::StoreAnswer;
use pipeline::state::StateStore;
use table::location::Location;

use super::{Check, Report};

// A signature is refused when the clocks differ by more.
const SKEW_FAILS: SignedDuration = SignedDuration::from_mins(15);
const SKEW_WARNS: SignedDuration = SignedDuration::from_secs(60);
const PROBE_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) async fn run(settings: &BucketSettings, bucket: &Bucket, state: &StateStore) -> Report {
    let answer = bucket.ask().await;
    let mut report = Report::default();
    report.push(reachable(settings, &answer));
    if let Some(date) = answer.date {
        report.push(clock(Timestamp::now().duration_since(date)));
    }
    if answer.status.is_none() {
        return report;
    }
    report.push(access(settings, &answer));
    if answer.problem.is_some() {
        return report;
    }
    report.push(writes(settings, state).await);
    report.push(links(settings, bucket).await);
    report.push(tables(settings).await);
    report
}

fn place(settings: &BucketSettings) -> &str {
    if settings.endpoint.is_empty() { "Amazon S3" } else { &settings.endpoint }
}

fn reachable(settings: &BucketSettings, answer: &StoreAnswer) -> Check {
    match (answer.status, &answer.problem) {
        (Some(status), _) => {
            Check::ok("store.reachable", format!("{} answers ({status})", place(settings)))
        }
        (None, problem) => Check::fail(
            "store.reachable",
            format!(
                "{} does not answer: {}",
                place(settings),
                problem.as_deref().unwrap_or("no reason given")
            ),
            "check bucket.endpoint: scheme, host, port, name resolution, firewall, certificate; and that credentials are set",
        ),
    }
}

fn clock(skew: SignedDuration) -> Check {
    let seen = format!("the store's clock and ours differ by {} s", skew.as_secs().abs());
    let advice = "set the clock of this machine or of the store (NTP): at 15 minutes the store refuses every request";
    match skew.abs() {
        skew if skew > SKEW_FAILS => Check::fail("store.clock", seen, advice),
        skew if skew > SKEW_WARNS => Check::warn("store.clock", seen, advice),
        _ => Check::ok("store.clock", seen),
    }
}

fn access(settings: &BucketSettings, answer: &StoreAnswer) -> Check {
    let name = &settings.name;
    let code = answer.code.as_deref().unwrap_or("no reason given");
    let seen =
        |status: u16| format!("the store answers {status} {code} when bucket '{name}' is listed");
    match answer.status {
        Some(200) | None => Check::ok("store.listing", format!("bucket '{name}' can be listed")),
        Some(404) => Check::fail(
            "store.listing",
            seen(404),
            "create the bucket, or check bucket.name, bucket.region and bucket.path_style",
        ),
        Some(status @ (400 | 401 | 403)) if code == "AccessDenied" => Check::fail(
            "store.listing",
            seen(status),
            "the key is known but may not list: allow s3:ListBucket on the bucket and s3:GetObject, s3:PutObject and s3:DeleteObject in it",
        ),
        Some(status @ (400 | 401 | 403)) => Check::fail(
            "store.listing",
            seen(status),
            "check bucket.access_key_id, bucket.secret_access_key, bucket.region and the clock",
        ),
        Some(status) => Check::fail("store.listing", seen(status), "look into the store's own log"),
    }
}

/// Writes, reads and removes a small object where the product keeps its own.
async fn writes(settings: &BucketSettings, state: &StateStore) -> Check {
    let name = format!("doctor-{}-{}", std::process::id(), Timestamp::now().as_nanosecond());
    let trial = async {
        state.write(&name, "trial".into(), Only::Always).await?;
        let read = state.read(&name).await?;
        state.delete(&name).await?;
        anyhow::ensure!(
            read.is_some_and(|(body, _)| body == "trial"),
            "what was written reads back differently"
        );
        anyhow::ensure!(state.read(&name).await?.is_none(), "what was removed is still there");
        anyhow::Ok(())
    };
    let place = format!("below '{}'", settings.own_prefix);
    match trial.await {
        Ok(()) => {
            Check::ok("store.writing", format!("an object {place} was written, read and removed"))
        }
        Err(error) => Check::fail(
            "store.writing",
            format!("{place}: {error:#}"),
            "allow s3:PutObject, s3:GetObject and s3:DeleteObject there, and look for a quota, a full disk or an object lock",
        ),
    }
}

/// Whether links for browsers can be made, and lead anywhere.
async fn links(settings: &BucketSettings, bucket: &Bucket) -> Check {
    let link = match bucket.presigned_get("doctor", Duration::from_secs(60), false).await {
        Ok(link) => link,
        Err(error) => {
            return Check::fail(
                "store.links",
                error.to_string(),
                "give credentials that can sign: a key and a secret",
            );
        }
    };
    let host = link.split('/').nth(2).unwrap_or_default().to_owned();
    let inside = !host.contains('.')
        || host.starts_with("127.")
        || host.ends_with(".local")
        || host.contains(".svc");
    if settings.public_endpoint.is_empty() && inside {
        return Check::warn(
            "store.links",
            format!("links to originals lead to {host}"),
            "browsers elsewhere cannot reach that: set bucket.public_endpoint, unless everything runs on one machine",
        );
    }
    Check::ok("store.links", format!("links to originals lead to {host}"))
}

/// The same test that every writing process makes when it starts.
async fn tables(settings: &BucketSettings) -> Check {
    let location = Location { uri: settings.tables_uri(), options: settings.storage_options() };
    let advice = "do not run on this store as it is: rows would be lost without any error. Upgrade it, or use one named in the README";
    match tokio::time::timeout(PROBE_TIMEOUT, table::probe::probe(&location)).await {
        Ok(Ok(())) => Check::ok(
            "store.tables",
            "conditional writes, listing order, multipart uploads and ranges are right",
        ),
        Ok(Err(error @ table::probe::ProbeError::Unsafe { .. })) => {
            Check::fail("store.tables", error.to_string(), advice)
        }
        Ok(Err(error)) => {
            Check::fail("store.tables", error.to_string(), "look into the store's own log")
        }
        Err(_) => Check::fail(
            "store.tables",
            format!("the trial took more than {PROBE_TIMEOUT:?}"),
            "look for an overloaded store",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Verdict;

    #[test]
    fn clocks_may_differ_a_little_whichever_is_ahead() {
        for (seconds, verdict) in [
            (0, Verdict::Ok),
            (60, Verdict::Ok),
            (61, Verdict::Warn),
            (900, Verdict::Warn),
            (901, Verdict::Fail),
        ] {
            for skew in [SignedDuration::from_secs(seconds), SignedDuration::from_secs(-seconds)] {
                assert_eq!(clock(skew).verdict, verdict, "{skew}");
            }
        }
    }
}
