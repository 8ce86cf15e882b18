use super::*;

const GOOD: &str = r#"{"access_token":"a.b.c","expires_in":3600,"token_type":"Bearer","scope":"all"}"#;

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn granted() -> Granted {
    read(GOOD.as_bytes()).unwrap()
}

/// `use 1`, `renew`, `renew 1`, `failed 3`: the number of the token, or the seconds to wait.
fn advice(credential: &Credential, now: u64) -> String {
    match credential.ask(at(now)) {
        Advice::Use(token) => format!("use {}", token.number),
        Advice::Renew(None) => "renew".to_owned(),
        Advice::Renew(Some(token)) => format!("renew {}", token.number),
        Advice::Failed(error) => format!("failed {}", error.wants_retry_after().unwrap().as_secs()),
    }
}

#[test]
fn renewed_before_it_ends() {
    let mut credential = Credential::default();
    assert_eq!(advice(&credential, 100), "renew");
    credential.land(Ok(granted()), at(100), at(101));
    let seen = [101, 2979, 2980, 3699, 3700].map(|now| advice(&credential, now));
    assert_eq!(seen, ["use 1", "use 1", "renew 1", "renew 1", "renew"]);
    credential.land(Err(SourceError::new("down")), at(2980), at(2981));
    // That the old one serves does not end the back-off.
    credential.served();
    assert_eq!([2981, 2982, 3699].map(|now| advice(&credential, now)), ["use 1", "renew 1", "renew 1"]);
    credential.land(Ok(granted()), at(3000), at(3000));
    assert_eq!(advice(&credential, 3000), "use 2");
}

#[test]
fn a_failure_backs_off() {
    let mut credential = Credential::default();
    let mut now = 100;
    for wait in [1, 2, 4, 8, 16, 30, 30] {
        credential.land(Err(SourceError::new("down")), at(now), at(now));
        assert_eq!(advice(&credential, now), format!("failed {wait}"));
        assert_eq!(advice(&credential, now + wait), "renew");
        now += wait;
    }
    credential.land(Ok(granted()), at(now), at(now));
    credential.served();
    credential.fail(SourceError::new("down"), at(now));
    assert_eq!(advice(&credential, now), "use 1");
    assert_eq!(advice(&credential, now + 3599), "renew 1");
    credential.land(Err(SourceError::new("busy").retry_after(at(50))), at(now), at(now + 3600));
    assert_eq!(advice(&credential, now + 3600), "failed 50");
}

#[test]
fn a_rejected_token_is_not_used_again() {
    let mut credential = Credential::default();
    credential.land(Ok(granted()), at(0), at(0));
    let Advice::Use(first) = credential.ask(at(1)) else { panic!("a token is held") };
    credential.refused(&first);
    assert_eq!(advice(&credential, 1), "renew");
    credential.land(Ok(granted()), at(1), at(1));
    // Somebody else's old news.
    credential.refused(&first);
    assert_eq!(advice(&credential, 1), "use 2");
    // Rejected repeatedly: each time it takes longer.
    for wait in [1, 2, 4] {
        let Advice::Use(token) = credential.ask(at(1)) else { panic!("a token is held") };
        credential.refused(&token);
        credential.fail(SourceError::new("refused"), at(1));
        assert_eq!(advice(&credential, 1), format!("failed {wait}"));
        credential.land(Ok(granted()), at(1), at(1));
    }
}

#[test]
fn only_a_whole_answer_is_a_token() {
    assert!(read(GOOD.as_bytes()).is_ok_and(|granted| granted.life == at(3600) && granted.header == "Bearer a.b.c"));
    assert!(read(GOOD.replace("Bearer", "bearer").replace("\"all\"", "\"x all\"").as_bytes()).is_ok());
    for (from, to) in [
        ("\"a.b.c\"", "\"\""),
        ("\"a.b.c\"", "null"),
        ("\"a.b.c\"", "\"a b\""),
        ("\"a.b.c\"", "\"a\\r\\nb: c\""),
        ("\"access_token\"", "\"token\""),
        ("3600", "0"),
        ("3600", "-1"),
        ("3600", "\"3600\""),
        ("\"expires_in\":3600,", ""),
        ("Bearer", "DPoP"),
        ("\"token_type\":\"Bearer\",", ""),
        (",\"scope\":\"all\"", ""),
        ("\"all\"", "\"\""),
        ("\"all\"", "\"allmost al\""),
        ("\"all\"", "[\"all\"]"),
        ("\"scope\"", "\"scope\":\"all\",\"scope\""),
        ("{", "<html>"),
        ("{", "[{"),
    ] {
        let bad = GOOD.replacen(from, to, 1);
        assert!(bad != GOOD, "{from}");
        let Err(why) = read(bad.as_bytes()) else { panic!("{bad}") };
        assert!(!why.contains("a.b.c"), "{why}");
    }
    let long = GOOD.replace("3600", &u64::MAX.to_string());
    assert!(read(long.as_bytes()).is_ok_and(|granted| granted.life == LONGEST_LIFE && granted.header.is_sensitive()));
}
