use std::cell::Cell;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use super::*;
use crate::rejection::RejectionKind;

const NOW: f64 = 1_800_000_000.0;
const API: &str = "https://api.example.com";

fn rules() -> IssuerRules {
    IssuerRules::for_tests("main")
}

fn base() -> Map<String, Value> {
    let claims = serde_json::json!({
        "iss": "https://issuer.example", "sub": "user", "client_id": "app", "aud": API,
        "iat": NOW - 10.0, "exp": NOW + 3600.0, "scope": "a b",
    });
    claims.as_object().unwrap().clone()
}

fn judge_json(json: &str, rules: &IssuerRules) -> Result<Verified, RejectionKind> {
    let object = Object::parse(json.as_bytes()).unwrap();
    let now = Now::new(Duration::from_secs_f64(NOW), Duration::ZERO);
    let verified = times::read(&object)
        .and_then(|times| judge(&object, &rules.issuers[0].clone(), times, rules, now, &mut Steps::default()));
    verified.map_err(|rejection| rejection.kind())
}

fn with(changes: &[(&str, &str)], rules: &IssuerRules) -> Result<Verified, RejectionKind> {
    let mut claims = base();
    for (name, value) in changes {
        match *value {
            "" => _ = claims.remove(*name),
            value => _ = claims.insert((*name).into(), serde_json::from_str(value).unwrap()),
        }
    }
    judge_json(&serde_json::to_string(&claims).unwrap(), rules)
}

fn changed(name: &str, value: &str) -> Result<(), RejectionKind> {
    with(&[(name, value)], &rules()).map(drop)
}

const INVALID: Result<(), RejectionKind> = Err(RejectionKind::InvalidToken);
const EXPIRED: Result<(), RejectionKind> = Err(RejectionKind::ExpiredToken);

#[test]
fn time_is_judged_to_the_second() {
    for (value, expected) in [
        ("1799999941", Ok(())),
        ("1799999940.5", Ok(())),
        ("1799999940", EXPIRED),
        ("0", EXPIRED),
        ("-1", EXPIRED),
        ("1e-400", EXPIRED),
        ("1.8000036e9", Ok(())),
        ("18446744073709551616", Ok(())),
        ("", INVALID),
        ("\"1800003600\"", INVALID),
        ("null", INVALID),
        ("true", INVALID),
        ("[1800003600]", INVALID),
    ] {
        assert_eq!(changed("exp", value), expected, "exp {value}");
    }
    for name in ["nbf", "iat"] {
        for (value, expected) in
            [("1800000060", Ok(())), ("1800000061", INVALID), ("\"1\"", INVALID), ("null", INVALID), ("-5", Ok(()))]
        {
            assert_eq!(changed(name, value), expected, "{name} {value}");
        }
    }
    assert_eq!(changed("nbf", ""), Ok(()));
    assert_eq!(changed("iat", ""), INVALID);
}

#[test]
fn audience_is_compared_exactly() {
    for good in [
        r#""https://api.example.com""#,
        r#"["https://api.example.com"]"#,
        r#"["x","https://api.example.com"]"#,
        r#""urn:logto:organization:o""#,
    ] {
        assert_eq!(changed("aud", good), Ok(()), "{good}");
    }
    for bad in [
        "",
        "null",
        "1",
        "{}",
        "[]",
        r#""""#,
        r#"[""]"#,
        r#""https://api.example.com/""#,
        r#""https://API.example.com""#,
        r#""https://api.example.com x""#,
        r#"["x"]"#,
        r#"["https://api.example.com",1]"#,
        r#"[["https://api.example.com"]]"#,
        r#""urn:logto:organization:""#,
        r#""URN:logto:organization:o""#,
    ] {
        assert_eq!(changed("aud", bad), INVALID, "{bad}");
    }
}

#[test]
fn untyped_tokens_are_for_organizations_only_where_that_was_said() {
    let untyped = IssuerRules { profile: Profile::UntypedJwt, organization_tokens: false, ..rules() };
    let change = [("aud", r#""urn:logto:organization:o""#)];
    assert_eq!(with(&change, &untyped).map(drop), INVALID);
    assert_eq!(with(&change, &IssuerRules { organization_tokens: true, ..untyped }).map(drop), Ok(()));
}

#[test]
fn wrong_types_are_rejected_and_never_absent() {
    for (name, bad) in [
        ("sub", "1"),
        ("sub", "null"),
        ("sub", "\"\""),
        ("sub", ""),
        ("client_id", "1"),
        ("client_id", "\"\""),
        ("client_id", ""),
        ("jti", "1"),
        ("scope", "null"),
        ("scope", "[\"a\"]"),
        ("scope", "1"),
        ("organization_id", "null"),
        ("organization_id", "1"),
        ("organization_id", "[\"o\"]"),
        ("act", "\"x\""),
        ("cnf", "{}"),
        ("cnf", "null"),
    ] {
        assert_eq!(changed(name, bad), INVALID, "{name} {bad}");
    }
}

#[test]
fn scopes_absent_and_empty_are_the_empty_set() {
    for value in ["", "\"\""] {
        assert_eq!(with(&[("scope", value)], &rules()).unwrap().scopes.iter().count(), 0);
    }
}

#[test]
fn scopes_have_one_form_for_each_setting() {
    let array = IssuerRules { scope_claim: "scp".into(), scope_form: ScopeForm::Array, ..rules() };
    let scopes = |value| with(&[("scp", value)], &array).map(|verified| verified.scopes.contains("a"));
    assert_eq!(scopes(r#"["b","a"]"#), Ok(true));
    assert_eq!(scopes(""), Ok(false), "scope is not scp");
    for bad in ["\"a\"", "[\"a b\"]", "[\"\"]", "[1]", "null"] {
        assert_eq!(scopes(bad), Err(RejectionKind::InvalidToken), "{bad}");
    }
}

#[test]
fn what_stands_inside_act_is_history() {
    let act =
        r#"{"sub":"actor","exp":1,"aud":"https://other.example","iss":"https://other.example","act":{"sub":"x"}}"#;
    let verified = with(&[("act", act)], &rules()).unwrap();
    assert_eq!((verified.subject.id(), &*verified.issuer), ("user", "https://issuer.example"));
}

#[test]
fn machines_by_rfc9068() {
    assert_eq!(with(&[], &rules()).unwrap().subject.kind(), SubjectKind::User);
    assert_eq!(with(&[("sub", "\"app\"")], &rules()).unwrap().subject.kind(), SubjectKind::Machine);
}

#[test]
fn marks_count_under_rfc9068_too() {
    let marked = |mark| IssuerRules { machine_marks: vec![mark], ..rules() };
    let kind = |changes: &[(&str, &str)], rules: &IssuerRules| with(changes, rules).unwrap().subject.kind();
    let host = marked(MachineMark::Present("clientHost".into()));
    assert_eq!(kind(&[("clientHost", "\"10.0.0.1\"")], &host), SubjectKind::Machine);
    assert_eq!(kind(&[], &host), SubjectKind::User);
    assert_eq!(kind(&[("sub", "\"app\"")], &host), SubjectKind::Machine);
    let suffix = marked(MachineMark::SubjectIsClientPlus("@clients".into()));
    assert_eq!(kind(&[("sub", "\"app@clients\"")], &suffix), SubjectKind::Machine);
    for user in ["\"other@clients\"", "\"app@clients2\"", "\"x|app@clients\"", "\"@clients\""] {
        assert_eq!(kind(&[("sub", user)], &suffix), SubjectKind::User, "{user}");
    }
}

#[test]
fn machines_of_untyped_tokens() {
    let untyped = IssuerRules { profile: Profile::UntypedJwt, ..rules() };
    let marked = IssuerRules {
        machine_marks: vec![MachineMark::Claim("gty".into(), "client-credentials".into())],
        ..untyped.clone()
    };
    let kind = |changes: &[(&str, &str)], rules: &IssuerRules| with(changes, rules).unwrap().subject.kind();
    let by_azp = [("client_id", ""), ("azp", "\"app\""), ("iat", "")];
    assert_eq!(kind(&by_azp, &untyped), SubjectKind::Unknown);
    assert_eq!(kind(&by_azp, &marked), SubjectKind::User);
    assert_eq!(kind(&[("client_id", "")], &marked), SubjectKind::Unknown);
    assert_eq!(kind(&[("sub", "\"app\"")], &untyped), SubjectKind::Machine);
    assert_eq!(kind(&[("sub", "\"app@clients\""), ("gty", "\"client-credentials\"")], &marked), SubjectKind::Machine);
    for foreign in FOREIGN_CLAIMS {
        assert_eq!(with(&[(foreign, "\"x\"")], &untyped).map(drop), INVALID, "{foreign}");
    }
}

#[test]
fn listed_client_stands_for_an_absent_audience_only() {
    let listed = IssuerRules { client_audience: vec!["app".to_owned()], ..rules() };
    let audience = |changes: &[(&str, &str)], rules: &IssuerRules| {
        with(changes, rules).map(|verified| verified.audience.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let absent = ("aud", "");
    assert_eq!(audience(&[absent], &listed), Ok(vec![API.to_owned()]));
    for rejected in [&[absent, ("client_id", "\"other\"")][..], &[("aud", "\"app\"")], &[("aud", "[]")]] {
        assert_eq!(audience(rejected, &listed), Err(RejectionKind::InvalidToken), "{rejected:?}");
    }
    assert_eq!(audience(&[absent], &rules()), Err(RejectionKind::InvalidToken));
}

#[test]
fn rejection_of_an_audience_names_what_is_wrong() {
    let detail = |aud: Option<Value>| {
        let mut claims = base();
        match aud {
            Some(aud) => _ = claims.insert("aud".into(), aud),
            None => _ = claims.remove("aud"),
        }
        let claims = Value::from(claims).to_string();
        audience(&Object::parse(claims.as_bytes()).unwrap(), &rules()).unwrap_err().detail().to_owned()
    };
    let expected = r#"expected one of ["https://api.example.com"] or an organization"#;
    assert_eq!(detail(None), format!("aud is missing or empty, {expected}"));
    assert_eq!(detail(Some(json!(["x", "y"]))), format!(r#"aud is ["x", "y"], {expected}"#));
    let near = "https://api.example.com/";
    assert_eq!(
        detail(Some(json!(["x", near]))),
        format!(r#"aud is ["x", "{near}"], {expected}; they differ only by a trailing slash"#)
    );
}

#[test]
fn sign_in_that_is_ahead_and_an_empty_context_are_absent() {
    let sign_in = |acr: Value, auth_time: f64| {
        let mut claims = base();
        claims.extend([("acr".to_owned(), acr), ("auth_time".to_owned(), auth_time.into())]);
        let verified = judge_json(&Value::from(claims).to_string(), &rules()).unwrap();
        let both = verified.authentication.map(|it| (it.acr, it.auth_time.map(NumericDate::seconds)));
        both.map(|(acr, auth_time)| (acr.map(String::from), auth_time))
    };
    let gold = || Some("gold".to_owned());
    assert_eq!(sign_in(json!("gold"), NOW - 10.0), Some((gold(), Some(NOW - 10.0))));
    assert_eq!(sign_in(json!("gold"), NOW + 60.0), Some((gold(), Some(NOW + 60.0))), "within the leeway");
    assert_eq!(sign_in(json!("gold"), NOW + 61.0), Some((gold(), None)));
    assert_eq!(sign_in(json!(""), NOW), Some((None, Some(NOW))));
    assert_eq!(sign_in(json!(""), NOW + 61.0), None);
}

#[test]
fn sign_in_and_organization_add_to_the_size() {
    let size = |name: &str, value: &str| with(&[(name, value)], &rules()).unwrap().size();
    let plain = size("scope", "\"a b\"");
    for name in ["acr", "organization_id"] {
        assert_eq!(size(name, "\"gold\"") - plain, 2 * 48 + 4, "{name}");
    }
}

/// RFC 9068's profile and this server's rules, said in another way.
fn should_pass(claims: &Map<String, Value>) -> bool {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let absent_or = |name: &str, is: fn(&Value) -> bool| claims.get(name).is_none_or(is);
    let number = |name: &str| claims.get(name).and_then(Value::as_f64);
    let audience = match claims.get("aud") {
        Some(Value::Array(values)) => values.clone(),
        other => other.cloned().into_iter().collect(),
    };
    let served = |value: &Value| {
        let value = value.as_str().unwrap_or_default();
        value == API || value.starts_with("urn:logto:organization:") && value != "urn:logto:organization:"
    };
    number("exp").is_some_and(|exp| NOW < exp + 60.0)
        && number("iat").is_some_and(|iat| iat <= NOW + 60.0)
        && absent_or("nbf", |nbf| nbf.as_f64().is_some_and(|nbf| nbf <= NOW + 60.0))
        && audience.iter().all(Value::is_string)
        && audience.iter().any(served)
        && text("sub")
        && text("client_id")
        && !claims.contains_key("cnf")
        && ["jti", "scope", "organization_id"].iter().all(|name| absent_or(name, Value::is_string))
        && absent_or("act", |act| act.as_object().is_some_and(|act| act.get("sub").is_none_or(Value::is_string)))
}

#[test]
fn actors_are_read_down_to_the_eighth() {
    let with = |act: Value| {
        let mut claims = base();
        claims.insert("act".into(), act);
        let judged = judge_json(&Value::from(claims).to_string(), &rules());
        let actors = |verified: Verified| {
            let token = crate::AccessToken::mint(verified, b"{}", crate::token::Provenance::dangling());
            token.actors().map(str::to_owned).collect::<Vec<_>>()
        };
        judged.map(actors).ok()
    };
    let nested = |depth: usize| {
        (1..=depth).rev().fold(None, |act: Option<Value>, number| {
            let mut level = json!({ "sub": number.to_string() });
            if let Some(act) = act {
                level["act"] = act;
            }
            Some(level)
        })
    };
    let names = |depth: usize| (1..=depth).map(|number| number.to_string()).collect::<Vec<_>>();
    assert_eq!(with(nested(1).unwrap()), Some(names(1)));
    assert_eq!(with(nested(8).unwrap()), Some(names(8)));
    assert_eq!(with(nested(9).unwrap()), None, "more than anybody delegates through");
    assert_eq!(with(json!({ "client_id": "agent" })), Some(vec![String::new()]), "an actor without a name");
    for wrong in [json!({ "sub": 1 }), json!({ "act": "x" }), json!({ "act": null }), json!({ "act": { "sub": [] } })] {
        assert_eq!(with(wrong.clone()), None, "{wrong}");
    }
}

fn value() -> impl Strategy<Value = Value> {
    let texts = select(vec![
        API,
        "https://api.example.com/",
        "urn:logto:organization:o",
        "urn:logto:organization:",
        "",
        "a b",
        "o",
    ]);
    let leaf = prop_oneof![
        texts.prop_map(Value::from),
        (-120..120_i32).prop_map(|seconds| json!(NOW + f64::from(seconds))),
        (-120..120_i64).prop_map(|seconds| json!(1_800_000_000 + seconds)),
        select(vec![
            json!(null),
            json!(true),
            json!(0),
            json!(-1),
            json!(u64::MAX),
            json!(1e300),
            json!({}),
            json!([])
        ]),
    ];
    leaf.prop_recursive(1, 4, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(Value::from),
            inner.prop_map(|value| json!({ "sub": value })),
        ]
    })
}

#[test]
fn changed_claims_are_judged_by_the_rules() {
    let names =
        ["exp", "nbf", "iat", "sub", "client_id", "aud", "scope", "organization_id", "cnf", "act", "jti", "other"];
    let changes = prop::collection::vec((select(names.to_vec()), prop::option::weighted(0.9, value())), 1..4);
    let passed = Cell::new(0);
    let config = ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&changes, |changes| {
        let mut claims = base();
        for (name, value) in changes {
            match value {
                Some(value) => _ = claims.insert(name.to_owned(), value),
                None => _ = claims.remove(name),
            }
        }
        let judged = judge_json(&Value::from(claims.clone()).to_string(), &rules());
        prop_assert_eq!(judged.is_ok(), should_pass(&claims), "{:?}", claims);
        if let Ok(verified) = judged {
            passed.set(passed.get() + 1);
            let audience: Vec<&str> = verified.audience.iter().map(|audience| &**audience).collect();
            let stated = claims["aud"].as_array().map_or(vec![&claims["aud"]], |values| values.iter().collect());
            prop_assert_eq!(audience, stated.into_iter().map(|value| value.as_str().unwrap()).collect::<Vec<_>>());
            prop_assert_eq!(
                verified.organization.as_ref().map(|organization| &*organization.id),
                claims.get("organization_id").and_then(Value::as_str)
            );
            prop_assert_eq!(Some(verified.times.expires_at.seconds()), claims["exp"].as_f64());
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert!((200..3800).contains(&passed.get()), "{} of 4000 passed", passed.get());
}

#[test]
fn a_changed_octet_never_panics_and_never_lengthens_a_life() {
    let good = Value::from(base()).to_string().into_bytes();
    let now = Now::new(Duration::from_secs_f64(NOW), Duration::ZERO);
    let rules = rules();
    for at in 0..good.len() {
        for octet in [0, b' ', b'"', b'\\', b'0', b'9', b'e', b'-', b',', b'}', 0x80, 0xff] {
            let mut changed = good.clone();
            changed[at] = octet;
            let Ok(object) = Object::parse(&changed) else { continue };
            let judged = times::read(&object);
            let judged = judged
                .and_then(|times| judge(&object, &rules.issuers[0].clone(), times, &rules, now, &mut Steps::default()));
            let Ok(verified) = judged else { continue };
            let claims: Map<String, Value> = serde_json::from_slice(&changed).unwrap();
            assert!(should_pass(&claims), "{claims:?}");
            assert_eq!(Some(verified.times.expires_at.seconds()), claims["exp"].as_f64());
        }
    }
}
