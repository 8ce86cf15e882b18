//! Every key of the file: it is accepted, and what says something wrong is a fault.

use orgate::testing::TestCertificate;

use crate::compile::{Purpose, compile};
use crate::config::load;

/// A file with every key that there is, over two variants where keys exclude each other.
fn whole(certificate: &TestCertificate) -> String {
    let keys = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"a","alg":"ES256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
    format!(
        r#"[api]
resource = "https://api.example.com"
public_url = "https://api.example.com"
resources = ["https://other.example.com"]
leeway = "30s"
realm = "api"
resource_metadata = "https://api.example.com/.well-known/oauth-protected-resource"
serve_stale_keys_for = "2h"
max_token_bytes = 4096
token_cache_bytes = 1000000
max_concurrent_verifications = 2
verification_queue = [1024, "1s"]
max_wait = "2s"
shadow_wait = "100ms"
live_permissions = 500
max_token_life = "12h"
max_revocations = 1000
max_suspensions = 1000
max_issuers = 10
max_leases = [1000, 10]
require_sender_constrained = true
disable_grpc_responses = true
disable_trace_context = true
dangerous_allow_http = true

[[issuer]]
name = "customers"
url = "https://tenant.logto.app/oidc"
alias = ["https://auth.example.com/oidc"]
jwks_uri = "https://tenant.logto.app/oidc/jwks"
seed_keys = '{keys}'
keys_without_kid = true
algorithms = ["ES256", "RS256"]
default_rsa_algorithm = "RS256"
profile = "untyped_jwt"
organization_tokens = true
organization_audience_prefix = "org:"
organization_claim = "org"
scope_claim = {{ name = ["realm", "roles"], array = true }}
acr_claim = "level"
auth_time_claim = ["session", "at"]
machine_mark = {{ claim = ["gty", "client-credentials"] }}
client_audience = ["web"]
resource = ["https://api.example.com"]

[issuer.logto_management]
endpoint = "https://tenant.logto.app"
client_id = "id"
client_secret = "s3cret"
management_resource = "https://tenant.logto.app/api"
self_hosted = false
calls_in_flight = 4
calls_per_10_seconds = 50
dangerous_allow_http = false

[issuer.introspection]
endpoint = "https://tenant.logto.app/oidc/token/introspection"
client_id = "id"
client_secret = "s3cret"

[[issuer]]
name = "staff"
url = "https://staff.example.com"
jwks_json = '{keys}'
algorithms = ["ES256"]
machine_mark = {{ present = "clientHost" }}

[[issuer]]
name = "machines"
url = "https://machines.example.com"
machine_mark = {{ subject_is_client_plus = "@clients" }}

[decision_point]
kind = "permit"
url = "https://cloudpdp.api.permit.io"
token = "s3cret"
issuer = "customers"
sync_role = "viewer"

[listen]
proxy = "127.0.0.1:8080"
forward_auth = "0.0.0.0:8081"
ext_authz = "unix:/run/orgate/authz.sock"
admin = "127.0.0.1:9090"
webhooks = "127.0.0.1:8083"
jwks = "127.0.0.1:8084"
dangerous_public = ["forward_auth"]

[forward_auth]
preset = "nginx"
path = "/auth"
client_certificate_header = "X-Client-Certificate"

[ext_authz]
client_certificates = true

[tls]
cert = '''{cert}'''
key = '''{key}'''
client_ca = '''{cert}'''

[[webhooks]]
path = "/webhooks/logto"
issuer = "customers"
signing_keys = ["s3cret-of-the-hook"]

[dpop]
public_url = ["https://other.example.com"]
algorithms = ["ES256"]
window = "30s"
nonces = "required"
nonce_secrets = ["0123456789abcdef0123456789abcdef"]
nonce_lifetime = "2m"
replay_capacity = 4096
replay_timeout = "100ms"

[identity]
header = "Orgate"
headers = {{ subject = "authsubject" }}
assertion = "Orgatejwt"
assertion_key = '''{key}'''
token = "strip"

[upstream.orders]
url = "http://127.0.0.1:3001"
timeout = "30s"
http2 = true
max_streams = [10000, 100]

[[route]]
path = "/orgs/{{org}}/orders"
methods = ["GET"]
policy = "resource in organization from path {{org}} and issued by customers and scope read:orders"
upstream = "orders"
token = "forward"

[[route]]
path = "/live"
methods = ["GET"]
policy = "resource and issued by customers"
upstream = "orders"
browser_origins = ["https://app.example.com"]

[[route]]
path = "/health"
public = true
upstream = "orders"

[path]
trailing_slash = "same"
dangerous_encoded_slash = ["/health"]
dangerous_encoded_backslash = ["/health"]
dangerous_empty_segments = ["/health"]

[limits]
max_header_bytes = 65536
max_body_bytes = 1000000
max_connections = 100
header_timeout = "10s"
idle_timeout = "60s"
stall_timeout = "60s"
drain = "30s"

[log]
format = "json"
decisions = "stdout"
subject = "hash"
subject_key = "0123456789abcdef"

[state]
redis = "rediss://user:s3cret@127.0.0.1:6379"
name = "production"
when_behind = "refuse"
after_loss = "refuse_older"
mac_keys = ["0123456789abcdef0123456789abcdef"]
sentinel = {{ primary = "main", credentials = "rediss://user:s3cret@-/0", others = ["rediss://user:s3cret@127.0.0.2:6379"] }}
bound = "20s"
beat = "2s"
copies = 1
reconcile_every = "5m"
root_certificate = '''{cert}'''
client_certificate = '''{cert}'''
client_key = '''{key}'''
file = "changes"
file_sync = "1s"
"#,
        cert = certificate.pem(),
        key = certificate.private_key_pem(),
    )
}

fn checked(text: &str) -> Result<crate::gateway::Gateway, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, text).unwrap();
    let checked = load(&path).and_then(|loaded| compile(loaded, Purpose::Inspect));
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["gateway.toml"], "a check writes nothing");
    checked.map_err(|fault| fault.to_string())
}

#[test]
fn file_with_every_key_compiles_and_opens_nothing() {
    let gateway = checked(&whole(&TestCertificate::generate())).unwrap();
    assert_eq!(gateway.listen.len(), 6);
    assert!(gateway.lasting.redis.is_some() && gateway.lasting.bridge.is_some());
}

/// The tables are read from the source, so that a new key that this file does not try fails the test.
#[test]
fn no_key_is_missing_from_the_whole_file() {
    let text = whole(&TestCertificate::generate());
    let document: toml::Table = toml::from_str(&text).unwrap();
    let mut written = std::collections::BTreeSet::new();
    collect(&toml::Value::Table(document), &mut written);
    let sources =
        [include_str!("../config/file.rs"), include_str!("../config/issuer.rs"), include_str!("../config/state.rs")];
    let fields = sources.iter().flat_map(|source| source.lines()).filter_map(|line| {
        let (name, kind) = line.strip_prefix("    pub(crate) ")?.split_once(": ")?;
        kind.ends_with(',').then_some(name)
    });
    let missing: Vec<&str> = fields.filter(|name| !written.contains(*name)).collect();
    assert_eq!(missing, Vec::<&str>::new());
    assert!(written.len() > 120, "{}", written.len());
}

fn collect(value: &toml::Value, names: &mut std::collections::BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                names.insert(name.clone());
                collect(value, names);
            }
        }
        toml::Value::Array(values) => values.iter().for_each(|value| collect(value, names)),
        _ => {}
    }
}

/// Each line of the whole file, in a form that cannot be right.
#[test]
fn setting_that_cannot_be_right_is_a_fault() {
    let certificate = TestCertificate::generate();
    let whole = whole(&certificate);
    for (line, wrong, message) in [
        ("max_wait = \"2s\"", "max_wait = \"2 s\"", "expected an integer and one of the units"),
        ("max_wait = \"2s\"", "max_wait = \"2h\"", "max_wait"),
        ("max_issuers = 10", "max_issuers = 1", "issuer"),
        ("nonces = \"required\"", "nonces = \"none\"", "`nonce_secrets` needs `nonces`"),
        ("nonces = \"required\"", "nonces = \"maybe\"", "expected one of none, on_demand, required"),
        ("window = \"30s\"", "window = \"30m\"", "window"),
        ("replay_capacity = 4096", "replay_capacity = 1", "replay"),
        (
            "client_certificate_header = \"X-Client-Certificate\"",
            "client_certificate_header = \"Host\"",
            "meaning of its own",
        ),
        (
            "client_certificate_header = \"X-Client-Certificate\"",
            "client_certificate_header = \"a b\"",
            "invalid HTTP header name",
        ),
        ("when_behind = \"refuse\"\n", "", "`redis` needs `when_behind`"),
        ("when_behind = \"refuse\"", "when_behind = \"wait\"", "expected one of refuse, go_on"),
        ("name = \"production\"\n", "", "`redis` needs a `name`"),
        ("after_loss = \"refuse_older\"", "after_loss = \"no\"", "expected one of refuse_older, go_on"),
        ("mac_keys = [\"0123456789abcdef0123456789abcdef\"]", "mac_keys = [\"short\"]", "redis"),
        ("bound = \"20s\"", "bound = \"1s\"", "bound"),
        ("client_key = ", "# ", "`client_certificate` needs a `client_key`"),
        ("redis = \"rediss://user:s3cret@127.0.0.1:6379\"\n", "", "[state]: `name` needs `redis`"),
        ("file_sync = \"1s\"", "file_sync = \"often\"", "expected each_batch, never, or an interval"),
        ("file = \"changes\"\n", "", "`file_sync` needs a `file`"),
        ("machine_mark = { present = \"clientHost\" }", "machine_mark = {}", "`machine_mark` is one of"),
        ("http2 = true\n", "", "`max_streams` needs `http2 = true`"),
        ("max_streams = [10000, 100]", "max_streams = [10, 0]", "expected max_streams = [ALL, EACH]"),
        ("max_streams = [10000, 100]", "max_streams = [10, 11]", "expected max_streams = [ALL, EACH]"),
        ("max_streams = [10000, 100]", "max_streams = [100001, 1000]", "expected max_streams = [ALL, EACH]"),
        ("max_streams = [10000, 100]", "max_streams = [10000, 9]", "expected max_streams = [ALL, EACH]"),
        ("idle_timeout = \"60s\"", "idle_timeout = \"0s\"", "expected a time longer than zero"),
        ("stall_timeout = \"60s\"", "stall_timeout = \"0ms\"", "expected a time longer than zero"),
        ("stall_timeout = \"60s\"", "stall_timeout = \"60\"", "expected an integer and one of the units"),
        ("kind = \"permit\"", "kind = \"opa\"", "expected one of permit, authzen"),
    ] {
        assert!(whole.contains(line), "{line}");
        // A text of several lines goes with its key.
        let text = match (line, wrong) {
            ("client_key = ", _) => whole.replace(&format!("client_key = '''{}'''", certificate.private_key_pem()), ""),
            _ => whole.replace(line, wrong),
        };
        let fault = checked(&text).err().unwrap_or_else(|| panic!("no fault with {wrong}"));
        assert!(fault.contains(message), "{wrong}: {fault}");
        assert!(!fault.contains("s3cret"), "{fault}");
    }
    for (part, wrong) in [(certificate.pem(), "'''none of it'''"), (certificate.private_key_pem(), "'''none of it'''")]
    {
        let tls = format!("cert = '''{}'''\nkey = '''{}'''\n", certificate.pem(), certificate.private_key_pem());
        let broken = tls.replace(&format!("'''{part}'''"), wrong);
        assert!(checked(&whole.replace(&tls, &broken)).unwrap_err().contains("in PEM"));
    }
    let bundle = whole.replace(&format!("client_ca = '''{}'''", certificate.pem()), "client_ca = \"all\"");
    assert!(checked(&bundle).unwrap_err().contains("expected certificates in PEM: \"all\""));
}
