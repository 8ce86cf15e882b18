//! Which claim a setting means.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;

use crate::json::{Object, text};

/// Deeper than any issuer nests.
const MOST_NAMES: usize = 8;

/// The name of a claim at the top level, or the path of a nested claim: [`claim_path`].
///
/// ```
/// use orgate::Issuer;
///
/// let issuer = Issuer::new("https://id.example.com").untyped_jwt().organization_claim("org_id");
/// # _ = issuer;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimName(Vec<String>);

/// Names a nested claim: every name but the last is that of an object.
///
/// ```
/// use orgate::Issuer;
/// use orgate::issuer::{ScopeForm, claim_path};
///
/// let keycloak = Issuer::new("https://id.example.com/realms/shop")
///     .untyped_jwt()
///     .scope_claim(claim_path(["realm_access", "roles"]), ScopeForm::Array);
/// # let _ = keycloak;
/// ```
pub fn claim_path<S: Into<String>>(names: impl IntoIterator<Item = S>) -> ClaimName {
    ClaimName(names.into_iter().map(Into::into).collect())
}

impl From<&str> for ClaimName {
    /// A plain name, dots included.
    fn from(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }
}

impl From<String> for ClaimName {
    /// A plain name, dots included.
    fn from(name: String) -> Self {
        Self(vec![name])
    }
}

impl ClaimName {
    pub(crate) fn is_valid(&self) -> bool {
        (1..=MOST_NAMES).contains(&self.0.len()) && self.0.iter().all(|name| !name.is_empty())
    }

    /// The claim; absent is `None`. Another type, of this claim or of one around it, is an error.
    pub(crate) fn read<'a, T: Deserialize<'a>>(&self, claims: &Object<'a>) -> Result<Option<T>, ()> {
        self.raw(claims)?.map(serde_json::from_str).transpose().map_err(|_| ())
    }

    /// As [`read`](Self::read), for a claim that is a string.
    pub(crate) fn text<'a>(&self, claims: &Object<'a>) -> Result<Option<Cow<'a, str>>, ()> {
        self.raw(claims)?.map(text).transpose()
    }

    fn raw<'a>(&self, claims: &Object<'a>) -> Result<Option<&'a str>, ()> {
        let Some((last, outer)) = self.0.split_last() else { return Ok(None) };
        let mut inner: Option<Object<'a>> = None;
        for name in outer {
            let Some(raw) = inner.as_ref().unwrap_or(claims).raw(name) else { return Ok(None) };
            inner = Some(Object::parse(raw.as_bytes()).map_err(|_| ())?);
        }
        let found = inner.as_ref().unwrap_or(claims).raw(last);
        if found.is_none()
            && outer.is_empty()
            && tracing::enabled!(target: "orgate", tracing::Level::DEBUG)
            && looks_like_a_path(last)
        {
            tracing::debug!(
                target: "orgate", claim = &**last,
                "the token has no claim of this name; for a claim inside of another one, use claim_path([..])"
            );
        }
        Ok(found)
    }
}

fn looks_like_a_path(name: &str) -> bool {
    !name.contains("://") && name.contains(['.', '/'])
}

impl fmt::Display for ClaimName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &ClaimName, claims: &str) -> Result<Option<String>, ()> {
        let claims = Object::parse(claims.as_bytes()).unwrap();
        let text = name.text(&claims).map(|text| text.map(Cow::into_owned));
        assert_eq!(name.read::<String>(&claims), text);
        text
    }

    #[test]
    fn plain_name_is_read_with_its_dots() {
        assert_eq!(read(&"a.b".into(), r#"{"a.b":"x","a":{"b":"y"}}"#), Ok(Some("x".to_owned())));
        assert_eq!(read(&"a.b".into(), r#"{"a":{"b":"y"}}"#), Ok(None));
    }

    #[test]
    fn path_is_read_through_objects_only() {
        let path = claim_path(["a", "b"]);
        assert_eq!(read(&path, r#"{"a":{"b":"y"},"b":"x"}"#), Ok(Some("y".to_owned())));
        assert_eq!((read(&path, "{}"), read(&path, r#"{"a":{}}"#)), (Ok(None), Ok(None)));
        for bad in [r#"{"a":null}"#, r#"{"a":"b"}"#, r#"{"a":["b"]}"#, r#"{"a":{"b":1}}"#, r#"{"a":{"b":"x","b":"y"}}"#]
        {
            assert_eq!(read(&path, bad), Err(()), "{bad}");
        }
    }

    #[test]
    fn name_with_dots_or_slashes_looks_like_a_path_and_a_url_does_not() {
        let looks =
            ["realm_access.roles", "realm_access/roles", "scope", "https://shop.example/roles"].map(looks_like_a_path);
        assert_eq!(looks, [true, true, false, false]);
    }

    #[test]
    fn empty_names_are_invalid() {
        assert!(ClaimName::from("a").is_valid() && claim_path(["a", "b"]).is_valid());
        assert!(
            !ClaimName::from("").is_valid() && !claim_path(["a", ""]).is_valid() && !claim_path([""; 0]).is_valid()
        );
        assert!(!claim_path(["a"; 9]).is_valid());
    }
}
