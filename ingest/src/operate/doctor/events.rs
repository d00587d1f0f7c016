//! The open doors for events.

use secrecy::ExposeSecret;

use super::report::{DoctorCheck, DoctorReport};
use crate::settings::Settings;

pub(crate) fn run(settings: &Settings) -> DoctorReport {
    let doors = [
        ("webhook", !settings.events.secret.expose_secret().is_empty()),
        ("queue", settings.events.queue),
        ("listening", settings.events.listen),
    ];
    let open: Vec<_> = doors.iter().filter(|(_, open)| *open).map(|(name, _)| *name).collect();
    let pause = humantime::format_duration(settings.watch.poll_interval);
    let mut report = DoctorReport::default();
    report.push(if open.is_empty() {
        DoctorCheck::ok(
            "events.doors",
            format!("none is open: uploads are found by listing, every {pause}"),
        )
    } else {
        DoctorCheck::ok("events.doors", format!("{}; and a listing every {pause}", open.join(", ")))
    });
    report
}
