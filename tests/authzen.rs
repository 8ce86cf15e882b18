//! What a client of a decision point must do (OpenID AuthZEN Authorization API 1.0), clause by clause, and what it does
//! on a bad day.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response};
use orgate::authzen::{AuthZen, AuthZenBuilder, Semantic};
use orgate::decision::{Decider, Decision, DecisionError, DecisionPoint as _, DecisionRequest, Resource};
use orgate::future::BoxFuture;
use orgate::http::{Fetch, FetchError, HttpClient};
use orgate::testing::{Fault, TestClock, TestDecisionRequest, TestPdp};
use orgate::{Issuer, ResourceServer};
use serde_json::{Value, json};
use tokio::sync::Notify;

const SECRET: &str = "s3cret-of-the-pdp";

fn builder(pdp: &TestPdp) -> AuthZenBuilder {
    AuthZen::builder(pdp.url()).bearer_token(SECRET)
}

fn client(pdp: &TestPdp) -> AuthZen {
    builder(pdp).build().unwrap()
}

fn read(document: &str) -> DecisionRequest {
    TestDecisionRequest::user("alice").organization("acme").wants("read", Resource::new("document", document))
}

fn documents(ids: &[&str]) -> Vec<DecisionRequest> {
    ids.iter().map(|id| read(id)).collect()
}

/// A point that allows what concerns documents whose id begins with `y`.
async fn pdp() -> TestPdp {
    let pdp = TestPdp::start().await;
    pdp.judge(|question| question.resource_id().starts_with('y'));
    pdp
}

fn verdicts(decisions: &[Decision]) -> Vec<bool> {
    decisions.iter().map(Decision::is_allowed).collect()
}

/// The bodies of the questions since the last time.
fn asked(pdp: &TestPdp) -> Vec<Value> {
    pdp.take_calls().iter().filter(|call| call.method() == "POST").map(|call| call.json().unwrap()).collect()
}

/// What a client says to a body that comes with status 200.
async fn said(pdp: &TestPdp, client: &AuthZen, body: &str) -> Result<bool, DecisionError> {
    pdp.fail_next(Fault::Body(body.to_owned()));
    client.decide(&read("n")).await.map(|decision| decision.is_allowed())
}

#[tokio::test]
async fn az_1_the_question_names_subject_action_and_resource() {
    let pdp = pdp().await;
    let request = TestDecisionRequest::user("alice").client_id("web").scope("b a").organization("acme");
    let resource = Resource::new("document", "y1").property("owner", "bob").property("tenant", "forged");
    let request = request
        .wants("edit", resource)
        .method(&http::Method::PUT)
        .route("/documents/{id}")
        .subject_property("team", "blue")
        .subject_property("issuer", "forged")
        .context("ip", "10.0.0.1")
        .context("organization", "forged");
    assert!(client(&pdp).decide(&request).await.unwrap().is_allowed());
    assert_eq!(
        asked(&pdp),
        [json!({
            "subject": {
                "type": "user",
                "id": "alice",
                "properties": { "issuer": "main", "client_id": "web", "scopes": ["a", "b"], "team": "blue" }
            },
            "action": { "name": "edit" },
            "resource": { "type": "document", "id": "y1", "properties": { "owner": "bob", "tenant": "acme" } },
            "context": {
                "issuer": "main", "organization": "acme", "method": "PUT", "route": "/documents/{id}", "ip": "10.0.0.1"
            },
        })]
    );

    // No organization: none is stated by a property of the same name either.
    let request = TestDecisionRequest::machine("job").wants("run", Resource::new("task", "y").property("tenant", "x"));
    assert!(client(&pdp).decide(&request).await.unwrap().is_allowed());
    let question = asked(&pdp).remove(0);
    assert_eq!(question["subject"]["type"], "machine");
    assert_eq!(question["resource"], json!({ "type": "task", "id": "y" }));
    assert!(!question["context"].as_object().unwrap().is_empty(), "some points refuse an empty context");

    for (action, resource) in [
        ("", Resource::new("document", "1")),
        ("read", Resource::new("", "1")),
        ("read", Resource::new("document", "")),
    ] {
        let error = client(&pdp).decide(&TestDecisionRequest::user("alice").wants(action, resource)).await.unwrap_err();
        assert!(!error.is_unavailable());
    }
    let forgetful = builder(&pdp).map(|_, evaluation| evaluation.set_subject_id("")).build().unwrap();
    assert!(forgetful.decide(&read("y")).await.is_err());
    assert!(asked(&pdp).is_empty());
}

#[tokio::test]
async fn az_2_a_post_of_json_to_where_the_metadata_says() {
    let pdp = pdp().await;
    assert!(client(&pdp).decide(&read("y")).await.unwrap().is_allowed());
    let calls = pdp.take_calls();
    let lines: Vec<_> = calls.iter().map(|call| format!("{} {}", call.method(), call.path())).collect();
    assert_eq!(lines, ["GET /.well-known/authzen-configuration", "POST /access/v1/evaluation"]);
    assert_eq!(calls[1].header("content-type"), Some("application/json"));

    // Or to the usual places, or to places of one's own.
    let usual = builder(&pdp).without_discovery().build().unwrap();
    assert!(usual.decide(&read("y")).await.unwrap().is_allowed());
    assert_eq!(verdicts(&usual.decide_all(&documents(&["y", "n"])).await.unwrap()), [true, false]);
    let given = builder(&pdp).endpoints(format!("{}/access/v1/evaluation", pdp.url()), None).build().unwrap();
    assert!(given.decide(&read("y")).await.unwrap().is_allowed());
    let paths: Vec<_> = pdp.take_calls().iter().map(|call| call.path().to_owned()).collect();
    assert_eq!(paths, ["/access/v1/evaluation", "/access/v1/evaluations", "/access/v1/evaluation"]);
}

#[tokio::test]
async fn az_3_only_a_boolean_true_lets_a_request_go_on() {
    let pdp = pdp().await;
    let client = client(&pdp);
    assert!(said(&pdp, &client, r#"{"decision":true}"#).await.unwrap());
    assert!(!said(&pdp, &client, r#"{"decision":false}"#).await.unwrap());
    for body in [
        "{}",
        "",
        "true",
        "null",
        "[]",
        r#"{"decision":null}"#,
        r#"{"decision":"true"}"#,
        r#"{"decision":1}"#,
        r#"{"decision":{"decision":true}}"#,
        r#"{"allow":true}"#,
    ] {
        let error = said(&pdp, &client, body).await.unwrap_err();
        assert!(!error.is_unavailable(), "{body}: no bad day, but no decision");
    }
}

#[tokio::test]
async fn az_4_a_failed_call_is_no_decision() {
    let pdp = pdp().await;
    let client = client(&pdp);
    for status in [201, 202, 204, 301, 304, 400, 401, 403, 404, 409, 422] {
        pdp.fail_next(Fault::Status(status));
        let error = client.decide(&read("y")).await.unwrap_err();
        assert!(!error.is_unavailable() && error.to_string().contains(&status.to_string()), "{error}");
        assert_eq!(asked(&pdp).len(), 1, "{status}: asked again, it says the same");
    }
    for status in [201, 203, 206, 400, 403, 500] {
        pdp.fail_always(Fault::answer(status, r#"{"decision":true}"#));
        assert!(client.decide(&read("y")).await.is_err(), "{status}");
        pdp.recover();
    }
    asked(&pdp);
    for status in [408, 429, 500, 502, 503, 504] {
        pdp.fail_always(Fault::Status(status));
        // 500 is a point that can be reached, and fails at what it was asked: a caller may have chosen that.
        let unavailable = status != 500;
        assert_eq!(client.decide(&read("y")).await.unwrap_err().is_unavailable(), unavailable, "{status}");
        let several = client.decide_all(&documents(&["y"])).await.unwrap_err();
        assert_eq!(several.is_unavailable(), unavailable, "{status}");
    }
    pdp.recover();
    pdp.fail_next(Fault::Redirect(format!("{}/access/v1/evaluation", pdp.url())));
    assert!(client.decide(&read("y")).await.is_err(), "a redirect is not followed");

    // None of it is remembered as a denial.
    let decider = Decider::builder(client).build().unwrap();
    for fault in [Fault::Status(403), Fault::Body("{}".to_owned())] {
        pdp.fail_next(fault);
        assert!(decider.decide(&read("y")).await.is_err());
        assert!(decider.decide_within(&read("y"), orgate::decision::CacheTimes::NONE).await.unwrap().is_allowed());
    }
}

#[tokio::test]
async fn az_5_unknown_members_are_ignored_and_names_are_unique() {
    let pdp = pdp().await;
    let client = client(&pdp);
    assert!(said(&pdp, &client, r#"{"x":{"decision":false},"decision":true,"y":[null]}"#).await.unwrap());
    for body in [
        r#"{"decision":true,"decision":true}"#,
        r#"{"decision":false,"\u0064ecision":true}"#,
        r#"{"decision":true,"context":{"a":1,"a":1}}"#,
        r#"{"decision":true} {"decision":true}"#,
    ] {
        assert!(said(&pdp, &client, body).await.is_err(), "{body}");
    }
    // And no null is sent.
    let request = read("y").context("nothing", orgate::decision::Property::json(&()).unwrap());
    assert!(client.decide(&request).await.unwrap().is_allowed());
    assert!(!pdp.calls().last().unwrap().body().contains("null"));
}

#[tokio::test]
async fn az_6_a_request_id_is_sent_and_not_required_back() {
    let pdp = pdp().await;
    let client = client(&pdp);
    assert!(client.decide(&read("y")).await.unwrap().is_allowed());
    pdp.forget_request_ids();
    assert!(client.decide(&read("y")).await.unwrap().is_allowed());
    let posts = pdp.take_calls().into_iter().filter(|call| call.method() == "POST");
    let ids: Vec<_> = posts.map(|call| call.header("x-request-id").unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids[0] != ids[1] && ids.iter().all(|id| id.len() == 32));
}

#[tokio::test]
async fn az_7_metadata_of_another_point_is_not_used() {
    let pdp = pdp().await;
    let url = pdp.url().to_owned();
    let clock = TestClock::new(Duration::from_secs(1_800_000_000));
    let evaluation = format!("{url}/access/v1/evaluation");
    let other_origin = "http://127.0.0.1:1/access/v1/evaluation";
    for (document, used) in [
        (json!({ "policy_decision_point": url, "access_evaluation_endpoint": evaluation, "unknown": [1] }), true),
        (json!({ "policy_decision_point": format!("{url}/"), "access_evaluation_endpoint": evaluation }), false),
        (json!({ "policy_decision_point": url.to_uppercase(), "access_evaluation_endpoint": evaluation }), false),
        (json!({ "access_evaluation_endpoint": evaluation }), false),
        (json!({ "policy_decision_point": [url], "access_evaluation_endpoint": evaluation }), false),
        (json!({ "policy_decision_point": url }), false),
        (json!({ "policy_decision_point": url, "access_evaluation_endpoint": 1 }), false),
        (json!({ "policy_decision_point": url, "access_evaluation_endpoint": "/access/v1/evaluation" }), false),
        (json!({ "policy_decision_point": url, "access_evaluation_endpoint": other_origin }), false),
        (
            json!({
                "policy_decision_point": url,
                "access_evaluation_endpoint": evaluation,
                "access_evaluations_endpoint": other_origin
            }),
            false,
        ),
    ] {
        pdp.state_metadata(document.to_string());
        let client = builder(&pdp).clock(clock.clone()).build().unwrap();
        assert_eq!(client.ready().await.is_ok(), used, "{document}");
        assert_eq!(client.decide(&read("y")).await.is_ok(), used, "{document}");
    }
    // A point without an endpoint for several is asked for one after another.
    pdp.state_metadata(json!({ "policy_decision_point": url, "access_evaluation_endpoint": evaluation }).to_string());
    let client = builder(&pdp).clock(clock.clone()).build().unwrap();
    pdp.take_calls();
    assert_eq!(verdicts(&client.decide_all(&documents(&["y", "n", "y"])).await.unwrap()), [true, false, true]);
    assert_eq!(asked(&pdp).len(), 3);
    let some = client.evaluate_all(&documents(&["y", "n", "y"]), Semantic::DenyOnFirstDeny).await.unwrap();
    assert_eq!((verdicts(&some), asked(&pdp).len()), (vec![true, false, false], 2));

    // Metadata that cannot be had is asked for again after a second, and what was had serves for ten minutes.
    pdp.recover();
    for status in [404, 500] {
        let client = builder(&pdp).clock(clock.clone()).build().unwrap();
        pdp.fail_metadata(Fault::Status(status));
        pdp.fail_metadata(Fault::Status(status));
        pdp.take_calls();
        for _ in 0..2 {
            assert!(!client.decide(&read("y")).await.unwrap_err().is_unavailable(), "{status}");
        }
        assert_eq!(pdp.take_calls().len(), if status == 500 { 2 } else { 1 }, "not for each request");
        pdp.recover();
        clock.advance(Duration::from_secs(1));
        assert!(client.decide(&read("y")).await.unwrap().is_allowed());
        clock.advance(Duration::from_secs(599));
        pdp.take_calls();
        assert!(client.decide(&read("y")).await.unwrap().is_allowed());
        assert_eq!(pdp.take_calls().len(), 1);
        clock.advance(Duration::from_secs(1));
        pdp.fail_metadata(Fault::Status(503));
        pdp.fail_metadata(Fault::Status(503));
        assert!(client.decide(&read("y")).await.unwrap().is_allowed(), "the place that is known serves on");
        clock.advance(Duration::from_secs(1));
        pdp.state_metadata(json!({ "policy_decision_point": "https://other.example" }).to_string());
        assert!(client.decide(&read("y")).await.is_err(), "but not if it is another's now");
        pdp.state_metadata(
            json!({ "policy_decision_point": url, "access_evaluation_endpoint": evaluation }).to_string(),
        );
    }
}

#[tokio::test]
async fn az_8_tls_and_a_credential_that_nobody_sees() {
    for identifier in [
        "http://pdp.example.com",
        "ftp://pdp.example.com",
        "pdp.example.com",
        "https://u:p@pdp.example.com",
        "https://pdp.example.com?x=1",
        "",
    ] {
        let error = AuthZen::builder(identifier).bearer_token(SECRET).build().unwrap_err();
        assert!(!error.to_string().contains("u:p@"), "{error}");
    }
    assert!(AuthZen::builder("http://pdp.example.com").dangerous_allow_http().build().is_ok());
    assert!(AuthZen::builder("https://pdp.example.com").endpoints("http://pdp.example.com/x", None).build().is_err());

    let pdp = pdp().await;
    pdp.require_header("authorization", format!("Bearer {SECRET}"));
    assert!(client(&pdp).decide(&read("y")).await.unwrap().is_allowed());
    for stranger in [AuthZen::builder(pdp.url()), AuthZen::builder(pdp.url()).bearer_token("other")] {
        let error = stranger.build().unwrap().decide(&read("y")).await.unwrap_err();
        assert!(!error.is_unavailable() && error.to_string().contains("401"), "{error}");
    }
    pdp.require_header("x-api-key", "k-1");
    let keyed = AuthZen::builder(pdp.url()).header("X-API-Key", "k-1").build().unwrap();
    assert!(keyed.decide(&read("y")).await.unwrap().is_allowed());

    // Metadata is public: it is asked for without a credential.
    let metadata = pdp.calls().into_iter().filter(|call| call.method() == "GET");
    assert!(
        metadata.into_iter().all(|call| call.header("authorization").is_none() && call.header("x-api-key").is_none())
    );
    let shown = format!("{:?} {:?} {:?}", builder(&pdp), client(&pdp), Decider::builder(client(&pdp)).build().unwrap());
    assert!(!shown.contains(SECRET), "{shown}");
    for bad in ["", "a\nb", "ä\0"] {
        let error = AuthZen::builder(pdp.url()).bearer_token(bad).build().unwrap_err().to_string();
        assert!(bad.is_empty() || !error.contains(bad), "{error}");
        assert!(AuthZen::builder(pdp.url()).header("x-key", bad).build().is_err());
    }
    assert!(AuthZen::builder(pdp.url()).header("x key", "v").build().is_err());
}

#[tokio::test]
async fn az_9_several_in_one_go() {
    let pdp = pdp().await;
    let client = client(&pdp);
    let ids = ["y1", "n1", "y2", "n2"];
    for (semantic, expected) in [
        (Semantic::ExecuteAll, [true, false, true, false]),
        (Semantic::DenyOnFirstDeny, [true, false, false, false]),
        (Semantic::PermitOnFirstPermit, [true, false, false, false]),
    ] {
        assert_eq!(verdicts(&client.evaluate_all(&documents(&ids), semantic).await.unwrap()), expected);
        assert_eq!(asked(&pdp)[0]["options"]["evaluations_semantic"], semantic.as_str());
    }
    let all = client.evaluate_all(&documents(&["n1", "n2", "y1", "y2"]), Semantic::PermitOnFirstPermit).await.unwrap();
    assert_eq!(verdicts(&all), [false, false, true, false]);

    // What all have in common is said once; what is an item's own, with the item.
    asked(&pdp);
    let mut requests = documents(&["y1", "y2"]);
    requests
        .push(TestDecisionRequest::user("bob").organization("globex").wants("read", Resource::new("document", "n")));
    assert_eq!(verdicts(&client.decide_all(&requests).await.unwrap()), [true, true, false]);
    let question = asked(&pdp).remove(0);
    assert_eq!(question["action"]["name"], "read");
    assert!(question.get("subject").is_none() && question.get("context").is_none());
    let subjects: Vec<_> = (0..3).map(|at| question["evaluations"][at]["subject"]["id"].clone()).collect();
    assert_eq!(subjects, ["alice", "alice", "bob"]);
    client.decide_all(&documents(&["y1", "y2"])).await.unwrap();
    let question = asked(&pdp).remove(0);
    assert_eq!((&question["subject"]["id"], &question["context"]["organization"]), (&json!("alice"), &json!("acme")));
    assert_eq!(question["evaluations"][1].as_object().unwrap().keys().collect::<Vec<_>>(), ["resource"]);

    // A point that does not stop at the end.
    pdp.fail_next(Fault::Body(r#"{"evaluations":[{"decision":false},{"decision":true}]}"#.to_owned()));
    let cut = client.evaluate_all(&documents(&["y1", "y2"]), Semantic::DenyOnFirstDeny).await.unwrap();
    assert_eq!(verdicts(&cut), [false, false]);

    // What is missing is denied; what is too much makes all of it worthless.
    let answer = |body: &str| pdp.fail_next(Fault::Body(body.to_owned()));
    answer(r#"{"evaluations":[{"decision":true}]}"#);
    assert_eq!(verdicts(&client.decide_all(&documents(&["y1", "y2"])).await.unwrap()), [true, false]);
    answer(r#"{"evaluations":[]}"#);
    assert_eq!(verdicts(&client.decide_all(&documents(&["y1", "y2"])).await.unwrap()), [false, false]);
    for body in [
        r#"{"evaluations":[{"decision":true},{"decision":true},{"decision":true}]}"#,
        r#"{"evaluations":[{"decision":true},{"decision":"true"}]}"#,
        r#"{"evaluations":[{"decision":true},null]}"#,
        r#"{"evaluations":[true,true]}"#,
        r#"{"evaluations":{"0":{"decision":true}}}"#,
        r#"{"decision":true}"#,
        r#"{"evaluations":[{"decision":true}],"evaluations":[{"decision":true}]}"#,
    ] {
        answer(body);
        assert!(!client.decide_all(&documents(&["y1", "y2"])).await.unwrap_err().is_unavailable(), "{body}");
    }
    asked(&pdp);
    assert!(client.decide_all(&[]).await.unwrap().is_empty());
    let many = documents(&["y"; 101]);
    assert!(!client.decide_all(&many).await.unwrap_err().is_unavailable());
    assert!(asked(&pdp).is_empty());
    let wide = builder(&pdp).max_batch(101).build().unwrap();
    assert_eq!(wide.evaluate_all(&many, Semantic::ExecuteAll).await.unwrap().len(), 101);
}

/// Seen at a real point: it told items of a call apart by the ids of subject and resource only.
#[tokio::test]
async fn az_9_requests_that_only_ids_could_mix_up_do_not_meet() {
    let pdp = TestPdp::start().await;
    pdp.judge(|question| question.tenant() == Some("acme") && question.at::<i64>("/context/level") != Some(2));
    let client = client(&pdp);
    let of = |tenant: &str, action: &str| {
        TestDecisionRequest::user("alice").organization(tenant).wants(action, Resource::new("document", "1"))
    };
    let requests = [
        of("acme", "read"),
        of("globex", "read"),
        of("acme", "edit"),
        of("acme", "read").context("level", 2),
        of("acme", "read").subject_property("role", "x"),
        TestDecisionRequest::user("bob").organization("globex").wants("read", Resource::new("document", "1")),
    ];
    for (semantic, expected) in [
        (Semantic::ExecuteAll, [true, false, true, false, true, false]),
        (Semantic::DenyOnFirstDeny, [true, false, false, false, false, false]),
        (Semantic::PermitOnFirstPermit, [true, false, false, false, false, false]),
    ] {
        asked(&pdp);
        assert_eq!(verdicts(&client.evaluate_all(&requests, semantic).await.unwrap()), expected, "{semantic:?}");
        let sizes: Vec<_> = asked(&pdp).iter().map(|call| call["evaluations"].as_array().unwrap().len()).collect();
        assert_eq!(sizes, [3, 1, 1, 1]);
    }
}

/// Optional, and not used: a signature in an answer or in the metadata adds nothing, and takes nothing away.
#[tokio::test]
async fn az_10_signed_metadata_is_not_used_instead_of_the_document() {
    let pdp = pdp().await;
    let url = pdp.url();
    let signed = json!({
        "policy_decision_point": url,
        "access_evaluation_endpoint": format!("{url}/access/v1/evaluation"),
        "signed_metadata": "eyJhbGciOiJub25lIn0.eyJhY2Nlc3NfZXZhbHVhdGlvbl9lbmRwb2ludCI6Imh0dHA6Ly9ldmlsIn0.",
    });
    pdp.state_metadata(signed.to_string());
    let client = client(&pdp);
    assert!(client.decide(&read("y")).await.unwrap().is_allowed());
    assert!(!said(&pdp, &client, r#"{"decision":false,"signed_decision":"eyJkZWNpc2lvbiI6dHJ1ZX0"}"#).await.unwrap());
}

#[tokio::test]
async fn az_11_advice_and_obligations_never_widen() {
    let pdp = pdp().await;
    let client = client(&pdp);
    let step_up = r#"{"acr_values":["mfa"],"advice":[{"decision":true}],"decision":true,"reason":"step up first"}"#;
    pdp.fail_next(Fault::Body(format!(r#"{{"decision":false,"context":{step_up}}}"#)));
    let denied = client.decide(&read("n")).await.unwrap();
    assert_eq!((denied.is_allowed(), denied.reason()), (false, Some("step up first")));
    assert_eq!(denied.step_up().unwrap().acr_values().collect::<Vec<_>>(), ["mfa"]);
    let allowed = format!(r#"{{"decision":true,"context":{step_up}}}"#);
    assert!(!said(&pdp, &client, &allowed).await.unwrap(), "it is allowed after a sign-in that was not shown");
    said(&pdp, &client, r#"{"decision":true,"context":{"acr_values":7}}"#).await.unwrap_err();
    for context in
        [r#"{"obligations":["audit"]}"#, r#"{"obligations":[{"id":"audit"}]}"#, r#"{"obligations":{"audit":1}}"#]
    {
        assert!(
            !said(&pdp, &client, &format!(r#"{{"decision":true,"context":{context}}}"#)).await.unwrap(),
            "{context}"
        );
    }

    let seen = Arc::new(Mutex::new(Vec::new()));
    let understanding = builder(&pdp).on_obligation({
        let seen = seen.clone();
        move |request, obligation| {
            seen.lock().unwrap().push((request.subject_id().to_owned(), obligation.name().to_owned()));
            obligation.name() == "audit"
        }
    });
    let understanding = understanding.build().unwrap();
    assert!(said(&pdp, &understanding, r#"{"decision":true,"context":{"obligations":["audit"]}}"#).await.unwrap());
    assert!(
        !said(&pdp, &understanding, r#"{"decision":true,"context":{"obligations":["audit","mask"]}}"#).await.unwrap()
    );
    assert!(!said(&pdp, &understanding, r#"{"decision":false,"context":{"obligations":["audit"]}}"#).await.unwrap());
    let names: Vec<_> = seen.lock().unwrap().iter().map(|(_, name)| name.clone()).collect();
    assert_eq!(names, ["audit", "audit", "mask"], "there is nothing to fulfil in a denial");
}

#[tokio::test]
async fn habits_of_a_point_are_met_by_a_mapping() {
    let pdp = pdp().await;
    let client = builder(&pdp)
        .map(|request, evaluation| {
            evaluation.set_subject_type("principal");
            evaluation.set_subject_id(format!("{}/{}", request.issuer_name(), request.subject_id()));
            evaluation.set_subject_property("cerbos.roles", vec!["user"]);
            evaluation.set_action_name(format!("can_{}", request.action()));
            evaluation.set_action_property("soft", true);
            evaluation.set_resource_type("doc");
            evaluation.set_resource_id("y0");
            evaluation.set_resource_property("size", 3);
            evaluation.set_context("time", "now");
        })
        .build()
        .unwrap();
    assert!(client.decide(&read("n")).await.unwrap().is_allowed());
    let question = asked(&pdp).remove(0);
    assert_eq!((&question["subject"]["type"], &question["subject"]["id"]), (&json!("principal"), &json!("main/alice")));
    assert_eq!(question["subject"]["properties"]["cerbos.roles"], json!(["user"]));
    assert_eq!(question["action"], json!({ "name": "can_read", "properties": { "soft": true } }));
    assert_eq!(question["resource"]["properties"], json!({ "size": 3, "tenant": "acme" }));
    assert_eq!(question["context"]["time"], "now");
}

#[tokio::test]
async fn one_more_try_within_the_deadline() {
    let pdp = pdp().await;
    let client = client(&pdp);
    client.ready().await.unwrap();
    for fault in [
        Fault::Status(500),
        Fault::Status(503),
        Fault::retry_after(503, Duration::from_secs(0)),
        Fault::retry_after(429, Duration::from_secs(0)),
        Fault::Reset,
    ] {
        pdp.take_calls();
        pdp.fail_next(fault.clone());
        assert!(client.decide(&read("y")).await.unwrap().is_allowed(), "{fault:?}");
        assert_eq!(pdp.take_calls().len(), 2, "{fault:?}");
        pdp.fail_always(fault.clone());
        let error = client.decide(&read("y")).await.unwrap_err();
        assert_eq!(error.is_unavailable(), !matches!(fault, Fault::Status(500)), "{fault:?}");
        assert_eq!(pdp.take_calls().len(), 2, "{fault:?}: and no third one");
        pdp.recover();
    }
    for (fault, wait) in [
        (Fault::retry_after(429, Duration::from_secs(7)), Some(7)),
        (Fault::retry_after(503, Duration::from_secs(1000)), Some(300)),
        (Fault::Status(429), None),
    ] {
        pdp.fail_always(fault.clone());
        let error = client.decide(&read("y")).await.unwrap_err();
        assert_eq!((error.is_unavailable(), error.retry_after()), (true, wait.map(Duration::from_secs)), "{fault:?}");
        assert_eq!(pdp.take_calls().len(), 1, "{fault:?}");
        pdp.recover();
    }
}

#[tokio::test]
async fn a_decision_takes_half_a_second_at_most() {
    let pdp = pdp().await;
    let client = client(&pdp);
    client.ready().await.unwrap();
    for fault in [Fault::Hang, Fault::Drip, Fault::Delay(Duration::from_secs(3))] {
        pdp.fail_next(fault.clone());
        let started = tokio::time::Instant::now();
        let error = client.decide(&read("y")).await.unwrap_err();
        assert!(error.is_unavailable() && error.retry_after().is_some(), "{fault:?}: {error}");
        assert!(started.elapsed() < Duration::from_secs(2), "{fault:?}");
    }
    pdp.fail_next(Fault::Delay(Duration::from_millis(700)));
    let patient = builder(&pdp).deadline(Duration::from_secs(3)).build().unwrap();
    assert!(patient.decide(&read("y")).await.unwrap().is_allowed());
    for deadline in [Duration::ZERO, Duration::from_secs(6)] {
        assert!(builder(&pdp).deadline(deadline).build().is_err());
    }
}

/// A client that does not keep to the limit it was given.
struct Careless;
impl Fetch for Careless {
    fn fetch(
        &self,
        _: Request<Bytes>,
        max_bytes: usize,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, FetchError>> + Send + '_>> {
        let body = format!("{{\"decision\":true{}}}", " ".repeat(max_bytes));
        Box::pin(std::future::ready(Ok(Response::new(body.into()))))
    }
}

#[tokio::test]
async fn an_answer_has_a_size() {
    let pdp = pdp().await;
    let client = client(&pdp);
    pdp.fail_always(Fault::Huge);
    assert!(client.decide(&read("y")).await.is_err());
    pdp.recover();
    let large = read("y").context("text", "x".repeat(300 * 1024));
    assert!(!client.decide(&large).await.unwrap_err().is_unavailable());
    let careless = AuthZen::builder("https://pdp.example.com")
        .without_discovery()
        .http_client(HttpClient::custom(Careless))
        .build()
        .unwrap();
    assert!(!careless.decide(&read("y")).await.unwrap_err().is_unavailable());
}

#[tokio::test]
async fn there_is_an_end_to_calls_at_the_same_time() {
    let pdp = pdp().await;
    let client = builder(&pdp).max_calls(4).deadline(Duration::from_secs(5)).build().unwrap();
    client.ready().await.unwrap();
    pdp.fail_always(Fault::Delay(Duration::from_millis(200)));
    let requests = documents(&["y"; 12]);
    let outcomes = join_all(requests.iter().map(|request| client.decide(request))).await;
    let (allowed, busy): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    // Of 4 slots and 16 places in the queue, one subject has 2 and 4.
    assert_eq!((allowed.len(), busy.len(), pdp.most_in_flight()), (6, 6, 2));
    for outcome in busy {
        let error = outcome.unwrap_err();
        // The limit is ours, and a caller can reach it: it must open no way past the point.
        assert!(!error.is_unavailable() && error.retry_after().is_some());
    }
    // A caller that goes away makes room.
    let waiting = client.decide(&requests[0]);
    assert!(tokio::time::timeout(Duration::from_millis(20), waiting).await.is_err());
    pdp.recover();
    assert!(join_all(requests[..4].iter().map(|request| client.decide(request))).await.iter().all(Result::is_ok));
    for calls in [0, 10_001] {
        assert!(builder(&pdp).max_calls(calls).build().is_err());
    }
}

#[tokio::test]
async fn a_point_that_goes_and_comes_back() {
    let pdp = pdp().await;
    let decider = Decider::builder(client(&pdp)).build().unwrap();
    assert!(decider.decide(&read("y1")).await.unwrap().is_allowed());
    pdp.take_down();
    assert!(decider.decide(&read("y2")).await.unwrap_err().is_unavailable());
    assert!(decider.decide(&read("y1")).await.unwrap().is_allowed(), "remembered");
    let entry = Issuer::new("https://tenant.example/oidc").name("main");
    let server = ResourceServer::builder(entry, "https://api.example.com").build().unwrap();
    decider.forget_organization(&server.issuer("main").unwrap(), "acme").unwrap();
    assert!(decider.decide(&read("y1")).await.unwrap_err().is_unavailable());
    pdp.bring_up();
    assert!(decider.decide(&read("y1")).await.unwrap().is_allowed());
}

/// A point that never answers questions about one tenant's subjects, and is slow with its metadata.
#[derive(Default)]
struct HangsForOne {
    fetched_metadata: AtomicUsize,
    has_metadata: Notify,
}

impl Fetch for HangsForOne {
    fn fetch(&self, request: Request<Bytes>, _: usize) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(async move {
            if request.uri().path().starts_with("/.well-known/") {
                self.fetched_metadata.fetch_add(1, Ordering::SeqCst);
                self.has_metadata.notified().await;
                let metadata = json!({
                    "policy_decision_point": "https://pdp.example.com",
                    "access_evaluation_endpoint": "https://pdp.example.com/access/v1/evaluation",
                    "access_evaluations_endpoint": null,
                });
                return Ok(Response::new(metadata.to_string().into()));
            }
            if String::from_utf8_lossy(request.body()).contains(r#""issuer":"hanging""#) {
                std::future::pending::<()>().await;
            }
            Ok(Response::new(Bytes::from_static(br#"{"decision":true}"#)))
        })
    }
}

fn subject_of(issuer: &str, subject: &str) -> DecisionRequest {
    TestDecisionRequest::user(subject).issuer_name(issuer).wants("read", Resource::new("document", "y"))
}

#[tokio::test]
async fn tenant_whose_questions_hang_takes_no_slot_of_another_and_its_queue_is_not_the_points_fault() {
    let client = AuthZen::builder("https://pdp.example.com")
        .without_discovery()
        .http_client(HttpClient::custom(HangsForOne::default()))
        .max_calls(4)
        .deadline(Duration::from_millis(300))
        .build()
        .unwrap();
    let hanging: Vec<_> = (0..40).map(|number| subject_of("hanging", &number.to_string())).collect();
    let hanging = join_all(hanging.iter().map(|request| client.decide(request)));
    let others = async {
        tokio::task::yield_now().await;
        let requests: Vec<_> = (0..20).map(|number| subject_of("other", &number.to_string())).collect();
        join_all(requests.iter().map(|request| client.decide(request))).await
    };
    let (hanging, others) = tokio::join!(hanging, others);
    assert!(others.iter().all(|outcome| outcome.as_ref().is_ok_and(Decision::is_allowed)));
    let unavailable = hanging.iter().filter(|outcome| outcome.as_ref().unwrap_err().is_unavailable()).count();
    assert_eq!(unavailable, 4, "only those that were asked in time count as unanswered");
}

#[tokio::test]
async fn caller_that_hangs_up_does_not_end_the_question_for_metadata() {
    struct Shared(Arc<HangsForOne>);
    impl Fetch for Shared {
        fn fetch(&self, request: Request<Bytes>, most: usize) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
            self.0.fetch(request, most)
        }
    }
    let point = Arc::new(HangsForOne::default());
    let client = AuthZen::builder("https://pdp.example.com").http_client(HttpClient::custom(Shared(point.clone())));
    let client = client.build().unwrap();
    for _ in 0..5 {
        let hung_up = tokio::time::timeout(Duration::from_millis(5), client.ready()).await;
        assert!(hung_up.is_err());
    }
    point.has_metadata.notify_one();
    assert!(client.decide(&subject_of("main", "u")).await.unwrap().is_allowed());
    assert_eq!(point.fetched_metadata.load(Ordering::SeqCst), 1);
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    for builder in
        [AuthZen::builder("https://pdp.example.com"), AuthZen::builder("https://pdp.example.com").without_discovery()]
    {
        let client = builder.build().unwrap();
        let request = subject_of("main", "u");
        let error = futures_util::FutureExt::now_or_never(client.decide(&request)).unwrap().unwrap_err();
        assert!(!error.is_unavailable() && error.to_string().contains("tokio"), "{error}");
        assert!(futures_util::FutureExt::now_or_never(client.ready()).is_some());
    }
}
