//! Dead letters as the publisher of jobs sees them: their objects get no further job.

use pipeline::connection::{AmqpSettings, BrokerError};
use pipeline::dead::{self, DeadLetter, DeadLetterPage};

use super::stages::{WatchedStage, WatchedStages};

/// Looks into the dead queue of a stage, and notes whose jobs lie there: they are not published
/// again.
pub(crate) async fn note_dead_letters(
    amqp: &AmqpSettings,
    stage: &WatchedStage,
) -> Result<DeadLetterPage, BrokerError> {
    let look = dead::peek(amqp, &stage.name).await?;
    let objects = look.letters.iter().filter_map(|letter: &DeadLetter| letter.object.as_ref());
    stage.published.note_dead(objects.map(|object| object.image_id()), look.unseen == 0);
    Ok(look)
}

/// The same for every stage.
pub(crate) async fn note_all_dead_letters(
    amqp: &AmqpSettings,
    stages: &WatchedStages,
) -> Result<(), BrokerError> {
    for stage in stages.iter() {
        note_dead_letters(amqp, stage).await?;
    }
    Ok(())
}
