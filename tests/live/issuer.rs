//! A child process, and what it is asked for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const DIRECTORY: &str = "ORGATE_LIVE_ISSUER";

pub(crate) const ORDERS: &str = "https://api.example.com/orders";
pub(crate) const BILLING: &str = "https://api.example.com/billing";

/// The issuer of `tests/live`. It dies with this value; should the test die first, it ends by itself, for its stdin closes.
pub(crate) struct LiveIssuer {
    _process: Child,
    url: String,
    control: String,
    client: Client,
}

impl LiveIssuer {
    pub(crate) async fn start() -> Self {
        let directory: PathBuf = std::env::var_os(DIRECTORY)
            .unwrap_or_else(|| panic!("{DIRECTORY} is not set: after `npm ci` in tests/live, set it to that directory"))
            .into();
        let installed = directory.join("node_modules/.bin/node");
        let node = if installed.exists() { installed } else { "node".into() };
        let mut process = Command::new(&node)
            .arg(directory.join("issuer.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not run: {error}", node.display()));
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let line = timeout(Duration::from_secs(30), lines.next_line()).await.expect("no ready line after 30 s");
        let line =
            line.expect("UTF-8").unwrap_or_else(|| panic!("the issuer in {} did not start", directory.display()));
        let ready: Value = serde_json::from_str(&line).expect("the ready line is JSON");
        let text = |name: &str| ready[name].as_str().expect("a URL in the ready line").to_owned();
        Self { _process: process, url: text("issuer"), control: text("control"), client: client() }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A token for the client that holds every scope.
    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> String {
        self.token_of("worker", form).await
    }

    pub(crate) async fn token_of(&self, client: &str, form: &[(&str, &str)]) -> String {
        let form = [&[("grant_type", "client_credentials")], form].concat();
        let request = self.client.post(format!("{}/token", self.url));
        let request = request.basic_auth(client, Some(format!("{client}-secret"))).form(&form);
        let answer: Value = ok(request.send().await).json().await.expect("JSON");
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    /// RFC 7009, by the client that it was issued to.
    pub(crate) async fn revoke(&self, client: &str, token: &str) {
        let request = self.client.post(format!("{}/token/revocation", self.url));
        ok(request.basic_auth(client, Some(format!("{client}-secret"))).form(&[("token", token)]).send().await);
    }

    pub(crate) async fn turn(&self, control: &str) {
        ok(self.client.post(format!("{}/{control}", self.control)).send().await);
    }

    /// What was asked for since the last call, by path; what was answered with 304 also as `{path} 304`.
    pub(crate) async fn new_requests(&self) -> BTreeMap<String, u32> {
        let counts = ok(self.client.get(format!("{}/requests", self.control)).send().await);
        let counts = counts.json().await.expect("counts");
        self.turn("reset-requests").await;
        counts
    }
}

/// The environment's proxy is not for loopback.
pub(crate) fn client() -> Client {
    Client::builder().no_proxy().build().expect("a client")
}

fn ok(answer: reqwest::Result<Response>) -> Response {
    answer.and_then(Response::error_for_status).expect("status 200 from the issuer")
}
