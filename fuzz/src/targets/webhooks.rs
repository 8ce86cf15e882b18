//! Webhooks: nothing is read without a signature over these bytes, and what is read is what another reader finds.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac;
use http::{HeaderMap, HeaderValue};
use orgate::logto::webhooks::{Event, SigningKeys, verify};

use crate::json::{object, text};

const SECRET: &str = "a signing key";
const SIGNATURE: &str = "logto-signature-sha-256";

static KEYS: LazyLock<SigningKeys> = LazyLock::new(|| SigningKeys::new(["another", SECRET]).unwrap());

/// The first byte says what the signature is: `!` is one by another key, `=` takes the first line for it, and everything else
/// signs the rest.
pub(crate) fn run(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    let mut headers = HeaderMap::new();
    let (body, is_signed) = match how {
        b'!' => {
            headers.insert(SIGNATURE, signature("a stranger's", rest));
            (rest, false)
        }
        b'=' => {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            if let Ok(value) = HeaderValue::from_bytes(&rest[..end]) {
                headers.append(SIGNATURE, value);
            }
            let body = rest.get(end + 1..).unwrap_or_default();
            let is_right = headers.get(SIGNATURE) == Some(&signature(SECRET, body));
            (body, is_right)
        }
        _ => {
            headers.insert(SIGNATURE, signature(SECRET, rest));
            (rest, true)
        }
    };
    let Ok(event) = verify(&headers, body, &KEYS) else { return };
    assert!(is_signed, "read without a signature");
    check(&event, body);
    let written = serde_json::to_string(&event).unwrap();
    let again: Event = serde_json::from_str(&written).unwrap();
    check(&again, body);
    assert_eq!(again.changes("i"), event.changes("i"));
}

fn check(event: &Event, body: &[u8]) {
    let payload = object(body).expect("one object with unique members");
    assert_eq!(Some(event.name()), text(&payload, "event"));
    assert_eq!(event.hook_id(), text(&payload, "hookId"));
    assert_eq!(text(&payload, "createdAt"), Some(&*iso8601(event.created_at())));
    // A name may be `data`; a member is followed by a colon.
    assert!(!format!("{event:?}").contains("\"data\":"));
    let changes = event.changes("i");
    assert!(changes.len() <= body.len(), "{} changes of {} bytes", changes.len(), body.len());
    assert!(changes.iter().all(|change| change.issuer() == "i"));
}

/// By the calendar, from the days since 1970.
fn iso8601(at: SystemTime) -> String {
    let since: Duration = at.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let (mut days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let is_leap = |year: u64| year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let milliseconds = since.subsec_millis();
    format!("{year:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z", month + 1, days + 1)
}

fn signature(secret: &str, body: &[u8]) -> HeaderValue {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body);
    let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::try_from(digits).unwrap()
}
