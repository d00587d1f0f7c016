//! Errors that are the operator's affair. Every other error means that something ingest needs has
//! failed.

/// The action makes no sense as things are; nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(String);

/// What the operator asked for does not exist.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unknown(pub(crate) String);

/// A field of the request is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub(crate) struct WrongField {
    pub(crate) field: &'static str,
    pub(crate) problem: String,
}

impl WrongField {
    pub(crate) fn new(field: &'static str, problem: impl ToString) -> Self {
        Self { field, problem: problem.to_string() }
    }
}

pub(super) fn refused<T>(reason: impl Into<String>) -> anyhow::Result<T> {
    Err(Refused(reason.into()).into())
}
