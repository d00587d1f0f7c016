//! Whether the process can do its work: named conditions, each fine or with its reason.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Shared record of conditions; clones share it. Ready means that every condition that was ever
/// expected is fine.
#[derive(Debug, Clone, Default)]
pub struct Health {
    conditions: Arc<Mutex<BTreeMap<String, Option<String>>>>,
    notes: Arc<Mutex<BTreeMap<String, String>>>,
    of: Option<Arc<str>>,
}

impl Health {
    /// The same record as one part of the process writes it: its names end with the part's, as in
    /// `consumer embed-demo-clip`.
    pub fn of(&self, part: &str) -> Self {
        Self { of: Some(part.into()), ..self.clone() }
    }

    /// Names conditions that must become fine before the process is ready.
    pub fn require(&self, names: &[&str]) {
        for name in names {
            self.set(name, Some("starting".to_owned()));
        }
    }

    /// The condition is fine.
    pub fn ok(&self, name: &str) {
        self.set(name, None);
    }

    /// The condition is not fine, and why.
    pub fn trouble(&self, name: &str, reason: impl Into<String>) {
        self.set(name, Some(reason.into()));
    }

    /// What is not fine, by name; empty when ready.
    pub fn troubles(&self) -> BTreeMap<String, String> {
        let conditions = self.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        conditions
            .iter()
            .filter_map(|(name, trouble)| Some((name.clone(), trouble.clone()?)))
            .collect()
    }

    /// Says something about the process that is as somebody wants it, such as a pause. It changes
    /// nothing about being ready.
    pub fn note(&self, name: &str, text: impl Into<String>) {
        self.notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(self.full(name), text.into());
    }

    /// What was noted holds no longer.
    pub fn unnote(&self, name: &str) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.full(name));
    }

    /// What is noted, by name.
    pub fn notes(&self) -> BTreeMap<String, String> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, name: &str, trouble: Option<String>) {
        self.conditions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(self.full(name), trouble);
    }

    fn full(&self, name: &str) -> String {
        self.of.as_ref().map_or_else(|| name.to_owned(), |of| format!("{name} {of}"))
    }
}
