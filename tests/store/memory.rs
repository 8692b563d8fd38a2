use std::sync::Arc;

use async_trait::async_trait;
use grantlog_core::store::{MemoryStore, contract::Backend};

struct Memory(MemoryStore);

#[async_trait]
impl Backend for Memory {
    type Store = MemoryStore;

    async fn open(&self) -> Arc<MemoryStore> {
        self.0.set_available(true);
        Arc::new(self.0.clone())
    }

    async fn close(&self, store: Arc<MemoryStore>) {
        store.set_available(false);
    }

    async fn take_away(&self, store: &MemoryStore) {
        store.set_available(false);
    }
}

grantlog_core::store_contract!(Memory(MemoryStore::new()));
