//! Texts to vectors.

use std::sync::Arc;

use ort::value::TensorElementType;

use crate::extra::Extra;
use crate::lane::{Input, Lane, Matrix, Values};
use crate::manifest::{Manifest, TextTower};
use crate::ports::{Port, Ports};
use crate::source::Graph;
use crate::tokens::Tokens;
use crate::{Embedding, ModelError, Placement, Runtime};

const TOWER: &str = "text";

/// Most texts in one run: keeps the memory of a run small; more in one run is hardly faster.
const MAX_BATCH: usize = 32;

/// Largest batch that a graph may insist on: every run fills it up.
const MAX_FIXED_BATCH: i64 = 1024;

/// The text tower of a model, loaded with its tokenizer. Cheap to clone; all clones share one
/// thread and one copy of the weights.
#[derive(Clone)]
pub struct TextEncoder(Arc<Loaded>);

struct Loaded {
    model: String,
    dim: usize,
    placement: Placement,
    tokens: Tokens,
    feeds: Vec<Feed>,
    extras: Vec<Extra>,
    shape: Fixed,
    output: String,
    lane: Lane,
}

/// One input of the graph and what goes into it.
struct Feed {
    name: String,
    content: Content,
    wide: bool,
}

#[derive(Clone, Copy)]
enum Content {
    Ids,
    Mask,
    Zeros,
}

/// Sizes the graph insists on.
#[derive(Clone, Copy)]
struct Fixed {
    max_batch: usize,
    /// Whether every run must have `max_batch` texts.
    fills_up: bool,
    /// Tokens per text.
    length: Option<usize>,
}

impl TextEncoder {
    pub(crate) fn load(
        runtime: &Runtime,
        manifest: &Manifest,
        tower: &TextTower,
        tokens: Tokens,
        graph: Graph,
    ) -> Result<TextEncoder, ModelError> {
        let (lane, ports, placement) = Lane::start(runtime, &manifest.id, TOWER, graph)?;
        let wrong = |reason| ModelError::Manifest { model: manifest.id.clone(), reason };
        let (feeds, shape) = feeds(&ports, tower).map_err(wrong)?;
        let extras = Extra::resolve(&ports, &tower.extra_inputs).map_err(wrong)?;
        let output =
            ports.output(&tower.outputs, tower.output_index, manifest.dim).map_err(wrong)?;
        let encoder = TextEncoder(Arc::new(Loaded {
            model: manifest.id.clone(),
            dim: manifest.dim,
            placement,
            tokens,
            feeds,
            extras,
            shape,
            output,
            lane,
        }));
        // The first run allocates; and only a run shows the real dimension where the graph leaves
        // it open.
        encoder.run(0, &[String::from("warm up")])?;
        Ok(encoder)
    }

    /// Vectors of texts, one per text, in their order. An empty text is a text; a text too long is
    /// cut at the end.
    ///
    /// Blocks until all are done. One bad text fails the whole call.
    ///
    /// # Errors
    /// [`ModelError::Input`] for a text the tokenizer refuses, [`ModelError::NotFinite`],
    /// [`ModelError::Run`]; [`ModelError::Stopped`] is fatal.
    pub fn encode(&self, texts: &[String]) -> Result<Vec<Embedding>, ModelError> {
        let mut embeddings = Vec::with_capacity(texts.len());
        for batch in texts.chunks(self.0.shape.max_batch) {
            let first = embeddings.len();
            let matrix = self.run(first, batch)?;
            for (row, values) in matrix.values.chunks_exact(self.0.dim).enumerate() {
                embeddings.push(Embedding::normalise(values.to_vec()).ok_or_else(|| {
                    ModelError::NotFinite { model: self.0.model.clone(), index: first + row }
                })?);
            }
        }
        Ok(embeddings)
    }

    /// The token ids a text becomes, padding included: what a comparison with another
    /// implementation looks at.
    ///
    /// # Errors
    /// [`ModelError::Input`] for a text the tokenizer refuses.
    pub fn token_ids(&self, text: &str) -> Result<Vec<i64>, ModelError> {
        let batch = self.0.tokens.encode(&[text.to_owned()], self.0.shape.length);
        batch.map(|batch| batch.ids).map_err(|refused| self.refused(0, refused))
    }

    /// The token ids a text becomes, without padding.
    pub(crate) fn token_ids_unpadded(&self, text: &str) -> Result<Vec<i64>, ModelError> {
        let batch = self
            .0
            .tokens
            .encode(&[text.to_owned()], None)
            .map_err(|refused| self.refused(0, refused))?;
        Ok(batch
            .ids
            .into_iter()
            .zip(batch.mask)
            .filter(|(_, mask)| *mask == 1)
            .map(|(id, _)| id)
            .collect())
    }

    /// Model id.
    pub fn model(&self) -> &str {
        &self.0.model
    }

    /// Length of the vectors.
    pub fn dim(&self) -> usize {
        self.0.dim
    }

    /// What really runs the model.
    pub fn placement(&self) -> &Placement {
        &self.0.placement
    }

    /// One run. The result has one row of `dim` values per text.
    fn run(&self, first: usize, texts: &[String]) -> Result<Matrix, ModelError> {
        let Loaded { model, dim, tokens, feeds, extras, shape, output, lane, .. } = &*self.0;
        let mut batch =
            tokens.encode(texts, shape.length).map_err(|refused| self.refused(first, refused))?;
        if shape.fills_up {
            batch.fill_up(shape.max_batch);
        }
        let inputs = feeds.iter().map(|feed| {
            let values = match feed.content {
                Content::Ids => batch.ids.clone(),
                Content::Mask => batch.mask.clone(),
                Content::Zeros => vec![0; batch.ids.len()],
            };
            let values = if feed.wide {
                Values::I64(values)
            } else {
                // Token ids come from a u32 vocabulary far below the range of i32.
                Values::I32(values.into_iter().map(|value| value as i32).collect())
            };
            Input { name: feed.name.clone(), shape: vec![batch.rows, batch.columns], values }
        });
        let inputs = inputs.chain(extras.iter().map(|extra| extra.fill(batch.rows))).collect();
        Ok(lane.run(inputs, output)?.expect(model, batch.rows, *dim)?.keep(texts.len()))
    }

    fn refused(&self, first: usize, (index, reason): (usize, String)) -> ModelError {
        ModelError::Input { model: self.0.model.clone(), index: first + index, reason }
    }
}

/// Matches the inputs the manifest names with those of the graph.
fn feeds(ports: &Ports, tower: &TextTower) -> Result<(Vec<Feed>, Fixed), String> {
    let wanted = [
        (&tower.input, Content::Ids),
        (&tower.mask_input, Content::Mask),
        (&tower.type_ids_input, Content::Zeros),
    ];
    let wanted = wanted.into_iter().filter(|(name, _)| !name.is_empty()).collect::<Vec<_>>();
    let extra = tower.extra_inputs.iter().map(|input| &input.name);
    ports.only_inputs(
        &wanted.iter().map(|(name, _)| *name).chain(extra).map(String::as_str).collect::<Vec<_>>(),
    )?;
    let mut feeds = Vec::new();
    for (name, content) in wanted {
        let port = ports.input(name, 2)?;
        let wide = match port.element {
            Some(TensorElementType::Int64) => true,
            Some(TensorElementType::Int32) => false,
            _ => return Err(format!("the input `{name}` is neither int64 nor int32")),
        };
        feeds.push(Feed { name: name.clone(), content, wide });
    }
    Ok((feeds, fixed(ports.input(&tower.input, 2)?, tower)?))
}

/// Reads from the shape of the ids how many texts of how many tokens the graph takes.
fn fixed(port: &Port, tower: &TextTower) -> Result<Fixed, String> {
    let longest = tower.pad_to.max(tower.max_len);
    let (max_batch, fills_up) = match port.shape.first() {
        Some(batch) if *batch < 0 => (MAX_BATCH, false),
        Some(batch @ 1..=MAX_FIXED_BATCH) => (usize::try_from(*batch).unwrap_or(1), true),
        _ => {
            return Err(format!(
                "the input `{}` takes only batches of {:?} texts",
                port.name,
                port.shape.first()
            ));
        }
    };
    let length = match port.shape.get(1) {
        Some(length) if *length >= 0 => Some(usize::try_from(*length).unwrap_or(0)),
        _ => None,
    };
    match length {
        // `max_len` tokens must fit, and a `pad_to` must be what the graph takes.
        Some(length) if length < longest || (tower.pad_to != 0 && length != tower.pad_to) => {
            Err(format!(
                "the input `{}` takes exactly {length} tokens, while `max_len` is {} and `pad_to` is {}",
                port.name, tower.max_len, tower.pad_to
            ))
        }
        _ => Ok(Fixed { max_batch, fills_up, length }),
    }
}
