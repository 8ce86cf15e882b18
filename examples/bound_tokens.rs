//! Tokens that are bound to a key or to a client certificate, for an issuer of yours.
//!
//! `ISSUER=https://tenant.logto.app/oidc PUBLIC_URL=https://api.example.com/v1 cargo run --example bound_tokens`
//!
//! | variable | what it says |
//! |---|---|
//! | `ISSUER` | the issuer of the tokens |
//! | `PUBLIC_URL` | where clients reach this server: the URL that proofs are for, and the resource indicator |
//! | `LISTEN` | the address to listen on; default `127.0.0.1:3000` |
//! | `CERTIFICATES` | who tells the client's certificate: `own` (TLS of this server), `nginx`, `envoy`; default none |
//! | `TLS_CERT`, `TLS_KEY` | files in PEM, for `own` |
//! | `ISSUER_CA` | a file in PEM: whom to trust beside the platform's roots when keys are fetched |
//! | `NONCES` | `required`: proofs must hold a nonce of this server |

use std::env::var;
use std::error::Error;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use http::Version;
use orgate::http::HttpClient;
use orgate::policy::resource;
use orgate::token::binding::{Dpop, MutualTls, Nonces, TrustedPeers};
use orgate::{AccessToken, ResourceServer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{self, CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use tokio_rustls::server::TlsStream;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let public_url = var("PUBLIC_URL")?;
    let mut dpop = Dpop::new(&public_url);
    if var("NONCES").is_ok_and(|nonces| nonces == "required") {
        dpop = dpop.nonces(Nonces::required());
    }
    let mut client = HttpClient::new();
    if let Ok(file) = var("ISSUER_CA") {
        client = client.root_certificate(fs::read(file)?);
    }
    let source = var("CERTIFICATES").unwrap_or_default();
    let mut builder = ResourceServer::builder(var("ISSUER")?, &public_url).http_client(client).dpop(dpop);
    // The proxy is on this machine. What anybody else sends in the header is not believed.
    let proxy =
        || TrustedPeers::new(|request| Some(request.get::<ConnectInfo<SocketAddr>>()?.0.into())).network("127.0.0.1");
    builder = match &*source {
        "own" => builder.mutual_tls(MutualTls::connection(|request| {
            request.get::<ConnectInfo<ClientCertificate>>()?.0.0.as_deref()
        })),
        // proxy_set_header X-Client-Cert $ssl_client_escaped_cert;
        "nginx" => builder.mutual_tls(MutualTls::pem_header("x-client-cert", proxy())),
        // forward_client_cert_details: SANITIZE_SET
        "envoy" => builder.mutual_tls(MutualTls::xfcc_header(proxy())),
        _ => builder,
    };
    let server = builder.build()?;
    let app: Router = server
        .guard()
        .get("/orders", whose, resource().scope("read:orders"))
        .get("/bound", whose, resource().scope("read:orders").sender_constrained())
        .into_router()?;

    let listener = TcpListener::bind(var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned())).await?;
    println!("# Serving {} until Ctrl-C.", listener.local_addr()?);
    if source == "own" {
        let tls = tls(&var("TLS_CERT")?, &var("TLS_KEY")?)?;
        let app = app.into_make_service_with_connect_info::<ClientCertificate>();
        axum::serve(TlsListener::new(listener, tls)?, app).await?;
    } else {
        axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    }
    Ok(())
}

async fn whose(version: Version, token: AccessToken) -> String {
    let bound = if token.is_sender_constrained() { "bound" } else { "not bound" };
    format!("{} {version:?}, {bound}\n", token.subject())
}

/// The certificate of a connection, in DER.
#[derive(Clone)]
struct ClientCertificate(Option<Arc<[u8]>>);

impl Connected<IncomingStream<'_, TlsListener>> for ClientCertificate {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        let (_, connection) = stream.io().get_ref();
        Self(connection.peer_certificates().and_then(<[_]>::first).map(|leaf| leaf.as_ref().into()))
    }
}

/// Connections after their handshake. Each handshake has a task and a limit: a slow client does not delay others.
struct TlsListener {
    connections: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl TlsListener {
    fn new(listener: TcpListener, config: ServerConfig) -> io::Result<Self> {
        let (done, connections) = mpsc::channel(64);
        let (address, acceptor) = (listener.local_addr()?, TlsAcceptor::from(Arc::new(config)));
        tokio::spawn(async move {
            loop {
                let Ok((stream, peer)) = listener.accept().await else {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                let (done, handshake) = (done.clone(), acceptor.accept(stream));
                tokio::spawn(async move {
                    if let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_secs(10), handshake).await {
                        _ = done.send((stream, peer)).await;
                    }
                });
            }
        });
        Ok(Self { connections, address })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        match self.connections.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

fn tls(certificate: &str, key: &str) -> Result<ServerConfig, Box<dyn Error>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let verifier = Arc::new(AnyCertificate(provider.signature_verification_algorithms));
    let mut config = ServerConfig::builder_with_provider(provider as Arc<CryptoProvider>)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Accepts every certificate whose key the client holds, and clients without one: the token says which certificate it must be
/// (RFC 8705 section 3). Issued by whom is no matter.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

type TlsError = tokio_rustls::rustls::Error;

impl ClientCertVerifier for AnyCertificate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        crypto::verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        crypto::verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
