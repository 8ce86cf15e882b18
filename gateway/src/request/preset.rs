use std::str::FromStr;

use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method};

use super::host::{host_of, read_host};
use super::{Original, RequestFault, RequestId, is_steering};

const METHOD: &str = "x-forwarded-method";
const URI: &str = "x-forwarded-uri";
const FORWARDED_HOST: &str = "x-forwarded-host";

/// How one proxy asks: what it sets itself. What it does not set comes from the client and is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preset {
    Nginx,
    Caddy,
    Traefik,
    EnvoyHttp,
}

impl Preset {
    /// Whether the body of a rejection is repeated in a header, since this proxy drops the body itself.
    pub(crate) const fn repeats_body(self) -> bool {
        matches!(self, Self::Nginx)
    }

    /// Where this proxy's configuration names each identity header. What a client sends under any other name is passed on.
    pub(crate) const fn identity_settings(self) -> &'static str {
        match self {
            Self::Nginx => "`auth_request_set` and `proxy_set_header`",
            Self::Caddy => "`copy_headers` and `request_header`",
            Self::Traefik => "`authResponseHeaders`",
            Self::EnvoyHttp => "`allowed_upstream_headers`",
        }
    }

    /// The header with which this proxy tells requests apart, and which it always overwrites: a question that is repeated is
    /// known by it. Traefik sets none, and Envoy keeps that of a client which it takes for an internal one: for them every
    /// question is about another request.
    const fn request_id_header(self) -> Option<&'static str> {
        match self {
            Self::Nginx | Self::Caddy => Some("x-request-id"),
            Self::Traefik | Self::EnvoyHttp => None,
        }
    }

    /// Whether this is the question's own path: `path` itself, or for Envoy anything below.
    pub(crate) fn asks_at(self, path: &str, question: &Parts) -> bool {
        let asked = question.uri.path();
        match self {
            Self::EnvoyHttp => asked.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')),
            Self::Nginx | Self::Caddy | Self::Traefik => asked == path,
        }
    }

    /// Reads the client's request out of the proxy's question.
    ///
    /// # Errors
    ///
    /// Returns a fault if the proxy did not tell method and path once each and host once at most, or if the client sent a header that
    /// could replace one of them.
    pub(crate) fn read(self, path: &str, question: &Parts) -> Result<Original, RequestFault> {
        if question.headers.keys().any(is_steering) {
            return Err(RequestFault::Steering);
        }
        let (method, target, host) = match self {
            Self::Nginx | Self::Caddy | Self::Traefik => {
                let method = once(&question.headers, METHOD)?;
                let method = Method::from_bytes(method.as_bytes()).map_err(|_| RequestFault::Method)?;
                let target = once(&question.headers, URI)?.to_owned();
                // A request of HTTP/1.0 may have none, and NGINX sends no empty header.
                let host = match question.headers.get(FORWARDED_HOST) {
                    Some(_) => Some(once(&question.headers, FORWARDED_HOST)?).filter(|host| !host.is_empty()),
                    None => None,
                };
                let host = host.map(|host| read_host(host.as_bytes())).transpose()?;
                (method, target, host)
            }
            Self::EnvoyHttp => {
                let asked = question.uri.path_and_query().map_or("", |asked| asked.as_str());
                let target = asked.strip_prefix(path).ok_or(RequestFault::Target)?.to_owned();
                (question.method.clone(), target, host_of(&question.uri, &question.headers)?)
            }
        };
        let id = self.request_id_header().and_then(|name| RequestId::of_header(&question.headers, name));
        let mut headers = question.headers.clone();
        let told = [METHOD, URI, FORWARDED_HOST].map(HeaderName::from_static);
        for name in told.iter().chain([&HOST]) {
            headers.remove(name);
        }
        Ok(Original { method, target, host, headers, certificate: None, id })
    }
}

fn once<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, RequestFault> {
    let mut fields = headers.get_all(name).iter();
    match (fields.next(), fields.next()) {
        (Some(field), None) => field.to_str().map_err(|_| RequestFault::Untold(name)),
        _ => Err(RequestFault::Untold(name)),
    }
}

impl FromStr for Preset {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "nginx" => Ok(Self::Nginx),
            "caddy" => Ok(Self::Caddy),
            "traefik" => Ok(Self::Traefik),
            "envoy_http" => Ok(Self::EnvoyHttp),
            _ => Err("expected nginx, caddy, traefik or envoy_http"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn question(target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::get(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    const TOLD: [(&str, &str); 3] =
        [("X-Forwarded-Method", "DELETE"), ("X-Forwarded-Uri", "/a?b"), ("X-Forwarded-Host", "api.example.com")];

    #[test]
    fn request_is_read_from_what_the_proxy_sets() {
        let headers = [&TOLD[..], &[("Host", "authorizer"), ("Authorization", "Bearer x")]].concat();
        let original = Preset::Caddy.read("/auth", &question("/auth?q=client", &headers)).unwrap();
        assert_eq!(original.method, Method::DELETE);
        assert_eq!(original.target, "/a?b");
        assert_eq!(original.host.as_deref(), Some("api.example.com"));
        let names: Vec<&str> = original.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["authorization"]);
    }

    #[test]
    fn envoy_over_http_tells_by_the_request_line_alone() {
        let headers = [&TOLD[..], &[("Host", "api.example.com")]].concat();
        let question = question("/auth/orgs/acme?b", &headers);
        let original = Preset::EnvoyHttp.read("/auth", &question).unwrap();
        assert_eq!((original.method, original.target.as_str()), (Method::GET, "/orgs/acme?b"));
        assert!(Preset::EnvoyHttp.asks_at("/auth", &question));
        assert!(!Preset::EnvoyHttp.asks_at("/aut", &question));
        assert!(!Preset::Nginx.asks_at("/auth", &question));
    }

    #[test]
    fn header_that_is_missing_or_there_twice_is_a_fault() {
        for (left_out, told) in TOLD.iter().enumerate() {
            let mut headers = TOLD.to_vec();
            let (name, _) = headers.remove(left_out);
            let read = Preset::Nginx.read("/auth", &question("/auth", &headers));
            match read {
                Ok(original) => assert_eq!((name, original.host), ("X-Forwarded-Host", None)),
                Err(fault) => assert!(fault.to_string().contains(&name.to_ascii_lowercase()), "{fault}"),
            }
            let twice = [&TOLD[..], &[*told]].concat();
            assert!(Preset::Traefik.read("/auth", &question("/auth", &twice)).is_err(), "{name}");
        }
    }

    #[test]
    fn steering_header_is_a_fault() {
        for preset in [Preset::Nginx, Preset::Caddy, Preset::Traefik, Preset::EnvoyHttp] {
            let headers = [&TOLD[..], &[("Host", "h"), ("X-Original-URI", "/a")]].concat();
            let fault = preset.read("/auth", &question("/auth/a", &headers)).unwrap_err();
            assert_eq!(fault, RequestFault::Steering);
        }
    }
}
