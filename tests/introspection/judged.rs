//! What an answer must say.

use orgate::change::About;
use serde_json::{Value, json};

use crate::support::{API, Act, World, introspection};

/// The verdict on a token of which the endpoint says this.
async fn verdict(world: &World, path: &str, body: &str) -> (u16, String) {
    world.endpoint.act(Act::Says(200, body.to_owned()));
    // Another token each time.
    let token = format!("opaque{}", world.endpoint.count());
    world.api.get(path, &token).await.verdict()
}

fn words(status: u16, remediation: &str) -> (u16, String) {
    (status, remediation.to_owned())
}

#[tokio::test]
async fn active_is_the_boolean_true() {
    let world = World::start().await;
    let good = world.answer(json!({})).to_string();
    assert_eq!(verdict(&world, "/api/a", &good).await, words(200, ""));
    for active in ["false", "\"true\"", "\"false\"", "1", "0", "null", "[]", "[true]", "{}"] {
        let body = good.replace("\"active\":true", &format!("\"active\":{active}"));
        assert_ne!(body, good);
        assert_eq!(verdict(&world, "/api/a", &body).await, words(401, "refresh"), "{active}");
    }
    let missing = world.answer(json!({ "active": null }));
    assert_eq!(verdict(&world, "/api/a", &missing.to_string()).await, words(401, "refresh"), "missing");
    assert_eq!(verdict(&world, "/api/a", "{}").await, words(401, "refresh"));
    for no_object in ["", "true", "[]", "null", "<html></html>", r#"{"active":true,"active":true}"#] {
        assert_eq!(verdict(&world, "/api/a", no_object).await, words(503, "retry"), "{no_object}");
    }
}

#[tokio::test]
async fn the_type_is_bearer() {
    let world = World::start().await;
    for (token_type, expected) in [
        (json!("Bearer"), words(200, "")),
        (json!("bearer"), words(200, "")),
        // A refresh token of Logto's is active, and has none.
        (Value::Null, words(401, "refresh")),
        (json!("DPoP"), words(401, "refresh")),
        (json!("N_A"), words(401, "refresh")),
        (json!("refresh_token"), words(401, "refresh")),
        (json!(""), words(401, "refresh")),
        (json!("Bearer "), words(401, "refresh")),
        (json!(1), words(401, "refresh")),
        (json!(["Bearer"]), words(401, "refresh")),
    ] {
        let body = world.answer(json!({ "token_type": token_type })).to_string();
        assert_eq!(verdict(&world, "/api/a", &body).await, expected, "{token_type}");
    }
    let body = world.answer(json!({})).to_string().replace("\"Bearer\"", "null");
    assert_eq!(verdict(&world, "/api/a", &body).await, words(401, "refresh"), "null");
}

#[tokio::test]
async fn what_is_stated_is_judged() {
    let world = World::start().await;
    let now = world.now();
    for (changes, expected) in [
        (json!({ "exp": now - 60 }), words(401, "refresh")),
        (json!({ "exp": now - 59 }), words(200, "")),
        (json!({ "exp": now + 1 }), words(200, "")),
        (json!({ "nbf": now + 61 }), words(401, "authenticate")),
        (json!({ "nbf": now + 60 }), words(200, "")),
        (json!({ "iat": now + 61 }), words(401, "authenticate")),
        (json!({ "iat": now + 60 }), words(200, "")),
        (json!({ "iss": "https://elsewhere.example" }), words(401, "authenticate")),
        (json!({ "iss": format!("{}/", world.issuer.url()) }), words(401, "authenticate")),
        (json!({ "sub": "" }), words(401, "authenticate")),
        (json!({ "cnf": { "jkt": "x" } }), words(401, "authenticate")),
        (json!({ "scope": "" }), words(403, "request_scope")),
        (json!({ "scope": "A aa" }), words(403, "request_scope")),
        (json!({ "aud": "https://elsewhere.example" }), words(401, "authenticate")),
        (json!({ "aud": [] }), words(401, "authenticate")),
        (json!({ "aud": "" }), words(401, "authenticate")),
        (json!({ "aud": ["https://elsewhere.example", API] }), words(200, "")),
        (json!({ "aud": "urn:logto:organization:acme" }), words(403, "resource_token")),
        (json!({ "organization_id": "acme" }), words(403, "resource_token")),
    ] {
        let body = world.answer(changes.clone()).to_string();
        assert_eq!(verdict(&world, "/api/a", &body).await, expected, "{changes}");
    }
    // All of them may be missing, but for whom it is, and for what.
    for (name, expected) in [
        ("exp", words(200, "")),
        ("iat", words(200, "")),
        ("iss", words(200, "")),
        ("client_id", words(200, "")),
        ("scope", words(403, "request_scope")),
        ("sub", words(401, "authenticate")),
        ("aud", words(401, "resource_token")),
    ] {
        let body = world.answer(json!({ name: null })).to_string();
        assert_eq!(verdict(&world, "/api/a", &body).await, expected, "{name}");
    }
}

#[tokio::test]
async fn a_wrong_type_is_rejected_and_never_absent() {
    let world = World::start().await;
    for (name, values) in [
        ("exp", &["\"1800000000\"", "[1800000000]", "true"][..]),
        ("nbf", &["\"1\"", "{}"]),
        ("iat", &["\"1\"", "[]"]),
        ("iss", &["1", "[]"]),
        ("sub", &["1", "[\"u1\"]"]),
        ("client_id", &["1", "{}"]),
        ("scope", &["1", "[\"a\"]"]),
        ("aud", &["1", "{}", "[1]", "[null]"]),
        ("jti", &["1"]),
        ("organization_id", &["1", "[\"acme\"]"]),
        ("act", &["null", "1", "\"x\""]),
        ("cnf", &["null", "{}"]),
    ] {
        for value in values {
            let mut body = world.answer(json!({ name: null })).to_string();
            body.insert_str(1, &format!("\"{name}\":{value},"));
            assert_eq!(verdict(&world, "/api/a", &body).await.0, 401, "{name}: {value}");
        }
    }
}

/// Written in some languages, what is absent is null.
#[tokio::test]
async fn null_member_is_absent_and_says_neither_active_nor_bearer() {
    let world = World::start().await;
    for name in ["exp", "nbf", "iat", "iss", "sub", "client_id", "scope", "aud", "jti", "organization_id", "username"] {
        let absent = world.answer(json!({ name: null })).to_string();
        let null = format!("{{\"{name}\":null,{}", &absent[1..]);
        for path in ["/", "/api/a"] {
            assert_eq!(verdict(&world, path, &null).await, verdict(&world, path, &absent).await, "{name} {path}");
        }
    }
    for name in ["active", "token_type"] {
        let absent = world.answer(json!({ name: null })).to_string();
        let null = format!("{{\"{name}\":null,{}", &absent[1..]);
        assert_eq!(verdict(&world, "/", &null).await.0, 401, "{name}");
    }
}

#[tokio::test]
async fn without_an_audience_it_is_for_nothing() {
    for is_allowed in [false, true] {
        let ask = introspection();
        let world = World::of(if is_allowed { ask.dangerous_introspection_without_audience() } else { ask }).await;
        let body = world.answer(json!({ "aud": null, "plan": "pro", "organization_id": "acme" })).to_string();
        for (path, allowed) in [
            ("/", words(200, "")),
            ("/user", words(200, "")),
            ("/machine", words(403, "none")),
            ("/api", words(403, "resource_token")),
            ("/api/a", words(403, "resource_token")),
            ("/claim", words(403, "resource_token")),
            ("/own/acme", words(403, "organization_token")),
            ("/api/acme/orders", words(403, "resource_token")),
        ] {
            let expected = if is_allowed { allowed } else { words(401, "resource_token") };
            assert_eq!(verdict(&world, path, &body).await, expected, "{path}");
        }
        // Stated wrongly is not missing.
        for aud in ["[]", "\"https://elsewhere.example\""] {
            let body = body.replace("\"active\":true", &format!("\"active\":true,\"aud\":{aud}"));
            assert_eq!(verdict(&world, "/", &body).await, words(401, "authenticate"), "{aud}");
        }
    }
}

/// With `aud`, an answer is as good as a JWT with the same claims.
#[tokio::test]
async fn the_same_policies_and_the_same_answers_as_a_jwt() {
    let world = World::start().await;
    let issuer = &world.issuer;
    let organization = "urn:logto:organization:acme";
    for claims in [
        json!({}),
        json!({ "scope": "b" }),
        json!({ "scope": "" }),
        json!({ "plan": "pro" }),
        json!({ "plan": 1 }),
        json!({ "sub": "web" }),
        json!({ "aud": organization }),
        json!({ "aud": organization, "scope": "b" }),
        json!({ "aud": organization, "organization_id": "acme" }),
        json!({ "aud": [API, organization] }),
        json!({ "aud": "https://elsewhere.example" }),
        json!({ "organization_id": "acme" }),
        json!({ "organization_id": "acme", "scope": "b" }),
        json!({ "organization_id": "globex" }),
        json!({ "organization_id": "" }),
        json!({ "exp": 1 }),
        json!({ "nbf": 9_999_999_999_u64 }),
        json!({ "cnf": {} }),
        json!({ "act": "x" }),
        json!({ "scope": ["a"] }),
    ] {
        let answer = world.answer(claims.clone());
        let mut signed = answer.clone();
        signed.as_object_mut().unwrap().retain(|name, _| name != "active" && name != "token_type");
        let jwt = issuer.resource_token(API).raw_payload(signed.to_string()).mint();
        world.endpoint.says(&answer);
        let opaque = format!("opaque{}", world.endpoint.count());
        for path in
            ["/", "/user", "/machine", "/api", "/api/a", "/own/acme", "/own/globex", "/api/acme/orders", "/claim"]
        {
            let (one, other) = (world.api.get(path, &opaque).await, world.api.get(path, &jwt).await);
            assert_eq!(one, other, "{claims} at {path}");
        }
    }
    world.endpoint.says(&world.answer(json!({ "sub": "web" })));
    assert_eq!(world.api.get("/machine", "machine").await.body, "Machine web by Some(\"web\") [a b]");
    world.endpoint.says(&world.answer(json!({ "client_id": null })));
    assert_eq!(world.api.get("/", "nobody").await.body, "Unknown u1 by None [a b]");
    world.api.get("/user", "nobody").await.is(403, "none");
    world.api.get("/machine", "nobody").await.is(403, "none");
}

#[tokio::test]
async fn what_was_revoked_here_is_revoked() {
    let world = World::start().await;
    let now = world.now();
    world.endpoint.says(&world.answer(json!({ "jti": "t1", "iat": now - 10 })));
    world.api.get("/api/a", "opaque").await.is(200, "");
    world.server.issuer("main").unwrap().revoke(About::token("t1")).unwrap();
    world.api.get("/api/a", "opaque").await.is(401, "refresh");
}
