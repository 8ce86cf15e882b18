use super::*;
use crate::signature::Algorithm;

const ISSUER: &str = "https://tenant.logto.app/oidc";
const API: &str = "https://api.example.com";

fn error(builder: Builder) -> String {
    builder.build().expect_err("must not build").to_string()
}

#[test]
fn issuers_are_https_urls() {
    for bad in [
        "",
        "tenant",
        "/oidc",
        "ftp://x.example",
        "http://tenant.logto.app/oidc",
        "https://",
        "https://x.example/oidc?a=b",
        "https://x.example/.well-known/openid-configuration",
        "https://x.example/oidc#f",
        "https://x.example/ oidc",
    ] {
        assert!(error(ResourceServer::builder(bad, API)).contains(&format!("{bad:?}")), "{bad}");
    }
    for good in [ISSUER, "http://127.0.0.1:3001/oidc", "http://localhost/oidc", "https://x.example/"] {
        assert!(ResourceServer::builder(good, API).build().is_ok(), "{good}");
    }
    let secret = error(ResourceServer::builder("https://user:s3cret@x.example/oidc", API));
    assert!(secret.contains("x.example") && !secret.contains("s3cret"), "{secret}");
    assert!(ResourceServer::builder("http://issuer.internal/oidc", API).dangerous_allow_http().build().is_ok());
}

#[test]
fn resource_indicators_are_absolute_uris() {
    for bad in
        ["", "api", "/api", "https://api.example.com#x", "https://api example.com", "1a:b", "urn:logto:organization:o"]
    {
        assert!(error(ResourceServer::builder(ISSUER, bad)).contains(&format!("{bad:?}")), "{bad}");
    }
    for good in [API, "urn:example:api", "api://0b5"] {
        assert!(ResourceServer::builder(ISSUER, good).build().is_ok(), "{good}");
    }
    let untyped = Issuer::new(ISSUER).untyped_jwt().resource("orders-api");
    assert!(ResourceServer::builder(untyped.clone(), API).build().is_ok());
    assert!(error(ResourceServer::builder(Issuer::new(ISSUER).resource("orders-api"), API)).contains("orders-api"));
}

#[test]
fn mistaken_logto_issuers_are_config_errors() {
    for bad in ["https://tenant.logto.app", "https://tenant.logto.app/", "https://tenant.logto.app/oidc/"] {
        let error = error(ResourceServer::builder(bad, API));
        assert!(error.contains(&format!("{bad:?}")) && error.contains("Issuer::logto"), "{error}");
        assert!(ResourceServer::builder(Issuer::logto(bad), API).build().is_ok(), "{bad}");
        assert!(ResourceServer::builder(Issuer::new(ISSUER).alias(bad), API).build().is_err(), "{bad} as an alias");
    }
    for swapped in
        [ISSUER, "https://tenant.logto.app", "https://auth.example.com/oidc", "https://auth.example.com/oidc/"]
    {
        let error = error(ResourceServer::builder(API, swapped));
        assert!(error.contains(&format!("{swapped:?}")) && error.contains("first argument"), "{error}");
    }
    // The indicator of Logto's Management API.
    assert!(ResourceServer::builder(ISSUER, "https://tenant.logto.app/api").build().is_ok());
}

#[test]
fn logto_preset_makes_the_issuer_of_an_endpoint() {
    for (endpoint, issuer) in [
        ("https://tenant.logto.app", ISSUER),
        ("https://tenant.logto.app/", ISSUER),
        (ISSUER, ISSUER),
        ("https://tenant.logto.app/oidc/", ISSUER),
        ("http://localhost:3001", "http://localhost:3001/oidc"),
        ("https://auth.example.com/logto/", "https://auth.example.com/logto/oidc"),
    ] {
        let server = ResourceServer::builder(Issuer::logto(endpoint).name("main"), API).build().unwrap();
        assert_eq!(server.issuer("main").unwrap().issuer(), issuer, "{endpoint}");
    }
    assert!(error(ResourceServer::builder(Issuer::logto(""), API)).contains("\"/oidc\""));
}

#[test]
fn numbers_have_bounds() {
    let builder = || ResourceServer::builder(ISSUER, API);
    assert!(error(builder().leeway(Duration::from_secs(301))).contains("301"));
    assert!(error(builder().max_token_bytes(0)).contains('0'));
    assert!(error(builder().max_token_bytes(2 << 20)).contains("2097152"));
    assert!(error(builder().serve_stale_keys_for(Duration::MAX)).contains("serve_stale_keys_for"));
    assert!(builder().leeway(Duration::ZERO).serve_stale_keys_for(Duration::ZERO).build().is_ok());
}

#[test]
fn half_the_cores_check_signatures_and_64_requests_wait_for_20_ms() {
    let cores = std::thread::available_parallelism().unwrap().get();
    let permits = Limits::default().permits;
    assert_eq!(permits.at_once, if cores < 4 { 1 } else { cores / 2 }, "{cores} cores");
    assert_eq!((permits.queue, permits.wait), (64, Duration::from_millis(20)));
    let builder = || ResourceServer::builder(ISSUER, API);
    assert!(error(builder().max_concurrent_verifications(0)).contains("max_concurrent_verifications"));
    assert!(error(builder().verification_queue(64, Duration::from_secs(11))).contains("verification_queue"));
    assert!(builder().max_concurrent_verifications(1).verification_queue(0, Duration::ZERO).build().is_ok());
}

#[test]
fn entries_do_not_overlap() {
    assert!(error(ResourceServer::builder(ISSUER, API).issuer(ISSUER)).contains("twice"));
    let named = |url: &str| Issuer::new(url).name("same");
    assert!(error(ResourceServer::builder(named(ISSUER), API).issuer(named("https://other.example"))).contains("same"));
    let twice = Issuer::new("https://other.example").alias(ISSUER);
    assert!(error(ResourceServer::builder(ISSUER, API).issuer(twice)).contains(ISSUER));
}

#[test]
fn issuer_settings() {
    let with = |issuer: Issuer| error(ResourceServer::builder(issuer, API));
    assert!(with(Issuer::new(ISSUER).algorithms([])).contains("algorithms"));
    assert!(with(Issuer::new(ISSUER).default_rsa_algorithm(Algorithm::Es256)).contains("ES256"));
    assert!(
        with(Issuer::new(ISSUER).algorithms([Algorithm::Es384]).default_rsa_algorithm(Algorithm::Rs512))
            .contains("RS512")
    );
    assert!(with(Issuer::new(ISSUER).scope_claim("", crate::issuer::ScopeForm::Text)).contains("claim"));
    assert!(with(Issuer::new(ISSUER).jwks_uri("http://keys.example/jwks")).contains("keys.example"));
    assert!(with(Issuer::new(ISSUER).jwks_json("{}")).contains("keys"));
    assert!(with(Issuer::new(ISSUER).jwks_json(r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#)).contains("symmetric"));
}

#[test]
fn what_stands_in_a_challenge_is_checked() {
    assert!(error(ResourceServer::builder(ISSUER, API).realm("a\"b")).contains("realm"));
    assert!(error(ResourceServer::builder(ISSUER, API).resource_metadata("/relative")).contains("/relative"));
    assert!(
        error(ResourceServer::builder(ISSUER, API).resource_metadata("https://x.example/\""))
            .contains("resource_metadata")
    );
}

#[test]
fn invalid_setting_of_the_client_is_named_with_its_issuer() {
    let client = HttpClient::new().timeout(Duration::ZERO);
    let error = error(ResourceServer::builder(ISSUER, API).http_client(client));
    assert!(error.contains("timeout") && error.contains(ISSUER), "{error}");
}

#[test]
fn issuers_come_and_go() {
    let server = ResourceServer::builder(Issuer::new(ISSUER).name("main"), API).max_issuers(2).build().unwrap();
    let tenant = || Issuer::new("https://tenant.example").name("tenant");
    assert!(server.require(crate::policy::resource().issued_by("tenant")).is_err());
    server.add_issuer(tenant()).unwrap();
    assert!(server.require(crate::policy::resource().issued_by("tenant")).is_ok());
    assert!(server.add_issuer("https://third.example").unwrap_err().to_string().contains('2'));
    let handle = server.issuer("tenant").unwrap();
    handle.remove().unwrap();
    assert!(handle.remove().is_err());
    assert!(server.issuer("tenant").unwrap_err().to_string().contains("main"), "it says which there are");
    assert!(server.add_issuer(tenant().alias(ISSUER)).unwrap_err().to_string().contains(ISSUER));
    server.add_issuer(tenant()).unwrap();
}

#[test]
fn issuer_that_is_never_fetched_is_a_name() {
    let keys = "https://adfs.example.com/adfs/discovery/keys";
    let set = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    for name in [
        "http://adfs.example.com/adfs/services/trust",
        "kubernetes/serviceaccount",
        "accounts.google.com",
        "urn:example:sts",
    ] {
        for named in
            [Issuer::new(name).jwks_uri(keys), Issuer::new(name).jwks_json(set), Issuer::new(ISSUER).alias(name)]
        {
            assert!(ResourceServer::builder(named, API).build().is_ok(), "{name}");
        }
        assert!(error(ResourceServer::builder(name, API)).contains(name), "discovery needs a URL");
    }
    for bad in ["", "a b", "a\n"] {
        assert!(ResourceServer::builder(Issuer::new(bad).jwks_uri(keys), API).build().is_err(), "{bad:?}");
        assert!(ResourceServer::builder(Issuer::new(ISSUER).alias(bad), API).build().is_err(), "{bad:?}");
    }
}

#[test]
fn plain_http_on_loopback_is_not_accepted_at_run_time() {
    let server = ResourceServer::builder("http://127.0.0.1:3001/oidc", API).build().unwrap();
    for url in ["http://127.0.0.1:3002/oidc", "http://localhost/oidc", "http://[::1]:8080"] {
        let added = server.add_issuer(Issuer::new(url).name("added")).unwrap_err().to_string();
        assert!(added.contains("dangerous_allow_http") && added.contains(url), "{added}");
        let keys = Issuer::new("https://tenant.example").name("added").jwks_uri(url);
        assert!(server.add_issuer(keys).is_err(), "{url}");
    }
    // Where opaque tokens would be sent to, with the credential of this server.
    let asked_at = |url: &str| {
        let introspection = Introspection::new(url, "api", "s3cret");
        Issuer::new("https://tenant.example/oidc").name("added").introspection(introspection)
    };
    let changed = |issuer: Issuer| server.issuer("http://127.0.0.1:3001/oidc").unwrap().update(issuer);
    for url in ["http://127.0.0.1:3002/introspect", "http://localhost/introspect", "http://[::1]:8080/introspect"] {
        let added = server.add_issuer(asked_at(url)).unwrap_err().to_string();
        assert!(added.contains("introspection endpoint") && added.contains("dangerous_allow_http"), "{added}");
        let own = Issuer::new("http://127.0.0.1:3001/oidc").jwks_uri("https://tenant.example/jwks");
        let updated = changed(own.introspection(Introspection::new(url, "api", "s3cret")));
        let updated = updated.unwrap_err().to_string();
        assert!(updated.contains("introspection endpoint") && updated.contains(url), "{updated}");
    }
    // An entry that may have it from the start may not have it by an update.
    let updated = changed(Issuer::new("http://127.0.0.1:3001/oidc")).unwrap_err().to_string();
    assert!(updated.contains("dangerous_allow_http") && updated.contains("127.0.0.1:3001"), "{updated}");
    let keys = Issuer::new("http://127.0.0.1:3001/oidc").jwks_uri("http://127.0.0.1:3001/jwks");
    assert!(changed(keys).unwrap_err().to_string().contains("jwks_uri"));
    assert!(changed(Issuer::new("http://127.0.0.1:3001/oidc").jwks_uri("https://tenant.example/jwks")).is_ok());
    let open = ResourceServer::builder(ISSUER, API).dangerous_allow_http().build().unwrap();
    assert!(open.add_issuer(Issuer::new("http://127.0.0.1:3002/oidc").name("added")).is_ok());
    let asked = Issuer::new("https://other.example/oidc").name("asked");
    let asked = asked.introspection(Introspection::new("http://127.0.0.1:3002/introspect", "api", "s3cret"));
    assert!(open.add_issuer(asked).is_ok());
}

#[test]
fn nothing_is_silently_ignored() {
    let own = || Issuer::new(ISSUER).resource("https://own.example");
    assert!(error(ResourceServer::builder(own(), "")).contains("\"\""));
    assert!(error(ResourceServer::builder(own().name(""), API)).contains("empty name"));
    let set = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    assert!(error(ResourceServer::builder(own().jwks_json(set).seed_keys(set), API)).contains("seed_keys"));
}
