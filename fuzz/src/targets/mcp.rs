//! MCP bodies and headers: the service behind the layer is reached by no message that one of four other readers takes for a
//! call of a tool that the caller may not use.

use std::convert::Infallible;
use std::future::Ready;
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use orgate::mcp::{McpLayer, RequestBody, Tools};
use orgate::policy::{argument, resource};
use serde_json::value::RawValue;
use tower_layer::Layer as _;
use tower_service::Service;

use crate::json::Raws;
use crate::world::{at_once, server, token};

static LAYER: LazyLock<McpLayer> = LazyLock::new(|| {
    let tools = Tools::new(resource().scope("read"))
        .tool("free", resource().scope("read"))
        .tool("secret", resource().scope("admin"))
        .tool("of", resource().in_organization(argument("org")))
        .prompt("free", resource().scope("read"))
        .prompt("secret", resource().scope("admin"))
        .resource("file:///free", resource().scope("read"))
        .resource("file:///secret", resource().scope("admin"));
    server().build().unwrap().mcp(&tools).unwrap()
});
static TOKEN: LazyLock<String> = LazyLock::new(|| token(&serde_json::json!({})));

/// Keeps what it was given.
#[derive(Clone, Default)]
struct Behind(Arc<Mutex<Option<Bytes>>>);

impl Service<Request<RequestBody<Full<Bytes>>>> for Behind {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody<Full<Bytes>>>) -> Self::Future {
        let body = at_once(request.into_body().collect()).unwrap().to_bytes();
        *self.0.lock().unwrap() = Some(body);
        std::future::ready(Ok(Response::new(Full::default())))
    }
}

/// The first byte says which headers there are besides; then come three lines with the protocol version, `Mcp-Method` and
/// `Mcp-Name`, and the body.
pub(crate) fn run(data: &[u8]) {
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    let [version, method, name] = [(); 3].map(|()| lines.next().unwrap_or_default());
    let body = lines.next().unwrap_or_default();
    let mut request = Request::post("/mcp").body(Full::new(Bytes::copy_from_slice(body))).unwrap();
    let headers = request.headers_mut();
    headers.insert("authorization", HeaderValue::try_from(format!("Bearer {}", &**TOKEN)).unwrap());
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    for (header, value) in [("mcp-protocol-version", version), ("mcp-method", method), ("mcp-name", name)] {
        if let Some(value) = HeaderValue::from_bytes(value).ok().filter(|value| !value.is_empty()) {
            headers.insert(HeaderName::from_static(header), value);
        }
    }
    let behind = Behind::default();
    let response = crate::world::in_time(LAYER.layer(behind.clone()).call(request)).unwrap();
    let Some(seen) = behind.0.lock().unwrap().take() else {
        assert!(response.status().is_client_error() || response.status().as_u16() == 200, "{}", response.status());
        return;
    };
    assert_eq!(seen, body, "the service reads what was judged");
    for reading in [last, first, folded, folded_first] {
        check(body, reading);
    }
}

/// Which of the members with a name a reader takes. Members are texts: of numbers that are too large, readers make what they like.
type Reading = for<'a> fn(&'a Raws, &str) -> Option<&'a RawValue>;

fn last<'a>(members: &'a Raws, name: &str) -> Option<&'a RawValue> {
    members.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| &**value)
}

fn first<'a>(members: &'a Raws, name: &str) -> Option<&'a RawValue> {
    members.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
}

/// As Go's `encoding/json` does it.
fn folded<'a>(members: &'a Raws, name: &str) -> Option<&'a RawValue> {
    members.0.iter().rev().find(|(known, _)| known.to_lowercase() == name.to_lowercase()).map(|(_, value)| &**value)
}

fn folded_first<'a>(members: &'a Raws, name: &str) -> Option<&'a RawValue> {
    members.0.iter().find(|(known, _)| known.to_uppercase() == name.to_uppercase()).map(|(_, value)| &**value)
}

/// As this reader takes it, the message calls nothing that needs another scope.
fn check(body: &[u8], reading: Reading) {
    let text = String::from_utf8_lossy(body);
    let Ok(message) = serde_json::from_slice::<Raws>(body) else { panic!("passed, and is no object: {text}") };
    let text_of = |members: &Raws, name: &str| {
        reading(members, name).and_then(|value| serde_json::from_str::<String>(value.get()).ok())
    };
    let members_of =
        |members: &Raws, name: &str| reading(members, name).and_then(|value| serde_json::from_str(value.get()).ok());
    let Some(method) = text_of(&message, "method") else { return };
    let Some(params): Option<Raws> = members_of(&message, "params") else { return };
    match &*method {
        "tools/call" => {
            let name = text_of(&params, "name");
            assert_ne!(name.as_deref(), Some("secret"), "{text}");
            // The token is of no organization.
            assert_ne!(name.as_deref(), Some("of"), "{text}");
        }
        "prompts/get" => assert_ne!(text_of(&params, "name").as_deref(), Some("secret"), "{text}"),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            assert_ne!(text_of(&params, "uri").as_deref(), Some("file:///secret"), "{text}");
        }
        "completion/complete" => {
            let Some(reference): Option<Raws> = members_of(&params, "ref") else { return };
            let is = |name: &str, value: &str| text_of(&reference, name).as_deref() == Some(value);
            assert!(!is("name", "secret") || !is("type", "ref/prompt"), "{text}");
            assert!(!is("uri", "file:///secret") || !is("type", "ref/resource"), "{text}");
        }
        _ => {}
    }
}
