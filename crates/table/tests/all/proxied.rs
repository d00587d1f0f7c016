//! Tables behind a proxy that counts requests.

use table::location::Location;
use testkit::{Store, StoreProxy};

/// The tables of this store, reached through a proxy.
pub(crate) async fn proxied(store: &Store) -> (StoreProxy, Location) {
    let proxy = StoreProxy::start(&store.endpoint(), 1).await;
    let mut location = store.tables();
    for (name, value) in &mut location.options {
        if name == "aws_endpoint" {
            *value = proxy.endpoint();
        }
    }
    (proxy, location)
}
