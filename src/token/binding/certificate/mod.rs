//! Client certificates (RFC 8705): from the connection, or from a header of the proxy that ends it.

mod client_cert;
mod peers;
mod pem;
mod settings;
mod xfcc;

pub use peers::{Peer, TrustedPeers};
pub(crate) use settings::Certificates;
pub use settings::MutualTls;
