//! The PostgreSQL engine keeps the contract.

use crate::database::Database;
use async_trait::async_trait;
use chargebook_store::contract::Engine;
use chargebook_store::{EventStore, PostgresStore};
use std::sync::{Arc, Mutex};

/// One log in a schema of its own.
struct Postgres {
    database: Database,
    open: Mutex<Option<PostgresStore>>,
}

impl Postgres {
    async fn new() -> Self {
        Self { database: Database::create().await, open: Mutex::new(None) }
    }
}

#[async_trait]
impl Engine for Postgres {
    async fn create(&self) -> Arc<dyn EventStore> {
        let store = self.database.open().await;
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

chargebook_store::contract_suite!(Postgres::new().await);
