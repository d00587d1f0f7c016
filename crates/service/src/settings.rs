//! Settings in three layers: documented defaults compiled in, then one file, then the environment.
//! A mistake in any of them stops the process.

use std::path::Path;

use config::{Config, Environment, File, FileFormat};
use serde::de::DeserializeOwned;

use crate::http::HttpSettings;
use crate::telemetry::{self, LogSettings};

pub use crate::settings_error::SettingsError;
pub use crate::settings_list::list;

/// Exit code of a process whose settings are wrong.
pub const EXIT_CODE: u8 = 2;

/// The settings that every process has.
#[derive(Debug, Clone)]
pub struct ProcessSettings {
    /// `[log]`.
    pub log: LogSettings,
    /// `[http]`.
    pub http: HttpSettings,
}

/// All settings of a program: one struct, and the documented defaults of its sections.
pub trait Settings: DeserializeOwned {
    /// The texts of every `settings.toml` that documents a section: those of the crates that the
    /// program is built from, then its own.
    const DEFAULTS: &'static [&'static str];

    /// The settings that every process has.
    fn process(&self) -> ProcessSettings;

    /// Checks what types cannot express: ranges and combinations.
    ///
    /// # Errors
    /// The first value that cannot be used.
    fn validate(&self) -> Result<(), SettingsError>;
}

/// The documented defaults of all sections of a program, one text per `settings.toml`.
pub(crate) fn layers<S: Settings>() -> Vec<&'static str> {
    [&[telemetry::DEFAULTS], S::DEFAULTS].concat()
}

/// Loads settings: the documented defaults, then `file` if there is one, then environment variables
/// named `BUCKETLENS__SECTION__KEY`. A later layer wins, key by key.
///
/// # Errors
/// An unknown key, a value of the wrong type or out of range, an unreadable file.
pub fn load<S: Settings>(file: Option<&Path>) -> Result<S, SettingsError> {
    load_from(file, Environment::with_prefix("BUCKETLENS"))
}

fn load_from<S: Settings>(
    file: Option<&Path>,
    environment: Environment,
) -> Result<S, SettingsError> {
    let mut layers = Config::builder();
    for defaults in self::layers::<S>() {
        layers = layers.add_source(File::from_str(defaults, FileFormat::Toml));
    }
    if let Some(path) = file {
        layers = layers.add_source(File::from(path).format(FileFormat::Toml).required(true));
    }
    let layered = layers
        .add_source(environment.prefix_separator("__").separator("__"))
        .build()
        .map_err(|error| SettingsError::Unreadable(error.to_string()))?;
    let settings: S = serde_path_to_error::deserialize(layered).map_err(|error| {
        let path = error.path().to_string();
        SettingsError::value(path, plain(&error.into_inner()))
    })?;
    settings.validate()?;
    Ok(settings)
}

// Keeps the kind of mistake only. The config crate also repeats the key, which the error names
// already, and the value, which may be a secret.
fn plain(error: &config::ConfigError) -> String {
    match error {
        config::ConfigError::Type { expected, .. } => {
            format!("the value has the wrong type, expected {expected}")
        }
        config::ConfigError::At { error, .. } => plain(error),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct SampleSettings {
        work: Work,
        amqp: Amqp,
        log: LogSettings,
        http: HttpSettings,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Amqp {
        namespace: String,
        #[serde(rename = "prefetch")]
        _prefetch: u16,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Work {
        rows: usize,
        #[serde(with = "humantime_serde")]
        wait: Duration,
        #[serde(deserialize_with = "list")]
        names: Vec<String>,
    }

    impl Settings for SampleSettings {
        const DEFAULTS: &'static [&'static str] = &[
            "[amqp]\nnamespace = \"bucketlens.v1\"\nprefetch = 256\n",
            "[work]\nrows = 3\nwait = \"500ms\"\nnames = [\"a\"]\n",
            "[http]\nlisten = \"127.0.0.1:0\"\nshutdown_timeout = \"1s\"\n",
        ];

        fn process(&self) -> ProcessSettings {
            ProcessSettings { log: self.log.clone(), http: self.http.clone() }
        }

        fn validate(&self) -> Result<(), SettingsError> {
            if self.work.rows == 0 {
                return Err(SettingsError::value("work.rows", "must be at least 1"));
            }
            Ok(())
        }
    }

    fn with(variables: &[(&str, &str)]) -> Result<SampleSettings, SettingsError> {
        let map: HashMap<String, String> =
            variables.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        load_from(None, Environment::with_prefix("BUCKETLENS").source(Some(map)))
    }

    #[test]
    fn environment_wins_over_defaults_key_by_key() {
        let sample = with(&[
            ("BUCKETLENS__WORK__WAIT", "2s"),
            ("BUCKETLENS__WORK__NAMES", "x, y"),
            ("OTHER__WORK__ROWS", "9"),
        ])
        .unwrap();
        assert_eq!((sample.work.rows, sample.work.wait), (3, Duration::from_secs(2)));
        assert_eq!(sample.work.names, ["x", "y"]);
        assert_eq!(with(&[("BUCKETLENS__WORK__ROWS", "9")]).unwrap().work.rows, 9);
    }

    #[test]
    fn a_mistake_names_its_key() {
        for (variable, key) in [
            ("BUCKETLENS__WORK__ROWS=many", "work.rows"),
            ("BUCKETLENS__WORK__ROWS=0", "work.rows"),
            ("BUCKETLENS__WORK__WAIT=soon", "work.wait"),
            ("BUCKETLENS__AMQP__ULR=x", "ulr"),
            ("BUCKETLENS__AMQP__PREFETCH=-1", "amqp.prefetch"),
            ("BUCKETLENS__WROK__ROWS=1", "wrok"),
        ] {
            let (name, value) = variable.split_once('=').unwrap();
            let error = with(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(key), "{variable}: {error}");
        }
    }

    #[test]
    fn a_secret_is_not_repeated_in_an_error() {
        let error = with(&[("BUCKETLENS__AMQP__PREFETCH", "hunter2")]).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_file_lies_between_defaults_and_environment() {
        let path =
            std::env::temp_dir().join(format!("bucketlens-settings-{}.toml", std::process::id()));
        std::fs::write(&path, "[work]\nrows = 5\n[amqp]\nnamespace = \"other\"\n").unwrap();
        let environment = Environment::with_prefix("BUCKETLENS").source(Some(HashMap::new()));
        let sample: SampleSettings = load_from(Some(&path), environment).unwrap();
        assert_eq!((sample.work.rows, sample.amqp.namespace.as_str()), (5, "other"));
        std::fs::write(&path, "[work]\nrow = 5\n").unwrap();
        let environment = Environment::with_prefix("BUCKETLENS").source(Some(HashMap::new()));
        let error = load_from::<SampleSettings>(Some(&path), environment).unwrap_err().to_string();
        assert!(error.contains("row"), "{error}");
        std::fs::remove_file(&path).unwrap();
    }
}
