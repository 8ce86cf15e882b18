use http::HeaderValue;
use sfv::{DictSerializer, KeyRef, RefBareItem, StringRef, TokenRef, key_ref};

use super::Claims;

/// The longest dictionary, in bytes. All headers of an answer to NGINX share 4 KiB.
const LONGEST: usize = 3 * 1024;

/// Writes claims as a dictionary (RFC 9651), or returns `None` if they do not fit.
///
/// Scopes that would make it too long are left out, and `scope_omitted` says so. No claims make an empty value.
pub(crate) fn dictionary(claims: &Claims<'_>) -> Option<HeaderValue> {
    let whole = write(claims, false)?;
    let text = if whole.len() < LONGEST { whole } else { write(&Claims { scope: None, ..*claims }, true)? };
    if text.len() >= LONGEST {
        return None;
    }
    HeaderValue::try_from(text).ok()
}

fn write(claims: &Claims<'_>, omitted: bool) -> Option<String> {
    let mut dictionary = DictSerializer::new();
    let texts: [(&KeyRef, Option<&str>); 5] = [
        (key_ref("sub"), claims.subject),
        (key_ref("org"), claims.organization),
        (key_ref("iss"), claims.issuer),
        (key_ref("client"), claims.client),
        (key_ref("scope"), claims.scope),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            _ = dictionary.bare_item(key, text_item(text));
        }
    }
    if let Some(kind) = claims.kind {
        _ = dictionary.bare_item(key_ref("kind"), TokenRef::from_str(kind).ok()?);
    }
    if omitted {
        _ = dictionary.bare_item(key_ref("scope_omitted"), true);
    }
    Some(dictionary.finish().unwrap_or_default())
}

/// A String holds printable ASCII; a Display String any text.
fn text_item(text: &str) -> RefBareItem<'_> {
    StringRef::from_str(text).map_or(RefBareItem::DisplayString(text), RefBareItem::String)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sfv::{BareItem, Dictionary, ListEntry, Parser};

    use super::*;

    fn claims<'a>(subject: &'a str, scope: &'a str) -> Claims<'a> {
        Claims { subject: Some(subject), scope: Some(scope), kind: Some("user"), ..Claims::default() }
    }

    fn parsed(value: &HeaderValue) -> Dictionary {
        Parser::new(value.as_bytes()).parse().unwrap()
    }

    fn text(dictionary: &Dictionary, key: &str) -> Option<String> {
        match dictionary.get(key)? {
            ListEntry::Item(item) => match &item.bare_item {
                BareItem::String(text) => Some(text.as_str().to_owned()),
                BareItem::DisplayString(text) => Some(text.clone()),
                _ => None,
            },
            ListEntry::InnerList(_) => None,
        }
    }

    #[test]
    fn claims_are_written_in_the_documented_form() {
        let claims = Claims {
            subject: Some("u1"),
            organization: Some("acme"),
            issuer: Some("customers"),
            iss: Some("https://tenant.logto.app/oidc"),
            client: Some("web"),
            kind: Some("user"),
            scope: Some("a b"),
        };
        let expected = r#"sub="u1", org="acme", iss="customers", client="web", scope="a b", kind=user"#;
        assert_eq!(dictionary(&claims).unwrap(), expected);
    }

    #[test]
    fn no_claims_are_an_empty_value() {
        assert_eq!(dictionary(&Claims::default()).unwrap(), "");
    }

    #[test]
    fn scopes_that_do_not_fit_are_left_out_and_flagged() {
        let scopes = "s".repeat(LONGEST);
        assert_eq!(dictionary(&claims("u1", &scopes)).unwrap(), r#"sub="u1", kind=user, scope_omitted"#);
        assert_eq!(dictionary(&claims(&scopes, "a")), None);
    }

    proptest! {
        #[test]
        fn no_subject_adds_a_member(subject in ".{0,40}|[\"\\\\,;= a-z%é]{0,20}") {
            let value = dictionary(&claims(&subject, "a")).unwrap();
            let dictionary = parsed(&value);
            prop_assert_eq!(dictionary.len(), 3);
            prop_assert_eq!(text(&dictionary, "sub").unwrap(), subject);
            prop_assert_eq!(text(&dictionary, "scope").unwrap(), "a");
        }
    }
}
