//! What is wrong with a setting. A process that meets one at its start exits with code 2.

/// A setting that cannot be used. Its text names the key and says what is wrong with the value.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// An unknown key, or a value of the wrong type or out of range.
    #[error("setting `{key}`: {problem}")]
    Value {
        /// Dotted name, as in `amqp.prefetch`.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file or layer that cannot be read.
    #[error("settings cannot be read: {0}")]
    Unreadable(String),
}

impl SettingsError {
    /// An error about the value of one key.
    pub fn value(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Value { key: key.into(), problem: problem.into() }
    }
}
