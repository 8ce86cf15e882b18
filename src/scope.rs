//! Scopes: one validated word of a policy, and the list that a token carries.

mod parameter;
mod texts;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub(crate) use parameter::misread_in;
pub(crate) use texts::ScopeTexts;

use crate::error::ConfigError;

/// One scope-token (RFC 6749 section 3.3): printable ASCII without space, quote and backslash.
///
/// A scope is written into challenges, so it also contains no name of a challenge parameter followed by `=`: a client that
/// searches the challenge for `realm=` would find it there.
///
/// ```
/// use orgate::scope::Scope;
///
/// assert_eq!(Scope::new("read:orders")?.as_str(), "read:orders");
/// assert!(Scope::new("read orders").is_err());
/// # Ok::<(), orgate::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(Arc<str>);

impl Scope {
    /// Checks the text of one scope.
    ///
    /// # Errors
    ///
    /// Returns a [`ConfigError`] if `text` is empty, contains a character that a scope-token must not have, or contains the name
    /// of a challenge parameter followed by `=`, such as `realm=`.
    pub fn new(text: &str) -> Result<Self, ConfigError> {
        if !is_scope_token(text) {
            return Err(ConfigError::new(format_args!(
                "scope {text:?} is not a scope-token: one or more characters of printable ASCII, no space, quote or backslash (RFC 6749 section 3.3); for several scopes use all_of or any_of"
            )));
        }
        match misread_in(text) {
            Some(name) => Err(ConfigError::new(format_args!(
                "scope {text:?} cannot stand in a challenge: clients would read `{name}=` in it as a parameter"
            ))),
            None => Ok(Self(text.into())),
        }
    }

    /// Returns the scope's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Whether a text is one word that can stand between the quotes of a challenge.
pub(crate) fn is_scope_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

/// The scopes of a token: words separated by one space, compared exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScopeList {
    text: Box<str>,
    /// Where each word ends: a list is searched on every request, and read once.
    ends: Box<[u32]>,
}

impl ScopeList {
    /// From the string form of the claim. Only U+0020 separates: a tab or a no-break space is part of a word, and so
    /// matches nothing.
    pub(crate) fn from_text(text: &str) -> Self {
        let spaces = text.bytes().filter(|&byte| byte == b' ').count();
        let (mut ends, mut start, mut are_words) = (Vec::with_capacity(spaces + 1), 0, true);
        let mut end_at = |end: u32| {
            are_words &= start < end;
            start = end.saturating_add(1);
            ends.push(end);
        };
        for (byte, at) in text.bytes().zip(0..) {
            if byte == b' ' {
                end_at(at);
            }
        }
        // A list of four gigabytes is in no header.
        end_at(u32::try_from(text.len()).unwrap_or(u32::MAX));
        if are_words {
            return Self { text: text.into(), ends: ends.into() };
        }
        Self::joined(text.split(' ').filter(|word| !word.is_empty()), text.len(), spaces + 1)
    }

    /// From the array form of the claim. `None` when a member could be mistaken for two scopes, or for none.
    pub(crate) fn from_words(words: &[impl AsRef<str>]) -> Option<Self> {
        let words = || words.iter().map(AsRef::as_ref);
        let are_words = words().all(|word| !word.is_empty() && !word.contains(' '));
        are_words.then(|| Self::joined(words(), 0, 0))
    }

    fn joined<'w>(words: impl Iterator<Item = &'w str>, length: usize, count: usize) -> Self {
        let (mut text, mut ends) = (String::with_capacity(length), Vec::with_capacity(count));
        for word in words {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(word);
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        Self { text: text.into(), ends: ends.into() }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.spans().filter_map(|span| self.text.get(span))
    }

    pub(crate) fn contains(&self, scope: &str) -> bool {
        self.spans().any(|span| self.text.as_bytes().get(span) == Some(scope.as_bytes()))
    }

    /// Where the words are.
    fn spans(&self) -> impl Iterator<Item = Range<usize>> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let end = end as usize;
            std::mem::replace(&mut start, end + 1)..end
        })
    }

    /// The bytes that it takes.
    pub(crate) fn size(&self) -> usize {
        self.text.len() + size_of_val(&*self.ends)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scope_tokens() {
        assert_eq!(Scope::new("read:orders").unwrap().as_str(), "read:orders");
        for bad in ["", "a b", "a\"", "a\\", "a\tb", "a\r\n", "é", "a\u{7f}"] {
            assert!(Scope::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn scope_that_clients_take_for_a_parameter_is_rejected() {
        for bad in ["realm=", "scope=a", "my-ERROR=b", "https://api.example.com/?max_age=3"] {
            let error = Scope::new(bad).unwrap_err().to_string();
            assert!(error.contains(bad) && error.contains("as a parameter"), "{error}");
        }
        for good in ["realm", "tenant=a", "realm:=", "=error"] {
            assert!(Scope::new(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn words_match_exactly() {
        let list = ScopeList::from_text("read:orders  write:orders\tx read");
        assert!(list.contains("read:orders"));
        assert!(list.contains("read"));
        for other in ["write:orders", "x", "Read", "orders", "read:orders write", ""] {
            assert!(!list.contains(other), "{other:?}");
        }
    }

    #[test]
    fn array_members_never_split() {
        assert!(ScopeList::from_words(&["a b"]).is_none());
        assert!(ScopeList::from_words(&[""]).is_none());
        assert_eq!(ScopeList::from_words(&["a", "b"]).unwrap().iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    proptest! {
        #[test]
        fn a_list_holds_its_words_and_no_other(words in prop::collection::vec("[!-~&&[^\"\\\\]]{1,8}", 0..6), other in "[!-~]{1,8}") {
            let list = ScopeList::from_text(&words.join(" "));
            for word in &words {
                prop_assert!(list.contains(word));
            }
            prop_assert_eq!(list.contains(&other), words.contains(&other));
        }

        #[test]
        fn text_with_more_spaces_is_the_same_list(text in "[a-c ]{0,12}") {
            let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
            let list = ScopeList::from_text(&text);
            prop_assert_eq!(list.iter().collect::<Vec<_>>(), words.clone());
            prop_assert_eq!(list, ScopeList::from_words(&words).unwrap());
        }
    }
}
