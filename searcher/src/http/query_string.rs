//! Query strings of handlers.

use axum::extract::rejection::QueryRejection;

use crate::problem::Problem;

/// The error of a query string that cannot be read.
// The reader names the field in its text only: "top_k: invalid digit found in string".
pub(super) fn query_string_problem(rejection: &QueryRejection) -> Problem {
    let text = rejection.body_text();
    let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
    match text.split_once(": ") {
        Some((field, detail)) if !field.contains(' ') => Problem::field(field, detail),
        _ => {
            let named = text.split('`').nth(1).unwrap_or("q");
            Problem::field(named, text)
        }
    }
}
