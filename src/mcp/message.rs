//! One JSON-RPC message, read strictly: whoever reads it after us must find the same names in it.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::answer::Fault;
use super::headers::Headers;
use super::method::{Kind, Method, method};
use crate::json::{Object, Text};

/// The most resources that one message may name.
const MAX_RESOURCES: usize = 64;

/// What a message calls.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) call: Call,
    /// As it was written, for an error that answers it.
    pub(super) id: Option<Box<RawText>>,
}

/// A piece of JSON as it was written.
pub(super) type RawText = str;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Nothing that has a policy of its own.
    Basic,
    /// One thing; with the strings among the arguments that policies read.
    One(Kind, String, Vec<(Arc<str>, String)>),
    /// To be told of these resources, and of changes of lists.
    Resources(Vec<String>),
    Unknown,
}

impl Message {
    /// Reads a body. `arguments` are the names that policies read of a tool's arguments; `is_modern` says that the protocol
    /// version is 2026-07-28 or later.
    pub(super) fn parse(body: &[u8], arguments: &[Arc<str>], is_modern: bool) -> Result<Self, Fault> {
        let root = object(body, &["jsonrpc", "id", "method", "params", "result", "error"])?;
        let id = root.raw("id").map(Box::from);
        let answers = root.has("result") || root.has("error");
        let Some(name) = root.string("method").map_err(|_| NOT_A_MESSAGE)? else {
            return if answers { Ok(Self { call: Call::Basic, id: None }) } else { Err(NOT_A_MESSAGE) };
        };
        if answers {
            return Err(NOT_A_MESSAGE);
        }
        let params = root.raw("params");
        let call = match method(&name) {
            Method::Basic => Call::Basic,
            Method::Unknown => Call::Unknown,
            // `subscriptions/listen` has taken their place.
            Method::Resource if is_modern => Call::Unknown,
            Method::Named(kind) => named(kind, &required(params)?, arguments)?,
            Method::Resource => Call::One(Kind::Resource, string(&required(params)?, "uri")?, Vec::new()),
            Method::Completion => reference(&required(params)?)?,
            Method::Subscription => Call::Resources(subscribed(&required(params)?)?),
        };
        Ok(Self { call, id })
    }

    /// Whether the headers of the request, where there are any, say what the body says.
    pub(super) fn agrees(&self, body: &[u8], headers: &Headers) -> Result<(), Fault> {
        let Some(said) = &headers.method else {
            return match &headers.name {
                Some(_) => Err(Fault::Header("Mcp-Name without Mcp-Method")),
                None => Ok(()),
            };
        };
        let root = Object::parse(body).map_err(|_| NOT_A_MESSAGE)?;
        if !root.is_text("method", said) {
            return Err(Fault::Header("Mcp-Method is not the method of the body"));
        }
        let name = match &self.call {
            Call::One(_, name, _) => Some(name),
            _ => None,
        };
        match &headers.name {
            Some(said) if Some(said) != name => Err(Fault::Header("Mcp-Name is not what the body calls")),
            _ => Ok(()),
        }
    }
}

const NOT_A_MESSAGE: Fault = Fault::Message("the body is not one JSON-RPC message");

/// An object whose members are unique, also to a parser that folds case.
fn object<'a>(json: &'a [u8], read: &[&str]) -> Result<Object<'a>, Fault> {
    let object = Object::parse(json).map_err(|_| NOT_A_MESSAGE)?;
    let folded: Vec<String> = read.iter().map(|name| fold(name)).collect();
    let is_confusing = |name: &str| !read.contains(&name) && folded.contains(&fold(name));
    if object.names().any(is_confusing) {
        return Err(Fault::Message("a member has the name of another in other letters"));
    }
    Ok(object)
}

/// Without regard to case, by Unicode's simple folding: `\u{17f}` is an `s` to some parsers, `\u{212a}` a `k`.
fn fold(name: &str) -> String {
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

fn required(params: Option<&str>) -> Result<Object<'_>, Fault> {
    let params = params.ok_or(Fault::Message("the message has no params"))?;
    object(params.as_bytes(), &["name", "uri", "ref", "arguments", "notifications", "_meta"])
}

fn string(object: &Object<'_>, name: &'static str) -> Result<String, Fault> {
    let text = object.string(name).ok().flatten();
    text.map(Cow::into_owned).ok_or(Fault::Message("the message does not name what it calls"))
}

fn named(kind: Kind, params: &Object<'_>, read: &[Arc<str>]) -> Result<Call, Fault> {
    let name = string(params, kind.member())?;
    if kind != Kind::Tool || read.is_empty() {
        return Ok(Call::One(kind, name, Vec::new()));
    }
    let Some(raw) = params.raw("arguments").filter(|raw| *raw != "null") else {
        return Ok(Call::One(kind, name, Vec::new()));
    };
    let names: Vec<&str> = read.iter().map(|name| &**name).collect();
    let arguments = object(raw.as_bytes(), &names)?;
    let value = |name: &Arc<str>| {
        let text = arguments.read::<Text<'_>>(name).ok().flatten()?;
        Some((name.clone(), text.0.into_owned()))
    };
    Ok(Call::One(kind, name, read.iter().filter_map(value).collect()))
}

fn reference(params: &Object<'_>) -> Result<Call, Fault> {
    let wrong = Fault::Message("the message refers neither to a prompt nor to a resource");
    let raw = params.raw("ref").ok_or(wrong)?;
    let reference = object(raw.as_bytes(), &["type", "name", "uri"])?;
    let kind = match &*string(&reference, "type")? {
        "ref/prompt" => Kind::Prompt,
        "ref/resource" => Kind::Resource,
        _ => return Err(wrong),
    };
    Ok(Call::One(kind, string(&reference, kind.member())?, Vec::new()))
}

/// The resources that a subscription names, each once.
fn subscribed(params: &Object<'_>) -> Result<Vec<String>, Fault> {
    let Some(raw) = params.raw("notifications") else { return Ok(Vec::new()) };
    let filter = object(raw.as_bytes(), &["resourceSubscriptions"])?;
    let wrong = Fault::Message("resourceSubscriptions is not a list of URIs");
    let Some(list) = filter.get::<&RawValue>("resourceSubscriptions").map_err(|_| wrong)? else {
        return Ok(Vec::new());
    };
    let mut uris: Vec<String> = match list.get() {
        "null" => Vec::new(),
        list => serde_json::from_str(list).map_err(|_| wrong)?,
    };
    uris.sort_unstable();
    uris.dedup();
    if uris.len() > MAX_RESOURCES {
        return Err(Fault::Message("the message names too many resources"));
    }
    Ok(uris)
}

#[cfg(test)]
mod tests;
