//! The KurrentDB engine keeps the contract.

use crate::cluster::new_folder;
use async_trait::async_trait;
use chargebook_kurrentdb_stand_in::StandIn;
use chargebook_store::contract::Engine;
use chargebook_store::{EventStore, KurrentDbStore, KurrentDbUrl, OpenMode};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use uuid::Uuid;

/// Names a real cluster, with a user that may write; without it the stand-in serves.
const URL_VARIABLE: &str = "CHARGEBOOK_TEST_KURRENTDB_URL";

/// A log of its own in either.
struct KurrentDb {
    address: KurrentDbUrl,
    folder: TempDir,
    open: Mutex<Option<KurrentDbStore>>,
    /// Ends with the test.
    _stand_in: Option<StandIn>,
}

impl KurrentDb {
    async fn new() -> Self {
        let (address, stand_in) = match std::env::var(URL_VARIABLE) {
            Ok(address) => (address, None),
            Err(_) => {
                let stand_in = StandIn::start().await.expect("it starts");
                (stand_in.address(), Some(stand_in))
            }
        };
        let joint = if address.contains('?') { '&' } else { '?' };
        let address = format!("{address}{joint}log=test-{}", Uuid::new_v4());
        let address = address.parse().expect("an address");
        let open = Mutex::new(None);
        Self { address, folder: new_folder(), open, _stand_in: stand_in }
    }
}

#[async_trait]
impl Engine for KurrentDb {
    async fn create(&self) -> Arc<dyn EventStore> {
        let opened = KurrentDbStore::open(&self.address, self.folder.path(), OpenMode::Writer);
        let store = opened.await.expect("opens");
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

chargebook_store::contract_suite!(KurrentDb::new().await);
