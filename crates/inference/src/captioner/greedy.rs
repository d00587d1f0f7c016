//! Greedy decoding: the likeliest token at every step, for all pictures of a batch at once.

use ort::memory::Allocator;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Tensor};

use crate::onnx::floats;

/// The shape of the decoder's cache of keys and values.
#[derive(Debug, Clone)]
pub(super) struct CacheShape {
    /// 2 x layers: the keys and the values of every layer.
    pub(super) stacked: usize,
    pub(super) heads: usize,
    pub(super) head_size: usize,
    /// Whether keys and values are f16.
    pub(super) half: bool,
}

/// How a caption begins and ends, and which tokens it may not hold.
#[derive(Debug, Clone)]
pub(super) struct CaptionRules {
    pub(super) prompt: Vec<u32>,
    pub(super) max_tokens: usize,
    pub(super) end: u32,
    pub(super) suppress: Vec<u32>,
}

/// The token ids of one caption, without prompt and end token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CaptionTokens {
    pub(super) ids: Vec<u32>,
    /// Whether the model chose the end token.
    pub(super) ended: bool,
}

/// Writes the captions of all pictures in `cross_kv`, in their order.
///
/// A row that has ended gets its end token again until all rows have ended. The tokens that follow
/// are dropped, and rows do not influence each other.
pub(super) fn write(
    session: &mut Session,
    shape: &CacheShape,
    rules: &CaptionRules,
    cross_kv: &DynValue,
    rows: usize,
) -> Result<Vec<CaptionTokens>, String> {
    let mut written = vec![CaptionTokens::default(); rows];
    let mut past = empty_cache(shape, rows).map_err(|error| error.to_string())?;
    let mut next: Vec<Vec<u32>> = vec![rules.prompt.clone(); rows];
    let mut place = 0;
    for _ in 0..=rules.max_tokens {
        let (chosen, present) = step(session, &next, place, &past, cross_kv, &rules.suppress)?;
        place += next.first().map_or(0, Vec::len);
        past = present;
        for (caption, id) in written.iter_mut().zip(&chosen) {
            if caption.ended || caption.ids.len() == rules.max_tokens {
                continue;
            }
            if *id == rules.end {
                caption.ended = true;
            } else {
                caption.ids.push(*id);
            }
        }
        if written.iter().all(|caption| caption.ended || caption.ids.len() == rules.max_tokens) {
            break;
        }
        next = chosen
            .into_iter()
            .zip(&written)
            .map(|(id, caption)| vec![if caption.ended { rules.end } else { id }])
            .collect();
    }
    Ok(written)
}

/// Runs the decoder once. Returns the likeliest next id of every row, and the cache for the next
/// step.
fn step(
    session: &mut Session,
    ids: &[Vec<u32>],
    place: usize,
    past: &DynValue,
    cross_kv: &DynValue,
    suppress: &[u32],
) -> Result<(Vec<u32>, DynValue), String> {
    let (rows, columns) = (ids.len(), ids.first().map_or(0, Vec::len));
    let tensor = |shape: [usize; 2], values: Vec<i64>| {
        Tensor::from_array((shape, values)).map_err(|error| error.to_string())
    };
    let input_ids =
        tensor([rows, columns], ids.iter().flatten().map(|id| i64::from(*id)).collect())?;
    let places =
        (place..place + columns).map(|place| i64::try_from(place).unwrap_or(i64::MAX)).collect();
    let position_ids = tensor([1, columns], places)?;
    let inputs: Vec<(&str, SessionInputValue<'_>)> = vec![
        ("input_ids", input_ids.into()),
        ("position_ids", position_ids.into()),
        ("past_kv", past.into()),
        ("cross_kv", cross_kv.into()),
    ];
    let mut outputs = session.run(inputs).map_err(|error| error.to_string())?;
    let logits = outputs.get("logits").ok_or("it gave no output `logits`")?;
    let (shape, values) = floats(logits)?;
    let [batch, _, vocabulary] = shape.as_slice() else {
        return Err(format!(
            "its output `logits` has the shape {shape:?} and batch x tokens x vocabulary is needed"
        ));
    };
    let vocabulary = usize::try_from(*vocabulary).unwrap_or(0).max(1);
    if usize::try_from(*batch) != Ok(rows) || values.len() < rows * vocabulary {
        return Err(format!("its output `logits` has the shape {shape:?} for {rows} captions"));
    }
    let chosen = values
        .chunks_exact(values.len() / rows)
        // Only the last place of each row: the first run may give logits for the whole prompt.
        .map(|row| likeliest(row.get(row.len() - vocabulary..).unwrap_or(row), suppress))
        .collect::<Result<_, _>>()?;
    let present = outputs.remove("present_kv").ok_or("it gave no output `present_kv`")?;
    Ok((chosen, present))
}

/// The position of the largest value; the first one where several are equal.
fn likeliest(logits: &[f32], suppress: &[u32]) -> Result<u32, String> {
    let mut best: Option<(u32, f32)> = None;
    for (id, value) in (0..).zip(logits) {
        if value.is_nan() {
            return Err(String::from("its logits are not numbers"));
        }
        if !suppress.contains(&id) && best.is_none_or(|(_, most)| *value > most) {
            best = Some((id, *value));
        }
    }
    best.map(|(id, _)| id)
        .ok_or_else(|| String::from("its vocabulary is empty, or `suppress` leaves nothing of it"))
}

/// A cache without any place.
fn empty_cache(shape: &CacheShape, rows: usize) -> ort::Result<DynValue> {
    let CacheShape { stacked, heads, head_size, half } = shape;
    let (allocator, sizes) = (Allocator::default(), [*stacked, rows, *heads, 0, *head_size]);
    Ok(if *half {
        Tensor::<half::f16>::new(&allocator, sizes)?.into_dyn()
    } else {
        Tensor::<f32>::new(&allocator, sizes)?.into_dyn()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_largest_is_chosen_unless_suppressed() {
        assert_eq!(likeliest(&[0.0, 2.0, 2.0, 1.0], &[]), Ok(1));
        assert_eq!(likeliest(&[0.0, 2.0, 2.0, 1.0], &[1]), Ok(2));
        assert_eq!(likeliest(&[f32::NEG_INFINITY], &[]), Ok(0));
        assert!(likeliest(&[1.0], &[0]).is_err());
        assert!(likeliest(&[1.0, f32::NAN], &[]).is_err());
    }
}
