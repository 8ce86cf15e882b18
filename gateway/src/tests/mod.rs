//! Whole requests through every face, in one process.

mod auditing;
mod corpus;
mod explaining;
mod live;
mod proxying;
mod reloading;
mod replay;
mod smuggling;
mod spoofing;
mod upstream;
mod world;

use upstream::Recorder;
use world::World;
