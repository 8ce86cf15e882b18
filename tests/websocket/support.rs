//! A server with WebSockets, and clients that open them.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message as Sent, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderName};
use orgate::engine::Grant;
use orgate::policy::{organization, path, resource};
use orgate::server::Builder;
use orgate::testing::{TestCertificate, TestIssuer};
use orgate::token::binding::{Dpop, MutualTls};
use orgate::websocket::{BrowserTokens, FirstMessage, Unauthenticated, close_code};
use orgate::{AccessToken, Guard, ResourceServer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub(crate) const API: &str = "https://api.example.com";
pub(crate) const PAGE: &str = "https://app.example.com";
pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) struct World {
    pub(crate) issuer: TestIssuer,
    pub(crate) server: ResourceServer,
    pub(crate) address: SocketAddr,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::built(|builder| builder, FirstMessage::new([PAGE])).await
    }

    pub(crate) async fn built(change: impl FnOnce(Builder) -> Builder, first: FirstMessage) -> Self {
        let issuer = TestIssuer::start().await;
        let server = change(ResourceServer::builder(issuer.url(), API).clock(issuer.clock())).build().unwrap();
        let address = serve(guard(&server, &first).into_router().unwrap()).await;
        Self { issuer, server, address }
    }

    /// A server that checks proofs and certificates. Every connection has the certificate that is returned.
    pub(crate) async fn bound() -> (Self, TestCertificate) {
        let certificate = TestCertificate::generate();
        let der: &'static [u8] = certificate.der().to_vec().leak();
        let mutual = MutualTls::connection(move |_| Some(der));
        let change = |builder: Builder| builder.dpop(Dpop::new(API)).mutual_tls(mutual);
        (Self::built(change, FirstMessage::new([PAGE])).await, certificate)
    }

    pub(crate) fn token(&self) -> String {
        self.issuer.resource_token(API).scope("read:orders").mint()
    }

    /// Opens a WebSocket as a browser would, with these headers beside its own.
    pub(crate) async fn open(&self, path: &str, headers: &[(&str, &str)]) -> Result<(Socket, HeaderMap), Refused> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, response)) => Ok((socket, response.headers().clone())),
            Err(Error::Http(response)) => {
                let (head, body) = response.into_parts();
                let body = String::from_utf8(body.unwrap_or_default()).unwrap();
                Err(Refused { status: head.status.as_u16(), headers: head.headers, body })
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Sends a head word by word, and returns the status of the response.
    pub(crate) async fn raw(&self, head: &str) -> u16 {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut response = Vec::new();
        while !response.windows(4).any(|end| end == b"\r\n\r\n") {
            assert!(stream.read_buf(&mut response).await.unwrap() > 0, "{}", String::from_utf8_lossy(&response));
        }
        String::from_utf8_lossy(&response).split(' ').nth(1).unwrap().parse().unwrap()
    }
}

/// What a client sees of a rejected handshake.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

pub(crate) async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

pub(crate) fn guard(server: &ResourceServer, first: &FirstMessage) -> Guard {
    let tokens = BrowserTokens::new([PAGE, "http://localhost:5173"]);
    let read = || resource().scope("read:orders");
    server
        .guard()
        .websocket("/live", live, read(), &tokens)
        .get("/plain", live, read())
        .first_message("/first", first_message, read(), first)
        .first_message("/orgs/{org}/first", first_message, organization(path("org")).scope("read:orders"), first)
}

/// Tells whose connection it is, and what is left of the headers.
pub(crate) async fn live(upgrade: WebSocketUpgrade, token: AccessToken, headers: HeaderMap) -> Response {
    let offered: Vec<_> = headers.get_all("sec-websocket-protocol").iter().map(|it| it.to_str().unwrap()).collect();
    let seen = format!("{} {} {}", token.subject(), offered.join("|"), headers.contains_key("authorization"));
    upgrade.protocols(["orders.v1"]).on_upgrade(async move |mut socket| {
        let _ = socket.send(Sent::text(seen)).await;
    })
}

async fn first_message(upgrade: WebSocketUpgrade, caller: Unauthenticated) -> Response {
    upgrade.max_message_size(caller.max_token_bytes()).on_upgrade(async move |mut socket| {
        let (code, reason) = match caller.authorize(read(&mut socket)).await {
            Ok(grant) => serve_socket(&mut socket, &grant).await,
            Err(rejection) => (close_code(&rejection), rejection.kind().as_str()),
        };
        let _ = socket.send(Sent::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
    })
}

/// Repeats what it hears, for as long as the caller may use the connection.
async fn serve_socket(socket: &mut WebSocket, grant: &Grant) -> (u16, &'static str) {
    let lease = grant.lease().unwrap();
    let hello = Sent::text(format!("hello {}", grant.token().unwrap().subject()));
    let _ = socket.send(hello).await;
    loop {
        tokio::select! {
            ended = lease.ended() => return (ended.close_code(), ended.reason().as_str()),
            message = socket.recv() => match message {
                Some(Ok(message @ Sent::Text(_))) => _ = socket.send(message).await,
                _ => return (1000, ""),
            },
        }
    }
}

async fn read(socket: &mut WebSocket) -> Option<String> {
    match socket.recv().await? {
        Ok(Sent::Text(token)) => Some(token.to_string()),
        _ => None,
    }
}

/// The next message as text; a close frame as its code and reason.
pub(crate) async fn next<S>(socket: &mut WebSocketStream<S>) -> String
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    match socket.next().await {
        Some(Ok(Message::Text(text))) => text.to_string(),
        Some(Ok(Message::Close(Some(frame)))) => format!("{} {}", u16::from(frame.code), frame.reason),
        other => format!("{other:?}"),
    }
}

pub(crate) async fn say(socket: &mut Socket, text: &str) -> String {
    socket.send(Message::text(text)).await.unwrap();
    next(socket).await
}
