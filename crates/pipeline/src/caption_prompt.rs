//! What a captioner asks for now: one small object per captioner in the bucket, written by its
//! workers when they begin, and read to find the captions of an earlier prompt.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bucket::Only;
use crate::state::{StateError, StateStore};

/// What is asked for, as it stands in every row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptionPrompt {
    /// Who is asked: `onnx:demo-captioner`, `openai:qwen-vl-plus`.
    pub provider: String,
    /// Hash of prompt, languages, length and version of the model.
    pub prompt_hash: String,
}

#[derive(Serialize, Deserialize)]
struct Noted {
    #[serde(flatten)]
    prompt: CaptionPrompt,
    since: Timestamp,
}

fn name(captioner: &str) -> String {
    format!("question-{captioner}")
}

/// Notes what the workers of a captioner ask for from now on.
///
/// # Errors
/// The store did not answer or refused.
pub async fn note(
    state: &StateStore,
    captioner: &str,
    prompt: &CaptionPrompt,
) -> Result<(), StateError> {
    if read(state, captioner).await?.as_ref() != Some(prompt) {
        let noted = Noted { prompt: prompt.clone(), since: Timestamp::now() };
        state.put(&name(captioner), &noted, Only::Always).await?;
    }
    Ok(())
}

/// What they ask for; `None` until a worker of this captioner has begun once.
///
/// # Errors
/// The store did not answer or refused, or the object has another shape.
pub async fn read(
    state: &StateStore,
    captioner: &str,
) -> Result<Option<CaptionPrompt>, StateError> {
    Ok(state.get::<Noted>(&name(captioner)).await?.map(|(noted, _)| noted.prompt))
}
