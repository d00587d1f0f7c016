//! What a worker does about a failure of its collaborators: the classes of dead letters and halts that
//! all workers share.

use inference::{ModelError, PictureError};
use pipeline::Failure;
use table::TableError;

/// Rows that cannot be stored would not be stored the next time either. Everything else means that the
/// store is in trouble.
pub fn of_table(error: TableError) -> Failure {
    if error.is_about_rows() {
        Failure::dead_letter("invalid_rows", error)
    } else {
        Failure::halt("store_unavailable", error)
    }
}

/// A model that cannot run halts the process. Any other failure may be one picture's.
pub fn of_model(error: ModelError) -> Failure {
    if error.is_fatal() {
        Failure::halt("model_unavailable", error)
    } else {
        Failure::retry("inference_failed", error)
    }
}

/// A picture that cannot be decoded stays so.
pub fn of_picture(error: PictureError) -> Failure {
    Failure::dead_letter(error.class(), error)
}
