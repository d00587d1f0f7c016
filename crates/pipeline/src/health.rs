//! Whether the process can do its work: named conditions, each fine or with its reason.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Shared record of conditions; clones share it. Ready means that every condition that was ever expected is fine.
#[derive(Debug, Clone, Default)]
pub struct Health {
    conditions: Arc<Mutex<BTreeMap<&'static str, Option<String>>>>,
    notes: Arc<Mutex<BTreeMap<&'static str, String>>>,
}

impl Health {
    /// Names conditions that must become fine before the process is ready.
    pub fn expect(&self, names: &[&'static str]) {
        for name in names {
            self.set(name, Some("starting".to_owned()));
        }
    }

    /// The condition is fine.
    pub fn ok(&self, name: &'static str) {
        self.set(name, None);
    }

    /// The condition is not fine, and why.
    pub fn trouble(&self, name: &'static str, reason: impl Into<String>) {
        self.set(name, Some(reason.into()));
    }

    /// What is not fine, by name; empty when ready.
    pub fn troubles(&self) -> BTreeMap<&'static str, String> {
        let conditions = self.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        conditions.iter().filter_map(|(name, trouble)| Some((*name, trouble.clone()?))).collect()
    }

    /// Says something about the process that is as somebody wants it, such as a pause. It changes nothing about being ready.
    pub fn note(&self, name: &'static str, text: impl Into<String>) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).insert(name, text.into());
    }

    /// What was noted holds no longer.
    pub fn unnote(&self, name: &'static str) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// What is noted, by name.
    pub fn notes(&self) -> BTreeMap<&'static str, String> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, name: &'static str, trouble: Option<String>) {
        self.conditions.lock().unwrap_or_else(PoisonError::into_inner).insert(name, trouble);
    }
}
