//! The token inputs of a text tower: from token ids to the values of one run.

use ort::value::TensorElementType;

use crate::manifest::TextTower;
use crate::onnx::{GraphInput, GraphSignature, MAX_FIXED_BATCH, TensorSpec, TensorValues};
use crate::tokens::TokenBatch;

/// Largest number of texts in one run. It bounds the memory of a run; more texts are hardly faster.
const MAX_BATCH: usize = 32;

/// One input of the graph, of the shape batch x tokens.
pub(crate) struct TokenInput {
    name: String,
    content: TokenContent,
    /// Whether the graph takes i64 values. Else it takes i32.
    wide: bool,
}

#[derive(Clone, Copy)]
enum TokenContent {
    Ids,
    Mask,
    Zeros,
}

/// The number of texts and tokens that the graph takes.
#[derive(Clone, Copy)]
pub(crate) struct TokenBatchShape {
    pub(crate) max_batch: usize,
    /// Whether every run must have `max_batch` texts.
    pub(crate) fills_up: bool,
    /// Tokens per text, where the graph takes no other number.
    pub(crate) length: Option<usize>,
}

impl TokenInput {
    /// Matches the inputs that the manifest names with those of the graph.
    pub(crate) fn resolve(
        signature: &GraphSignature,
        tower: &TextTower,
    ) -> Result<(Vec<TokenInput>, TokenBatchShape), String> {
        let named = [
            (&tower.input, TokenContent::Ids),
            (&tower.mask_input, TokenContent::Mask),
            (&tower.type_ids_input, TokenContent::Zeros),
        ];
        let named = named.into_iter().filter(|(name, _)| !name.is_empty()).collect::<Vec<_>>();
        let extra = tower.extra_inputs.iter().map(|input| &input.name);
        let fed = named.iter().map(|(name, _)| *name).chain(extra);
        signature.only_inputs(&fed.map(String::as_str).collect::<Vec<_>>())?;
        let mut inputs = Vec::new();
        for (name, content) in named {
            let wide = match signature.input(name, 2)?.element {
                Some(TensorElementType::Int64) => true,
                Some(TensorElementType::Int32) => false,
                _ => return Err(format!("the input `{name}` is neither int64 nor int32")),
            };
            inputs.push(TokenInput { name: name.clone(), content, wide });
        }
        Ok((inputs, TokenBatchShape::of(signature.input(&tower.input, 2)?, tower)?))
    }

    /// The input for a run of these texts.
    pub(crate) fn fill(&self, batch: &TokenBatch) -> GraphInput {
        let values = match self.content {
            TokenContent::Ids => batch.ids.clone(),
            TokenContent::Mask => batch.mask.clone(),
            TokenContent::Zeros => vec![0; batch.ids.len()],
        };
        let values = if self.wide {
            TensorValues::I64(values)
        } else {
            // Token ids come from a u32 vocabulary far below the range of i32.
            TensorValues::I32(values.into_iter().map(|value| value as i32).collect())
        };
        GraphInput { name: self.name.clone(), shape: vec![batch.rows, batch.columns], values }
    }
}

impl TokenBatchShape {
    /// Reads from the shape of the ids how many texts of how many tokens the graph takes.
    fn of(ids: &TensorSpec, tower: &TextTower) -> Result<TokenBatchShape, String> {
        let (max_batch, fills_up) = match ids.shape.first() {
            Some(batch) if *batch < 0 => (MAX_BATCH, false),
            Some(batch @ 1..=MAX_FIXED_BATCH) => (usize::try_from(*batch).unwrap_or(1), true),
            batch => {
                return Err(format!(
                    "the input `{}` takes only batches of {batch:?} texts",
                    ids.name
                ));
            }
        };
        let length = match ids.shape.get(1) {
            Some(length) if *length >= 0 => Some(usize::try_from(*length).unwrap_or(0)),
            _ => None,
        };
        let longest = tower.pad_to.max(tower.max_len);
        match length {
            // `max_len` tokens must fit, and `pad_to` must be the length that the graph takes.
            Some(length) if length < longest || (tower.pad_to != 0 && length != tower.pad_to) => {
                Err(format!(
                    "the input `{}` takes exactly {length} tokens, \
                     while `max_len` is {} and `pad_to` is {}",
                    ids.name, tower.max_len, tower.pad_to
                ))
            }
            _ => Ok(TokenBatchShape { max_batch, fills_up, length }),
        }
    }
}
