use std::sync::Arc;

use async_trait::async_trait;
use grantlog_core::store::{SqliteStore, contract::Backend};
use tempfile::TempDir;

struct Sqlite(TempDir);

#[async_trait]
impl Backend for Sqlite {
    type Store = SqliteStore;

    async fn open(&self) -> Arc<SqliteStore> {
        Arc::new(SqliteStore::open(self.0.path()).expect("the store can be opened"))
    }

    async fn close(&self, store: Arc<SqliteStore>) {
        store.close().await;
    }

    async fn take_away(&self, store: &SqliteStore) {
        store.close().await;
    }
}

grantlog_core::store_contract!(Sqlite(TempDir::new().expect("a directory")));
