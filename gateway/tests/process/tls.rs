//! Upstreams behind TLS that would speak either version of HTTP.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use orgate::testing::TestIssuer;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;

use crate::support::{Running, beginning, get, status};

type Received = Arc<Mutex<Vec<(Version, HeaderMap)>>>;

/// Returns the settings of a server for `localhost`, and the root that signed its certificate, in PEM.
fn server() -> (ServerConfig, String) {
    let mut root = CertificateParams::new(Vec::new()).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &root).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config =
        builder.with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap()).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (config, root.as_ref().pem())
}

/// Takes every WebSocket and repeats what comes over it.
fn answer(mut request: Request<Incoming>, received: &Received) -> Response<Full<Bytes>> {
    received.lock().unwrap().push((request.version(), request.headers().clone()));
    let mut response = Response::new(Full::from("served"));
    if request.headers().contains_key("upgrade") {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut io = TokioIo::new(upgrade.await.unwrap());
            let mut frame = [0; 7];
            while io.read_exact(&mut frame).await.is_ok() {
                io.write_all(&frame).await.unwrap();
            }
        });
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.body_mut() = Full::default();
        let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        for (name, value) in [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", accept)] {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
    }
    response
}

async fn application(config: ServerConfig, received: Received) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, received) = (acceptor.clone(), received.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = service_fn(move |request| {
                    let response = answer(request, &received);
                    async { Ok::<_, Infallible>(response) }
                });
                let builder = auto::Builder::new(TokioExecutor::new());
                _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn upstream_that_offers_both_versions_over_tls_is_spoken_to_in_the_one_of_the_file() {
    let (issuer, received, (config, root)) = (TestIssuer::start().await, Received::default(), server());
    let port = application(config, received.clone()).await.port();
    let text = format!(
        "{}[upstream.one]\nurl = \"https://localhost:{port}\"\n[upstream.two]\nurl = \"https://localhost:{port}\"\n\
         http2 = true\n[[route]]\npath = \"/one\"\npublic = true\nupstream = \"one\"\n\
         [[route]]\npath = \"/two\"\npublic = true\nupstream = \"two\"\n",
        beginning(issuer.url())
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("root.pem"), root).unwrap();
    let gateway = Running::start_with(&text, |command| {
        command.env("SSL_CERT_FILE", folder.path().join("root.pem")).env_remove("SSL_CERT_DIR");
    })
    .await;

    for (path, version, host) in [("/one", Version::HTTP_11, Some("api.example.com")), ("/two", Version::HTTP_2, None)]
    {
        let response = get(gateway.proxy, path, "").await.unwrap();
        assert_eq!(status(&response), 200, "{path}: {response}\n{}", gateway.log());
        let (found, headers) = received.lock().unwrap().pop().unwrap();
        assert_eq!(found, version, "{path}");
        assert_eq!(headers.get("host").map(|host| host.to_str().unwrap()), host, "{path}");
        assert_eq!(headers["x-forwarded-host"], "api.example.com", "{path}");
    }

    let mut socket = TcpStream::connect(gateway.proxy).await.unwrap();
    let handshake = "GET /one HTTP/1.1\r\nHost: api.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.write_all(handshake.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    assert_eq!(status(&String::from_utf8_lossy(&head)), 101, "{}", String::from_utf8_lossy(&head));
    let frame = [0x82, 0x81, 1, 2, 3, 4, 5];
    socket.write_all(&frame).await.unwrap();
    let mut echoed = [0; 7];
    socket.read_exact(&mut echoed).await.unwrap();
    assert_eq!(echoed, frame);
}
