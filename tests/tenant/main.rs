//! The test tenant against what a real Logto was seen to answer, and the life of a client that meets it over HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

macro_rules! recorded {
    ($name:literal) => {
        serde_json::from_str::<serde_json::Value>(include_str!(concat!("../golden/logto-1.37/", $name))).expect($name)
    };
}

mod endpoints;
mod life;
mod recorded;
mod scenario;
mod tokens;
mod webhooks;
