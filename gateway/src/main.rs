//! `orgate`: an API gateway that lets a request pass only if its access token allows it.
#![allow(dead_code, unused_imports, reason = "the faces that use these parts follow")]

mod config;
mod identity;
mod path;
mod request;

fn main() {}
