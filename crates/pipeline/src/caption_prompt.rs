//! The state objects `question-<captioner id>`: the prompt that a captioner uses now. Its workers
//! write it when they start. Ingest reads it to find captions that an earlier prompt made.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bucket::Only;
use crate::state::{StateError, StateStore};

/// A prompt, as it stands in every row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptionPrompt {
    /// The model that answers: `onnx:demo-captioner`, `openai:qwen-vl-plus`.
    pub provider: String,
    /// Hash of prompt, languages, length and version of the model.
    pub prompt_hash: String,
}

#[derive(Serialize, Deserialize)]
struct StoredPrompt {
    #[serde(flatten)]
    prompt: CaptionPrompt,
    since: Timestamp,
}

fn name(captioner: &str) -> String {
    format!("question-{captioner}")
}

/// Notes the prompt that the workers of a captioner use from now on.
///
/// # Errors
/// The store did not answer or refused.
pub async fn note(
    state: &StateStore,
    captioner: &str,
    prompt: &CaptionPrompt,
) -> Result<(), StateError> {
    if read(state, captioner).await?.as_ref() != Some(prompt) {
        let noted = StoredPrompt { prompt: prompt.clone(), since: Timestamp::now() };
        state.put(&name(captioner), &noted, Only::Always).await?;
    }
    Ok(())
}

/// The prompt that they use; `None` until a worker of this captioner has started once.
///
/// # Errors
/// The store did not answer or refused, or the object has another shape.
pub async fn read(
    state: &StateStore,
    captioner: &str,
) -> Result<Option<CaptionPrompt>, StateError> {
    Ok(state.get::<StoredPrompt>(&name(captioner)).await?.map(|(noted, _)| noted.prompt))
}
