//! A delivery, verified over its raw bytes before anything of it is read.

use std::fmt;

use http::{HeaderMap, HeaderName};

use super::event::Event;
use super::signing::SigningKeys;
use crate::rejection::{Rejection, RejectionKind, Remediation};

/// The largest accepted body, in bytes: 1 MiB. A handler stops reading there.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Lower-case hexadecimal HMAC-SHA256 of the raw body.
const SIGNATURE: HeaderName = HeaderName::from_static("logto-signature-sha-256");

/// An error of a webhook delivery, with the status to respond with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebhookError {
    /// There is no signature: answer 401. So does a hook deliver that has no signing key.
    MissingSignature,
    /// The signature is there twice, is malformed, or no key made it for these bytes: answer 401.
    WrongSignature,
    /// The body has more than [`MAX_BODY_BYTES`]; nothing else was looked at: answer 413.
    BodyTooLarge,
    /// The body broke off before its end: answer 400.
    Interrupted,
    /// The body did not arrive in time: answer 408.
    TimedOut,
    /// There is no issuer entry that such a delivery is for: answer 404.
    UnknownRecipient,
    /// The issuer entry that the webhooks were for was removed: answer 410.
    Removed,
    /// The sender is who it should be, and the body is no event of Logto's: answer 400.
    #[non_exhaustive]
    Unreadable {
        /// What is wrong; it holds nothing of the body.
        why: &'static str,
    },
    /// It was applied here, and the change log has not kept it yet: answer 503, so that it is delivered again.
    NotKept,
}

impl WebhookError {
    /// Returns the stable name, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingSignature => "missing_signature",
            Self::WrongSignature => "wrong_signature",
            Self::BodyTooLarge => "body_too_large",
            Self::Interrupted => "interrupted",
            Self::TimedOut => "timed_out",
            Self::UnknownRecipient => "unknown_recipient",
            Self::Removed => "removed",
            Self::Unreadable { .. } => "unreadable",
            Self::NotKept => "not_kept",
        }
    }

    /// Returns the kind of the rejection: the status to answer with, and the sentence for the sender.
    #[must_use]
    pub const fn kind(&self) -> RejectionKind {
        match self {
            Self::MissingSignature | Self::WrongSignature => RejectionKind::WebhookSignature,
            Self::BodyTooLarge => RejectionKind::WebhookTooLarge,
            Self::Interrupted | Self::Unreadable { .. } => RejectionKind::WebhookBody,
            Self::TimedOut => RejectionKind::WebhookTimeout,
            Self::UnknownRecipient => RejectionKind::WebhookRecipient,
            Self::Removed => RejectionKind::WebhookGone,
            Self::NotKept => RejectionKind::Unavailable,
        }
    }

    pub(super) fn rejection(&self) -> Rejection {
        let remediation = match self {
            Self::NotKept => return Rejection::unavailable(std::time::Duration::from_secs(1), self.to_string()),
            Self::UnknownRecipient | Self::Removed => Remediation::None,
            Self::Interrupted | Self::TimedOut => Remediation::Retry,
            _ => Remediation::FixRequest,
        };
        Rejection::new(self.kind(), remediation, self.to_string())
    }
}

impl fmt::Display for WebhookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingSignature => write!(f, "the webhook has no {SIGNATURE} header"),
            Self::WrongSignature => f.write_str("the signature of the webhook is wrong"),
            Self::BodyTooLarge => write!(f, "the body of the webhook has more than {MAX_BODY_BYTES} bytes"),
            Self::Interrupted => f.write_str("the body of the webhook broke off"),
            Self::TimedOut => f.write_str("the body of the webhook did not arrive in time"),
            Self::UnknownRecipient => f.write_str("the webhook is for no issuer entry of this server"),
            Self::Removed => f.write_str("the issuer entry of the webhook was removed"),
            Self::NotKept => f.write_str("the webhook was applied here and is not kept yet"),
            Self::Unreadable { why } => write!(f, "the body of the webhook cannot be read: {why}"),
        }
    }
}

impl std::error::Error for WebhookError {}

/// Verifies a delivery and reads it.
///
/// The signature is that of the body's bytes as they came: a body that was parsed and written again has other bytes. The
/// comparison takes the same time wherever the two differ.
///
/// # Errors
///
/// Returns an error if the body is too large; if the signature is not present exactly once, or is wrong; or if the
/// body, though signed, is not a JSON object with a string `event` and a date `createdAt`. Events with unknown names
/// are not an error: they are [`EventKind::Other`](super::EventKind::Other).
pub fn verify(headers: &HeaderMap, raw_body: &[u8], keys: &SigningKeys) -> Result<Event, WebhookError> {
    if raw_body.len() > MAX_BODY_BYTES {
        return Err(WebhookError::BodyTooLarge);
    }
    Signature::read(headers)?.verify(raw_body, keys)
}

/// The signature of a delivery whose body is not there yet.
pub(super) struct Signature([u8; 32]);

impl Signature {
    /// # Errors
    ///
    /// Returns an error if it is not there exactly once, or is none.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, WebhookError> {
        let mut signatures = headers.get_all(SIGNATURE).iter();
        let tag = match (signatures.next(), signatures.next()) {
            (None, _) => return Err(WebhookError::MissingSignature),
            (Some(signature), None) => octets(signature.as_bytes()),
            (Some(_), Some(_)) => None,
        };
        tag.map(Self).ok_or(WebhookError::WrongSignature)
    }

    pub(super) fn verify(&self, raw_body: &[u8], keys: &SigningKeys) -> Result<Event, WebhookError> {
        if raw_body.len() > MAX_BODY_BYTES {
            return Err(WebhookError::BodyTooLarge);
        }
        if !keys.made(raw_body, &self.0) {
            return Err(WebhookError::WrongSignature);
        }
        Event::read(raw_body)
    }
}

/// 64 lower-case hexadecimal digits, and nothing around them.
fn octets(text: &[u8]) -> Option<[u8; 32]> {
    let mut octets = [0; 32];
    if text.len() != 2 * octets.len() {
        return None;
    }
    for (octet, pair) in octets.iter_mut().zip(text.chunks_exact(2)) {
        *octet = pair.iter().try_fold(0, |high, digit| Some(high << 4 | nibble(*digit)?))?;
    }
    Some(octets)
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits() {
        let text = "0123456789abcdef".repeat(4);
        let expected = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef].repeat(4);
        assert_eq!(octets(text.as_bytes()).unwrap().as_slice(), expected);
        for bad in [&text[1..], &text[..62], &format!("{text}00"), &text.to_uppercase(), &text.replace('a', "g"), ""] {
            assert_eq!(octets(bad.as_bytes()), None, "{bad}");
        }
    }
}
