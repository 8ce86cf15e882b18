//! From Envoy's question to a request to judge, and from the outcome to Envoy's answer.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use orgate::engine::Grant;
use prost_types::{Struct, Value, value::Kind};

use super::proto;
use crate::answer;
use crate::gateway::Gateway;
use crate::judge::{Passed, refused};
use crate::request::{ClientCertificate, Original, RequestFault, RequestId, read_host};

const OVERWRITE: i32 = 2;
/// `google.rpc.Code`: Envoy looks at nothing but whether it is zero.
const PERMISSION_DENIED: i32 = 7;

/// Decides one request. The answer is never an empty message, which would be a yes.
pub(crate) async fn check(gateway: &Gateway, question: proto::CheckRequest) -> proto::CheckResponse {
    let original = match read(gateway, question) {
        Ok(original) => original,
        Err(fault) => return denied(&refused(fault), false),
    };
    let is_grpc = original.headers.get(CONTENT_TYPE).is_some_and(is_grpc);
    let removed: Vec<String> = to_remove(gateway, &original.headers);
    let mut request = match original.into_parts() {
        Ok(request) => request,
        Err(fault) => return denied(&refused(fault), is_grpc),
    };
    match gateway.judge(&mut request).await {
        Ok(passed) => allowed(&passed, removed),
        Err(response) => denied(&response, is_grpc),
    }
}

/// Returns the answer to a question that came too late to be decided.
pub(crate) fn too_late() -> proto::CheckResponse {
    denied(
        &answer::problem(StatusCode::SERVICE_UNAVAILABLE, "The request could not be decided in time.", "retry"),
        false,
    )
}

fn read(gateway: &Gateway, question: proto::CheckRequest) -> Result<Original, RequestFault> {
    let attributes = question.attributes.unwrap_or_default();
    let certificate = match attributes.source {
        Some(source) if gateway.file.ext_authz.client_certificates => {
            ClientCertificate::read(source.certificate.as_bytes())?
        }
        _ => None,
    };
    let http = attributes.request.and_then(|request| request.http);
    let http = http.ok_or(RequestFault::Untold("attributes.request.http"))?;
    let method = Method::from_bytes(http.method.as_bytes()).map_err(|_| RequestFault::Method)?;
    let host = if http.host.is_empty() { None } else { Some(read_host(http.host.as_bytes())?) };
    let mut headers = HeaderMap::new();
    match http.header_map {
        Some(map) => {
            for field in map.headers {
                let value = if field.raw_value.is_empty() { field.value.into_bytes() } else { field.raw_value };
                append(&mut headers, &field.key, &value)?;
            }
        }
        None => {
            for (name, value) in http.headers {
                append(&mut headers, &name, value.as_bytes())?;
            }
        }
    }
    let id = RequestId::new(http.id.as_bytes());
    Ok(Original { method, target: http.path, host, headers, certificate, id })
}

fn append(headers: &mut HeaderMap, name: &str, value: &[u8]) -> Result<(), RequestFault> {
    if name.starts_with(':') {
        return Ok(());
    }
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| RequestFault::Untold("header names"))?;
    let value = HeaderValue::from_bytes(value).map_err(|_| RequestFault::Untold("header values"))?;
    headers.try_append(name, value).map_err(|_| RequestFault::Untold("headers"))?;
    Ok(())
}

/// Returns what the client sent that must not go on. Identity headers that are set are not among it: Envoy removes last.
fn to_remove(gateway: &Gateway, headers: &HeaderMap) -> Vec<String> {
    let names = &gateway.identity.names;
    let is_set = |name: &HeaderName| names.all().any(|own| own == name);
    let goes = |name: &&HeaderName| gateway.is_reserved(name) || (names.is_identity(name) && !is_set(name));
    headers.keys().filter(goes).map(ToString::to_string).collect()
}

fn allowed(passed: &Passed<'_>, mut headers_to_remove: Vec<String>) -> proto::CheckResponse {
    if !passed.route.forwards_token {
        headers_to_remove.extend(["authorization".to_owned(), "dpop".to_owned()]);
    }
    let (unknown, known): (Vec<_>, Vec<_>) = passed.identity.iter().partition(|(_, value)| value.is_empty());
    headers_to_remove.extend(unknown.into_iter().map(|(name, _)| name.to_string()));
    let headers = known.into_iter().map(|(name, value)| set(name, value)).collect();
    proto::CheckResponse {
        status: Some(proto::Status { code: 0 }),
        outcome: Some(proto::Outcome::Ok(proto::Allowed { headers, headers_to_remove })),
        dynamic_metadata: Some(metadata(passed.grant.as_ref())),
    }
}

fn denied(response: &Response<Bytes>, is_grpc: bool) -> proto::CheckResponse {
    let status = response.status();
    let mut headers: Vec<_> = response.headers().iter().map(|(name, value)| set(name, value)).collect();
    let mut body = String::from_utf8_lossy(response.body()).into_owned();
    if is_grpc {
        // Envoy would put the body into `grpc-message`.
        body.clear();
        headers.retain(|option| option.header.as_ref().is_some_and(|header| header.key != "content-type"));
        headers.push(set_text("grpc-status", grpc_code(status)));
        headers.push(set_text("grpc-message", status.canonical_reason().unwrap_or_default()));
    }
    proto::CheckResponse {
        status: Some(proto::Status { code: PERMISSION_DENIED }),
        outcome: Some(proto::Outcome::Denied(proto::Denied {
            status: Some(proto::HttpStatus { code: i32::from(status.as_u16()) }),
            headers,
            body,
        })),
        dynamic_metadata: None,
    }
}

fn metadata(grant: Option<&Grant>) -> Struct {
    let token = grant.and_then(Grant::token);
    let text = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
    let mut fields = std::collections::BTreeMap::new();
    if let Some(token) = token {
        fields.insert("subject".to_owned(), text(token.subject().id()));
        fields.insert("issuer".to_owned(), text(token.issuer_name()));
        let scopes = prost_types::ListValue { values: token.scopes().map(text).collect() };
        fields.insert("scopes".to_owned(), Value { kind: Some(Kind::ListValue(scopes)) });
        if let Some(client) = token.client_id() {
            fields.insert("client".to_owned(), text(client));
        }
    }
    if let Some(organization) = grant.and_then(Grant::organization) {
        fields.insert("organization".to_owned(), text(organization.id()));
    }
    Struct { fields }
}

fn set(name: &HeaderName, value: &HeaderValue) -> proto::HeaderValueOption {
    set_text(name.as_str(), &String::from_utf8_lossy(value.as_bytes()))
}

fn set_text(name: &str, value: &str) -> proto::HeaderValueOption {
    let header = proto::HeaderValue { key: name.to_owned(), value: value.to_owned(), raw_value: Vec::new() };
    proto::HeaderValueOption { header: Some(header), append_action: OVERWRITE }
}

fn is_grpc(content_type: &HeaderValue) -> bool {
    let Some(rest) = content_type.as_bytes().strip_prefix(b"application/grpc") else { return false };
    matches!(rest.first(), None | Some(b'+' | b';'))
}

fn grpc_code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "3",
        StatusCode::NOT_FOUND => "5",
        StatusCode::FORBIDDEN => "7",
        StatusCode::METHOD_NOT_ALLOWED => "12",
        StatusCode::SERVICE_UNAVAILABLE => "14",
        StatusCode::UNAUTHORIZED => "16",
        _ => "13",
    }
}
