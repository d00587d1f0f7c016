//! The doctor's report.

use serde::Serialize;

/// The outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DoctorVerdict {
    /// All is well.
    Ok,
    /// It works, but an operator should look.
    Warn,
    /// It does not work.
    Fail,
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DoctorCheck {
    /// Dotted, its subject first: `store.clock`.
    pub(crate) name: String,
    pub(crate) verdict: DoctorVerdict,
    /// The observation.
    pub(crate) seen: String,
    /// What to do; `None` if all is well.
    pub(crate) advice: Option<String>,
}

impl DoctorCheck {
    pub(crate) fn ok(name: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { name: name.into(), verdict: DoctorVerdict::Ok, seen: seen.into(), advice: None }
    }

    pub(crate) fn warn(
        name: impl Into<String>,
        seen: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            verdict: DoctorVerdict::Warn,
            seen: seen.into(),
            advice: Some(advice.into()),
        }
    }

    pub(crate) fn fail(
        name: impl Into<String>,
        seen: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            verdict: DoctorVerdict::Fail,
            seen: seen.into(),
            advice: Some(advice.into()),
        }
    }
}

/// All checks, in the order in which they depend on each other.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct DoctorReport {
    pub(crate) checks: Vec<DoctorCheck>,
}

impl DoctorReport {
    pub(crate) fn push(&mut self, check: DoctorCheck) {
        self.checks.push(check);
    }

    pub(crate) fn append(&mut self, other: Self) {
        self.checks.extend(other.checks);
    }

    /// Number of failed checks.
    pub(crate) fn failed(&self) -> usize {
        self.count(DoctorVerdict::Fail)
    }

    /// Number of checks with this verdict.
    pub(crate) fn count(&self, verdict: DoctorVerdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == verdict).count()
    }
}
