//! Loading the models of a captioner.

use std::path::Path;
use std::sync::Arc;

use inference::captioner;
use inference::keywords::{Tagger, term};
use inference::{ImageEncoder, Model, ModelError, Runtime, TextEncoder};
use pipeline::caption_prompt::CaptionPrompt;
use service::SettingsError;
use table::schema::Space;

use crate::describe::Describer;
use crate::openai::{OpenAi, key_from_environment};
use crate::prompt::prompt_for;
use crate::settings::{CaptionerSettings, KeywordSettings, ProviderName, Settings};

/// A captioner with everything that is loaded before its first job.
pub(crate) struct LoadedCaptioner {
    pub(crate) id: String,
    pub(crate) describer: Arc<Describer>,
    pub(crate) prompt: CaptionPrompt,
    pub(crate) text: TextEncoder,
    pub(crate) space: Space,
    // Set if keywords are asked for.
    pub(crate) tagging: Option<(ImageEncoder, Tagger)>,
}

/// Loads the models. Blocks for seconds.
///
/// # Errors
/// A model is missing or broken, or a setting does not fit it.
pub(crate) fn load(settings: &Settings) -> anyhow::Result<LoadedCaptioner> {
    let captions = &settings.captions;
    let folder = Path::new(&captions.folder);
    let model = Model::find(&captions.text_model, folder)?;
    let runtime = worker::start_runtime(&model, &settings.runtime)?;
    let text = model.text_encoder(&runtime)?;
    let tagging = match settings.keywords.enabled {
        true => Some((
            model.image_encoder(&runtime, captions.max_batch)?,
            tagger(&text, &settings.keywords)?,
        )),
        false => None,
    };
    let space = worker::space_of(model, text.dim());
    let (id, describer, prompt) = match captions.provider {
        ProviderName::Onnx => onnx(captions, folder, &runtime)?,
        ProviderName::OpenAi => openai(settings)?,
    };
    let id = if captions.id.is_empty() { id } else { captions.id.clone() };
    Ok(LoadedCaptioner { id, describer: Arc::new(describer), prompt, text, space, tagging })
}

/// A tagger that knows the terms, but has no background yet.
fn tagger(text: &TextEncoder, settings: &KeywordSettings) -> Result<Tagger, ModelError> {
    let tagger = Tagger::new(text, &settings.understood, &[])?.with_threshold(settings.threshold);
    let known: Vec<_> = settings.known.iter().filter_map(|name| term(name)).collect();
    Ok(if known.is_empty() { tagger } else { tagger.only(&known) })
}

fn openai(settings: &Settings) -> anyhow::Result<(String, Describer, CaptionPrompt)> {
    let CaptionerSettings { id, languages, .. } = &settings.captions;
    let openai = OpenAi::new(&settings.openai, languages, key_from_environment())?;
    let (model, longest) = (openai.model(), settings.openai.max_tokens as usize);
    let prompt = prompt_for(format!("openai:{model}"), model, openai.prompt(), languages, longest);
    Ok((id.clone(), Describer::OpenAi(Box::new(openai)), prompt))
}

fn onnx(
    captions: &CaptionerSettings,
    folder: &Path,
    runtime: &Runtime,
) -> anyhow::Result<(String, Describer, CaptionPrompt)> {
    let CaptionerSettings { model, languages, max_batch, max_tokens, .. } = captions;
    let model = captioner::CaptionerModel::find(model, folder)?;
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
    // The manifest says how a caption begins in each language, so its digest stands for the
    // prompt.
    let prompt = prompt_for(format!("onnx:{id}"), &model.digest, "", languages, *max_tokens);
    Ok((id, Describer::Onnx { captioner, languages: languages.clone() }, prompt))
}
