//! TLS: who the server is, and who the replica is.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::fleet::{Fleet, redis, settle};
use super::server::{Server, free_port};
use crate::support::Directory;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Another name than that of the leaves, or OpenSSL takes these for self-signed.
        params.distinguished_name.push(DnType::CommonName, "authority");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate of this name, and its key: PEM.
    fn certificate(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        (leaf.pem(), key.serialize_pem())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }
}

#[tokio::test]
async fn own_authority_and_client_certificate_are_used_and_others_are_rejected() {
    let (authority, directory, mut fleet) = (Authority::new(), Directory::new(), Fleet::new().await);
    let (certificate, key) = authority.certificate("localhost");
    let write = |name: &str, text: &str| {
        std::fs::write(directory.path(name), text).unwrap();
        directory.path(name).to_str().unwrap().to_owned()
    };
    let (certificate, key, roots) =
        (write("server.pem", &certificate), write("server.key", &key), write("ca.pem", &authority.pem()));
    let port = free_port().to_string();
    let server = Server::start(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &roots,
        "--tls-auth-clients",
        "yes",
    ])
    .await;
    settle(&server);
    let url = format!("rediss://localhost:{port}");
    let (chain, client_key) = authority.certificate("replica");
    let settings = || redis(&url).root_certificate_pem(authority.pem());
    let one = fleet.join(settings().client_certificate_pem(&*chain, &*client_key)).await;
    fleet.suspend(&one, 1);
    fleet.agrees(&one).await;

    // Without a certificate of its own, and where the server's is of another authority.
    let nobody = fleet.start(settings()).await;
    nobody.until("an error", |redis| redis.status().error.is_some()).await;
    let stranger =
        redis(&url).root_certificate_pem(Authority::new().pem()).client_certificate_pem(&*chain, &*client_key);
    let stranger = fleet.start(stranger).await;
    stranger.until("an error", |redis| redis.status().counts.errors["tls"] > 0).await;
    let error = stranger.redis.status().error.unwrap();
    assert!(error.contains("TLS") && error.contains("certificate"), "{error}");
    assert_eq!(
        (nobody.replica.status(fleet.token(2)).await, stranger.replica.status(fleet.token(2)).await),
        (503, 503)
    );
    for faulty in [redis(&url).root_certificate_pem("no PEM"), settings().client_certificate_pem(&*chain, "no key")] {
        assert!(faulty.build().is_err());
    }
}
