//! The memory engine keeps the contract.

use async_trait::async_trait;
use chargebook_store::contract::Engine;
use chargebook_store::{EventStore, MemoryStore};
use std::sync::Arc;

struct Memory;

#[async_trait]
impl Engine for Memory {
    async fn create(&self) -> Arc<dyn EventStore> {
        Arc::new(MemoryStore::new())
    }

    async fn reopen(&self, store: Arc<dyn EventStore>) -> Arc<dyn EventStore> {
        store
    }
}

chargebook_store::contract_suite!(Memory);
