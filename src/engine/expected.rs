//! What an explanation expects of credentials and of their sender.

use crate::token::AccessToken;

pub(super) fn expected_credentials(max_bytes: usize, takes_proofs: bool, takes_protocols: bool) -> String {
    let scheme = if takes_proofs { "Bearer or DPoP" } else { "Bearer" };
    let or = if takes_protocols { ", or bearer.{token} in Sec-WebSocket-Protocol" } else { "" };
    format!("one Authorization header: {scheme} and one token of at most {max_bytes} bytes{or}")
}

pub(super) fn expected_sender(token: &AccessToken) -> String {
    let confirmation = token.confirmation();
    let to_key = confirmation.is_some_and(|confirmation| confirmation.key().is_some());
    let to_certificate = confirmation.is_some_and(|confirmation| confirmation.certificate().is_some());
    match (to_key, to_certificate) {
        (false, false) => "anybody, since the token is bound to nothing, if the server allows that",
        (true, false) => "a proof that the sender holds the key that the token is bound to",
        (false, true) => "the client certificate that the token is bound to",
        (true, true) => "the client certificate and a proof of the key that the token is bound to",
    }
    .to_owned()
}
