//! Logs and metrics of a process.

use std::io::IsTerminal;
use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use crate::settings_error::SettingsError;

/// Documented defaults of `[log]`.
pub(crate) const DEFAULTS: &str = include_str!("../settings.toml");

/// `[log]`: what is logged and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// Text for people or JSON for machines.
    pub format: LogFormat,
    /// Levels per target, as in the `RUST_LOG` variable.
    pub filter: String,
}

impl LogSettings {
    /// The same, but with warnings only, unless somebody set a filter.
    pub fn quiet(&self) -> Self {
        let is_default = DEFAULTS.contains(&format!("filter = \"{}\"", self.filter));
        let filter = if is_default {
            format!("warn,{}", self.filter.trim_start_matches("info,"))
        } else {
            self.filter.clone()
        };
        Self { filter, ..self.clone() }
    }
}

/// Form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object per line.
    Json,
}

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

// Seconds, powers of two from 1 ms to 65 s: from the lookup of a row to the captioning of a batch.
const SECONDS: [f64; 17] = [
    0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 2.0, 4.0, 8.0, 16.0,
    32.0, 65.0,
];
const ROWS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Installs the log subscriber and the metrics recorder, once per process. A later call only checks
/// the settings.
///
/// # Errors
/// A filter that does not parse.
pub fn install(settings: &LogSettings) -> Result<(), SettingsError> {
    let filter = EnvFilter::try_new(&settings.filter)
        .map_err(|error| SettingsError::value("log.filter", error.to_string()))?;
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(std::io::stderr);
    // The library refuses a second installation in one process, which is harmless.
    let _ = match settings.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    METRICS.get_or_init(|| {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
            .and_then(|builder| {
                builder.set_buckets_for_metric(Matcher::Suffix("_rows".into()), &ROWS)
            })
            .unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let _ = metrics::set_global_recorder(recorder);
        handle
    });
    Ok(())
}

/// All metrics in the text format of Prometheus.
pub fn render() -> String {
    METRICS.get().map(PrometheusHandle::render).unwrap_or_default()
}

/// Frees what the recorder keeps of past observations. To be called every few seconds.
pub fn upkeep() {
    if let Some(handle) = METRICS.get() {
        handle.run_upkeep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_quiet_unless_a_filter_is_set() {
        let quiet = |filter: &str| {
            let settings = LogSettings { format: LogFormat::Text, filter: filter.to_owned() };
            settings.quiet().filter
        };
        let default = DEFAULTS.lines().find_map(|line| line.strip_prefix("filter = \"")).unwrap();
        let default = default.trim_end_matches('"');
        assert!(default.starts_with("info,lapin=off"), "{default}");
        assert!(quiet(default).starts_with("warn,lapin=off"), "{}", quiet(default));
        assert_eq!(quiet("debug"), "debug");
    }

    #[test]
    fn a_filter_that_does_not_parse_is_refused() {
        let settings = LogSettings { format: LogFormat::Json, filter: "in=fo=x".to_owned() };
        assert!(install(&settings).unwrap_err().to_string().contains("log.filter"));
    }
}
