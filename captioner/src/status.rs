//! `/v1/status`: who describes pictures in this process, on what, and what it is asked for.

use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use inference::captioner::Captioner;
use pipeline::question::Question;
use serde_json::{Value, json};

use crate::describe::Describer;

/// The captioner once it is loaded. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Running(Arc<OnceLock<Shown>>);

struct Shown {
    id: String,
    question: Question,
    languages: Vec<String>,
    text_model: String,
    // `None` where an endpoint describes.
    captioner: Option<Captioner>,
}

impl Running {
    /// The captioner is loaded.
    pub(crate) fn set(
        &self,
        id: &str,
        question: &Question,
        languages: &[String],
        text_model: &str,
        describer: &Describer,
    ) {
        let captioner = match describer {
            Describer::Onnx { captioner, .. } => Some(captioner.clone()),
            Describer::OpenAi(_) => None,
        };
        if let Some(captioner) = &captioner {
            let placement = captioner.placement();
            for (name, nodes) in [("gpu", placement.gpu_nodes), ("cpu", placement.cpu_nodes)] {
                let labels = [("model", captioner.model().to_owned()), ("device", name.to_owned())];
                metrics::gauge!("bucketlens_model_nodes", &labels).set(nodes as f64);
            }
        }
        let shown = Shown {
            id: id.to_owned(),
            question: question.clone(),
            languages: languages.to_vec(),
            text_model: text_model.to_owned(),
            captioner,
        };
        let _ = self.0.set(shown);
    }

    /// The routes of the process's own.
    pub(crate) fn router(self) -> Router {
        Router::new().route("/v1/status", get(show)).with_state(self)
    }
}

async fn show(State(Running(running)): State<Running>) -> Json<Value> {
    let captioner =
        running.get().map(|Shown { id, question, languages, text_model, captioner }| {
            json!({
                "id": id,
                "provider": question.provider,
                "prompt_hash": question.prompt_hash,
                "languages": languages,
                "text_model": text_model,
                "placement": captioner.as_ref().map(Captioner::placement),
                "batch": captioner.as_ref().map(Captioner::batch),
            })
        });
    Json(json!({ "version": pipeline::paper::VERSION, "captioner": captioner }))
}
