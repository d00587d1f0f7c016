//! The text encoder: texts to vectors.

use std::sync::Arc;

use crate::manifest::{Manifest, TextTower};
use crate::onnx::{Graph, Matrix};
use crate::token_input::{TokenBatchShape, TokenInput};
use crate::tokens::{TokenBatch, Tokens};
use crate::tower::{Tower, TowerSettings};
use crate::{Embedding, ModelError, Placement, Runtime};

/// The loaded text tower of a model, with its tokenizer. Cheap to clone: all clones share one
/// thread and one copy of the weights.
#[derive(Clone)]
pub struct TextEncoder(Arc<LoadedTextTower>);

struct LoadedTextTower {
    tower: Tower,
    tokens: Tokens,
    inputs: Vec<TokenInput>,
    shape: TokenBatchShape,
}

impl TextEncoder {
    pub(crate) fn load(
        runtime: &Runtime,
        manifest: &Manifest,
        section: &TextTower,
        tokens: Tokens,
        graph: Graph,
    ) -> Result<TextEncoder, ModelError> {
        let settings = TowerSettings {
            name: "text",
            outputs: &section.outputs,
            output_index: section.output_index,
            extra_inputs: &section.extra_inputs,
        };
        let (tower, (inputs, shape)) =
            Tower::load(runtime, manifest, graph, &settings, |signature| {
                TokenInput::resolve(signature, section)
            })?;
        let encoder = TextEncoder(Arc::new(LoadedTextTower { tower, tokens, inputs, shape }));
        // The first run allocates memory, and shows the real dimension where the graph leaves it
        // open.
        encoder.run(0, &[String::from("warm up")])?;
        Ok(encoder)
    }

    /// Encodes texts: one vector per text, in their order. An empty text has a vector too. A text
    /// that is too long is cut at its end.
    ///
    /// Blocks until all are done. One bad text fails the whole call.
    ///
    /// # Errors
    /// [`ModelError::Input`] for a text that the tokenizer refuses, [`ModelError::NotFinite`],
    /// [`ModelError::Run`]; [`ModelError::Stopped`] is fatal.
    pub fn encode(&self, texts: &[String]) -> Result<Vec<Embedding>, ModelError> {
        let mut embeddings = Vec::with_capacity(texts.len());
        for batch in texts.chunks(self.0.shape.max_batch) {
            let first = embeddings.len();
            let matrix = self.run(first, batch)?;
            embeddings.extend(self.0.tower.embeddings(first, &matrix)?);
        }
        Ok(embeddings)
    }

    /// The token ids of a text, with padding. For comparisons with other implementations.
    ///
    /// # Errors
    /// [`ModelError::Input`] for a text that the tokenizer refuses.
    pub fn token_ids(&self, text: &str) -> Result<Vec<i64>, ModelError> {
        self.tokenise(0, &[text.to_owned()], self.0.shape.length).map(|batch| batch.ids)
    }

    /// The token ids of a text, without padding.
    pub(crate) fn token_ids_unpadded(&self, text: &str) -> Result<Vec<i64>, ModelError> {
        let TokenBatch { ids, mask, .. } = self.tokenise(0, &[text.to_owned()], None)?;
        Ok(ids.into_iter().zip(mask).filter(|(_, mask)| *mask == 1).map(|(id, _)| id).collect())
    }

    /// Model id.
    pub fn model(&self) -> &str {
        self.0.tower.model()
    }

    /// Length of the vectors.
    pub fn dim(&self) -> usize {
        self.0.tower.dim()
    }

    /// The execution provider that runs the model.
    pub fn placement(&self) -> &Placement {
        self.0.tower.placement()
    }

    /// Runs the graph once. `first` is the position of the first text in the request.
    fn run(&self, first: usize, texts: &[String]) -> Result<Matrix, ModelError> {
        let LoadedTextTower { tower, inputs, shape, .. } = &*self.0;
        let mut batch = self.tokenise(first, texts, shape.length)?;
        if shape.fills_up {
            batch.fill_up(shape.max_batch);
        }
        let inputs = inputs.iter().map(|input| input.fill(&batch)).collect();
        Ok(tower.run(inputs, batch.rows)?.keep(texts.len()))
    }

    fn tokenise(
        &self,
        first: usize,
        texts: &[String],
        length: Option<usize>,
    ) -> Result<TokenBatch, ModelError> {
        let LoadedTextTower { tower, tokens, .. } = &*self.0;
        let refused = |(index, reason): (usize, String)| tower.refused(first + index, reason);
        tokens.encode(texts, length).map_err(refused)
    }
}
