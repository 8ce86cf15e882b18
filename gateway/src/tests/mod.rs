//! Whole requests through every face, in one process.

mod auditing;
mod binding;
mod browsers;
mod corpus;
#[path = "../../tests/process/endless.rs"]
mod endless;
mod explaining;
mod faults;
pub(crate) mod http2;
mod keys;
mod limits;
mod live;
mod long;
mod observing;
mod pages;
mod paths;
mod proofs;
#[path = "../../tests/process/proxies.rs"]
mod proxies;
mod proxying;
mod reloading;
mod replay;
mod slow;
mod smuggling;
mod spoofing;
mod stages;
mod state;
mod stopping;
mod streams;
mod upgrades;
mod upstream;
mod webhooks;
mod world;

use upstream::Recorder;
use world::World;
