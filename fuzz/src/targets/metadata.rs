//! Discovery documents: whatever an issuer says, keys are fetched from an `https` URL that a document of exactly this issuer
//! names, or from nowhere.

use http::Response;
use orgate::{Issuer, ResourceServer};

use crate::canned::Canned;
use crate::json::{object, text};
use crate::world::{API, ISSUER, Key, Stopped, in_time};

const OPENID: &str = "https://issuer.example/oidc/.well-known/openid-configuration";
const OAUTH: &str = "https://issuer.example/.well-known/oauth-authorization-server/oidc";

pub(crate) fn run(data: &[u8]) {
    let (_, status, document) = Canned::of(data);
    let body = document.clone();
    let client = Canned::new(move |request| {
        let is_metadata = request.uri() == OPENID || request.uri() == OAUTH;
        let body = if is_metadata { body.clone() } else { Key::of_issuer().jwks().into_bytes() };
        let mut response = Response::new(body.into());
        *response.status_mut() = if is_metadata { status.try_into().unwrap() } else { http::StatusCode::OK };
        response
    });
    let server = ResourceServer::builder(Issuer::new(ISSUER), API).clock(Stopped).http_client(client.client());
    let server = server.build().unwrap();
    let outcome = in_time(server.ready());
    let asked = client.asked();
    assert!(asked.len() <= 3, "{asked:?}");
    let keys: Vec<_> = asked.iter().filter(|url| **url != OPENID && **url != OAUTH).collect();
    assert!(outcome.is_err() || keys.len() == 1, "keys from nowhere: {asked:?}");
    for url in keys {
        assert_eq!(status, 200);
        let document = object(&document).expect("one object with unique members");
        assert_eq!(text(&document, "issuer"), Some(ISSUER));
        let stated = text(&document, "jwks_uri").expect("a URL");
        assert_eq!(url.scheme_str(), Some("https"), "{url}");
        assert_eq!(stated.parse::<http::Uri>().ok().as_ref(), Some(url));
        assert!(!url.authority().is_some_and(|authority| authority.as_str().contains('@')), "{stated}");
    }
}
