//! The captioner of the process: loaded, and worked for until the process stops.

use std::path::Path;
use std::sync::Arc;

use inference::captioner;
use inference::keywords::{Tagger, term};
use inference::{Budget, ImageEncoder, Model, ModelError, Runtime, TextEncoder, gate};
use pipeline::bucket::Bucket;
use pipeline::consume::Subscription;
use pipeline::health::Health;
use pipeline::job::StageName;
use pipeline::publish::Publisher;
use pipeline::question::{self, Question};
use pipeline::service;
use pipeline::settings::SettingsError;
use pipeline::settle::Settler;
use pipeline::state::State;
use pipeline::switch::Switch;
use pipeline::topology::Topology;
use pipeline::worker::{self, HALT_HOLD, Parts};
use table::TableError;
use table::captions::Captions;
use table::location::{Access, Location};
use table::schema::Space;
use tokio_util::sync::CancellationToken;

use crate::caption::Caption;
use crate::describe::Describer;
use crate::keywords::Keywords;
use crate::openai::{OpenAi, key_from_environment};
use crate::question::question;
use crate::settings::{CaptionSettings, KeywordSettings, ProviderName, Settings};
use crate::status::Running;

/// What the process has before its models are loaded.
pub(crate) struct Process {
    pub(crate) settings: Settings,
    pub(crate) bucket: Bucket,
    pub(crate) location: Location,
    pub(crate) health: Health,
    pub(crate) running: Running,
    pub(crate) worker: String,
}

struct Loaded {
    id: String,
    describer: Describer,
    question: Question,
    text: TextEncoder,
    space: Space,
    // What finds keywords, where they are asked for.
    tagging: Option<(ImageEncoder, Tagger)>,
}

/// Loads the models and works until shutdown.
///
/// # Errors
/// A model or the table is not what it must be, or the worker hit a defect.
pub(crate) async fn serve(process: Process, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Process { settings, bucket, location, health, running, worker } = process;
    let load = || {
        let settings = settings.clone();
        async move { tokio::task::spawn_blocking(move || load(&settings)).await? }
    };
    let missing = |error: &anyhow::Error| error.downcast_ref().is_some_and(ModelError::may_pass);
    let loaded = service::until_works(&health, "model", &shutdown, missing, load).await?;
    let Some(Loaded { id, describer, question, text, space, tagging }) = loaded else {
        return Ok(());
    };
    running.set(&id, &question, &settings.captions.languages, &space.model, &describer);
    tracing::info!(
        captioner = id,
        provider = question.provider,
        prompt_hash = question.prompt_hash,
        "captioner is warm"
    );

    let open = || open(&location, &id, &space);
    let Some(captions) =
        service::until_works(&health, "store", &shutdown, TableError::may_pass, open).await?
    else {
        return Ok(());
    };
    let keywords = match tagging {
        None => None,
        Some(tagging) => {
            let (settings, languages) = (settings.keywords.clone(), &settings.captions.languages);
            let keywords =
                Arc::new(Keywords::new(tagging, &location, space, settings, languages).await?);
            tokio::spawn(Arc::clone(&keywords).learn(shutdown.clone()));
            Some(keywords)
        }
    };
    let state = State::new(bucket.clone(), &settings.bucket);
    let note = || question::note(&state, &id, &question);
    if service::until_works(&health, "store", &shutdown, |_| true, note).await?.is_none() {
        return Ok(());
    }
    let (stage, topology) = (StageName::caption(&id), Topology::new(&settings.amqp.namespace));
    let name = format!("captioner {worker} {stage}");
    let publisher =
        Publisher::start(settings.amqp.clone(), name.clone(), vec![stage.clone()], health.clone());
    let parts = Parts {
        stage: Caption {
            captions,
            describer,
            question,
            text,
            keywords,
            limits: settings.limits(),
            in_flight: Budget::new(settings.picture.max_decoded_in_flight),
        },
        bucket,
        subscription: Subscription { amqp: settings.amqp.clone(), name, stage: stage.clone() },
        settler: Settler::new(publisher, topology, stage.clone(), worker, id),
        switch: Switch::start(state, stage),
        batch: settings.batch,
        decoders: settings.fetch.turns(),
        fetch: settings.fetch,
        halt_hold: HALT_HOLD,
        health,
        shutdown,
    };
    worker::run(parts).await
}

fn load(settings: &Settings) -> anyhow::Result<Loaded> {
    let captions = &settings.captions;
    let folder = Path::new(&captions.folder);
    let model = Model::find(&captions.text_model, folder)?;
    gate::passed(&model)?;
    let runtime = Runtime::start(&settings.runtime)?;
    let text = model.text_encoder(&runtime)?;
    let tagging = match settings.keywords.enabled {
        true => Some((
            model.image_encoder(&runtime, captions.max_batch)?,
            tagger(&text, &settings.keywords)?,
        )),
        false => None,
    };
    let (manifest, manifest_hash) = (model.manifest, model.digest);
    let space = Space { model: manifest.id, space: manifest.space, manifest_hash, dim: text.dim() };
    let (id, describer, question) = match captions.provider {
        ProviderName::Onnx => onnx(captions, folder, &runtime)?,
        ProviderName::OpenAi => openai(settings)?,
    };
    let id = if captions.id.is_empty() { id } else { captions.id.clone() };
    Ok(Loaded { id, describer, question, text, space, tagging })
}

/// Knows the terms, and not yet what is usual.
fn tagger(text: &TextEncoder, settings: &KeywordSettings) -> Result<Tagger, ModelError> {
    let tagger = Tagger::new(text, &settings.understood, &[])?.with_threshold(settings.threshold);
    let known: Vec<_> = settings.known.iter().filter_map(|name| term(name)).collect();
    Ok(if known.is_empty() { tagger } else { tagger.only(&known) })
}

fn openai(settings: &Settings) -> anyhow::Result<(String, Describer, Question)> {
    let CaptionSettings { id, languages, .. } = &settings.captions;
    let openai = OpenAi::new(&settings.openai, languages, key_from_environment())?;
    let (model, longest) = (openai.model(), settings.openai.max_tokens as usize);
    let question = question(format!("openai:{model}"), model, openai.prompt(), languages, longest);
    Ok((id.clone(), Describer::OpenAi(Box::new(openai)), question))
}

fn onnx(
    captions: &CaptionSettings,
    folder: &Path,
    runtime: &Runtime,
) -> anyhow::Result<(String, Describer, Question)> {
    let CaptionSettings { model, languages, max_batch, max_tokens, .. } = captions;
    let model = captioner::Model::find(model, folder)?;
    let id = model.manifest.id.clone();
    let written: Vec<_> =
        model.manifest.decoder.languages.iter().map(|entry| entry.language.as_str()).collect();
    if let Some(other) = languages.iter().find(|language| !written.contains(&language.as_str())) {
        let problem = format!(
            "the captioner '{id}' does not write '{other}': it writes {}",
            written.join(", ")
        );
        return Err(SettingsError::value("captions.languages", problem).into());
    }
    let captioner = model.load(runtime, *max_batch, *max_tokens)?;
    // How a caption begins in each language stands in the manifest, whose digest is part of the
    // question.
    let question = question(format!("onnx:{id}"), &model.digest, "", languages, *max_tokens);
    Ok((id, Describer::Onnx { captioner, languages: languages.clone() }, question))
}

async fn open(location: &Location, id: &str, space: &Space) -> Result<Captions, TableError> {
    Captions::open_or_create(&location.connect(Access::writer()).await?, id, space.clone()).await
}
