//! A whole Logto tenant on loopback: who is who, what they may do, and everything that an API asks about it.

mod answer;
mod audit;
mod builder;
mod client;
mod directory;
mod form;
mod grant;
mod handle;
mod iso8601;
mod issue;
mod management;
mod page;
mod people;
mod permissions;
mod records;
mod refused;
mod request;
mod roles;
mod route;
mod state;
mod template;
mod webhook;

pub use builder::TestTenantBuilder;
pub use directory::RoleType;
pub use grant::Grant;
use handle::MANAGEMENT_CLIENT;
pub use handle::TestTenant;
pub use refused::Refused;
pub use request::TokenRequest;
pub(in crate::testing) use state::Tenant;
pub use webhook::WebhookDelivery;
