//! How one request to the endpoint ended, named by what to do about it.

use std::time::Duration;

use super::completion::ModelAnswer;

#[derive(Debug)]
pub(super) enum ExchangeOutcome {
    Answered(ModelAnswer),
    /// The body is no chat completion: what it is instead.
    Garbled(String),
    /// Too many requests: what the endpoint says, and the pause it asks for.
    Throttled(String, Option<Duration>),
    /// The endpoint is unreachable, too slow or fails: why, and the pause it asks for.
    Unavailable(String, Option<Duration>),
    /// No request can succeed until somebody changes a setting or the key: what is wrong and what
    /// to do.
    Refused(String),
    /// The endpoint does not accept this picture.
    PictureRefused(String),
}

impl ExchangeOutcome {
    /// The value of the metric's label `outcome`.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Answered(_) => "answered",
            Self::Garbled(_) => "garbled",
            Self::Throttled(..) => "throttled",
            Self::Unavailable(..) => "unavailable",
            Self::Refused(_) => "refused",
            Self::PictureRefused(_) => "picture_refused",
        }
    }
}
