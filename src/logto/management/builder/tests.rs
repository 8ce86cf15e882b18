use super::*;

fn of(base_url: &str) -> LogtoManagementBuilder {
    LogtoManagement::builder(base_url, "m2m", "s3cr3t")
}

fn error(builder: LogtoManagementBuilder) -> String {
    let error = builder.build().map(|_| ()).unwrap_err().to_string();
    assert!(!error.contains("s3cr3t"), "{error}");
    error
}

#[test]
fn the_resource_is_derived_or_said() {
    let resource = |base: &str| {
        let builder = of(base);
        builder.resource(&builder.base().unwrap()).map_err(|error| error.to_string())
    };
    assert_eq!(resource("https://acme.logto.app").as_deref(), Ok("https://acme.logto.app/api"));
    assert_eq!(resource("https://ACME.logto.app/").as_deref(), Ok("https://acme.logto.app/api"));
    assert_eq!(resource("http://localhost:3001").as_deref(), Ok(SELF_HOSTED));
    for unknown in
        ["https://auth.example.com", "https://a.b.logto.app", "https://logto.app", "https://acme.logto.app:444"]
    {
        let error = resource(unknown).unwrap_err();
        assert!(error.contains("set self_hosted;") && error.contains("set management_resource to"), "{error}");
    }
    assert!(of("https://auth.example.com").self_hosted().build().is_ok());
    assert!(of("https://auth.example.com").management_resource("https://acme.logto.app/api").build().is_ok());
    for bad in ["", "api", "https://a b", "https://acme.logto.app/api#x"] {
        assert!(
            error(of("https://auth.example.com").management_resource(bad)).contains("management_resource"),
            "{bad}"
        );
    }
}

#[test]
fn what_must_not_run() {
    for (base, why) in [
        ("", "not a"),
        ("acme.logto.app", "not a"),
        ("http://acme.logto.app", "plain http"),
        ("https://user:pw@acme.logto.app", "user name"),
        ("https://acme.logto.app/#x", "fragment"),
        ("https://acme.logto.app/?x", "query"),
        ("https://acme.logto.app/oidc", "without /oidc"),
        ("https://acme.logto.app/oidc/", "without /oidc"),
        ("https://acme.logto.app/api", "without /oidc"),
    ] {
        let error = error(of(base));
        assert!(error.contains(why) && !error.contains("pw"), "{error}");
    }
    assert!(of("http://acme.logto.app").dangerous_allow_http().build().is_ok());
    let base = "https://acme.logto.app";
    assert!(error(LogtoManagement::builder(base, "", "s3cr3t")).contains("client_id"));
    assert!(error(LogtoManagement::builder(base, "m2m", "")).contains("client_secret"));
    for bad in [0, 9, 201] {
        assert!(error(of(base).calls_per_10_seconds(bad)).contains("calls_per_10_seconds"), "{bad}");
    }
    let own = || of("https://auth.example.com").self_hosted();
    assert!(own().calls_per_10_seconds(100_000).build().is_ok());
    assert!(of("http://localhost:3001").calls_per_10_seconds(201).build().is_ok());
    for bad in [9, 100_001] {
        assert!(error(own().calls_per_10_seconds(bad)).contains("calls_per_10_seconds"), "{bad}");
    }
    for bad in [0, 201] {
        assert!(error(of(base).calls_in_flight(bad)).contains("calls_in_flight"), "{bad}");
    }
    assert!(of(base).calls_in_flight(1).calls_per_10_seconds(10).build().is_ok());
}

#[test]
fn the_secret_is_not_printed() {
    let builder = of("https://acme.logto.app");
    let printed = format!("{builder:?} {:?}", of("https://acme.logto.app").build().unwrap());
    assert!(printed.contains("acme") && printed.contains("m2m") && !printed.contains("s3cr3t"), "{printed}");
}
