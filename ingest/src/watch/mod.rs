//! From a key in the bucket to a confirmed job. Changes are found by listing ([`sweep`]) and by
//! events ([`events`]). Both compare the bucket with the tables, publish a job for each missing
//! row, and remove the rows of objects that are gone.

pub(crate) mod backpressure;
pub(crate) mod dead;
pub(crate) mod events;
pub(crate) mod ids;
pub(crate) mod index;
pub(crate) mod journal;
mod outstanding;
pub(crate) mod published;
mod removal;
pub(crate) mod report;
pub(crate) mod schedule;
pub(crate) mod stages;
mod sweep;
pub(crate) mod watched_table;
