//! What has happened to the objects of dead letters.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde::Serialize;

use super::error::DeadError;
use super::letter::DeadLetter;
use crate::bucket::Bucket;

// A HEAD takes some milliseconds; more at once would only wait in the store.
const AT_ONCE: usize = 16;

/// The object of a dead letter, as the bucket has it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Presence {
    /// The content that failed is still there.
    Present,
    /// The key has other content by now.
    Overwritten {
        /// Its ETag.
        etag: String,
    },
    /// There is no object under the key.
    Gone,
    /// It is in a bucket that this process does not serve.
    OtherBucket,
    /// The letter names no object.
    Unknown,
}

/// How many objects are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Survey {
    /// See [`Presence::Present`].
    pub present: usize,
    /// See [`Presence::Overwritten`].
    pub overwritten: usize,
    /// See [`Presence::Gone`].
    pub gone: usize,
    /// See [`Presence::OtherBucket`] and [`Presence::Unknown`].
    pub unknown: usize,
}

/// Asks the bucket for a letter's object.
///
/// # Errors
/// The store does not answer, or its 404 may mean the whole bucket, because that cannot be listed
/// either.
pub async fn presence(bucket: &Bucket, letter: &DeadLetter) -> Result<Presence, DeadError> {
    let found = ask(bucket, letter).await?;
    if found == Presence::Gone {
        check_bucket(bucket).await?;
    }
    Ok(found)
}

/// Asks the bucket for the objects of all these letters, sixteen at once.
///
/// # Errors
/// As for [`presence`].
pub async fn survey(bucket: &Bucket, letters: &[&DeadLetter]) -> Result<Survey, DeadError> {
    let (mut survey, mut waiting, mut asking) =
        (Survey::default(), letters.iter(), FuturesUnordered::new());
    loop {
        asking.extend(
            waiting.by_ref().take(AT_ONCE - asking.len()).map(|letter| ask(bucket, letter)),
        );
        let Some(found) = asking.next().await else { break };
        *match found? {
            Presence::Present => &mut survey.present,
            Presence::Overwritten { .. } => &mut survey.overwritten,
            Presence::Gone => &mut survey.gone,
            Presence::OtherBucket | Presence::Unknown => &mut survey.unknown,
        } += 1;
    }
    if survey.gone > 0 {
        check_bucket(bucket).await?;
    }
    Ok(survey)
}

async fn ask(bucket: &Bucket, letter: &DeadLetter) -> Result<Presence, DeadError> {
    let Some(object) = &letter.object else { return Ok(Presence::Unknown) };
    if object.bucket != bucket.name() {
        return Ok(Presence::OtherBucket);
    }
    Ok(match bucket.head(&object.key).await? {
        Some(now) if now.etag == object.etag => Presence::Present,
        Some(now) => Presence::Overwritten { etag: now.etag },
        None => Presence::Gone,
    })
}

async fn check_bucket(bucket: &Bucket) -> Result<(), DeadError> {
    if bucket.answers().await {
        Ok(())
    } else {
        Err(DeadError::Unbelievable(bucket.name().to_owned()))
    }
}
