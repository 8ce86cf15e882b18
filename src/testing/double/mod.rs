//! Servers on loopback that stand for a policy decision point.

mod authzen;
mod facts;
mod http;
mod permit;
mod request;

pub use authzen::{PdpQuestion, TestPdp};
pub use http::PdpCall;
pub use permit::TestPermit;
pub use request::TestDecisionRequest;
