//! What the doctor has to say.

use std::fmt;

use serde::Serialize;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// It works, but someone should look.
    Warn,
    /// It does not work.
    Fail,
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Check {
    /// Dotted, begins with its subject: `store.clock`.
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
    /// What was seen.
    pub(crate) seen: String,
    /// What to do; `None` if nothing is to be done.
    pub(crate) advice: Option<String>,
}

impl Check {
    pub(crate) fn ok(name: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { name: name.into(), verdict: Verdict::Ok, seen: seen.into(), advice: None }
    }

    pub(crate) fn warn(
        name: impl Into<String>,
        seen: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            verdict: Verdict::Warn,
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
            verdict: Verdict::Fail,
            seen: seen.into(),
            advice: Some(advice.into()),
        }
    }
}

/// All checks, in the order in which they rest on each other.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) checks: Vec<Check>,
}

impl Report {
    pub(crate) fn push(&mut self, check: Check) {
        self.checks.push(check);
    }

    pub(crate) fn append(&mut self, other: Self) {
        self.checks.extend(other.checks);
    }

    /// Number of checks that failed.
    pub(crate) fn failed(&self) -> usize {
        self.count(Verdict::Fail)
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == verdict).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
        for check in &self.checks {
            let verdict = match check.verdict {
                Verdict::Ok => "ok",
                Verdict::Warn => "warn",
                Verdict::Fail => "FAIL",
            };
            writeln!(f, "{verdict:<4}  {:<width$}  {}", check.name, one_line(&check.seen))?;
            if let Some(advice) = &check.advice {
                writeln!(f, "{:<4}  {:<width$}  -> {}", "", "", one_line(advice))?;
            }
        }
        let (ok, warn, fail) = (self.count(Verdict::Ok), self.count(Verdict::Warn), self.failed());
        writeln!(f, "{ok} ok, {warn} to look at, {fail} failed")
    }
}

/// Texts of others may hold anything; a table has one line per check.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
