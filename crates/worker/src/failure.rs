//! Which action follows from an error of a table, a model or a picture, and its class. Every worker
//! maps errors in this way, so a class means the same in all dead queues.

use inference::{ModelError, PictureError};
use pipeline::Failure;
use table::TableError;

/// Unusable rows stay unusable, so the job becomes a dead letter. Any other error is the store's,
/// so the worker halts.
pub fn of_table(error: TableError) -> Failure {
    if error.is_about_rows() {
        Failure::dead_letter("invalid_rows", error)
    } else {
        Failure::halt("store_unavailable", error)
    }
}

/// A model that cannot run halts the worker. Any other error may be about one picture of the batch.
pub fn of_model(error: ModelError) -> Failure {
    if error.is_fatal() {
        Failure::halt("model_unavailable", error)
    } else {
        Failure::retry("inference_failed", error)
    }
}

/// A picture that cannot be decoded now will not be decoded later: a dead letter.
pub fn of_picture(error: PictureError) -> Failure {
    Failure::dead_letter(error.class(), error)
}

#[cfg(test)]
mod tests {
    use pipeline::failure::Action;

    use super::*;

    fn kind(failure: &Failure) -> (Action, &'static str) {
        (failure.action, failure.class)
    }

    #[test]
    fn only_unusable_rows_become_dead_letters() {
        let (table, problem) = ("images".to_owned(), "no".to_owned());
        let rows = TableError::Rows { table: table.clone(), problem: problem.clone() };
        assert_eq!(kind(&of_table(rows)), (Action::DeadLetter, "invalid_rows"));
        let mismatch = TableError::Mismatch { table, problem };
        assert_eq!(kind(&of_table(mismatch)), (Action::Halt, "store_unavailable"));
    }

    #[test]
    fn a_model_halts_the_worker_or_fails_one_batch() {
        let (model, tower) = ("demo-clip".to_owned(), "image");
        let stopped = ModelError::Stopped { model: model.clone(), tower };
        assert_eq!(kind(&of_model(stopped)), (Action::Halt, "model_unavailable"));
        let run = ModelError::Run { model, tower, reason: "out of memory".to_owned() };
        assert_eq!(kind(&of_model(run)), (Action::Retry, "inference_failed"));
    }
}
