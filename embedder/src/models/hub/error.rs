//! Why the hub did not give what was asked for, with what to do about it.

use reqwest::StatusCode;

/// Why the hub did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub(in crate::models) enum HubError {
    #[error(
        "`HF_ENDPOINT` holds `{0}`, which is no http or https address; separate several by commas"
    )]
    Endpoint(String),
    #[error(
        "{endpoint} cannot be reached: {reason}; check the network, or name a mirror in HF_ENDPOINT"
    )]
    Unreachable { endpoint: String, reason: String },
    #[error(
        "{endpoint} gives the files of {repo} only to those whom its owner knows: sign up and \
         accept the licence at {endpoint}/{repo}, make a token there and set it as HF_TOKEN"
    )]
    Gated { endpoint: String, repo: String },
    #[error("{endpoint} has no {what}")]
    Missing { endpoint: String, what: String },
    #[error(
        "{endpoint} answers {status} for {what}; try again later, or name a mirror in HF_ENDPOINT"
    )]
    Refused { endpoint: String, status: StatusCode, what: String },
    #[error("{endpoint} describes {what} in a way that is not understood: {reason}")]
    Garbled { endpoint: String, what: String, reason: String },
}

impl HubError {
    /// Whether the same request may succeed later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Endpoint(_)
            | Self::Gated { .. }
            | Self::Missing { .. }
            | Self::Garbled { .. } => false,
        }
    }
}
