//! Removing dead letters that are of no more use.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::clear::clear;
use super::error::DeadError;
use super::hold::Hold;
use super::letter::DeadLetter;
use crate::connection::AmqpSettings;
use crate::stage_name::StageName;

/// Result of [`tidy`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tidied {
    /// Letters read.
    pub looked_at: usize,
    /// Letters taken out because a later failure of the same job is kept.
    pub merged: usize,
    /// Letters taken out because their job is done.
    pub resolved: usize,
    /// Letters beyond those that can be read at once.
    pub unseen: usize,
}

/// Removes letters whose job `is_done`. Of several letters of one job it keeps the latest failure
/// only: a replay that crashed between publishing and settling leaves such duplicates.
///
/// # Errors
/// The broker is not reachable or refuses, or another process holds the letters.
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
    // Of two letters that are equal byte for byte one is kept. It must not be taken for one that
    // came back.
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

/// Index of the latest failure of every job.
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

// Identity of a job. Other programs may use any message id, so the object is part of it; without an
// object, the whole body is.
fn job(letter: &DeadLetter) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(letter.message_id.as_bytes()).update(&[0]);
    match &letter.object {
        Some(object) => hasher.update(object.image_id().to_string().as_bytes()),
        None => hasher.update(&letter.body),
    };
    *hasher.finalize().as_bytes()
}
