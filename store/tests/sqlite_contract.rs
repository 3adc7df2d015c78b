//! The SQLite engine keeps the contract.

use async_trait::async_trait;
use chargebook_store::contract::Engine;
use chargebook_store::sqlite::SqliteOptions;
use chargebook_store::{EventStore, OpenMode, SqliteStore};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// One log in a folder that goes with it.
struct Sqlite {
    folder: TempDir,
    options: SqliteOptions,
    open: Mutex<Option<SqliteStore>>,
}

impl Sqlite {
    fn new() -> Self {
        Self::with(SqliteOptions::default())
    }

    fn with(options: SqliteOptions) -> Self {
        let folder = TempDir::new().expect("a folder");
        Self { folder, options, open: Mutex::new(None) }
    }
}

#[async_trait]
impl Engine for Sqlite {
    async fn create(&self) -> Arc<dyn EventStore> {
        let options = self.options.clone();
        let store = SqliteStore::open_with(self.folder.path(), OpenMode::Writer, options).await;
        let store = store.expect("the folder is free");
        *self.open.lock().expect("unpoisoned") = Some(store.clone());
        Arc::new(store)
    }

    async fn reopen(&self, store: Arc<dyn EventStore>) -> Arc<dyn EventStore> {
        drop(store);
        let open = self.open.lock().expect("unpoisoned").take();
        open.expect("created before").close().await;
        self.create().await
    }
}

chargebook_store::contract_suite!(Sqlite::new());

/// The index of the streams, which is written behind, is always on its way.
mod with_a_busy_index {
    use super::*;

    fn engine() -> Sqlite {
        Sqlite::with(SqliteOptions { index_run_appends: 3, ..SqliteOptions::default() })
    }

    chargebook_store::contract_suite!(engine());
}
