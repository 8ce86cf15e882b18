//! Used proofs of possession, which pass once in the whole fleet.

use super::cause::{Fault, FaultKind};
use super::log::Redis;
use crate::future::BoxFuture;
use crate::token::binding::{ProofUse, ReplayStore, ReplayStoreError};

impl ReplayStore for Redis {
    fn record<'a>(&'a self, used: &'a ProofUse) -> BoxFuture<'a, Result<Option<String>, ReplayStoreError>> {
        Box::pin(async move {
            let Some(open) = self.link.open.borrow().clone() else {
                return Err(ReplayStoreError::new("Redis cannot be used now"));
            };
            let mut connection = open.commands.proofs.clone();
            let mut command = ::redis::cmd("SET");
            let lasting = u64::try_from(used.time_to_live().as_millis()).unwrap_or(u64::MAX).clamp(1, LONGEST);
            command.arg(self.link.keys.proof(used.key())).arg(used.mark());
            command.arg("NX").arg("GET").arg("PX").arg(lasting);
            let earlier = command.query_async(&mut connection).await;
            earlier.map_err(|error| {
                let error = Fault::from(error);
                if error.kind == FaultKind::Connection {
                    self.link.broken.notify_one();
                }
                ReplayStoreError::new(format!("Redis: {error}"))
            })
        })
    }
}

/// A day: no proof is accepted for longer.
const LONGEST: u64 = 24 * 60 * 60 * 1000;
