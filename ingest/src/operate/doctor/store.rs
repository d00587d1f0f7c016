//! The object store: reachable, accessible, with the right time, and safe for tables.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pipeline::bucket::{Bucket, BucketSettings, Only};
use pipeline::inspect::StoreAnswer;
use pipeline::state::StateStore;

use super::report::{DoctorCheck, DoctorReport};
use crate::parts::location;

// A signature is refused when the clocks differ by more.
const SKEW_FAILS: SignedDuration = SignedDuration::from_mins(15);
const SKEW_WARNS: SignedDuration = SignedDuration::from_secs(60);
const PROBE_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) async fn run(
    settings: &BucketSettings,
    bucket: &Bucket,
    state: &StateStore,
) -> DoctorReport {
    let answer = bucket.ask().await;
    let mut report = DoctorReport::default();
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

fn reachable(settings: &BucketSettings, answer: &StoreAnswer) -> DoctorCheck {
    match (answer.status, &answer.problem) {
        (Some(status), _) => {
            DoctorCheck::ok("store.reachable", format!("{} answers ({status})", place(settings)))
        }
        (None, problem) => DoctorCheck::fail(
            "store.reachable",
            format!(
                "{} does not answer: {}",
                place(settings),
                problem.as_deref().unwrap_or("no reason given")
            ),
            "check bucket.endpoint: scheme, host, port, name resolution, firewall, certificate; \
             and that credentials are set",
        ),
    }
}

fn clock(skew: SignedDuration) -> DoctorCheck {
    let seen = format!("the store's clock and ours differ by {} s", skew.as_secs().abs());
    let advice = "set the clock of this machine or of the store (NTP): at 15 minutes the store \
                  refuses every request";
    match skew.abs() {
        skew if skew > SKEW_FAILS => DoctorCheck::fail("store.clock", seen, advice),
        skew if skew > SKEW_WARNS => DoctorCheck::warn("store.clock", seen, advice),
        _ => DoctorCheck::ok("store.clock", seen),
    }
}

fn access(settings: &BucketSettings, answer: &StoreAnswer) -> DoctorCheck {
    let name = &settings.name;
    let code = answer.code.as_deref().unwrap_or("no reason given");
    let seen =
        |status: u16| format!("the store answers {status} {code} when bucket '{name}' is listed");
    match answer.status {
        Some(200) | None => {
            DoctorCheck::ok("store.listing", format!("bucket '{name}' can be listed"))
        }
        Some(404) => DoctorCheck::fail(
            "store.listing",
            seen(404),
            "create the bucket, or check bucket.name, bucket.region and bucket.path_style",
        ),
        Some(status @ (400 | 401 | 403)) if code == "AccessDenied" => DoctorCheck::fail(
            "store.listing",
            seen(status),
            "the key is known but may not list: allow s3:ListBucket on the bucket and \
             s3:GetObject, s3:PutObject and s3:DeleteObject in it",
        ),
        Some(status @ (400 | 401 | 403)) => DoctorCheck::fail(
            "store.listing",
            seen(status),
            "check bucket.access_key_id, bucket.secret_access_key, bucket.region and the clock",
        ),
        Some(status) => {
            DoctorCheck::fail("store.listing", seen(status), "look into the store's own log")
        }
    }
}

/// Writes, reads and removes a small object below `bucket.own_prefix`.
async fn writes(settings: &BucketSettings, state: &StateStore) -> DoctorCheck {
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
        Ok(()) => DoctorCheck::ok(
            "store.writing",
            format!("an object {place} was written, read and removed"),
        ),
        Err(error) => DoctorCheck::fail(
            "store.writing",
            format!("{place}: {error:#}"),
            "allow s3:PutObject, s3:GetObject and s3:DeleteObject there, and look for a quota, a \
             full disk or an object lock",
        ),
    }
}

/// Whether links for browsers can be made, and whether browsers can follow them.
async fn links(settings: &BucketSettings, bucket: &Bucket) -> DoctorCheck {
    let link = match bucket.presigned_get("doctor", Duration::from_secs(60), None).await {
        Ok(link) => link,
        Err(error) => {
            return DoctorCheck::fail(
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
        return DoctorCheck::warn(
            "store.links",
            format!("links to originals lead to {host}"),
            "browsers elsewhere cannot reach that: set bucket.public_endpoint, unless everything \
             runs on one machine",
        );
    }
    DoctorCheck::ok("store.links", format!("links to originals lead to {host}"))
}

/// The same probe that every writing process makes when it starts.
async fn tables(settings: &BucketSettings) -> DoctorCheck {
    let location = location(settings);
    let advice = "do not run on this store as it is: rows would be lost without any error. Upgrade \
                  it, or use one named in the README";
    match tokio::time::timeout(PROBE_TIMEOUT, table::probe::probe(&location)).await {
        Ok(Ok(())) => DoctorCheck::ok(
            "store.tables",
            "conditional writes, listing order, multipart uploads and ranges are right",
        ),
        Ok(Err(error @ table::probe::ProbeError::Unsafe { .. })) => {
            DoctorCheck::fail("store.tables", error.to_string(), advice)
        }
        Ok(Err(error)) => {
            DoctorCheck::fail("store.tables", error.to_string(), "look into the store's own log")
        }
        Err(_) => DoctorCheck::fail(
            "store.tables",
            format!("the trial took more than {PROBE_TIMEOUT:?}"),
            "look for an overloaded store",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operate::doctor::report::DoctorVerdict;

    #[test]
    fn clocks_may_differ_a_little_whichever_is_ahead() {
        for (seconds, verdict) in [
            (0, DoctorVerdict::Ok),
            (60, DoctorVerdict::Ok),
            (61, DoctorVerdict::Warn),
            (900, DoctorVerdict::Warn),
            (901, DoctorVerdict::Fail),
        ] {
            for skew in [SignedDuration::from_secs(seconds), SignedDuration::from_secs(-seconds)] {
                assert_eq!(clock(skew).verdict, verdict, "{skew}");
            }
        }
    }
}
