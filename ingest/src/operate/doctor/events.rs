//! Which doors are open for events.

use secrecy::ExposeSecret;

use super::{Check, Report};
use crate::Settings;

pub(crate) fn run(settings: &Settings) -> Report {
    let doors = [
        ("webhook", !settings.events.secret.expose_secret().is_empty()),
        ("queue", settings.events.queue),
        ("listening", settings.events.listen),
    ];
    let open: Vec<_> = doors.iter().filter(|(_, open)| *open).map(|(name, _)| *name).collect();
    let pause = humantime_serde::re::humantime::format_duration(settings.watch.poll_interval);
    let mut report = Report::default();
    report.push(if open.is_empty() {
        Check::ok(
            "events.doors",
            format!("none is open: uploads are found by listing, every {pause}"),
        )
    } else {
        Check::ok("events.doors", format!("{}; and a listing every {pause}", open.join(", ")))
    });
    report
}
