//! The captioner: pixels → sentences and keywords. Consumes the jobs of its stage and appends to
//! `captions_<id>`.

mod caption;
mod describe;
mod keywords;
mod load;
pub mod openai;
mod prompt;
mod settings;
mod status;

use std::sync::Arc;

use pipeline::caption_prompt;
use pipeline::stage_name::StageName;
use service::process::until_works;
use table::captions::Captions;
use table::location::Access;
use tokio_util::sync::CancellationToken;
use worker::{Assignment, WorkerProcess};

pub use crate::settings::{CaptionerSettings, KeywordSettings, ProviderName, Settings};

use crate::caption::CaptionStage;
use crate::keywords::Keywords;
use crate::load::{LoadedCaptioner, load};
use crate::status::CaptionerStatus;

/// Runs the captioner until shutdown.
///
/// The models are warm and the store is proven before the first job is taken, because what is delivered
/// counts as begun. What is away is waited for, unready.
///
/// # Errors
/// The socket cannot be used, or a model, the store or the table is not what it must be.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let status = CaptionerStatus::default();
    let routes = status.clone().router();
    let work = |process, shutdown| work(settings.clone(), process, status, shutdown);
    let conditions = ["model", "publisher", "consumer"];
    worker::run(settings.worker(), &conditions, routes, shutdown, work).await
}

async fn work(
    settings: Settings,
    process: Arc<WorkerProcess>,
    status: CaptionerStatus,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let health = &process.health;
    let warm_up = || {
        let settings = settings.clone();
        async move { tokio::task::spawn_blocking(move || load(&settings)).await? }
    };
    let may_pass = worker::is_missing;
    let loaded = until_works(health, "model", &shutdown, may_pass, warm_up).await?;
    let Some(loaded) = loaded else { return Ok(()) };
    let LoadedCaptioner { id, describer, prompt, text, space, tagging } = loaded;
    status.set(&id, &prompt, &settings.captions.languages, &space.model, &describer);
    tracing::info!(
        captioner = id,
        provider = prompt.provider,
        prompt_hash = prompt.prompt_hash,
        "captioner is warm"
    );

    let languages = &settings.captions.languages;
    let keywords = match tagging {
        None => None,
        Some(tagging) => {
            let (location, settings) = (&process.location, settings.keywords.clone());
            let keywords = Keywords::new(tagging, location, space.clone(), settings, languages);
            let keywords = Arc::new(keywords.await?);
            tokio::spawn(Arc::clone(&keywords).learn(shutdown.clone()));
            Some(keywords)
        }
    };
    let open = || async {
        let database = process.location.connect(Access::writer()).await?;
        Ok(CaptionStage {
            captions: Captions::open_or_create(&database, &id, space.clone()).await?,
            describer: Arc::clone(&describer),
            prompt: prompt.clone(),
            text: text.clone(),
            keywords: keywords.clone(),
            limits: settings.picture.limits(settings.fetch.max_object_bytes),
            in_flight: process.in_flight.clone(),
        })
    };
    let note = || caption_prompt::note(&process.state, &id, &prompt);
    if until_works(health, "store", &shutdown, |_| true, note).await?.is_none() {
        return Ok(());
    }
    let stage = StageName::caption(&id);
    let assignment = Assignment { stage, sharing: 1, health: health.clone() };
    process.serve(&assignment, open, &shutdown).await
}
