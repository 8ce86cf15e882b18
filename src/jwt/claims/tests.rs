use std::time::Duration;

use super::*;

const NOW: f64 = 1_800_000_000.0;
const API: &str = "https://api.example.com";

fn rules() -> IssuerRules {
    IssuerRules::for_tests("main")
}

fn base() -> serde_json::Map<String, serde_json::Value> {
    let claims = serde_json::json!({
        "iss": "https://issuer.example", "sub": "user", "client_id": "app", "aud": API,
        "iat": NOW - 10.0, "exp": NOW + 3600.0, "scope": "a b",
    });
    claims.as_object().unwrap().clone()
}

fn judge_json(json: &str, rules: &IssuerRules) -> Result<Verified, RejectionKind> {
    let object = Object::parse(json.as_bytes()).unwrap();
    let now = Now::new(Duration::from_secs_f64(NOW), Duration::ZERO);
    judge(&object, &rules.issuers[0].clone(), rules, now).map_err(|rejection| rejection.kind())
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
fn wrong_types_are_refused_and_never_absent() {
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
