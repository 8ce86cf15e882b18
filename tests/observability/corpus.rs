//! Every case of the conformance corpus: no metric, span or event holds a token, a signature or a subject.

use std::collections::BTreeSet;
use std::env;
use std::time::Duration;

use http::Request;
use http::request::Parts;
use orgate::http::HttpClient;
use orgate::issuer::Algorithm;
use orgate::organization::PathParams;
use orgate::testing::TestClock;
use orgate::{Issuer, Policy, ResourceServer};
use serde_json::Value;

use crate::doubles::Told;
use crate::scrape::recorded;
use crate::spans::traced_within;

const POLICIES: [(&str, &str, &str); 6] = [
    ("global", "/global", "resource and scope read:orders"),
    ("org_token", "/orgs/{org}/members", "organization from path {org} and scope invite:member"),
    ("org_api", "/orgs/{org}/orders", "resource in organization from path {org} and scope read:orders"),
    ("any_of", "/any-of", "resource and any of [a b]"),
    ("all_of", "/all-of", "resource and all of [a b]"),
    ("org_header", "/by-header/orders", "resource in organization from header organization-id and scope read:orders"),
];

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// `None` for what no client can send.
fn request(case: &Value, route: &str) -> Option<Parts> {
    let path = text(&case["request"], "path");
    let mut request = Request::builder().method(text(&case["request"], "method")).uri(path);
    for header in case["request"]["headers"].as_array()? {
        request = request.header(header[0].as_str()?, header[1].as_str()?);
    }
    let (mut parts, ()) = request.body(()).ok()?.into_parts();
    let organization = path.strip_prefix("/orgs/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    parts.extensions.insert(PathParams::new([("org", organization)]).route(route));
    Some(parts)
}

/// A server that has no keys yet: every decision about a signed token waits, and has spans.
fn server(corpus: &Value) -> ResourceServer {
    let documents = Told::default();
    documents.says(corpus["jwks"].clone());
    let algorithms =
        [Algorithm::Es384, Algorithm::Es256, Algorithm::Es512, Algorithm::Rs256, Algorithm::Ps256, Algorithm::EdDsa];
    let issuer = Issuer::new(text(corpus, "issuer")).jwks_uri("https://issuer.example/jwks").algorithms(algorithms);
    ResourceServer::builder(issuer, text(corpus, "resource"))
        .http_client(HttpClient::custom(documents))
        .clock(TestClock::new(Duration::from_secs(corpus["now"].as_u64().unwrap())))
        .leeway(Duration::from_secs(corpus["leeway"].as_u64().unwrap()))
        .metrics()
        .build()
        .unwrap()
}

/// What must not be shown: the parts of every token, and the subject.
fn secrets(case: &Value) -> BTreeSet<String> {
    let headers = case["request"]["headers"].as_array().unwrap();
    let words = headers.iter().flat_map(|header| header[1].as_str().unwrap().split([' ', '.', ',']));
    words.filter(|word| word.len() > 24).map(str::to_owned).chain(["user_1".to_owned()]).collect()
}

#[test]
#[ignore = "reads the conformance corpus: ORGATE_CORPUS=corpus.json"]
fn no_metric_span_or_event_holds_a_token_a_signature_or_a_subject() {
    let corpus = std::fs::read_to_string(env::var("ORGATE_CORPUS").unwrap()).unwrap();
    let corpus: Value = serde_json::from_str(&corpus).unwrap();
    let cases = corpus["cases"].as_array().unwrap();
    recorded(async |prometheus| {
        let (mut decided, mut spans, mut all) = (0, 0, BTreeSet::new());
        for case in cases {
            let policy = POLICIES.iter().find(|(name, ..)| *name == text(case, "policy"));
            let Some((_, route, policy)) = policy else { continue };
            let Some(mut parts) = request(case, route) else { continue };
            let server = server(&corpus);
            let requirement = server.requirement(policy.parse::<Policy>().unwrap()).unwrap();
            let shown = traced_within(async || _ = requirement.authorize(&mut parts).await).await;
            server.update_metrics();
            decided += 1;
            spans += usize::from(shown.contains("orgate.keys"));
            for secret in secrets(case) {
                assert!(!shown.contains(&secret), "{}: {secret} in\n{shown}", text(case, "id"));
                all.insert(secret);
            }
        }
        let metrics = prometheus.text();
        for secret in all {
            assert!(!metrics.contains(&secret), "{secret} in\n{metrics}");
        }
        println!("{decided} of {} cases decided, {spans} with spans", cases.len());
        assert!(decided > 500 && spans > 300, "{decided}, {spans}");
        let counted: f64 = prometheus.all("orgate_decisions_total").iter().map(|(_, count)| count).sum();
        assert_eq!(counted, f64::from(decided));
    });
}
