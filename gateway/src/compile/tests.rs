use std::path::Path;

use super::*;
use crate::config::load;
use crate::routes::{Format, table};

const BEGINNING: &str = r#"[api]
resource = "https://api.example.com"
public_url = "https://api.example.com"

[[issuer]]
name = "customers"
url = "https://tenant.logto.app/oidc"

[listen]
proxy = "127.0.0.1:8080"

[upstream.orders]
url = "http://127.0.0.1:3001"

"#;

const ROUTE: &str = r#"[[route]]
path = "/orgs/{org}/orders"
methods = ["GET"]
policy = "resource in organization from path {org} and scope read:orders"
upstream = "orders"

"#;

fn compiled(text: &str) -> Result<Gateway, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, text).unwrap();
    let fault = |fault: Fault| fault.to_string().replace(&folder.path().display().to_string(), "");
    load(&path).and_then(|loaded| compile(loaded, Purpose::Serve)).map_err(fault)
}

fn fault(text: &str) -> String {
    compiled(text).err().unwrap_or_else(|| panic!("no fault in:\n{text}"))
}

#[test]
fn routes_are_printed_as_they_are_judged() {
    let public = "[[route]]\npath = \"/health\"\npublic = true\nupstream = \"orders\"\n";
    let gateway = compiled(&format!("{BEGINNING}{ROUTE}{public}")).unwrap();
    assert_eq!(
        table(&gateway, Format::Text),
        "GET  /orgs/{org}/orders  resource in organization from path {org} and scope read:orders  -> orders\n\
         *    /health             public  -> orders\n"
    );
    assert!(table(&gateway, Format::Markdown).contains("| GET | `/orgs/{org}/orders` |"));
    let json: serde_json::Value = serde_json::from_str(&table(&gateway, Format::Json)).unwrap();
    assert_eq!(json[1]["methods"], serde_json::Value::Null);
    assert_eq!(json[1]["access"], "public");
}

#[test]
fn whole_example_of_the_guide_compiles() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gateway.toml");
    load(&example).and_then(|loaded| compile(loaded, Purpose::Serve)).unwrap();
}

/// Each fault by its place and a part of its message.
#[test]
fn setting_that_cannot_be_right_is_a_fault_at_its_place() {
    let cases = [
        (
            BEGINNING.replace("[[issuer]]\nname = \"customers\"\nurl = \"https://tenant.logto.app/oidc\"\n", ""),
            "/gateway.toml: expected at least one [[issuer]]",
        ),
        (BEGINNING.replace("https://tenant.logto.app/oidc", "ftp://x"), "/gateway.toml:7:7: issuer"),
        (
            BEGINNING.replace("public_url = \"https://api.example.com\"", "public_url = \"api\""),
            "/gateway.toml:3:14: expected http",
        ),
        (
            BEGINNING.replace("127.0.0.1:8080", "localhost:8080"),
            "/gateway.toml:10:9: expected an IP address with a port, or `unix:PATH`: \"localhost:8080\"",
        ),
        (
            BEGINNING.replace("proxy", "admin").replace("127.0.0.1:8080", "0.0.0.0:8080"),
            "/gateway.toml:10:9: other machines could connect to admin",
        ),
        (BEGINNING.replace("proxy = \"127.0.0.1:8080\"\n", ""), "/gateway.toml: expected at least one face"),
        (
            BEGINNING.replace("proxy", "ext_authz")
                + "[[webhooks]]\npath = \"/w\"\nissuer = \"customers\"\nsigning_keys = [\"k\"]\n",
            "/gateway.toml:16:8: no face takes deliveries",
        ),
        (BEGINNING.replace("proxy", "forward_auth"), "/gateway.toml:10:16: the face forward_auth needs [forward_auth]"),
        (
            BEGINNING.replace("http://127.0.0.1:3001", "http://127.0.0.1:8080"),
            "/gateway.toml:13:7: the upstream is the gateway itself",
        ),
        (
            BEGINNING.replace("127.0.0.1:3001", "localhost:8080"),
            "/gateway.toml:13:7: the upstream is the gateway itself",
        ),
        (BEGINNING.replace("127.0.0.1:3001", "a/b"), "/gateway.toml:13:7: an upstream's URL has no path"),
        (BEGINNING.replace("http://127.0.0.1:3001", "orders:3001"), "/gateway.toml:13:7: expected http:// or https://"),
        (
            format!("{BEGINNING}{ROUTE}{ROUTE}"),
            "/gateway.toml:22:8: another route has this path and one of these methods",
        ),
        (
            format!("{BEGINNING}{}", ROUTE.replace("read:orders", "")),
            "/gateway.toml:18:10: column 52: expected a scope",
        ),
        (format!("{BEGINNING}{}", ROUTE.replace("and scope", "and live and scope")), "/gateway.toml:18:10: policy"),
        (
            format!("{BEGINNING}{}", ROUTE.replace("/{org}/", "/{id}/")),
            "/gateway.toml:18:10: the route's path has no parameter {org}",
        ),
        (
            format!("{BEGINNING}{}", ROUTE.replace("path {org}", "header x-org"))
                + "[identity]\nheaders = { organization = \"X_Org\" }\n",
            "/gateway.toml:18:10: no client can send x-org",
        ),
        (
            format!("{BEGINNING}{}", ROUTE.replace("upstream = \"orders\"", "upstream = \"order\"")),
            "/gateway.toml:19:12: there is no [upstream",
        ),
        (
            format!("{BEGINNING}{}", ROUTE.replace("upstream = \"orders\"", "")),
            "/gateway.toml:16:8: the proxy face needs an `upstream`",
        ),
        (
            format!("{BEGINNING}{}", ROUTE.replace("upstream", "public = true\nupstream")),
            "/gateway.toml:16:8: a route has either",
        ),
        (
            format!("{BEGINNING}{}", ROUTE.replace("\"GET\"", "\"get\"")),
            "/gateway.toml:17:12: expected a method in upper case",
        ),
        (format!("{BEGINNING}{}", ROUTE.replace("\"GET\"", "\"CONNECT\"")), "/gateway.toml:17:12: expected a method"),
        (
            format!("{BEGINNING}{}", ROUTE.replace("[\"GET\"]", "[]")),
            "/gateway.toml:16:8: expected at least one method",
        ),
        (
            format!("{BEGINNING}{}", ROUTE.replace("/orgs/", "/orgs//")),
            "/gateway.toml:16:8: a path has no empty segment",
        ),
        (
            format!("{BEGINNING}[identity]\nheader = \"Authorization\"\n"),
            "/gateway.toml:16:10: this header has a meaning of its own: \"Authorization\"",
        ),
        (
            format!("{BEGINNING}[identity]\nheaders = {{ name = \"x\" }}\n"),
            "/gateway.toml:16:20: name: expected subject",
        ),
        (format!("{BEGINNING}[identity]\nassertion = \"Jwt\"\n"), "/gateway.toml:16:13: `assertion` needs"),
        (
            format!("{BEGINNING}[identity]\nassertion = \"Jwt\"\nassertion_key = \"s3cret\"\n"),
            "/gateway.toml:17:17: expected a P-256 private key in PEM",
        ),
        (
            format!("{BEGINNING}[identity]\ntoken = \"keep\"\n{ROUTE}"),
            "/gateway.toml:16:9: expected one of strip, forward",
        ),
        (
            format!("{BEGINNING}[path]\ntrailing_slash = \"maybe\"\n"),
            "/gateway.toml:16:18: expected one of distinct, same",
        ),
        (
            format!("{BEGINNING}[path]\ndangerous_encoded_slash = [\"/files\"]\n"),
            "/gateway.toml:16:28: no route has this path",
        ),
        (
            format!("{BEGINNING}[limits]\ndrain = \"soon\"\n"),
            "/gateway.toml:16:9: expected an integer and one of the units",
        ),
        (
            format!("{BEGINNING}[forward_auth]\npreset = \"apache\"\n"),
            "/gateway.toml:16:10: expected nginx, caddy, traefik or envoy_http",
        ),
        (
            format!("{BEGINNING}[forward_auth]\npreset = \"nginx\"\npath = \"/auth/\"\n"),
            "/gateway.toml:17:8: expected a path",
        ),
        (
            format!("{BEGINNING}[[webhooks]]\npath = \"/w\"\nissuer = \"staff\"\nsigning_keys = [\"k\"]\n"),
            "/gateway.toml:17:10: there is no [[issuer]]",
        ),
        (
            format!("{BEGINNING}[[webhooks]]\npath = \"/w\"\nissuer = \"customers\"\nsigning_keys = [\"\"]\n"),
            "/gateway.toml:16:8: signing key 1",
        ),
        (
            format!("{BEGINNING}[decision_point]\nkind = \"opa\"\nurl = \"https://x\"\n"),
            "/gateway.toml:16:8: expected one of permit, authzen",
        ),
        (format!("{BEGINNING}[tls]\ncert = \"x\"\nkey = \"y\"\n"), "/gateway.toml:"),
    ];
    for (text, expected) in cases {
        let fault = fault(&text);
        assert!(fault.starts_with(expected), "expected {expected}\nfound    {fault}\nin\n{text}");
        assert!(!fault.contains("s3cret"), "{fault}");
    }
}

#[test]
fn several_issuers_need_a_policy_that_names_one() {
    let second = "[[issuer]]\nname = \"staff\"\nurl = \"https://staff.logto.app/oidc\"\n\n";
    let text = format!("{BEGINNING}{second}{ROUTE}");
    assert!(fault(&text).contains("issued by NAME"), "{}", fault(&text));
    compiled(&text.replace("and scope", "and issued by staff and scope")).unwrap();
}

#[test]
fn name_with_an_alias_is_a_warning() {
    let gateway = compiled(&format!("{BEGINNING}[identity]\nheaders = {{ subject = \"X-Auth-Subject\" }}\n")).unwrap();
    assert_eq!(gateway.warnings.len(), 1);
    assert!(gateway.warnings[0].contains("x-auth-subject"));
    assert_eq!(compiled(BEGINNING).unwrap().warnings, Vec::<String>::new());
}

#[test]
fn identity_header_that_a_proxy_does_not_know_is_a_warning() {
    let identity = "[identity]\nheaders = { subject = \"authsubject\" }\n";
    for (preset, expected) in [
        ("nginx", "identity header authsubject: name it in `auth_request_set` and `proxy_set_header` of the proxy too"),
        ("caddy", "identity header authsubject: name it in `copy_headers` and `request_header` of the proxy too"),
        ("traefik", "identity header authsubject: name it in `authResponseHeaders` of the proxy too"),
        ("envoy_http", "identity header authsubject: name it in `allowed_upstream_headers` of the proxy too"),
    ] {
        let forward = format!("{BEGINNING}[forward_auth]\npreset = \"{preset}\"\n");
        assert_eq!(compiled(&format!("{forward}{identity}")).unwrap().warnings, [expected]);
        assert_eq!(compiled(&forward).unwrap().warnings, Vec::<String>::new());
    }
    assert_eq!(compiled(&format!("{BEGINNING}{identity}")).unwrap().warnings, Vec::<String>::new());
}

fn loaded(text: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, text).unwrap();
    load(&path).unwrap()
}

#[test]
fn issuers_come_change_and_go_on_the_server_that_serves() {
    let staff = "[[issuer]]\nname = \"staff\"\nurl = \"https://staff.logto.app/oidc\"\n\n";
    let before = compiled(BEGINNING).unwrap();
    let customers = before.server.issuer("customers").unwrap();

    let two = compile(loaded(&format!("{BEGINNING}{staff}")), Purpose::Replace(&before)).unwrap();
    assert!(before.server.issuer("staff").is_ok(), "the server before and the one after are the same");
    let renamed = BEGINNING.replace("customers", "clients");
    let two = compile(loaded(&format!("{renamed}{staff}")), Purpose::Replace(&two)).unwrap();
    assert_eq!(customers.name().unwrap().to_string(), "clients");
    compile(loaded(&renamed), Purpose::Replace(&two)).unwrap();
    assert!(before.server.issuer("staff").is_err());
}

#[test]
fn faulty_file_changes_nothing_on_the_server_that_serves() {
    let before = compiled(BEGINNING).unwrap();
    let staff = "[[issuer]]\nname = \"staff\"\nurl = \"https://staff.logto.app/oidc\"\n\n";
    // Two issuers, and a policy that names none.
    let error = compile(loaded(&format!("{BEGINNING}{staff}{ROUTE}")), Purpose::Replace(&before)).unwrap_err();
    assert!(error.to_string().contains("issued by NAME"), "{error}");
    assert!(before.server.issuer("staff").is_err());
}

#[test]
fn setting_that_needs_a_restart_is_kept_and_named() {
    let before = compiled(BEGINNING).unwrap();
    let other = BEGINNING.replace("resource = \"https://api", "resource = \"https://other").replace(":8080", ":8081");
    let other = format!(
        "{other}[decision_point]\nkind = \"authzen\"\nurl = \"https://pdp.example.com\"\n[dpop]\n[log]\nformat = \"json\"\n\
         [state]\nfile = \"changes\"\n[ext_authz]\nclient_certificates = true\n"
    );
    let after = compile(loaded(&other), Purpose::Replace(&before)).unwrap();
    assert_eq!(after.file.api, before.file.api);
    assert_eq!(after.listen, before.listen);
    let named: Vec<&str> = after.warnings.iter().filter_map(|warning| warning.split(' ').next()).collect();
    assert_eq!(named, ["[api]", "[decision_point]", "[dpop]", "[listen]", "[log]", "[state]", "certificates"]);
    assert!(after.file.decision_point.is_none() && after.file.dpop.is_none() && after.file.state.is_none());
    assert!(after.warnings.iter().all(|warning| warning.ends_with("takes effect after a restart")));
}

#[test]
fn webhook_and_route_of_one_path_are_a_fault_on_the_address_that_they_share() {
    let text = |webhook: &str, route: &str, listen: &str| {
        let webhook = format!("[[webhooks]]\npath = \"{webhook}\"\nissuer = \"customers\"\nsigning_keys = [\"k\"]\n");
        let beginning = BEGINNING.replace("[listen]\n", &format!("[listen]\n{listen}"));
        format!(
            "{beginning}{}{webhook}",
            ROUTE.replace("/orgs/{org}/orders", route).replace("in organization from path {org} and ", "and ")
        )
    };
    for (webhook, route) in [("/hooks", "/hooks"), ("/orgs/logto", "/orgs/{org}")] {
        let fault = fault(&text(webhook, route, ""));
        assert!(fault.contains(&format!("the route {route} has this path too")), "{fault}");
        assert!(compiled(&text(webhook, route, "webhooks = \"127.0.0.1:8081\"\n")).is_ok());
    }
    for (webhook, route) in [("/hooks", "/orgs/{org}"), ("/hooks/logto", "/{*rest}")] {
        assert!(compiled(&text(webhook, route, "")).is_ok(), "{webhook} {route}");
    }
}
