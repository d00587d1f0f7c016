//! A search in the snapshot: candidates first, then all scores of all candidates.

use ::snapshot::bits::Bits;
use ::snapshot::vectors::{Allowed, VectorError, Vectors};
use ::snapshot::words::{TextSource, WordMatch, matches_of, matching};

use crate::query::weights::Signal;
use crate::ranking::question::Question;
use crate::ranking::scored::{ScoredPicture, WordScore};
use crate::ranking::view::Proposal;
use crate::snapshot::{CaptionRows, KeyOfSlot, SearchSnapshot};

/// Pictures that are scored at once when all are.
const BLOCK: usize = 16_384;

/// The pictures that a question may find.
fn allowed(snapshot: &SearchSnapshot, question: &Question) -> Bits {
    let mut bits = snapshot.meeting(&question.filter);
    if !question.excluded.is_empty() {
        bits.subtract(&snapshot.with_terms(&question.excluded));
    }
    bits
}

fn sources(snapshot: &SearchSnapshot) -> (TextSource<'_, KeyOfSlot>, TextSource<'_, CaptionRows>) {
    (
        TextSource { index: &snapshot.keys, numbering: &KeyOfSlot },
        TextSource { index: &snapshot.said, numbering: &snapshot.captions },
    )
}

/// The best `limit` pictures of every signal, with the scores of all signals.
///
/// # Errors
/// A local file is damaged.
pub(in crate::ranking::view) fn propose(
    snapshot: &SearchSnapshot,
    question: &Question,
    limit: usize,
) -> Result<Proposal, VectorError> {
    let bits = allowed(snapshot, question);
    let allowed = Allowed::from_words(bits.words().to_vec());
    let mut slots = Vec::new();
    let (mut has_more, mut exact) = (false, true);
    for (signal, vectors) in [
        (Signal::Image, &snapshot.image_vectors),
        (Signal::CaptionVector, &snapshot.caption_vectors),
    ] {
        let (Some(vector), Some(vectors)) = (question.vector_for(signal), vectors) else {
            continue;
        };
        let near = vectors.nearest(vector, Some(&allowed), limit)?;
        has_more |= near.len() >= limit;
        exact &= signal != Signal::Image || allowed.count() <= limit;
        slots.extend(near.into_iter().map(|near| near.slot));
    }
    if question.asks_words() {
        let count = snapshot.pictures.len() as u32;
        let found = matching(&question.terms, sources(snapshot), count, Some(bits.words()), limit);
        has_more |= found.len() >= limit;
        slots.extend(found.into_iter().map(|found| found.slot));
    }
    slots.sort_unstable();
    slots.dedup();
    let pictures = scored(snapshot, question, &slots)?;
    Ok(Proposal { pictures, has_more, exact, degraded: Vec::new() })
}

/// What `of` makes of all pictures that a question may find and that were not proposed, some
/// thousands at a time.
///
/// # Errors
/// A local file is damaged.
pub(in crate::ranking::view) fn rest<T>(
    snapshot: &SearchSnapshot,
    question: &Question,
    proposed: &[u128],
    of: impl Fn(&[ScoredPicture]) -> Vec<T>,
) -> Result<Vec<T>, VectorError> {
    let mut bits = allowed(snapshot, question);
    for slot in proposed.iter().filter_map(|id| snapshot.slot(*id)) {
        bits.set(slot, false);
    }
    let slots: Vec<u32> = bits.iter().collect();
    let mut all = Vec::new();
    for some in slots.chunks(BLOCK) {
        let mut pictures = scored(snapshot, question, some)?;
        // What no signal says anything of is not found.
        pictures.retain(|picture| question.signals.iter().any(|one| picture.score(*one).is_some()));
        all.extend(of(&pictures));
    }
    Ok(all)
}

/// These pictures with the scores of all signals, without those below the least cosine.
///
/// # Errors
/// A local file is damaged.
pub(in crate::ranking::view) fn scored(
    snapshot: &SearchSnapshot,
    question: &Question,
    slots: &[u32],
) -> Result<Vec<ScoredPicture>, VectorError> {
    let cosines = |vector: Option<&[f32]>, vectors: &Option<Vectors>| match (vector, vectors) {
        (Some(vector), Some(vectors)) => vectors.cosines(vector, slots),
        _ => Ok(vec![None; slots.len()]),
    };
    let images = cosines(question.vector_for_pictures(), &snapshot.image_vectors)?;
    let captions = cosines(question.vector_for(Signal::CaptionVector), &snapshot.caption_vectors)?;
    let words = match question.asks_words() {
        true => matches_of(&question.terms, sources(snapshot), slots),
        false => Vec::new(),
    };
    let mut words =
        words.into_iter().map(|WordMatch { share, bm25, .. }| WordScore { share, bm25 });
    let pictures = slots.iter().zip(images.into_iter().zip(captions)).filter_map(
        |(slot, (image, caption))| {
            let picture = ScoredPicture {
                image_id: snapshot.pictures.id(*slot)?,
                image,
                caption,
                words: words.next().unwrap_or_default(),
                taken: snapshot.pictures.taken(*slot),
                content: snapshot.pictures.content(*slot).unwrap_or(0),
            };
            question.passed(picture)
        },
    );
    Ok(pictures.collect())
}
