//! Permit.io, as far as a double can stand for it: what is a decision, what is an error, and what is told to it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use futures_util::future::join_all;
use orgate::decision::{Decider, Decision, DecisionPoint as _, DecisionRequest, MAX_BATCH, Property, Resource};
use orgate::permit::{Permit, PermitBuilder, PermitUser};
use orgate::testing::{Fault, TestClock, TestDecisionRequest, TestPermit};
use orgate::{Issuer, ResourceServer};
use serde_json::{Value, json};

const FACTS: &str = "/v2/facts/project-1/environment-1";
const SCOPE: &str = "/v2/api-key/scope";

fn builder(double: &TestPermit) -> PermitBuilder {
    Permit::builder(double.url(), TestPermit::KEY).api(double.url())
}

fn client(double: &TestPermit) -> Permit {
    builder(double).build().unwrap()
}

fn alice(organization: &str) -> DecisionRequest {
    TestDecisionRequest::user("alice").organization(organization).wants("read", Resource::new("document", "d1"))
}

/// Alice is an editor of `acme`, and, for those who forget the tenant, of `default`.
async fn double() -> TestPermit {
    let double = TestPermit::start().await;
    double.permission("editor", "read", "document");
    let permit = client(&double);
    permit.sync_tenant("acme", "Acme").await.unwrap();
    permit.sync_tenant("globex", "").await.unwrap();
    permit.sync_user(&PermitUser::new("alice")).await.unwrap();
    permit.assign_role("alice", "editor", "acme").await.unwrap();
    permit.assign_role("alice", "editor", "default").await.unwrap();
    double.take_calls();
    double
}

#[tokio::test]
async fn a_check_names_the_organization_as_tenant() {
    let double = double().await;
    let permit = client(&double);
    assert!(permit.decide(&alice("acme")).await.unwrap().is_allowed());
    assert!(!permit.decide(&alice("globex")).await.unwrap().is_allowed());
    assert!(!permit.decide(&alice("unknown")).await.unwrap().is_allowed());
    let resource = Resource::new("document", "d1").property("owner", "bob").property("tenant", "forged");
    let request = TestDecisionRequest::user("alice").organization("acme").wants("read", resource);
    let request = request.subject_property("team", "blue").context("ip", "10.0.0.1").context("issuer", "forged");
    assert!(permit.decide(&request).await.unwrap().is_allowed());
    let calls = double.take_calls();
    let line = |at: usize| format!("{} {}", calls[at].method(), calls[at].path());
    assert_eq!((calls.len(), line(0)), (4, "POST /allowed".to_owned()));
    assert_eq!(calls[0].header("authorization"), Some(&*format!("Bearer {}", TestPermit::KEY)));
    assert_eq!(
        calls[0].json::<Value>().unwrap(),
        json!({
            "user": { "key": "alice", "attributes": {} },
            "action": "read",
            "resource": { "type": "document", "key": "d1", "tenant": "acme", "attributes": {} },
            "context": { "issuer": "main" },
        })
    );
    assert_eq!(
        calls[3].json::<Value>().unwrap(),
        json!({
            "user": { "key": "alice", "attributes": { "team": "blue" } },
            "action": "read",
            "resource": {
                "type": "document", "key": "d1", "tenant": "acme", "attributes": { "owner": "bob", "tenant": "forged" }
            },
            "context": { "ip": "10.0.0.1", "issuer": "main" },
        })
    );
}

#[tokio::test]
async fn without_an_organization_nobody_is_asked() {
    let double = double().await;
    let permit = client(&double);
    let nowhere = TestDecisionRequest::user("alice").wants("read", Resource::new("document", "d1"));
    for request in [nowhere, alice("default"), alice("")] {
        assert!(!permit.decide(&request).await.unwrap_err().is_unavailable());
        let batch = [alice("acme"), request];
        assert!(permit.decide_all(&batch).await.is_err(), "and one of them spoils the batch");
    }
    let bound = builder(&double).issued_by("customers").build().unwrap();
    assert!(bound.decide(&alice("acme")).await.is_err(), "the alice of another issuer is another alice");
    assert!(double.take_calls().is_empty());
    let customer = TestDecisionRequest::user("alice").issuer_name("customers").organization("acme");
    assert!(bound.decide(&customer.wants("read", Resource::new("document", "d1"))).await.unwrap().is_allowed());
}

#[tokio::test]
async fn several_checks_in_one_call() {
    let double = double().await;
    let permit = client(&double);
    let requests = [alice("globex"), alice("acme"), alice("unknown")];
    let verdicts: Vec<_> = permit.decide_all(&requests).await.unwrap().iter().map(Decision::is_allowed).collect();
    assert_eq!(verdicts, [false, true, false]);
    let calls = double.take_calls();
    assert_eq!((calls.len(), calls[0].path()), (1, "/allowed/bulk"));
    let tenants: Vec<_> =
        calls[0].json::<Vec<Value>>().unwrap().iter().map(|check| check["resource"]["tenant"].clone()).collect();
    assert_eq!(tenants, ["globex", "acme", "unknown"], "a bare array, in order");

    let decider = Decider::builder(permit.clone()).build().unwrap();
    for (body, verdicts) in [
        (r#"{"allow":[{"allow":true}]}"#, Some([true, false, false])),
        (r#"{"allow":[]}"#, Some([false; 3])),
        (r#"{"allow":[{"allow":true},{"allow":true},{"allow":true},{"allow":true}]}"#, None),
        (r#"{"allow":true}"#, None),
        (r#"[{"allow":true},{"allow":true},{"allow":true}]"#, None),
        (r#"{"allow":[{"allow":true},{"allow":true},{"result":true}]}"#, None),
    ] {
        double.fail_next("/allowed/bulk", Fault::Body(body.to_owned()));
        let fresh = orgate::decision::CacheTimes::NONE;
        let decisions = decider.decide_all_within(&requests, fresh).await.ok();
        let said = decisions.map(|decisions| decisions.iter().map(Decision::is_allowed).collect::<Vec<_>>());
        assert_eq!(said, verdicts.map(|verdicts| verdicts.to_vec()), "{body}");
    }
    double.take_calls();
    assert!(permit.decide_all(&[]).await.unwrap().is_empty());
    assert!(permit.decide_all(&vec![alice("acme"); MAX_BATCH + 1]).await.is_err());
    assert!(double.take_calls().is_empty());
}

#[tokio::test]
async fn nothing_but_an_answer_is_a_denial() {
    let double = double().await;
    let permit = client(&double);
    let decider = Decider::builder(permit.clone()).build().unwrap();

    // A wrong key, and none: our mistake, and not the user's.
    let stranger = Permit::builder(double.url(), "another key").build().unwrap();
    let error = stranger.decide(&alice("acme")).await.unwrap_err();
    assert!(!error.is_unavailable() && error.to_string().contains("403"), "{error}");
    double.fail_next("/allowed", Fault::Status(401));
    assert!(!decider.decide(&alice("acme")).await.unwrap_err().is_unavailable());

    // The engine behind it is down.
    double.engine_is_down(true);
    double.take_calls();
    let error = decider.decide(&alice("acme")).await.unwrap_err();
    assert!(error.is_unavailable() && error.to_string().contains("502"), "{error}");
    assert!(decider.decide_all(&[alice("acme")]).await.unwrap_err().is_unavailable());
    assert_eq!(double.take_calls().len(), 4, "each is tried twice");
    double.engine_is_down(false);
    assert!(decider.decide(&alice("acme")).await.unwrap().is_allowed(), "none of it was remembered");

    for body in [
        "",
        "{}",
        "true",
        r#"{"result":true}"#,
        r#"{"allow":"true"}"#,
        r#"{"allow":null}"#,
        r#"{"allow":true,"allow":true}"#,
    ] {
        double.fail_next("/allowed", Fault::Body(body.to_owned()));
        assert!(permit.decide(&alice("acme")).await.is_err(), "{body}");
    }
    for status in [201, 203, 400, 403, 422, 500] {
        double.fail_always("/allowed", Fault::answer(status, r#"{"allow":true}"#));
        assert!(permit.decide(&alice("acme")).await.is_err(), "{status}");
    }
    for fault in [Fault::Status(201), Fault::Status(422), Fault::Huge, Fault::Redirect("/allowed".into())] {
        double.fail_always("/allowed", fault.clone());
        assert!(permit.decide(&alice("acme")).await.is_err(), "{fault:?}");
    }
    for fault in
        [Fault::Hang, Fault::Drip, Fault::Reset, Fault::Status(503), Fault::retry_after(429, Duration::from_secs(9))]
    {
        double.fail_always("/allowed", fault.clone());
        assert!(permit.decide(&alice("acme")).await.unwrap_err().is_unavailable(), "{fault:?}");
    }
    double.recover();
    double.take_down();
    assert!(permit.decide(&alice("acme")).await.unwrap_err().is_unavailable());
    double.bring_up();
    assert!(permit.decide(&alice("acme")).await.unwrap().is_allowed());
}

/// The double is as particular as the real one, so that a client which is not would fail here.
#[tokio::test]
async fn the_double_answers_as_the_real_one() {
    let double = double().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let check = |user: Value, attributes: Value| {
        json!({
            "user": user, "action": "read",
            "resource": { "type": "document", "tenant": "acme", "attributes": attributes }, "context": {}
        })
    };
    let status = async |key: Option<&str>, path: &str, body: Value| {
        let request = http.post(format!("{}{path}", double.url())).json(&body);
        let request = if let Some(key) = key { request.bearer_auth(key) } else { request };
        request.send().await.unwrap().status().as_u16()
    };
    let user = json!({ "key": "alice", "attributes": {} });
    let key = Some(TestPermit::KEY);
    assert_eq!(status(key, "/allowed", check(user.clone(), json!({}))).await, 200);
    assert_eq!(status(key, "/allowed", check(json!("alice"), json!({}))).await, 422);
    assert_eq!(status(key, "/allowed", check(json!({ "key": "alice", "attributes": null }), json!({}))).await, 422);
    assert_eq!(status(key, "/allowed", check(user.clone(), Value::Null)).await, 422);
    assert_eq!(status(key, "/allowed/bulk", check(user.clone(), json!({}))).await, 422);
    assert_eq!(status(None, "/allowed", check(user.clone(), json!({}))).await, 401);
    assert_eq!(status(Some("other"), "/allowed", check(user, json!({}))).await, 403);
    assert_eq!(status(key, &format!("{FACTS}/role_assignments"), json!({ "user": "alice" })).await, 422);
}

#[tokio::test]
async fn facts_through_the_api() {
    let double = double().await;
    let permit = client(&double);
    let user =
        PermitUser::new("bob").email("bob@example.com").first_name("Bob").last_name("Roe").attribute("plan", "pro");
    for _ in 0..2 {
        permit.sync_user(&user).await.unwrap();
        permit.sync_tenant("initech", "Initech").await.unwrap();
        permit.assign_role("bob", "editor", "initech").await.unwrap();
    }
    assert_eq!(
        double.user::<Value>("bob").unwrap(),
        json!({
            "key": "bob", "email": "bob@example.com", "first_name": "Bob", "last_name": "Roe",
            "attributes": { "plan": "pro" },
        })
    );
    assert_eq!(double.roles("bob"), [("editor".to_owned(), "initech".to_owned())]);
    for _ in 0..2 {
        permit.unassign_role("bob", "editor", "initech").await.unwrap();
        assert!(double.roles("bob").is_empty());
    }
    for _ in 0..2 {
        permit.delete_user("bob").await.unwrap();
        assert_eq!(double.users(), ["alice"]);
    }
    assert_eq!(double.counts()["GET /v2/api-key/scope"], 1, "once, and then remembered");
    assert_eq!(double.counts()[&format!("PUT {FACTS}/users/bob")], 2);

    for (user, role, tenant) in
        [("nobody", "editor", "acme"), ("alice", "emperor", "acme"), ("alice", "editor", "nowhere")]
    {
        let error = permit.assign_role(user, role, tenant).await.unwrap_err();
        assert!(!error.is_passing() && error.to_string().contains("404"), "{error}");
    }
    for (user, role, tenant) in [("", "editor", "acme"), ("alice", "", "acme"), ("alice", "editor", "")] {
        assert!(permit.assign_role(user, role, tenant).await.is_err());
        assert!(permit.unassign_role(user, role, tenant).await.is_err());
    }
}

#[tokio::test]
async fn facts_through_the_decision_point() {
    let double = TestPermit::start().await;
    double.role("editor");
    double.tenant("acme");
    let permit = Permit::builder(double.url(), TestPermit::KEY).sync_through_pdp(Duration::from_millis(1500)).build();
    let permit = permit.unwrap();
    permit.sync_user(&PermitUser::new("bob")).await.unwrap();
    permit.assign_role("bob", "editor", "acme").await.unwrap();
    let calls = double.take_calls();
    let lines: Vec<_> = calls.iter().map(|call| format!("{} {}", call.method(), call.path())).collect();
    assert_eq!(lines, ["PUT /facts/users/bob", "POST /facts/role_assignments"]);
    for call in &calls {
        assert_eq!(call.header("x-wait-timeout"), Some("1.500"));
        assert_eq!(call.header("x-timeout-policy"), Some("fail"));
    }
    assert_eq!(
        calls[0].json::<Value>().unwrap(),
        json!({ "key": "bob", "attributes": {} }),
        "attributes are never null"
    );
    permit.unassign_role("bob", "editor", "acme").await.unwrap();
    permit.delete_user("bob").await.unwrap();
    assert!(double.users().is_empty() && double.roles("bob").is_empty());
}

/// Keys come from webhooks, and users of an issuer may choose their ids.
#[tokio::test]
async fn a_key_stays_in_its_segment() {
    let double = TestPermit::start().await;
    let permit = client(&double);
    for key in ["a/b", "../../tenants", "a?b=c#d", "%2e%2e", "ü ñ", "a\r\nb", "a;b", "..."] {
        permit.sync_user(&PermitUser::new(key)).await.unwrap();
        assert_eq!(double.users(), [key]);
        let path = double.calls().pop().unwrap().path().to_owned();
        assert_eq!(path.split('/').count(), 7, "{path}");
        permit.delete_user(key).await.unwrap();
        assert!(double.users().is_empty());
    }
    double.take_calls();
    for key in ["", ".", ".."] {
        assert!(permit.sync_user(&PermitUser::new(key)).await.is_err());
        assert!(permit.delete_user(key).await.is_err());
    }
    assert!(double.take_calls().is_empty());
}

#[tokio::test]
async fn what_goes_wrong_with_facts() {
    let double = double().await;
    let user = PermitUser::new("bob").email("bob@example.com");
    for (fault, passing) in [
        (Fault::Status(401), false),
        (Fault::Status(403), false),
        (Fault::Status(422), false),
        (Fault::Status(502), true),
        (Fault::retry_after(429, Duration::from_secs(30)), true),
        (Fault::Reset, true),
    ] {
        let permit = client(&double);
        permit.sync_tenant("acme", "Acme").await.unwrap();
        double.fail_always(FACTS, fault.clone());
        let error = permit.sync_user(&user).await.unwrap_err();
        assert_eq!(error.is_passing(), passing, "{fault:?}: {error}");
        let shown = format!("{error} {error:?} {permit:?} {user:?}");
        assert!(!shown.contains("bob") && !shown.contains(TestPermit::KEY), "{shown}");
        if fault == Fault::retry_after(429, Duration::from_secs(30)) {
            assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
        }
        double.recover();
    }
    // The scope of the key: asked for again until it is there.
    let clock = TestClock::new(Duration::from_secs(1_800_000_000));
    let permit = builder(&double).clock(clock.clone()).build().unwrap();
    for body in
        ["{}", "[]", r#"{"project_id":"p","environment_id":null}"#, r#"{"project_id":"..","environment_id":"e"}"#]
    {
        double.fail_next(SCOPE, Fault::Body(body.to_owned()));
        assert!(!permit.sync_user(&user).await.unwrap_err().is_passing(), "{body}");
        clock.advance(Duration::from_secs(1));
    }
    permit.sync_user(&user).await.unwrap();
    assert_eq!(double.users(), ["alice", "bob"]);
}

/// How often the scope of the key was asked for.
fn asked_for_scope(double: &TestPermit) -> usize {
    double.counts().get(&format!("GET {SCOPE}")).copied().unwrap_or_default()
}

#[tokio::test]
async fn one_call_asks_for_the_scope_of_a_key_whoever_leaves() {
    let double = double().await;
    let permit = client(&double);
    double.take_calls();
    double.fail_always(SCOPE, Fault::Hold);
    let sync = |number: usize| {
        let permit = permit.clone();
        tokio::spawn(async move { permit.sync_tenant(&format!("tenant_{number}"), "").await })
    };
    let mut waiting: Vec<_> = (0..20).map(sync).collect();
    while asked_for_scope(&double) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // The first one, whose call it would be.
    waiting.remove(0).abort();
    double.recover();
    tokio::task::yield_now().await;
    double.release();
    for synced in join_all(waiting).await {
        synced.unwrap().unwrap();
    }
    assert_eq!(asked_for_scope(&double), 1);
}

#[tokio::test]
async fn a_scope_that_cannot_be_had_is_not_asked_for_by_everybody() {
    let (double, clock) = (double().await, TestClock::new(Duration::from_secs(1_800_000_000)));
    let permit = builder(&double).clock(clock.clone()).build().unwrap();
    double.take_calls();
    double.fail_always(SCOPE, Fault::Status(401));
    for expected in [1, 1, 2] {
        if expected == 2 {
            clock.advance(Duration::from_secs(1));
        }
        let synced = join_all((0..20).map(|_| permit.sync_tenant("acme", ""))).await;
        assert!(synced.iter().all(|outcome| outcome.as_ref().is_err_and(|error| !error.is_passing())));
        assert_eq!(asked_for_scope(&double), expected);
    }
    double.recover();
    assert!(permit.sync_tenant("acme", "").await.is_err(), "for a second");
    clock.advance(Duration::from_secs(1));
    permit.sync_tenant("acme", "").await.unwrap();
    assert_eq!(asked_for_scope(&double), 3);
}

#[tokio::test]
async fn null_in_what_permit_says_is_absent() {
    let double = double().await;
    let permit = client(&double);
    let bob = format!("{FACTS}/users/bob");
    // No user of that name, as the list of users confirms: whatever it does not count.
    for list in [
        r#"{"data":[],"total_count":null,"page_count":null}"#,
        r#"{"data":[{"key":"alice","roles":null}],"total_count":1}"#,
        r#"{"data":[{"key":"alice","roles":[{"role":"editor","tenant":"acme","resource":null}]}]}"#,
    ] {
        double.fail_next(&bob, Fault::answer(404, r#"{"error_code":"NOT_FOUND","message":null}"#));
        double.fail_next(&format!("{FACTS}/users"), Fault::Body(list.to_owned()));
        permit.delete_user("bob").await.unwrap_or_else(|error| panic!("{list}: {error}"));
        double.recover();
    }
    // What must be there is not, if it is null.
    for list in [
        r#"{"data":null}"#,
        r#"{"data":[{"key":null}]}"#,
        r#"{"data":[{"key":"alice","roles":[{"role":null,"tenant":"acme"}]}]}"#,
    ] {
        double.fail_next(&bob, Fault::answer(404, r#"{"error_code":"NOT_FOUND"}"#));
        double.fail_next(&format!("{FACTS}/users"), Fault::Body(list.to_owned()));
        assert!(!permit.delete_user("bob").await.unwrap_err().is_passing(), "{list}");
        double.recover();
    }
}

/// Each of these is what somebody else than Permit.io says, or what it says of more than a user.
#[tokio::test]
async fn only_a_404_about_the_user_means_that_there_is_none() {
    let double = double().await;
    let permit = client(&double);
    let not_found = r#"{"error_code":"NOT_FOUND","message":"no such environment"}"#;
    for body in [not_found, "", "null", "[]", r#"{"detail":"Not Found"}"#, "<html>", r#"{"error_code":404}"#] {
        // The whole environment, and a path that some proxy does not let through.
        for prefix in [FACTS, &format!("{FACTS}/users/bob")] {
            double.recover();
            double.fail_always(prefix, Fault::answer(404, body));
            let error = permit.delete_user("bob").await.err();
            assert_eq!(error.is_some(), prefix == FACTS || body != not_found, "{prefix} {body}");
            assert!(error.is_none_or(|error| !error.is_passing()), "{prefix} {body}");
        }
        double.fail_always(FACTS, Fault::answer(404, body));
        assert!(permit.unassign_role("alice", "editor", "acme").await.is_err(), "{body}");
        let error = permit.assign_role("alice", "editor", "acme").await.unwrap_err();
        assert_eq!(error.is_not_found(), body == not_found, "{body}");
        double.recover();
    }
    // Whether the environment is there cannot be known just now.
    double.fail_next(&format!("{FACTS}/users/bob"), Fault::answer(404, not_found));
    double.fail_always(&format!("{FACTS}/users"), Fault::Status(503));
    assert!(permit.delete_user("bob").await.unwrap_err().is_passing());
}

#[test]
fn a_server_with_several_issuers_must_be_told_whose_users_they_are() {
    let entry = |name: &str| Issuer::new(format!("https://{name}.example.com/oidc")).name(name);
    let server = |permit: PermitBuilder, names: &[&str]| {
        let decider = Decider::builder(permit.build().unwrap()).build().unwrap();
        let builder = ResourceServer::builder(entry(names[0]), "https://api.example.com").decision_point(decider);
        names[1..].iter().fold(builder, |builder, name| builder.issuer(entry(name))).build()
    };
    let permit = || Permit::builder("https://pdp.example.com", TestPermit::KEY);
    let single = server(permit(), &["customers"]).unwrap();
    let error = server(permit(), &["customers", "staff"]).unwrap_err().to_string();
    assert!(error.contains("issued_by") && error.contains("staff"), "{error}");
    let several = server(permit().issued_by("customers"), &["customers", "staff"]).unwrap();
    let error = server(permit().issued_by("custommers"), &["customers", "staff"]).unwrap_err().to_string();
    assert!(error.contains("custommers"), "{error}");

    // An entry cannot take over the users of another one later, either, by its place or by its name.
    assert!(single.add_issuer(entry("staff")).is_err());
    single.issuer("customers").unwrap().remove().unwrap();
    assert!(single.add_issuer(entry("staff")).is_err());
    several.add_issuer(entry("partners")).unwrap();
    several.issuer("customers").unwrap().remove().unwrap();
    assert!(several.add_issuer(Issuer::new("https://other.example.com").name("customers")).is_err());
}

#[test]
fn settings_that_must_not_run() {
    let build = |url: &str| Permit::builder(url, TestPermit::KEY);
    assert!(build("https://pdp.example.com/").build().is_ok());
    assert!(build("http://localhost:7766").build().is_ok());
    assert!(build("http://pdp:7000").dangerous_allow_http().build().is_ok());
    for error in [
        build("http://pdp:7000").build(),
        build("pdp").build(),
        build("https://pdp.example.com?x").build(),
        build("https://pdp.example.com").api("http://api.example.com").build(),
        build("https://pdp.example.com").deadline(Duration::ZERO).build(),
        build("https://pdp.example.com").deadline(Duration::from_secs(6)).build(),
        build("https://pdp.example.com").max_calls(0).build(),
        build("https://pdp.example.com").sync_through_pdp(Duration::from_secs(5)).build(),
        Permit::builder("https://pdp.example.com", "").build(),
        Permit::builder("https://pdp.example.com", "s3cret\n").build(),
    ] {
        let error = error.unwrap_err().to_string();
        assert!(!error.contains(TestPermit::KEY) && !error.contains("s3cret"), "{error}");
    }
    let shown = format!("{:?}", build("https://pdp.example.com"));
    assert!(!shown.contains(TestPermit::KEY), "{shown}");
    assert_eq!(format!("{:?}", Property::from("personal")), "Property(..)");
}
