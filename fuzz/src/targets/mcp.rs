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
use serde_json::Value;
use tower_layer::Layer as _;
use tower_service::Service;

use crate::json::{Members, Raws};
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

type Reading = fn(&[(String, Value)], &str) -> Option<Value>;

fn last(members: &[(String, Value)], name: &str) -> Option<Value> {
    members.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

fn first(members: &[(String, Value)], name: &str) -> Option<Value> {
    members.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

/// As Go's `encoding/json` does it.
fn folded(members: &[(String, Value)], name: &str) -> Option<Value> {
    members.iter().rev().find(|(known, _)| known.to_lowercase() == name.to_lowercase()).map(|(_, value)| value.clone())
}

fn folded_first(members: &[(String, Value)], name: &str) -> Option<Value> {
    members.iter().find(|(known, _)| known.to_uppercase() == name.to_uppercase()).map(|(_, value)| value.clone())
}

/// As this reader takes it, the message calls nothing that needs another scope.
fn check(body: &[u8], reading: Reading) {
    let Ok(Members(message)) = serde_json::from_slice::<Members>(body) else {
        panic!("passed, and is no object: {}", String::from_utf8_lossy(body))
    };
    let Some(Value::String(method)) = reading(&message, "method") else { return };
    let Some(params) = members_of(body, &message, reading, "params") else { return };
    let called = |name: &str| reading(&params, name).and_then(|value| value.as_str().map(str::to_owned));
    let text = String::from_utf8_lossy(body);
    match &*method {
        "tools/call" => {
            let name = called("name");
            assert_ne!(name.as_deref(), Some("secret"), "{text}");
            // The token is of no organization.
            assert_ne!(name.as_deref(), Some("of"), "{text}");
        }
        "prompts/get" => assert_ne!(called("name").as_deref(), Some("secret"), "{text}"),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            assert_ne!(called("uri").as_deref(), Some("file:///secret"), "{text}");
        }
        "completion/complete" => {
            let reference = reading(&params, "ref").unwrap_or_default();
            assert!(reference["name"] != "secret" || reference["type"] != "ref/prompt", "{text}");
            assert!(reference["uri"] != "file:///secret" || reference["type"] != "ref/resource", "{text}");
        }
        _ => {}
    }
}

/// The members of a member, each of them.
fn members_of(body: &[u8], message: &[(String, Value)], reading: Reading, name: &str) -> Option<Vec<(String, Value)>> {
    // From the text, since a `Value` keeps one of two.
    let raw: Raws = serde_json::from_slice(body).ok()?;
    let wanted = reading(message, name)?;
    let raw =
        raw.0.iter().find(|(_, raw)| serde_json::from_str::<Value>(raw.get()).is_ok_and(|value| value == wanted))?;
    serde_json::from_str::<Members>(raw.1.get()).ok().map(|members| members.0)
}
