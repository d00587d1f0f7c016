//! The headers of our messages: their names on the wire, and how their values are written and read.
//! They are part of the wire contract, as the body is ([`crate::job`]).

use lapin::types::{AMQPValue, FieldTable, LongString};

use crate::excerpt;

/// Every header of ours begins with this. The broker's own headers (`x-…`) are never sent on.
pub const PREFIX: &str = "bl-";

/// Failed attempts so far.
pub const ATTEMPT: &str = "bl-attempt";
/// Where the job came from, see [`crate::job::Origin`].
pub const ORIGIN: &str = "bl-origin";
/// Crashes that the broker had counted before the job was last published.
pub const CRASHES: &str = "bl-crashes";
/// Crashes after which the job became a suspect.
pub const SUSPECTED: &str = "bl-suspected";
/// Time of the first failure, RFC 3339.
pub const FIRST_FAILED: &str = "bl-first-failed";
/// Time of the last failure, RFC 3339.
pub const LAST_FAILED: &str = "bl-last-failed";
/// Class of the last failure.
pub const ERROR_CLASS: &str = "bl-error-class";
/// The last failure in words.
pub const ERROR: &str = "bl-error";
/// The process in which it failed.
pub const WORKER: &str = "bl-worker";
/// The model that this process ran.
pub const MODEL: &str = "bl-model";
/// One line per failure, newest first: time, class, process.
pub const HISTORY: &str = "bl-history";
/// How often an operator has replayed the job.
pub const REPLAYS: &str = "bl-replays";
/// The last replay that the job was part of.
pub const REPLAY_ID: &str = "bl-replay-id";

// A header frame must fit the broker's frame size (128 KiB), or the connection dies.
const MAX_BYTES: usize = 2048;

/// Sets a text; one of more than 2,048 bytes is cut at a character.
pub(crate) fn set_text(headers: &mut FieldTable, name: &str, value: &str) {
    let value = LongString::from(excerpt::bytes(value, MAX_BYTES));
    headers.insert(name.into(), AMQPValue::LongString(value));
}

/// Sets a whole number.
pub(crate) fn set_number(headers: &mut FieldTable, name: &str, value: impl Into<i64>) {
    headers.insert(name.into(), AMQPValue::LongLongInt(value.into()));
}

/// The value of a header as text; `None` if it is missing or neither text nor a whole number.
pub(crate) fn text(headers: &FieldTable, name: &str) -> Option<String> {
    headers.inner().get(name).and_then(value_text)
}

/// The value of a header as a number; 0 if it is missing or no number.
pub(crate) fn number(headers: &FieldTable, name: &str) -> u32 {
    text(headers, name).and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// Our headers among all of a message.
pub(crate) fn ours(headers: &FieldTable) -> FieldTable {
    let mut ours = FieldTable::default();
    for (name, value) in headers.inner() {
        if name.as_str().starts_with(PREFIX) {
            ours.insert(name.clone(), value.clone());
        }
    }
    ours
}

/// A header's value as text, if it is text or a whole number.
pub(crate) fn value_text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        AMQPValue::LongLongInt(number) => Some(number.to_string()),
        AMQPValue::LongInt(number) => Some(number.to_string()),
        AMQPValue::LongUInt(number) => Some(number.to_string()),
        AMQPValue::ShortInt(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_cut_at_a_character() {
        let written = |value: &str| {
            let mut headers = FieldTable::default();
            set_text(&mut headers, ERROR, value);
            text(&headers, ERROR).unwrap()
        };
        let long = written(&"海".repeat(1000));
        assert!(long.len() <= MAX_BYTES && long.chars().all(|c| c == '海'));
        assert_eq!(written("short"), "short");
    }
}
