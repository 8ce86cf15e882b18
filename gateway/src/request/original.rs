use std::fmt;

use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, RANGE, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};

use super::{ClientCertificate, RequestId};
use crate::path::PathFault;

/// What a proxy told about its client's request.
#[derive(Clone, Debug)]
pub(crate) struct Original {
    pub(crate) method: Method,
    /// Path and query, as the client wrote them.
    pub(crate) target: String,
    /// `host` or `host:port`; absent in a request of HTTP/1.0.
    pub(crate) host: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) certificate: Option<ClientCertificate>,
    pub(crate) id: Option<RequestId>,
}

/// Why a request is rejected before its route is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestFault {
    Path(PathFault),
    Target,
    Method,
    Host,
    HostsDiffer,
    /// The proxy did not tell, or somebody told twice.
    Untold(&'static str),
    Steering,
    /// A proxy that lets it through would tunnel whatever follows.
    Upgrade,
    Certificate,
}

impl fmt::Display for RequestFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(fault) => fault.fmt(f),
            Self::Target => f.write_str("the request target is malformed or too long"),
            Self::Method => f.write_str("the method is malformed or not supported"),
            Self::Host => f.write_str("the request has two hosts, or one that is no host name with an optional port"),
            Self::HostsDiffer => f.write_str("the request target and the Host field name different hosts"),
            Self::Untold(header) => write!(f, "expected exactly one {header} from the proxy"),
            Self::Steering => f.write_str("the request has a header that can replace its path, method or certificate"),
            Self::Upgrade => f.write_str("the request asks for an upgrade to another protocol than websocket"),
            Self::Certificate => f.write_str("expected one certificate of the client, in percent-encoded PEM"),
        }
    }
}

impl std::error::Error for RequestFault {}

impl From<PathFault> for RequestFault {
    fn from(fault: PathFault) -> Self {
        Self::Path(fault)
    }
}

impl Original {
    /// Makes the request head that is judged. What is about the connection or the body is left out: neither is there.
    ///
    /// # Errors
    ///
    /// Returns a fault if the target is no path, or too long, or if the client wants another protocol than WebSocket.
    pub(crate) fn into_parts(self) -> Result<Parts, RequestFault> {
        crate::path::read(&self.target)?;
        if !may_upgrade(&self.headers) {
            return Err(RequestFault::Upgrade);
        }
        let uri: Uri = self.target.parse().map_err(|_| RequestFault::Target)?;
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = self.method;
        parts.uri = uri;
        // A rejection in gRPC form has status 200, which a proxy takes for a yes.
        parts.version = Version::HTTP_11;
        parts.headers = self.headers;
        for name in [
            ACCEPT_ENCODING,
            CONNECTION,
            CONTENT_LENGTH,
            CONTENT_TYPE,
            EXPECT,
            HOST,
            RANGE,
            TE,
            TRAILER,
            TRANSFER_ENCODING,
            UPGRADE,
        ] {
            parts.headers.remove(name);
        }
        if let Some(host) = self.host {
            parts.headers.insert(HOST, HeaderValue::from_str(&host).map_err(|_| RequestFault::Host)?);
        }
        if let Some(certificate) = self.certificate {
            parts.extensions.insert(certificate);
        }
        if let Some(id) = self.id {
            parts.extensions.insert(id);
        }
        Ok(parts)
    }
}

/// Whether the one protocol that a client wants to change to, if it wants to, is WebSocket.
fn may_upgrade(headers: &HeaderMap) -> bool {
    let mut fields = headers.get_all(UPGRADE).iter();
    match (fields.next(), fields.next()) {
        (None, _) => true,
        (Some(protocol), None) => protocol.as_bytes().eq_ignore_ascii_case(b"websocket"),
        (Some(_), Some(_)) => false,
    }
}
