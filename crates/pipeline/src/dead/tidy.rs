//! Clearing the dead queue of what says nothing any more.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::DeadError;
use super::hold::Hold;
use super::letter::DeadLetter;
use super::replay::clear;
use crate::connection::AmqpSettings;
use crate::stage_name::StageName;

/// What a tidying did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tidied {
    /// Letters looked at.
    pub looked_at: usize,
    /// Letters taken out because a later failure of the same job is kept.
    pub merged: usize,
    /// Letters taken out because their job is done.
    pub resolved: usize,
    /// Letters that were beyond what can be seen at once.
    pub unseen: usize,
}

/// Takes out letters whose job `is_done`, and of several letters of one job all but the latest
/// failure: a replay that crashed between publishing and settling leaves such doubles.
///
/// # Errors
/// The broker is not reachable or refuses, or somebody else holds the letters.
pub async fn tidy(
    settings: &AmqpSettings,
    stage: &StageName,
    is_done: impl Fn(&DeadLetter) -> bool,
) -> Result<Tidied, DeadError> {
    let hold = Hold::take(settings, stage).await?;
    let (mut tidied, mut taken_out, mut acked) = (Tidied::default(), HashSet::new(), 0);
    let newest = newest(hold.held.iter().map(|held| &held.letter));
    for (place, held) in hold.held.iter().enumerate() {
        tidied.looked_at += 1;
        let done = is_done(&held.letter);
        if !done && newest.get(&job(&held.letter)) == Some(&place) {
            continue;
        }
        if done {
            tidied.resolved += 1
        } else {
            tidied.merged += 1
        }
        taken_out.insert(held.letter.fingerprint());
        acked += usize::from(held.settle().await);
    }
    // Of two letters that equal each other to the byte one is kept, which must not be taken for one
    // that came back.
    for place in newest.values() {
        let kept = &hold.held[*place].letter;
        if !is_done(kept) {
            taken_out.remove(&kept.fingerprint());
        }
    }
    tidied.unseen = hold.unseen();
    hold.release(acked).await;
    clear(settings, stage, &taken_out).await;
    metrics::counter!("bucketlens_dead_letters_moved_total", "action" => "merged")
        .increment(tidied.merged as u64);
    metrics::counter!("bucketlens_dead_letters_moved_total", "action" => "resolved")
        .increment(tidied.resolved as u64);
    Ok(tidied)
}

/// The place of the latest failure of every job.
fn newest<'a>(letters: impl Iterator<Item = &'a DeadLetter>) -> HashMap<[u8; 32], usize> {
    let mut newest = HashMap::new();
    for (place, letter) in letters.enumerate() {
        let later = newest.get(&job(letter)).is_none_or(|(last, _)| letter.last_failed >= *last);
        if later {
            newest.insert(job(letter), (letter.last_failed, place));
        }
    }
    newest.into_iter().map(|(job, (_, place))| (job, place)).collect()
}

// Message ids of other programs may mean anything, so the object belongs to it; without one, the
// whole body.
fn job(letter: &DeadLetter) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(letter.message_id.as_bytes()).update(&[0]);
    match &letter.object {
        Some(object) => hasher.update(object.image_id().to_string().as_bytes()),
        None => hasher.update(&letter.body),
    };
    *hasher.finalize().as_bytes()
}
