//! The record of each row of the table of responses, whole.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use axum::Router;
use http::Request;
use orgate::Organization;
use orgate::change::{About, Change};
use orgate::decision::{
    Decider, Decision, DecisionError, DecisionFuture, DecisionPoint, DecisionRequest, KnownIssuers,
};
use orgate::policy::{Policy, check, claim, decide, header, optional, organization, path, resource, user};
use orgate::testing::{Endpoint, Fault};
use orgate::time::Clock as _;
use serde_json::{Value, json};

use crate::lines::Lines;
use crate::web::{Api, RESOURCE, request};

/// Denies, or is down.
struct Point(Arc<AtomicBool>);

impl DecisionPoint for Point {
    fn decide<'a>(&'a self, _: &'a DecisionRequest) -> DecisionFuture<'a> {
        let is_down = self.0.load(Ordering::SeqCst);
        Box::pin(ready(if is_down {
            Err(DecisionError::unavailable("the point is down"))
        } else {
            Ok(Decision::deny().with_reason("not in the list"))
        }))
    }

    fn known_issuers(&self) -> KnownIssuers {
        KnownIssuers::all()
    }
}

struct Rows {
    api: Api,
    app: Router,
    lines: Lines,
    is_down: Arc<AtomicBool>,
}

impl Rows {
    async fn start() -> Self {
        let lines = Lines::default();
        let is_down = Arc::<AtomicBool>::default();
        let point = Decider::builder(Point(is_down.clone())).build().unwrap();
        let log = lines.log();
        let api = Api::configured(|builder| builder.observer(log).decision_point(point)).await;
        let routes: [(&str, Policy); 6] = [
            ("/products", resource().scope("read")),
            ("/orgs/{org}", organization(path("org")).scope("read")),
            ("/header", organization(header("x-org"))),
            ("/orgs/{org}/orders", resource().in_organization(path("org")).scope("read")),
            ("/either/{org}", organization(path("org")).scope("admin").or(resource().scope("admin")).and(user())),
            ("/documents/{id}", resource().and(decide("read", "document", path("id")))),
        ];
        let guard =
            routes.into_iter().fold(api.server.guard(), |guard, (path, policy)| guard.get(path, async || "", policy));
        let app = guard
            .get("/users", async || "", resource().user())
            .get("/pro", async || "", resource().and(claim("plan", "pro")))
            .get("/checked", async || "", resource().and(check("quota", |_| Err::<(), _>("over quota"))))
            .get("/optional", async || "", optional(resource().scope("read")))
            .get("/extract", async |_: Organization| "", resource())
            .into_router()
            .unwrap();
        Self { api, app, lines, is_down }
    }

    /// One request, and its record.
    async fn row(&self, target: &str, token: Option<&str>) -> Value {
        self.send(request("GET", target, token)).await
    }

    async fn send(&self, request: Request<axum::body::Body>) -> Value {
        let answer = self.api.send(&self.app, request).await;
        let record = self.lines.take(1).await.remove(0);
        let status = record.get("status").map_or(200, |status| status.as_u64().unwrap());
        assert_eq!(u64::from(answer.status), status, "{record:#}");
        record
    }

    fn token(&self) -> orgate::testing::TokenBuilder {
        self.api.issuer.resource_token(RESOURCE).client("web").scope("read")
    }
}

/// Each row of the table: what happens, and the record of it.
async fn rows() -> Vec<(&'static str, Value)> {
    let rows = Rows::start().await;
    let issuer = &rows.api.issuer;
    let (good, acme) = (rows.token().mint(), issuer.organization_token("acme").client("web"));
    let mut table = Vec::new();
    macro_rules! row {
        ($name:literal, $target:literal, $token:expr) => {
            table.push(($name, rows.row($target, Option::<String>::as_deref(&$token)).await))
        };
    }

    row!("passes, and the keys are fetched", "/products", Some(good.clone()));
    row!("passes, and is known", "/products", Some(good.clone()));
    row!("no token", "/products", None);
    row!("no token, and none is needed", "/optional", None);
    row!("longer than max_token_bytes", "/products", Some("x".repeat(9000)));
    row!("a word for a token", "/products", Some("undefined".to_owned()));
    let mut twice = request("GET", "/products", Some(&good));
    twice.headers_mut().append("authorization", "Bearer x".parse().unwrap());
    table.push(("two Authorization headers", rows.send(twice).await));
    row!("expired", "/products", Some(rows.token().expired().mint()));
    row!("forged", "/products", Some(rows.token().forged().mint()));
    row!("aud names nothing here", "/products", Some(rows.token().audience(["https://other.example"]).mint()));
    row!("another issuer", "/products", Some(rows.token().issuer("https://other.example/oidc").mint()));
    row!("opaque", "/products", Some(issuer.opaque_token()));
    row!("encrypted", "/products", Some("AA.AA.AA.AA.AA".to_owned()));
    row!("a resource token on an organization route", "/orgs/acme", Some(good.clone()));
    row!("an organization token on a resource route", "/products", Some(acme.clone().scope("read").mint()));
    row!("another organization", "/orgs/globex", Some(acme.clone().scope("read").mint()));
    row!("no organization in the request", "/header", Some(acme.clone().mint()));
    row!(
        "another organization of the API",
        "/orgs/globex/orders",
        Some(issuer.organization_resource_token(RESOURCE, "acme").client("web").scope("read").mint())
    );
    row!("a scope is missing", "/orgs/acme", Some(acme.clone().scope("write").mint()));
    row!("the nearest of two clauses", "/either/acme", Some(acme.clone().scope("read").mint()));
    row!("a machine where a user is due", "/users", Some(rows.token().machine("worker").mint()));
    row!("a claim with another value", "/pro", Some(rows.token().claim("plan", "free").mint()));
    row!("a check that fails", "/checked", Some(good.clone()));
    row!("the decision point denies", "/documents/7", Some(good.clone()));
    rows.is_down.store(true, Ordering::SeqCst);
    row!("the decision point is down", "/documents/8", Some(good.clone()));
    rows.api.ask(&rows.app, "GET", "/extract", Some(&good)).await;
    let [_, extracted] = <[Value; 2]>::try_from(rows.lines.take(2).await).unwrap();
    table.push(("an organization where the policy has none", extracted));
    let wired = rows.api.server.requirement(organization(path("org"))).unwrap();
    let mut parts =
        Request::get("/").header("authorization", format!("Bearer {good}")).body(()).unwrap().into_parts().0;
    wired.authorize(&mut parts).await.unwrap_err();
    table.push(("a path parameter that the layer does not see", rows.lines.take(1).await.remove(0)));

    let entry = rows.api.server.issuer(issuer.url()).unwrap();
    let now = SystemTime::UNIX_EPOCH + issuer.clock().now().unix;
    let revoked = rows.token().subject("bob").mint();
    entry.apply_change(&Change::not_before(entry.issuer(), About::subject("bob"), now)).unwrap();
    row!("revoked", "/products", Some(revoked));
    entry.apply_change(&Change::suspended(entry.issuer(), "eve", now)).unwrap();
    row!("suspended", "/products", Some(rows.token().subject("eve").mint()));

    let stranger = rows.token().signed_with_unknown_key();
    issuer.clock().advance(Duration::from_secs(61));
    let old = issuer.clock().now().unix.saturating_sub(Duration::from_secs(120));
    row!("a key that is not in the set", "/products", Some(stranger.clone().issued_at(old).mint()));
    issuer.clock().advance(Duration::from_secs(61));
    row!(
        "a new token of a key that is not in the set",
        "/products",
        Some(rows.token().signed_with_unknown_key().mint())
    );
    for _ in 0..3 {
        issuer.rotate_without_overlap();
        let strange = rows.token().signed_with_unknown_key().mint();
        rows.row("/products", Some(&strange)).await;
    }
    row!("an unknown key, and no budget for a fetch", "/products", Some(stranger.mint()));
    table
}

/// No token can be verified: there is no key, or the set cannot be fetched again.
async fn outages() -> Vec<(&'static str, Value)> {
    let rows = Rows::start().await;
    let mut table = Vec::new();
    rows.api.issuer.fail_always(Endpoint::Keys, Fault::Status(500));
    let token = rows.token().mint();
    table.push(("no keys, and the issuer does not answer", rows.row("/products", Some(&token)).await));
    table
}

/// More signatures need a check at a time than are allowed, and no request may wait.
async fn crowd() -> Vec<(&'static str, Value)> {
    let lines = Lines::default();
    let log = lines.log();
    let api = Api::configured(|builder| {
        builder.observer(log).max_concurrent_verifications(1).verification_queue(0, Duration::ZERO)
    })
    .await;
    api.server.ready().await.unwrap();
    let requirement = api.server.requirement(resource().scope("read")).unwrap();
    // Not kept, so that each request checks its signature.
    let forged = api.issuer.resource_token(RESOURCE).client("web").scope("read").forged().mint();
    let clients = (0..4).map(|_| {
        let (requirement, forged, lines) = (requirement.clone(), forged.clone(), lines.clone());
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            loop {
                for _ in 0..100 {
                    let (mut parts, ()) = request("GET", "/products", Some(&forged)).map(drop).into_parts();
                    runtime.block_on(requirement.authorize(&mut parts)).unwrap_err();
                }
                if let Some(line) = lines.with_status(503) {
                    return line;
                }
            }
        })
    });
    let found = futures_util::future::try_join_all(clients).await.unwrap();
    found.into_iter().take(1).map(|line| ("no permit in time", line)).collect()
}

#[tokio::test]
async fn each_row_of_the_table_of_responses_has_its_whole_record() {
    let table: Vec<Value> = rows()
        .await
        .into_iter()
        .chain(outages().await)
        .chain(crowd().await)
        .map(|(row, record)| json!({ "row": row, "record": record }))
        .collect();
    crate::lines::is_as_written(&table, include_str!("rows.json"));
}
