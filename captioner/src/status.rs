//! `/v1/status`: the provider of captions in this process, its prompt, and what runs its model.

use std::sync::{Arc, OnceLock};

use axum::Router;
use inference::captioner::Captioner;
use pipeline::caption_prompt::CaptionPrompt;
use serde_json::{Value, json};

use crate::describe::Describer;

/// The captioner once it is loaded. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct CaptionerStatus(Arc<OnceLock<WarmCaptioner>>);

struct WarmCaptioner {
    id: String,
    prompt: CaptionPrompt,
    languages: Vec<String>,
    text_model: String,
    // `None` if an endpoint describes the pictures.
    captioner: Option<Captioner>,
}

impl CaptionerStatus {
    /// Call it once, when the captioner is loaded.
    pub(crate) fn set(
        &self,
        id: &str,
        prompt: &CaptionPrompt,
        languages: &[String],
        text_model: &str,
        describer: &Describer,
    ) {
        let captioner = match describer {
            Describer::Onnx { captioner, .. } => Some(captioner.clone()),
            Describer::OpenAi(_) => None,
        };
        if let Some(captioner) = &captioner {
            captioner.placement().record(captioner.model());
        }
        let shown = WarmCaptioner {
            id: id.to_owned(),
            prompt: prompt.clone(),
            languages: languages.to_vec(),
            text_model: text_model.to_owned(),
            captioner,
        };
        let _ = self.0.set(shown);
    }

    /// The routes of this process alone.
    pub(crate) fn router(self) -> Router {
        worker::status_router("captioner", move || self.tell())
    }

    fn tell(&self) -> Value {
        let Some(WarmCaptioner { id, prompt, languages, text_model, captioner }) = self.0.get()
        else {
            return Value::Null;
        };
        json!({
            "id": id,
            "provider": prompt.provider,
            "prompt_hash": prompt.prompt_hash,
            "languages": languages,
            "text_model": text_model,
            "placement": captioner.as_ref().map(Captioner::placement),
            "batch": captioner.as_ref().map(Captioner::batch),
        })
    }
}
