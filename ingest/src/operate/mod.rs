//! Everything an operator can do, each action once. The command line ([`crate::cli`]) and the HTTP
//! interface ([`crate::http`]) only parse, call these functions and print or answer.

pub(crate) mod dead_letters;
pub(crate) mod doctor;
pub(crate) mod health;
pub(crate) mod maintain;
pub(crate) mod models;
pub(crate) mod operations;
pub(crate) mod progress;
pub(crate) mod refusal;
mod remote;
pub(crate) mod schemas;
pub(crate) mod stages;
pub(crate) mod sweep;
mod turn;
