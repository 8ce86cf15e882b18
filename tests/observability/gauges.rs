//! What a server holds, as metrics.

use std::sync::Arc;
use std::time::Duration;

use orgate::Issuer;
use orgate::change::{About, Change, Facts, Log, LogError, Update, Updates};
use orgate::future::BoxFuture;
use orgate::policy::{any_issuer, resource};

use crate::scrape::{Prometheus, recorded};
use crate::web::Api;

/// A log that was delivered whole once, and keeps nothing.
struct Silent;

struct Once(Option<Update>);

impl Log for Silent {
    fn append<'a>(&'a self, _: &'a [Change]) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(std::future::pending())
    }

    fn follow(&self, held: Arc<dyn Facts>) -> Box<dyn Updates> {
        Box::new(Once(Some(Update::current(held.now().monotonic))))
    }
}

impl Updates for Once {
    fn next(&mut self) -> BoxFuture<'_, Option<Update>> {
        match self.0.take() {
            Some(update) => Box::pin(std::future::ready(Some(update))),
            None => Box::pin(std::future::pending()),
        }
    }
}

pub(crate) async fn holdings(prometheus: &Prometheus) -> Api {
    let api = Api::configured(|builder| builder.change_log(Silent).metrics()).await;
    let app = api.server.guard().require(any_issuer()).get("/", async || "here", resource()).into_router().unwrap();
    let tokens: Vec<String> = (0..5).map(|_| api.token("a")).collect();
    for token in &tokens {
        assert_eq!(api.ask(&app, "GET", "/", Some(token)).await.status, 200);
    }
    assert_eq!(api.ask(&app, "GET", "/", Some(&tokens[0])).await.status, 200);
    let handle = api.server.issuer(api.issuer.url()).unwrap();
    for subject in ["a", "b", "c"] {
        handle.revoke(About::subject(subject)).unwrap();
    }
    api.issuer.clock().advance(Duration::from_secs(3));
    api.server.update_metrics();
    let value = |name| prometheus.value(name, &[]);
    assert_eq!(value("orgate_token_cache_entries"), 5.0);
    let length: usize = tokens.iter().map(String::len).sum();
    assert!(value("orgate_token_cache_bytes") >= length as f64);
    assert_eq!(value("orgate_revocation_rows"), 3.0);
    assert_eq!(value("orgate_change_log_lag_seconds"), 3.0);
    assert_eq!(value("orgate_change_log_pending_changes"), api.server.change_log().unwrap().pending as f64);
    assert!(value("orgate_change_log_pending_changes") > 0.0);
    api
}

#[test]
fn what_a_server_holds_is_shown_when_it_is_updated() {
    recorded(async |prometheus| _ = holdings(&prometheus).await);
}

#[test]
fn log_that_was_never_delivered_whole_lags_without_end() {
    recorded(async |prometheus| {
        let api = Api::configured(|builder| builder.change_log(Silent).metrics()).await;
        api.server.update_metrics();
        assert_eq!(prometheus.value("orgate_change_log_lag_seconds", &[]), f64::INFINITY);
    });
}

#[test]
fn keys_of_an_issuer_that_was_removed_are_shown_no_more() {
    recorded(async |prometheus| {
        let api = Api::configured(orgate::server::Builder::metrics).await;
        let keys = |issuer: &str| prometheus.value("orgate_key_set_keys", &[("issuer", issuer)]);
        let added = api
            .server
            .add_issuer(Issuer::new("https://acme.example").name("acme").jwks_json(api.issuer.jwks_json()))
            .unwrap();
        api.server.update_metrics();
        assert_eq!(keys("acme"), api.issuer.kids().len() as f64);
        added.remove().unwrap();
        api.server.update_metrics();
        assert!(keys("acme").is_nan());
        assert_eq!(keys(api.issuer.url()), 0.0, "none was fetched yet");
    });
}
