//! A real issuer for tests: discovery, keys, tokens, rotation and scripted faults on loopback (feature `testing`).
//!
//! [`TestIssuer`] serves over HTTP, from inside the test process, what a Logto tenant serves to an API, and mints the
//! tokens that such a tenant would issue. Nothing is mocked: the resource server under test discovers, fetches, caches
//! and verifies as it does in production, and only the address of the issuer differs.
//!
//! ```
//! use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
//! use orgate::testing::TestIssuer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let issuer = TestIssuer::start().await;
//! let token = issuer
//!     .organization_resource_token("https://api.example.com", "org_a")
//!     .subject("user_1")
//!     .scope("read:orders write:orders")
//!     .mint();
//!
//! let payload = token.split('.').nth(1).ok_or("not a JWT")?;
//! let claims: serde_json::Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload)?)?;
//! assert_eq!(claims["iss"], issuer.url());
//! assert_eq!(claims["aud"], "https://api.example.com");
//! assert_eq!(claims["organization_id"], "org_a");
//! assert_eq!(claims["sub"], "user_1");
//! assert_eq!(claims["scope"], "read:orders write:orders");
//! # Ok(())
//! # }
//! ```
//!
//! **Time** stands still: tokens are dated by a [`TestClock`] that moves only when it is told to. It starts at the real
//! time, so a server with the system clock accepts the tokens too; a server that is given [`TestIssuer::clock`] ages
//! with the test.
//!
//! **Bad tokens** are a word away: [`expired`](TokenBuilder::expired), [`forged`](TokenBuilder::forged),
//! [`tampered`](TokenBuilder::tampered), [`unsigned`](TokenBuilder::unsigned), any claim or header
//! [changed](TokenBuilder::claim) or [left out](TokenBuilder::without_claim).
//!
//! **Bound tokens** are made by [`bound_to`](TokenBuilder::bound_to) a [`TestProofKey`], which signs proofs, right and
//! wrong, or by [`bound_to_certificate`](TokenBuilder::bound_to_certificate) with a [`TestCertificate`].
//!
//! **Bad days** are scripted: [`TestIssuer::fail_next`] and [`TestIssuer::fail_always`] with a [`Fault`],
//! [`TestIssuer::take_down`], and the rotations. Doubles of decision points take the same faults. What the server under test did about it can be counted:
//! [`TestIssuer::requests`], [`TestIssuer::not_modified`], [`TestIssuer::most_in_flight`].
//!
//! **A whole tenant** is a [`TestTenant`]: users, machines, organizations and roles around such an issuer. Its tokens hold
//! what the subject holds now, its Management API tells what that is, and its webhooks tell of changes.

mod answers;
mod body;
mod builder;
mod certificate;
mod clock;
mod double;
mod endpoint;
mod facts;
mod fault;
mod issuer;
mod keys;
mod kind;
mod loopback;
mod members;
mod mint;
mod names;
mod ports;
mod prober;
mod proof;
mod release;
mod ring;
mod script;
mod server;
mod state;
mod tenant;
#[cfg(test)]
mod tests;
mod traffic;

pub use builder::TestIssuerBuilder;
pub use certificate::TestCertificate;
pub use clock::TestClock;
pub use double::{PdpCall, PdpQuestion, TestDecisionRequest, TestPdp, TestPermit};
pub use endpoint::Endpoint;
pub use facts::{machine, member_organization, organization, requested_organization, user};
pub use fault::Fault;
pub use issuer::TestIssuer;
pub use mint::TokenBuilder;
pub(crate) use ports::is_test_issuer;
pub use prober::{Probe, ProbeSubject, ProbedCell, Prober, RoleTokens, TenantTokens};
pub use proof::{ProofBuilder, TestProofKey};
pub use release::LogtoRelease;
pub use tenant::{Grant, Refused, RoleType, TestTenant, TestTenantBuilder, TokenRequest, WebhookDelivery};

use serde::Serialize;
use serde_json::Value;

fn to_json(value: impl Serialize) -> Value {
    match serde_json::to_value(value) {
        Ok(value) => value,
        Err(error) => panic!("not a JSON value: {error}"),
    }
}
