//! `ingest doctor`.

use super::print;
use crate::operate::doctor::{self, DoctorReport, DoctorVerdict};
use crate::settings::Settings;

pub(super) async fn run(settings: Settings, json: bool) -> anyhow::Result<()> {
    let report = doctor::run(&settings).await;
    if json {
        print::json(&report)?;
    } else {
        print::text(&report_text(&report))?;
    }
    match report.failed() {
        0 => Ok(()),
        failed => anyhow::bail!("{failed} checks failed"),
    }
}

fn report_text(report: &DoctorReport) -> String {
    let mut lines = Vec::new();
    for check in &report.checks {
        let verdict = match check.verdict {
            DoctorVerdict::Ok => "ok  ",
            DoctorVerdict::Warn => "warn",
            DoctorVerdict::Fail => "FAIL",
        };
        lines.push(vec![verdict.to_owned(), check.name.clone(), one_line(&check.seen)]);
        if let Some(advice) = &check.advice {
            lines.push(vec![String::new(), String::new(), format!("-> {}", one_line(advice))]);
        }
    }
    let (ok, warn) = (report.count(DoctorVerdict::Ok), report.count(DoctorVerdict::Warn));
    let checks = print::columns(lines);
    format!("{checks}{ok} ok, {warn} to look at, {} failed", report.failed())
}

/// Answers of store and broker may hold line breaks.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
