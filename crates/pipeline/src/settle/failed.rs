//! The message of a failed job, with the record of its failures in the headers.

use jiff::Timestamp;
use lapin::types::FieldTable;

use super::outcome::FailureRecord;
use crate::delivery::Delivery;
use crate::headers;

// A job keeps these through all its failures: how often an operator replayed it, and the replay it
// belongs to.
const KEPT: [&str; 2] = [headers::REPLAYS, headers::REPLAY_ID];

/// The headers of a job after this failure in `worker`, which ran `model`.
pub(super) fn headers_after(
    delivery: &Delivery,
    record: &FailureRecord,
    worker: &str,
    model: &str,
) -> FieldTable {
    let now = Timestamp::now().to_string();
    let line = format!("{now} {} {worker}", record.class);
    let history = match delivery.header(headers::HISTORY) {
        Some(before) => format!("{line}\n{before}"),
        None => line,
    };
    let mut table = FieldTable::default();
    headers::set_number(&mut table, headers::ATTEMPT, delivery.attempt + 1);
    for (name, value) in [
        (headers::ORIGIN, delivery.header(headers::ORIGIN).unwrap_or("event")),
        (headers::FIRST_FAILED, delivery.header(headers::FIRST_FAILED).unwrap_or(&now)),
        (headers::LAST_FAILED, &now),
        (headers::ERROR_CLASS, record.class),
        (headers::ERROR, &record.reason),
        (headers::WORKER, worker),
        (headers::MODEL, model),
        (headers::HISTORY, &history),
    ] {
        headers::set_text(&mut table, name, value);
    }
    for name in KEPT {
        if let Some(value) = delivery.own_headers().inner().get(name) {
            table.insert(name.into(), value.clone());
        }
    }
    table
}
