//! The error of tables.

/// Reading or writing a table failed.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The store or the table library refused.
    #[error("table {table}: {source}")]
    Failed {
        /// Which table.
        table: String,
        /// What the library said.
        source: lancedb::Error,
    },
    /// The store could not be asked about the table's files.
    #[error("table {table}: {source}")]
    Store {
        /// Which table.
        table: String,
        /// What the store said.
        source: object_store::Error,
    },
    /// The table on the store is not the one this program writes.
    #[error("table {table} {problem}")]
    Mismatch {
        /// Which table.
        table: String,
        /// What differs and what to do.
        problem: String,
    },
    /// The table does not exist and cannot be made.
    #[error("table {table} cannot be made: {problem}")]
    Creation {
        /// Which table.
        table: String,
        /// What prevents it.
        problem: String,
    },
    /// A row that cannot be stored.
    #[error("table {table}: rows cannot be stored: {problem}")]
    Rows {
        /// Which table.
        table: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl TableError {
    /// Turns an error of the table library into an error of this table.
    pub(crate) fn of(table: &str) -> impl Fn(lancedb::Error) -> Self + Clone + use<> {
        let table = table.to_owned();
        move |source| Self::Failed { table: table.clone(), source }
    }

    /// Turns an error of the format's library, which lies below the table library, into an error of
    /// this table.
    pub(crate) fn of_lance(table: &str) -> impl Fn(lance::Error) -> Self + use<> {
        let failed = Self::of(table);
        move |source| failed(lancedb::Error::Lance { source })
    }

    /// Whether the table, or the version that was asked for, does not exist.
    pub(crate) fn is_missing(&self) -> bool {
        use lance::Error::{DatasetNotFound, VersionNotFound};
        match self {
            Self::Failed { source: lancedb::Error::TableNotFound { .. }, .. } => true,
            Self::Failed { source: lancedb::Error::Lance { source }, .. } => {
                matches!(source, DatasetNotFound { .. } | VersionNotFound { .. })
                    || source.is_not_found()
            }
            _ => false,
        }
    }

    pub(crate) fn rows(table: &str, problem: impl ToString) -> Self {
        Self::Rows { table: table.to_owned(), problem: problem.to_string() }
    }

    /// Whether the same call might succeed later without a change of settings, table or program.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Store { .. } | Self::Creation { .. })
    }

    /// Whether other rows might succeed. Otherwise the store as a whole is in trouble.
    pub fn is_about_rows(&self) -> bool {
        matches!(self, Self::Rows { .. })
    }
}
