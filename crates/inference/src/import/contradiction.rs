//! What an entry of the catalogue and the configuration of its repository disagree about.

use std::fmt;

use serde_json::Value;

/// A value of an entry that the configuration of its repository contradicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// The key in the entry, as `[image] filter`.
    pub field: String,
    /// Its value in the entry.
    pub entry: String,
    /// Its value by the configuration.
    pub config: String,
    /// The file with the configuration.
    pub file: String,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Contradiction { field, entry, config, file } = self;
        write!(f, "`{field}` is {entry} in the entry and {config} by {file}")
    }
}

impl Contradiction {
    pub(super) fn new(field: &str, entry: &Value, config: &Value, file: &str) -> Contradiction {
        let (field, file) = (field.to_owned(), file.to_owned());
        Contradiction { field, entry: shown(entry), config: shown(config), file }
    }
}

/// A value as a manifest has it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::from("not set"),
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            format!("[{}]", values.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
        Value::Number(number) if number.is_f64() => {
            number.as_f64().map(|value| (value as f32).to_string()).unwrap_or_default()
        }
        other => other.to_string(),
    }
}
