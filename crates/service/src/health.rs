//! Whether the process can do its work: named conditions, each of which holds or has a reason why
//! not. `/readyz` answers 200 while all of them hold.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The conditions of a process. Clones share them. The process is ready when every condition that
/// was ever named holds.
#[derive(Debug, Clone, Default)]
pub struct Health {
    // By name; the reason why a condition does not hold.
    conditions: Arc<Mutex<BTreeMap<String, Option<String>>>>,
    notes: Arc<Mutex<BTreeMap<String, String>>>,
    // The part of the process that this clone writes for.
    part: Option<Arc<str>>,
}

impl Health {
    /// The same conditions for one part of the process: every name that it sets gets the part's
    /// name behind it, as in `consumer embed-demo-clip`.
    pub fn of(&self, part: &str) -> Self {
        Self { part: Some(part.into()), ..self.clone() }
    }

    /// Names conditions that must hold before the process is ready.
    pub fn require<I>(&self, names: I)
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        for name in names {
            self.set(name.as_ref(), Some("starting".to_owned()));
        }
    }

    /// The condition holds.
    pub fn ok(&self, name: &str) {
        self.set(name, None);
    }

    /// The condition does not hold, for this reason.
    pub fn trouble(&self, name: &str, reason: impl Into<String>) {
        self.set(name, Some(reason.into()));
    }

    /// The reasons of the conditions that do not hold, by name; empty when the process is ready.
    pub fn troubles(&self) -> BTreeMap<String, String> {
        let conditions = self.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        conditions
            .iter()
            .filter_map(|(name, trouble)| Some((name.clone(), trouble.clone()?)))
            .collect()
    }

    /// Notes a state that somebody wants, such as a pause. The process stays ready.
    pub fn note(&self, name: &str, text: impl Into<String>) {
        self.notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(self.full(name), text.into());
    }

    /// Removes a note.
    pub fn unnote(&self, name: &str) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.full(name));
    }

    /// The notes, by name.
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
        self.part.as_ref().map_or_else(|| name.to_owned(), |part| format!("{name} {part}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_that_every_named_condition_holds() {
        let health = Health::default();
        health.require(["store", "model"]);
        health.ok("store");
        assert_eq!(health.troubles(), [("model".to_owned(), "starting".to_owned())].into());
        health.ok("model");
        assert!(health.troubles().is_empty());
        health.trouble("store", "refused");
        assert_eq!(health.troubles().get("store").map(String::as_str), Some("refused"));
    }

    #[test]
    fn parts_do_not_hide_each_other() {
        let health = Health::default();
        health.of("embed-a").trouble("consumer", "away");
        health.of("embed-b").ok("consumer");
        assert_eq!(health.troubles().into_keys().collect::<Vec<_>>(), ["consumer embed-a"]);
    }

    #[test]
    fn a_note_changes_nothing_about_being_ready() {
        let health = Health::default();
        health.note("pause", "an operator paused the stage");
        assert!(health.troubles().is_empty() && health.notes().len() == 1);
        health.unnote("pause");
        assert!(health.notes().is_empty());
    }
}
