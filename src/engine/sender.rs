//! Whether the sender of a bound token proves to hold what it is bound to (RFC 9449 section 7, RFC 8705 section 3).

use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use super::evidence::Evidence;
use super::need::{Need, Stop};
use super::permits::Permits;
use crate::explain::StepName;
use crate::organization::original_path;
use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::respond::DPOP_NONCE;
use crate::time::Now;
use crate::token::bearer::Scheme;
use crate::token::binding::{
    Bindings, BoundKey, Confirmation, Presented, ProofError, Proofs, Proven, Thumbprint, Unrecorded,
};
use crate::token::{AccessToken, Subject};

/// When to try again, where nothing says otherwise.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What the sender of a request has proved.
#[derive(Clone, Debug, Default)]
pub(crate) enum Sender {
    /// Nothing that another layer could rest on.
    #[default]
    Unproven,
    /// A proof that was accepted for this request: another layer does not ask for a second one.
    Proven(NextNonce),
}

/// The nonce that the response to a granted request should hold, if it should hold one.
#[derive(Clone, Debug, Default)]
pub(crate) struct NextNonce(Option<Box<HeaderValue>>);

impl Sender {
    pub(super) fn nonce(&self) -> Option<&HeaderValue> {
        match self {
            Self::Unproven => None,
            Self::Proven(nonce) => nonce.0.as_deref(),
        }
    }

    pub(super) fn next_nonce(&self) -> NextNonce {
        match self {
            Self::Unproven => NextNonce::default(),
            Self::Proven(nonce) => nonce.clone(),
        }
    }

    pub(super) fn without_nonce(&self) -> Self {
        match self {
            Self::Unproven => Self::Unproven,
            Self::Proven(_) => Self::Proven(NextNonce::default()),
        }
    }
}

impl NextNonce {
    #[cfg(feature = "axum")]
    pub(crate) const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn add_to(&mut self, headers: &mut HeaderMap) {
        if let Some(nonce) = self.0.take() {
            headers.insert(DPOP_NONCE, *nonce);
        }
    }
}

/// Confirms the sender of a verified token. `outer` is what an outer layer of the same server found for the same token: a
/// proof passes once, and there is one. What is left to do is to [record](record) the proof.
pub(super) fn confirm(
    (bindings, permits): (&Bindings, &Permits),
    (scheme, token): (Scheme, &AccessToken),
    outer: Option<&Sender>,
    request: &mut Parts,
    evidence: &mut Evidence,
    now: &Now,
) -> Result<Confirmed, Stop> {
    let Some(confirmation) = token.confirmation() else {
        return match scheme {
            Scheme::Dpop => Err(unbound("the token is sent by the scheme DPoP and is not bound to a key")),
            Scheme::Bearer if bindings.required => Err(unbound("the token is not sender-constrained")),
            Scheme::Bearer => Ok(Confirmed::Sender(Sender::Unproven)),
        };
    };
    if let Some(expected) = confirmation.certificate() {
        confirm_certificate(bindings, expected, request)?;
    }
    let (proofs, key) = match (&bindings.proofs, confirmation.key(), scheme) {
        (_, None, Scheme::Bearer) => return Ok(Confirmed::Sender(Sender::Unproven)),
        (_, None, Scheme::Dpop) => {
            return Err(unbound("the token is sent by the scheme DPoP and is bound to a certificate"));
        }
        (None, Some(_), _) => return Err(unchecked("the token is bound to a key, and DPoP is not configured")),
        (Some(_), Some(_), Scheme::Bearer) => {
            let detail = "the token is bound to a key and sent by the scheme Bearer; expected DPoP and a proof";
            return Err(Rejection::new(RejectionKind::InvalidToken, Remediation::NewProof, detail).into());
        }
        (Some(proofs), Some(key), Scheme::Dpop) => (proofs, key),
    };
    if let Some(sender @ Sender::Proven(_)) = outer {
        return Ok(Confirmed::Sender(sender.clone()));
    }
    let proven = match evidence.take_proven() {
        Some(proven) => proven,
        None => verify_proof((proofs, permits), key, token, request, evidence, now)?,
    };
    Ok(Confirmed::ByProof(proven))
}

/// What a sender was confirmed by.
pub(super) enum Confirmed {
    /// A certificate, nothing that must be recorded, or a proof that an outer layer has recorded.
    Sender(Sender),
    /// A proof that is not recorded yet.
    ByProof(Box<Proven>),
}

/// Records the proof, so that it passes once. The last step: what was rejected before records nothing.
pub(super) fn record(
    bindings: &Bindings,
    confirmed: &Confirmed,
    subject: &Subject,
    request: &Parts,
    evidence: &mut Evidence,
    now: &Now,
) -> Result<Sender, Stop> {
    let (proven, proofs) = match (confirmed, &bindings.proofs) {
        (Confirmed::Sender(sender), _) => return Ok(sender.clone()),
        (Confirmed::ByProof(proven), Some(proofs)) => (proven, proofs),
        (Confirmed::ByProof(_), None) => return Err(unchecked("DPoP is not configured")),
    };
    if evidence.is_explained() {
        evidence.steps.at(StepName::Proof, || "a proof that was not used before".to_owned());
        proofs.preview(proven, subject, &request.headers, now).map_err(unrecorded)?;
    } else if !evidence.is_proof_shared() {
        let unshared = proofs.record(proven, subject, &request.headers, now).map_err(unrecorded)?;
        if let Some(unshared) = unshared {
            return Err(Need::Proof(Box::new(unshared)).into());
        }
    }
    let nonce = if proven.nonce_is_old { proofs.nonce(now).map(Box::new) } else { None };
    Ok(Sender::Proven(NextNonce(nonce)))
}

/// Why a proof could not be recorded.
pub(super) fn unrecorded(why: Unrecorded) -> Rejection {
    match why {
        Unrecorded::Replayed(detail) => Rejection::new(RejectionKind::InvalidProof, Remediation::NewProof, detail),
        Unrecorded::Unavailable(detail) => Rejection::unavailable(RETRY_AFTER, detail),
    }
}

fn verify_proof(
    (proofs, permits): (&Proofs, &Permits),
    key: &BoundKey,
    token: &AccessToken,
    request: &mut Parts,
    evidence: &mut Evidence,
    now: &Now,
) -> Result<Box<Proven>, Stop> {
    let permit = evidence.take_permit();
    let refused = |error| refused_proof(error, proofs, now);
    Proofs::mark_sensitive(&mut request.headers);
    let proof = Proofs::find(&request.headers).map_err(refused)?;
    let token_hash = key.token_hash(|| token.digest());
    let presented = Presented { method: request.method.as_str(), path: original_path(request), token_hash, key };
    let permit = || permit.or_else(|| permits.try_acquire());
    proofs.verify(proof, &presented, now, permit).map(Box::new).map_err(refused)
}

fn refused_proof(error: ProofError, proofs: &Proofs, now: &Now) -> Stop {
    match error {
        ProofError::Busy => Need::Permit.into(),
        ProofError::Invalid(detail) => {
            Rejection::new(RejectionKind::InvalidProof, Remediation::NewProof, detail).into()
        }
        ProofError::Nonce(detail) => {
            Rejection::new(RejectionKind::UseNonce, Remediation::UseNonce, detail).with_nonce(proofs.nonce(now)).into()
        }
    }
}

fn confirm_certificate(bindings: &Bindings, expected: &Thumbprint, request: &Parts) -> Result<(), Stop> {
    let Some(certificates) = &bindings.certificates else {
        return Err(unchecked("the token is bound to a client certificate, and mutual TLS is not configured"));
    };
    match certificates.thumbprint(&request.headers, &request.extensions) {
        Ok(found) if found == *expected => Ok(()),
        Ok(_) => Err(unchecked("the token is bound to another client certificate")),
        Err(why) => Err(unchecked(why)),
    }
}

fn unbound(detail: &'static str) -> Stop {
    Rejection::invalid_token(detail).into()
}

fn unchecked(detail: &'static str) -> Stop {
    Rejection::invalid_token(detail).into()
}

/// Rejects a bound token that came without a request: nothing could prove that its sender holds the key.
pub(super) fn judge_without_request(confirmation: Option<&Confirmation>) -> Result<(), Rejection> {
    match confirmation {
        None => Ok(()),
        Some(_) => {
            Err(Rejection::invalid_token("a sender-constrained token, and no request that could prove its sender"))
        }
    }
}

/// Rejects a bound token that a page has put where no proof can stand beside it. The certificate of a browser proves nothing
/// about the page.
pub(super) fn judge_sent_apart(confirmation: Option<&Confirmation>) -> Result<(), Rejection> {
    match confirmation {
        None => Ok(()),
        Some(_) => Err(Rejection::invalid_token("a sender-constrained token outside of the Authorization header")),
    }
}
