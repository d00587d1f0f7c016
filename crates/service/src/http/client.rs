//! Reading the answers and errors of other servers. Free of any HTTP client library.

use std::error::Error;
use std::time::Duration;

use axum::http::{HeaderMap, header};

/// The pause that a busy server asks for with `Retry-After`, in seconds. `None` without the header,
/// and for its form with a date.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The innermost cause of an error of a request. The outer ones only repeat the address.
pub fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_pause_is_read_in_seconds() {
        let asked = |value: &'static str| {
            retry_after(
                &[(header::RETRY_AFTER, HeaderValue::from_static(value))].into_iter().collect(),
            )
        };
        assert_eq!(asked("0"), Some(Duration::ZERO));
        assert_eq!(asked(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!(asked("0.5"), Some(Duration::from_millis(500)));
        for unusable in ["", "-1", "soon", "NaN", "inf", "Fri, 31 Dec 1999 23:59:59 GMT"] {
            assert_eq!(asked(unusable), None, "{unusable}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn the_innermost_cause_is_told() {
        let inner = std::io::Error::other("refused");
        assert_eq!(root_cause(&inner), "refused");
        assert_eq!(root_cause(&std::io::Error::other(inner)), "refused");
    }
}
