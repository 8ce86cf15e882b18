//! What people write today: a middleware around `jsonwebtoken`, with the key set in a map.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use serde::Deserialize;

use crate::case::{API, Case, ISSUER};

#[derive(Clone, Deserialize)]
struct Claims {
    #[allow(dead_code, reason = "for the handler")]
    sub: String,
    scope: String,
}

type Keys = Arc<HashMap<String, DecodingKey>>;

pub(crate) fn router(case: &Case) -> Router {
    let set: JwkSet = serde_json::from_str(&case.issuer.jwks_json()).expect("a key set");
    let keys = set.keys.iter().map(|jwk| {
        let kid = jwk.common.key_id.clone().expect("a kid");
        (kid, DecodingKey::from_jwk(jwk).expect("a key"))
    });
    let keys: Keys = Arc::new(keys.collect());
    let handler = |Extension(_): Extension<Claims>| async { "products" };
    Router::new().route("/products", get(handler)).layer(from_fn_with_state(keys, authorize))
}

#[allow(clippy::disallowed_methods, reason = "as people write it")]
async fn authorize(State(keys): State<Keys>, mut request: Request, next: Next) -> Result<Response, StatusCode> {
    let token = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or(StatusCode::UNAUTHORIZED)?;
    let header = jsonwebtoken::decode_header(token).map_err(|_| StatusCode::UNAUTHORIZED)?;
    let key = header.kid.and_then(|kid| keys.get(&kid)).ok_or(StatusCode::UNAUTHORIZED)?;
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[API]);
    let claims = jsonwebtoken::decode::<Claims>(token, key, &validation).map_err(|_| StatusCode::UNAUTHORIZED)?.claims;
    if !claims.scope.split_whitespace().any(|scope| scope == "read:products") {
        return Err(StatusCode::FORBIDDEN);
    }
    request.extensions_mut().insert(claims);
    Ok(next.run(request).await)
}
