//! The built-in client: TLS and proxies.

use std::io;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orgate::http::HttpClient;
use orgate::testing::{Endpoint, TestIssuer};
use orgate::{Issuer, ResourceServer};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, crypto::aws_lc_rs};

use crate::support::{API, Api, builder, token};

/// An issuer behind TLS: `https://localhost:{port}`, with the keys of a test issuer.
struct SecureIssuer {
    url: String,
    root: String,
}

impl SecureIssuer {
    async fn start(issuer: &TestIssuer) -> Self {
        let (acceptor, root) = certified();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let metadata = json!({ "issuer": url, "jwks_uri": format!("{url}/jwks") }).to_string();
        let jwks = issuer.jwks_json();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that does not trust the certificate ends the handshake.
                _ = answer(&acceptor, stream, &metadata, &jwks).await;
            }
        });
        Self { url, root }
    }
}

/// TLS of a server whose name is `localhost`, and the root of its certificate.
fn certified() -> (TlsAcceptor, String) {
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), authority.pem())
}

async fn answer(acceptor: &TlsAcceptor, stream: TcpStream, metadata: &str, jwks: &str) -> io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let document = if head(&mut stream).await?.starts_with("GET /jwks ") { jwks } else { metadata };
    let answer =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{document}", document.len());
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

async fn head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// A proxy that writes down what it is asked, and opens tunnels.
struct Proxy {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, heads) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<String>>>::default());
        let written = heads.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, written) = (tls.clone(), written.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => serve_proxy(tls.accept(stream).await?, &written).await,
                        None => serve_proxy(stream, &written).await,
                    }
                });
            }
        });
        Self { port, heads }
    }

    fn head(&self) -> String {
        self.heads.lock().unwrap()[0].to_ascii_lowercase()
    }
}

async fn serve_proxy(mut stream: impl AsyncRead + AsyncWrite + Unpin, heads: &Mutex<Vec<String>>) -> io::Result<()> {
    let head = head(&mut stream).await?;
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).map(str::to_owned);
    heads.lock().unwrap().push(head);
    let Some(target) = target else {
        return stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await;
    };
    let mut server = TcpStream::connect(target).await?;
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut stream, &mut server).await.map(|_| ())
}

#[tokio::test]
async fn a_private_root_certificate() {
    let issuer = TestIssuer::start().await;
    let secure = SecureIssuer::start(&issuer).await;
    let token = issuer.resource_token(API).issuer(&*secure.url).mint();
    let builder = || ResourceServer::builder(&*secure.url, API).clock(issuer.clock());
    assert!(Api::new(builder()).get(&token).await.is_503(), "an unknown authority");
    let other = SecureIssuer::start(&issuer).await;
    assert!(
        Api::new(builder().http_client(HttpClient::new().root_certificate(&*other.root))).get(&token).await.is_503(),
        "another authority"
    );
    let trusting = Api::new(
        builder().http_client(HttpClient::new().root_certificate(&*other.root).root_certificate(&*secure.root)),
    );
    assert!(trusting.get(&token).await.is_ok());
    let both =
        Api::new(builder().http_client(HttpClient::new().root_certificate(format!("{}{}", other.root, secure.root))));
    assert!(both.get(&token).await.is_ok());
    let by_address = secure.url.replace("localhost", "127.0.0.1");
    let misnamed = ResourceServer::builder(Issuer::new(&*secure.url).jwks_uri(format!("{by_address}/jwks")), API);
    let misnamed = misnamed.clock(issuer.clock()).http_client(HttpClient::new().root_certificate(&*secure.root));
    assert!(Api::new(misnamed).get(&token).await.is_503(), "the certificate names another host");
}

#[tokio::test]
async fn a_proxy_that_was_asked_for() {
    let proxy = TestIssuer::start().await;
    let address = proxy.url().strip_suffix("/oidc").unwrap();
    let entry = Issuer::new("http://127.0.0.1:1/oidc").jwks_uri("http://127.0.0.1:1/oidc/jwks");
    let token = proxy.resource_token(API).issuer("http://127.0.0.1:1/oidc").mint();
    let direct = ResourceServer::builder(entry, API).clock(proxy.clock());
    let entry = Issuer::new("http://127.0.0.1:1/oidc").jwks_uri("http://127.0.0.1:1/oidc/jwks");
    let proxied =
        ResourceServer::builder(entry, API).clock(proxy.clock()).http_client(HttpClient::new().proxy(address));
    assert!(Api::new(direct).get(&token).await.is_503());
    assert!(Api::new(proxied).get(&token).await.is_ok());
    assert_eq!(proxy.requests(Endpoint::Keys), 1);
}

/// With TLS to the proxy and without: the proxy sees the name of the server, and opens a tunnel.
#[tokio::test]
async fn https_goes_through_a_tunnel_of_the_proxy() {
    let issuer = TestIssuer::start().await;
    let secure = SecureIssuer::start(&issuer).await;
    let token = issuer.resource_token(API).issuer(&*secure.url).mint();
    let (tls, root) = certified();
    for (scheme, tls) in [("http", None), ("https", Some(tls))] {
        let proxy = Proxy::start(tls).await;
        let client = HttpClient::new()
            .proxy(format!("{scheme}://user:p%40ss@localhost:{}", proxy.port))
            .root_certificate(&*secure.root)
            .root_certificate(&*root)
            .user_agent("tunneled/1");
        let server = ResourceServer::builder(&*secure.url, API).clock(issuer.clock()).http_client(client);
        assert!(Api::new(server).get(&token).await.is_ok(), "{scheme}");
        let head = proxy.head();
        let host = secure.url.trim_start_matches("https://");
        assert!(head.starts_with(&format!("connect {host} http/1.1\r\n")), "{head}");
        assert!(head.contains("\r\nproxy-authorization: basic dxnlcjpwqhnz\r\n"), "{head}");
        assert!(head.contains("\r\nuser-agent: tunneled/1\r\n"), "{head}");
    }
}

#[tokio::test]
async fn http_is_asked_of_the_proxy_with_its_credentials() {
    let issuer = TestIssuer::start().await;
    let proxy = Proxy::start(None).await;
    let client = HttpClient::new().proxy(format!("user:pass@127.0.0.1:{}", proxy.port));
    let entry = Issuer::new("http://127.0.0.1:1/oidc").jwks_uri("http://127.0.0.1:1/jwks?a=b");
    let server = ResourceServer::builder(entry, API).clock(issuer.clock()).http_client(client);
    let token = issuer.resource_token(API).issuer("http://127.0.0.1:1/oidc").mint();
    assert!(Api::new(server).get(&token).await.is_503());
    let head = proxy.head();
    assert!(head.starts_with("get http://127.0.0.1:1/jwks?a=b http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nproxy-authorization: basic dxnlcjpwyxnz\r\n"), "{head}");
    assert!(head.contains("\r\nhost: 127.0.0.1:1\r\n"), "{head}");
    assert!(head.contains(concat!("\r\nuser-agent: orgate/", env!("CARGO_PKG_VERSION"), "\r\n")), "{head}");
}

#[tokio::test]
async fn limits_of_the_client_end_what_hangs() {
    const LIMIT: Duration = Duration::from_millis(50);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = listener.local_addr().unwrap();
    // Whoever connects is let in, and hears nothing.
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endless = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                head(&mut stream).await?;
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
                while stream.write_all(&[b' '; 64 * 1024]).await.is_ok() {}
                io::Result::Ok(())
            });
        }
    });
    let https = format!("https://localhost:{}/jwks", silent.port());
    let client = HttpClient::new().root_certificate(certified().1);
    for (jwks_uri, client, expected) in [
        (https, client.connect_timeout(LIMIT), "timed out"),
        (format!("http://{silent}/jwks"), HttpClient::new().timeout(LIMIT), "timed out"),
        (format!("http://{endless}/jwks"), HttpClient::new(), "more than 262144 bytes"),
    ] {
        let entry = Issuer::new("http://127.0.0.1:1/oidc").jwks_uri(jwks_uri);
        let server = ResourceServer::builder(entry, API).http_client(client).build().unwrap();
        assert!(server.ready().await.is_err());
        let error = server.keys()[0].last_error().unwrap().to_owned();
        assert!(error.contains(expected), "{error}");
    }
}

/// Environment variables are the process's, so the test runs itself again in a process of its own.
#[tokio::test]
async fn a_proxy_of_the_environment_is_not_used() {
    const CHILD: &str = "ORGATE_TEST_BEHIND_A_PROXY";
    if std::env::var_os(CHILD).is_some() {
        let issuer = TestIssuer::start().await;
        assert!(Api::new(builder(&issuer)).get(token(&issuer)).await.is_ok());
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "transport::a_proxy_of_the_environment_is_not_used"]).env(CHILD, "1");
    for name in ["NO_PROXY", "no_proxy"] {
        child.env_remove(name);
    }
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(name, "http://127.0.0.1:1");
    }
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// An image without root certificates: the error names the remedy, and plain loopback http needs none.
#[tokio::test]
async fn missing_root_certificates_are_found_at_build_time_and_only_for_https() {
    const CHILD: &str = "ORGATE_TEST_WITHOUT_ROOTS";
    if std::env::var_os(CHILD).is_some() {
        let error = ResourceServer::builder("https://issuer.example", API).build().unwrap_err().to_string();
        assert!(error.contains("ca-certificates") && error.contains("root_certificate"), "{error}");
        let issuer = TestIssuer::start().await;
        assert!(Api::new(builder(&issuer)).get(token(&issuer)).await.is_ok());
        let secure = SecureIssuer::start(&issuer).await;
        let client = HttpClient::new().root_certificate(&*secure.root);
        let own = ResourceServer::builder(&*secure.url, API).clock(issuer.clock()).http_client(client);
        let token = issuer.resource_token(API).issuer(&*secure.url).mint();
        assert!(Api::new(own).get(&token).await.is_ok(), "one of its own is enough");
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    let name = "transport::missing_root_certificates_are_found_at_build_time_and_only_for_https";
    child.args(["--exact", name]).env(CHILD, "1").env("SSL_CERT_FILE", "/dev/null").env_remove("SSL_CERT_DIR");
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
