//! Every case of the conformance corpus, decided and explained: the same response, and no token, signature or subject in a
//! record or an explanation.

use std::env;
use std::time::Duration;

use http::Request;
use http::request::Parts;
use orgate::engine::Requirement;
use orgate::issuer::Algorithm;
use orgate::organization::PathParams;
use orgate::testing::TestClock;
use orgate::{Issuer, Policy, ResourceServer};
use serde_json::Value;

use crate::explained::{check_steps, sent, shown};
use crate::lines::Lines;

const POLICIES: [(&str, &str); 6] = [
    ("global", "resource and scope read:orders"),
    ("org_token", "organization from path {org} and scope invite:member"),
    ("org_api", "resource in organization from path {org} and scope read:orders"),
    ("any_of", "resource and any of [a b]"),
    ("all_of", "resource and all of [a b]"),
    ("org_header", "resource in organization from header organization-id and scope read:orders"),
];

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn request(case: &Value) -> Option<Parts> {
    let path = text(&case["request"], "path");
    let mut request = Request::builder().method(text(&case["request"], "method")).uri(path);
    for header in case["request"]["headers"].as_array()? {
        request = request.header(header[0].as_str()?, header[1].as_str()?);
    }
    // What the client of the corpus cannot send either.
    let (mut parts, ()) = request.body(()).ok()?.into_parts();
    let organization = path.strip_prefix("/orgs/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    parts.extensions.insert(PathParams::new([("org", organization)]));
    Some(parts)
}

fn requirements(corpus: &Value, lines: &Lines) -> Vec<(&'static str, Requirement)> {
    let algorithms =
        [Algorithm::Es384, Algorithm::Es256, Algorithm::Es512, Algorithm::Rs256, Algorithm::Ps256, Algorithm::EdDsa];
    let issuer = Issuer::new(text(corpus, "issuer")).jwks_json(corpus["jwks"].to_string()).algorithms(algorithms);
    let clock = TestClock::new(Duration::from_secs(corpus["now"].as_u64().unwrap()));
    let builder = ResourceServer::builder(issuer, text(corpus, "resource")).clock(clock).observer(lines.log());
    let server = builder.leeway(Duration::from_secs(corpus["leeway"].as_u64().unwrap())).build().unwrap();
    let policy =
        |(name, text): (&'static str, &str)| (name, server.requirement(text.parse::<Policy>().unwrap()).unwrap());
    POLICIES.into_iter().map(policy).collect()
}

#[tokio::test]
#[ignore = "reads the conformance corpus: ORGATE_CORPUS=corpus.json"]
async fn no_record_and_no_explanation_holds_a_token_a_signature_or_a_subject() {
    let corpus = std::fs::read_to_string(env::var("ORGATE_CORPUS").unwrap()).unwrap();
    let corpus: Value = serde_json::from_str(&corpus).unwrap();
    let lines = Lines::default();
    let requirements = requirements(&corpus, &lines);
    let cases = corpus["cases"].as_array().unwrap();
    let (mut decided, mut all_secrets) = (0, Vec::new());
    for case in cases {
        let id = text(case, "id");
        let Some((_, requirement)) = requirements.iter().find(|(name, _)| *name == text(case, "policy")) else {
            continue;
        };
        let Some(mut parts) = request(case) else { continue };
        let explanation = requirement.explain(&mut parts).await;
        assert_eq!(shown(&explanation), sent(requirement, request(case).unwrap()).await, "{id}\n{explanation}");
        check_steps(&explanation).unwrap_or_else(|wrong| panic!("{id}: {wrong}"));
        decided += 1;
        let shown = format!("{explanation}{}", serde_json::to_string(&explanation).unwrap());
        let mut secrets: Vec<String> = vec!["user_1".to_owned()];
        for header in case["request"]["headers"].as_array().unwrap() {
            let words = header[1].as_str().unwrap().split([' ', '.', ',']);
            secrets.extend(words.filter(|word| word.len() > 24).map(str::to_owned));
        }
        for secret in secrets {
            assert!(!shown.contains(&secret), "{id}: an explanation with {secret}\n{shown}");
            all_secrets.push((id, secret));
        }
    }
    println!("{decided} of {} cases decided and explained", cases.len());
    assert!(decided > 500, "{decided}");
    lines.wait_for(decided).await;
    let records = lines.text();
    assert_eq!(records.lines().count(), decided);
    for (id, secret) in all_secrets {
        assert!(!records.contains(&secret), "{id}: a record with {secret}");
    }
}
