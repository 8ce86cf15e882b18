//! Real proxies with the configurations that the guide tells people to copy. Needs their programs in `ORGATE_PROXIES`.

use std::net::SocketAddr;
use std::process::Child;
use std::time::Duration;

use http::HeaderValue;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::World;
use super::proxies::{Ports, free_port, launch};
use super::replay::{ATTACKS, fill, latin1};
use super::world::{RESOURCE, status};
use crate::gateway::Face;

/// What a proxy's own limit stops before anything is decided, with a token of a usual size.
const TOO_LONG: [(&str, &str); 1] = [("long-url-20k", "caddy")];

/// A proxy in front of a gateway, ended with the value.
pub(super) struct Proxy {
    child: Child,
    pub(super) address: SocketAddr,
    pub(super) world: World,
    folder: tempfile::TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Returns the preset that a proxy's configuration is made for.
pub(super) fn preset(name: &str) -> String {
    if name == "envoy-grpc" { "envoy_http".to_owned() } else { name.replace('-', "_") }
}

async fn start(name: &str) -> Proxy {
    start_with(name, "").await
}

/// `more` are further tables of the gateway's file.
async fn start_with(name: &str, more: &str) -> Proxy {
    let world = World::with(&preset(name), more).await;
    let folder = tempfile::tempdir().unwrap();
    let ports = Ports {
        proxy: free_port(),
        forward_auth: world.addresses[&Face::ForwardAuth].port(),
        ext_authz: world.addresses[&Face::ExtAuthz].port(),
        application: world.application.address.port(),
    };
    let child = launch(name, folder.path(), ports);
    let address = SocketAddr::from(([127, 0, 0, 1], ports.proxy));
    let proxy = Proxy { child, address, world, folder };
    for _ in 0..200 {
        // Listening is not enough: Traefik answers 404 until it has read its dynamic part.
        if TcpStream::connect(address).await.is_ok() && status(&proxy.get("/public/x", "").await) == 200 {
            proxy.world.application.take();
            return proxy;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{name} does not serve: {}", std::fs::read_to_string(proxy.folder.path().join("output")).unwrap());
}

impl Proxy {
    /// Sends bytes and reads until the response's head and some body are there.
    pub(super) async fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // A server that rejects early closes before it has read everything.
        _ = stream.write_all(request).await;
        let (mut response, mut chunk) = (Vec::new(), vec![0; 16 * 1024]);
        loop {
            let limit = if response.is_empty() { 5000 } else { 60 };
            match tokio::time::timeout(Duration::from_millis(limit), stream.read(&mut chunk)).await {
                Ok(Ok(read)) if read > 0 => response.extend_from_slice(&chunk[..read]),
                _ => break,
            }
        }
        String::from_utf8_lossy(&response).into_owned()
    }

    async fn get(&self, path: &str, headers: &str) -> String {
        let headers = headers.replace("{{TOKEN}}", &self.world.token);
        self.raw(format!("GET {path} HTTP/1.1\r\nHost: api.example.com\r\n{headers}\r\n").as_bytes()).await
    }

    async fn attack(&self, name: &str) {
        let attacks: Vec<Value> = serde_json::from_str(ATTACKS).unwrap();
        let (mut tried, mut wrong) = (0, Vec::new());
        for attack in attacks.iter().filter(|attack| attack["proxy"] == name) {
            tried += 1;
            let request = latin1(&fill(attack["raw_request"].as_str().unwrap(), &self.world.token));
            let response = self.raw(&request).await;
            let received = self.world.application.take();
            let expected = match attack["expected"].as_str().unwrap() {
                "allow" => true,
                "deny" => false,
                _ => attack["status"] == 200 && !attack["application_sees"].is_null(),
            };
            let allowed = !received.is_empty();
            if !allowed
                && status(&response) == 431
                && TOO_LONG.iter().any(|known| attack["name"] == known.0 && name == known.1)
            {
                continue;
            }
            if allowed != expected || (allowed && status(&response) != 200) || received.len() > 1 {
                wrong.push(format!("{}: {} received, {response:.80}", attack["name"], received.len()));
            }
            for received in &received {
                if received.head.headers.contains_key("authorization") {
                    wrong.push(format!("{}: the application got the token", attack["name"]));
                }
            }
        }
        assert!(tried > 100 && wrong.is_empty(), "{name}: {tried} tried, wrong:\n{}", wrong.join("\n"));
    }

    /// Checks that what orgate answers reaches the client, and that the application believes orgate alone.
    async fn check_answers(&self) {
        let allowed =
            self.get("/orgs/acme/orders", "Authorization: Bearer {{TOKEN}}\r\nOrgate: root\r\noRGATE: root\r\n").await;
        assert_eq!(status(&allowed), 200, "{allowed}");
        let identity =
            self.world.application.take()[0].head.headers.get_all("orgate").iter().cloned().collect::<Vec<_>>();
        assert_eq!(identity.len(), 1);
        assert!(identity[0].to_str().unwrap().starts_with("sub=\"u1\""), "{identity:?}");

        let forged = "Forwarded: for=192.0.2.9;host=evil\r\nX-Request-Id: chosen\r\nX-Real-IP: 192.0.2.9\r\n";
        for path in ["/public/x", "/orgs/acme/orders"] {
            let response = self.get(path, &format!("Authorization: Bearer {{{{TOKEN}}}}\r\n{forged}")).await;
            assert_eq!(status(&response), 200, "{response}");
            let headers = self.world.application.take().remove(0).head.headers;
            assert!(headers.get("forwarded").is_none_or(HeaderValue::is_empty), "{headers:?}");
            for (name, value) in &headers {
                assert!(value != "chosen" && value != "192.0.2.9", "{path}: the application got {name}: {value:?}");
            }
        }

        let public = self.get("/public/x", "Orgate: root\r\nConnection: Orgate\r\n").await;
        assert_eq!(status(&public), 200, "{public}");
        let headers = self.world.application.take().remove(0).head.headers;
        assert!(headers.get("orgate").is_none_or(HeaderValue::is_empty), "{headers:?}");

        for (path, token, expected) in [
            ("/orgs/acme/orders", false, 401),
            ("/orgs/globex/orders", true, 403),
            ("/nowhere", true, 404),
            ("/orgs/a%00b/orders", true, 400),
        ] {
            let response = self.get(path, if token { "Authorization: Bearer {{TOKEN}}\r\n" } else { "" }).await;
            assert_eq!(status(&response), expected, "{path}: {response}");
            if expected == 400 {
                // Some proxies reject it themselves.
                continue;
            }
            let lower = response.to_ascii_lowercase();
            assert!(lower.contains("application/problem+json"), "{path}: {response}");
            assert!(lower.contains("cache-control: no-store"), "{path}: {response}");
            assert!(lower.contains(&format!("\"status\":{expected}")), "{path}: {response}");
            let challenged = expected == 401 || expected == 403;
            assert_eq!(
                lower.matches("www-authenticate: bearer").count(),
                usize::from(challenged),
                "{path}: {response}"
            );
        }
        assert!(self.world.application.received().is_empty());
    }
}

impl Proxy {
    /// Checks that a proof is judged by the request of the client, and passes once.
    async fn check_proofs(&self) {
        const PATH: &str = "/orgs/acme/orders";
        let issuer = &self.world.issuer;
        let key = issuer.proof_key();
        let token = issuer.organization_resource_token(RESOURCE, "acme").subject("u1").client("web");
        let token = token.scope("read:orders").bound_to(&key).mint();
        let url = format!("https://api.example.com{PATH}");
        let send = async |scheme: &str, proof: &str, more: &str| {
            let proof = if proof.is_empty() { String::new() } else { format!("DPoP: {proof}\r\n") };
            self.get(PATH, &format!("Authorization: {scheme} {token}\r\n{proof}{more}")).await
        };
        let rejected = |response: &str, error: &str| {
            assert_eq!(status(response), 401, "{response}");
            let lower = response.to_ascii_lowercase();
            assert!(lower.contains(&format!("error=\"{error}\"")), "{response}");
            // Both schemes are named, however many fields the proxy leaves of the challenges.
            assert!(lower.contains("dpop algs=") && lower.contains("bearer "), "{response}");
        };
        let first = send("DPoP", &key.proof("GET", &url, &token).mint(), "").await;
        rejected(&first, "use_dpop_nonce");
        let nonce = header(&first, "dpop-nonce").expect("a nonce");
        let proof = |method: &str, url: &str| key.proof(method, url, &token).nonce(nonce.as_str()).mint();

        // What a client calls the request is no matter: the proxy overwrites it, or it is not read.
        let own_id = "X-Request-Id: chosen\r\n";
        let good = proof("GET", &format!("{url}?ignored=1"));
        let passed = send("DPoP", &good, own_id).await;
        assert_eq!(status(&passed), 200, "{passed}");
        let received = self.world.application.take().remove(0).head.headers;
        assert!(!received.contains_key("dpop") && !received.contains_key("authorization"), "{received:?}");
        assert!(received["orgate"].to_str().unwrap().starts_with("sub=\"u1\""), "{received:?}");
        rejected(&send("DPoP", &good, own_id).await, "invalid_dpop_proof");
        let again = send("DPoP", &proof("GET", &url), own_id).await;
        assert_eq!(status(&again), 200, "{again}");
        self.world.application.take();

        for (scheme, proof, error) in [
            ("DPoP", proof("POST", &url), "invalid_dpop_proof"),
            ("DPoP", proof("GET", "https://api.example.com/auth"), "invalid_dpop_proof"),
            ("DPoP", proof("GET", &format!("http://{}{PATH}", self.address)), "invalid_dpop_proof"),
            ("DPoP", String::new(), "invalid_dpop_proof"),
            ("Bearer", proof("GET", &url), "invalid_token"),
            ("Bearer", String::new(), "invalid_token"),
        ] {
            rejected(&send(scheme, &proof, "").await, error);
        }
        assert!(self.world.application.take().is_empty());
    }
}

/// Returns the value of the first header of this name.
fn header(response: &str, name: &str) -> Option<String> {
    let lines = response.lines().take_while(|line| !line.is_empty());
    let mut fields = lines.filter_map(|line| line.split_once(": "));
    fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

macro_rules! behind {
    ($($test:ident $proofs:ident $name:literal),+) => {$(
        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "needs the programs of the proxies"]
        async fn $proofs() {
            start_with($name, "[dpop]\nnonces = \"required\"\n").await.check_proofs().await;
        }


        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "needs the programs of the proxies"]
        async fn $test() {
            let proxy = start($name).await;
            proxy.check_answers().await;
            proxy.check_upgrades().await;
            proxy.attack($name).await;
        }
    )+};
}

behind!(
    attacks_behind_nginx_are_decided_as_expected proof_behind_nginx_passes_once "nginx",
    attacks_behind_caddy_are_decided_as_expected proof_behind_caddy_passes_once "caddy",
    attacks_behind_traefik_are_decided_as_expected proof_behind_traefik_passes_once "traefik",
    attacks_behind_envoy_over_http_are_decided_as_expected proof_behind_envoy_over_http_passes_once "envoy-http",
    attacks_behind_envoy_over_grpc_are_decided_as_expected proof_behind_envoy_over_grpc_passes_once "envoy-grpc"
);
