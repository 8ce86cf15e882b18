//! Whole requests through every face, in one process.

mod auditing;
mod binding;
mod corpus;
mod explaining;
mod keys;
mod live;
mod observing;
mod proxying;
mod reloading;
mod replay;
mod smuggling;
mod spoofing;
mod state;
mod upstream;
mod webhooks;
mod world;

use upstream::Recorder;
use world::World;
