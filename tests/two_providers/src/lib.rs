//! With the features of two crypto providers switched on, rustls cannot tell which one is meant, and panics where nothing says
//! it. All TLS of orgate says it: to Redis, and of its own HTTP client.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by a panic"))]

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use orgate::change::Change;
    use orgate::change::redis::{AfterLoss, Redis, RedisState, WhenBehind};
    use orgate::http::HttpClient;
    use orgate::testing::TestIssuer;
    use orgate::{Issuer, ResourceServer};
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
    use rustls::crypto::aws_lc_rs;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio::io::copy_bidirectional;
    use tokio::net::{TcpListener, TcpStream};

    const API: &str = "https://api.example.com";

    struct Killed(Child);

    impl Drop for Killed {
        fn drop(&mut self) {
            _ = self.0.kill();
            _ = self.0.wait();
        }
    }

    /// An authority, and a certificate of it for `localhost`: PEM.
    fn certificates() -> (String, String, String) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        (authority.pem(), leaf.pem(), key.serialize_pem())
    }

    /// Speaks TLS in front of a plain server.
    async fn front(certificate: &str, key: &str, behind: String) -> u16 {
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config.with_single_cert(chain, key).unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let Ok(mut server) = TcpStream::connect(behind).await else { return };
                    _ = copy_bidirectional(&mut stream, &mut server).await;
                });
            }
        });
        port
    }

    #[tokio::test]
    async fn two_crypto_providers_do_not_panic() {
        // Otherwise nothing is shown.
        assert!(std::panic::catch_unwind(rustls::ClientConfig::builder).is_err(), "two providers are switched on");

        let (authority, certificate, key) = certificates();
        let redis_port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let program = std::env::var("ORGATE_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
        let mut command = Command::new(program);
        command.args(["--port", &redis_port.to_string(), "--bind", "127.0.0.1", "--save", ""]).stdout(Stdio::null());
        let _server = Killed(command.spawn().unwrap());
        let redis_tls = front(&certificate, &key, format!("127.0.0.1:{redis_port}")).await;

        // The issuer's keys are fetched over TLS, by the built-in client.
        let issuer = TestIssuer::start().await;
        let behind = issuer.jwks_uri().trim_start_matches("http://").to_owned();
        let (behind, path) = behind.split_once('/').unwrap();
        let keys = front(&certificate, &key, behind.to_owned()).await;
        let entry = Issuer::new(issuer.url()).jwks_uri(format!("https://localhost:{keys}/{path}"));
        let client = HttpClient::new().root_certificate(authority.as_bytes());
        let redis = Redis::builder(format!("rediss://localhost:{redis_tls}"), "two-providers")
            .root_certificate_pem(authority.as_bytes())
            .when_behind(WhenBehind::Refuse)
            .after_loss(AfterLoss::GoOn)
            .build()
            .unwrap();
        let server = ResourceServer::builder(entry, API)
            .clock(issuer.clock())
            .http_client(client)
            .change_log(redis.clone())
            .build()
            .unwrap();
        for _ in 0..600 {
            _ = server.ready().await;
            if redis.status().state == RedisState::Current {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(redis.status().state, RedisState::Current, "{:?}", redis.status());
        let token = issuer.resource_token(API).subject("alice").mint();
        server.verify(&token).await.unwrap();
        let entry = server.issuers().remove(0);
        entry.apply_change(&Change::suspended(entry.issuer(), "alice", SystemTime::now())).unwrap();
        server.changes_kept().await;
        assert_eq!(redis.status().error, None);
    }
}
