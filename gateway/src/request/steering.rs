//! Headers by which a client could steer what an application takes for the request's path, method or certificate, or what the
//! gateway takes for a repeated question.

use http::HeaderName;

use super::REQUEST_ID;
use crate::identity::same_variable;

/// Whole names, and beginnings of names (with `*`), in the form that CGI gives them.
const STEERING: [&str; 8] = [
    "x-original-*",
    "x-rewrite-url",
    "x-http-method*",
    "x-method-override",
    "client-cert*",
    "x-forwarded-client-cert",
    "x-envoy-original-path",
    REQUEST_ID,
];

pub(crate) fn is_steering(name: &HeaderName) -> bool {
    STEERING.iter().any(|steering| match steering.strip_suffix('*') {
        Some(beginning) => {
            let name = name.as_str().as_bytes();
            name.get(..beginning.len()).is_some_and(|name| same_variable(name, beginning.as_bytes()))
        }
        None => same_variable(name.as_str().as_bytes(), steering.as_bytes()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steering_headers_are_known_in_every_alias() {
        for name in [
            "X-Original-URL",
            "x_original_uri",
            "X-Rewrite-Url",
            "X-HTTP-Method",
            "x-http-method-override",
            "X.HTTP.Method.Override",
            "X-Method-Override",
            "Client-Cert",
            "Client-Cert-Chain",
            "client_cert",
            "X-Forwarded-Client-Cert",
            "Orgate-Request-Id",
            "orgate_request_id",
        ] {
            assert!(is_steering(&name.parse().unwrap()), "{name}");
        }
        for name in ["x-forwarded-for", "client-certificate".get(..6).unwrap(), "x-original", "host"] {
            assert!(!is_steering(&name.parse().unwrap()), "{name}");
        }
    }
}
