//! A table that is opened when it is first needed, and again if it was dropped and made anew.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use table::TableError;
use table::ledger::Ledger;

/// A handle that all requests share.
#[derive(Debug)]
pub(crate) struct OpenedTable<T>(ArcSwapOption<T>);

impl<T> OpenedTable<T> {
    /// A table that is open already, or one that is not.
    pub(crate) fn new(table: Option<T>) -> Self {
        Self(ArcSwapOption::from_pointee(table))
    }

    /// The table, if it has been opened.
    pub(crate) fn get(&self) -> Option<Arc<T>> {
        self.0.load_full()
    }

    /// The table. `open` opens it, if that was not done before.
    ///
    /// # Errors
    /// Those of `open`.
    pub(crate) async fn get_or_open(
        &self,
        open: impl Future<Output = Result<Option<T>, TableError>>,
    ) -> Result<Option<Arc<T>>, TableError> {
        if let Some(table) = self.get() {
            return Ok(Some(table));
        }
        let opened = open.await?.map(Arc::new);
        if opened.is_some() {
            self.0.store(opened.clone());
        }
        Ok(opened)
    }

    /// Forgets the handle if its table was dropped, even if it was made anew: the next one who
    /// needs it opens it again.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub(crate) async fn forget_if_gone(
        &self,
        ledger: impl Fn(&T) -> &Ledger,
    ) -> Result<(), TableError> {
        if let Some(table) = self.get()
            && !ledger(&table).is_same_table().await?
        {
            tracing::warn!(table = ledger(&table).name(), "the table was dropped: opened again");
            self.0.store(None);
        }
        Ok(())
    }
}
