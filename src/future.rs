//! The boxed future that methods of object-safe traits return.

use std::future::Future;
use std::pin::Pin;

/// A boxed future that can be sent to another thread: what methods of object-safe traits return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
