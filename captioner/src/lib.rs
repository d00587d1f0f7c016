//! The captioner: pixels → sentences and keywords. Consumes the jobs of its stage and appends to
//! `captions_<id>`.

mod caption;
mod describe;
// One source for what is known of a picture without any model: the tables of both services begin
// with the same columns.
#[path = "../../embedder/src/facts.rs"]
mod facts;
mod keywords;
pub mod openai;
mod question;
mod serve;
mod settings;
mod status;

use pipeline::bucket::Bucket;
use pipeline::health::Health;
use pipeline::service;
use table::location::Location;
use table::probe::ProbeError;
use tokio_util::sync::CancellationToken;

pub use crate::settings::{
    CaptionSettings, KeywordSettings, PictureSettings, ProviderName, Settings,
};

use crate::status::Running;

/// Runs the captioner until shutdown.
///
/// The order matters: the models are warm and the store is proven before the first job is taken,
/// because from then on what is delivered counts as begun. What is away is waited for, unready.
///
/// # Errors
/// The socket cannot be used, or a model, the store or the table is not what it must be.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let health = Health::default();
    health.expect(&["store", "model", "publisher", "consumer"]);
    let listener = service::bind(&settings.http).await?;
    let worker = format!("{}@{}", std::process::id(), listener.local_addr()?);
    // Answers until the last delivery is settled: "not ready" says more than a closed port.
    let finished = CancellationToken::new();
    let running = Running::default();
    let http = tokio::spawn(service::serve(
        listener,
        running.clone().router(),
        health.clone(),
        finished.clone(),
    ));
    let worked = work(settings, worker, health, running, shutdown).await;
    finished.cancel();
    http.await??;
    worked
}

async fn work(
    settings: Settings,
    worker: String,
    health: Health,
    running: Running,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let location =
        Location { uri: settings.bucket.tables_uri(), options: settings.bucket.storage_options() };
    let away = |error: &ProbeError| matches!(error, ProbeError::Request { .. });
    let Some(()) =
        service::until_works(&health, "store", &shutdown, away, || table::probe::probe(&location))
            .await?
    else {
        return Ok(());
    };
    let bucket = Bucket::connect(&settings.bucket).await;
    serve::serve(serve::Process { settings, bucket, location, health, running, worker }, shutdown)
        .await
}
