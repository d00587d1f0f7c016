//! The doctor checks everything that an installation needs, and says what is wrong and what to do.
//! It writes a few objects below `bucket.own_prefix` and removes them again, and nothing else.

mod broker;
mod events;
mod models;
mod report;
mod store;
mod sweep;
mod tables;

use pipeline::bucket::Bucket;
use pipeline::state::StateStore;

use crate::settings::Settings;
pub(crate) use report::{DoctorReport, DoctorVerdict};

/// Runs all checks. A check is left out if something that it depends on has failed.
pub(crate) async fn run(settings: &Settings) -> DoctorReport {
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
