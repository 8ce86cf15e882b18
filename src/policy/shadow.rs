//! A policy that is judged and not enforced.

use super::tree::Word;
use super::value::Policy;
use crate::error::ConfigError;

/// What is judged beside what is enforced.
#[derive(Clone, Debug)]
pub(super) enum Shadow {
    /// Another policy.
    Beside(Box<Policy>),
    /// The policy itself: nothing is enforced.
    Only,
}

impl Policy {
    /// Judges another policy too, and does not enforce it: the effect of a change can be seen before it is made.
    ///
    /// This policy decides as it would without the other one. The other one is judged on the same evidence, afterwards. What it
    /// says is in the record of the decision ([`Record::shadow`](crate::engine::Record::shadow)), with whether the two agree,
    /// and is counted ([`ResourceServer::shadow_counts`](crate::ResourceServer::shadow_counts)).
    ///
    /// - It changes no response. A panic in a check that only the shadow has is caught. The exception is a tool of an MCP server
    ///   whose shadow reads an [`argument`](crate::policy::argument): a call with arguments that can be read in two ways is
    ///   rejected.
    /// - A check or closure that both policies have runs once for a request.
    /// - It uses no proof of possession, and takes no step in the conversation with a client about its permissions.
    /// - What it needs beside the evidence, permissions of the subject or decisions, it fetches for itself, and a request waits
    ///   for that no longer than [`Builder::shadow_wait`](crate::server::Builder::shadow_wait). Otherwise it is undecided.
    ///
    /// ```
    /// use orgate::policy::resource;
    ///
    /// let today = resource().scope("read");
    /// let tomorrow = resource().scope("read:orders");
    /// assert_eq!(
    ///     today.shadow(tomorrow).to_string(),
    ///     "resource and scope read shadow (resource and scope read:orders)"
    /// );
    /// ```
    ///
    /// Say it last. What is added by `and` or [`or`](Self::or) after it, or by `Guard::require`, holds for both policies.
    pub fn shadow(mut self, other: Self) -> Self {
        if self.fault.is_some() {
            return self;
        }
        if self.shadow.is_some() || other.shadow.is_some() {
            return self.fail(ConfigError::new("shadow(..): a policy has one shadow, and a shadow has none"));
        }
        self.shadow = Some(Shadow::Beside(Box::new(other)));
        self.checked()
    }

    /// Enforces nothing: every request passes, and the policy is only judged and recorded. For taking over an API that has no
    /// protection yet.
    ///
    /// A request that meets the policy passes as it would if the policy were enforced. Any other one, with a bad token, with
    /// none, or one that cannot be decided within [`Builder::shadow_wait`](crate::server::Builder::shadow_wait), passes without
    /// a [`Grant`](crate::engine::Grant), token or organization: handlers extract `Option`s. It uses no proof of possession
    /// and takes no step in a conversation.
    ///
    /// ```
    /// use orgate::policy::resource;
    ///
    /// let policy = resource().scope("read:orders").dangerous_shadow_only();
    /// assert_eq!(policy.to_string(), "SHADOW ONLY resource and scope read:orders");
    /// ```
    ///
    /// Conditions that are added to it by `and`, or by `Guard::require`, are only judged too.
    pub fn dangerous_shadow_only(mut self) -> Self {
        if self.fault.is_some() {
            return self;
        }
        if self.shadow.is_some() {
            return self.fail(ConfigError::new("dangerous_shadow_only() of a policy that has a shadow"));
        }
        if !self.has_model() {
            let fault = "dangerous_shadow_only() belongs to a whole policy, which says what the token is for";
            return self.fail(ConfigError::new(fault));
        }
        self.shadow = Some(Shadow::Only);
        self
    }

    /// Returns whether nothing is enforced: [`dangerous_shadow_only`](Self::dangerous_shadow_only).
    #[must_use]
    pub fn is_shadow_only(&self) -> bool {
        matches!(self.shadow, Some(Shadow::Only))
    }

    /// The policy that is judged beside this one.
    pub(super) fn beside(&self) -> Option<&Self> {
        match &self.shadow {
            Some(Shadow::Beside(other)) => Some(other),
            _ => None,
        }
    }

    /// Every word that is judged for one request.
    pub(super) fn all_words<'a>(&'a self, see: &mut dyn FnMut(&'a Word)) {
        self.tree.words(see);
        if let Some(other) = self.beside() {
            other.tree.words(see);
        }
    }

    /// The policy with the shadow of what it was made of.
    pub(super) fn shadowed_by(self, shadow: Result<Option<Shadow>, ConfigError>) -> Self {
        match shadow {
            Err(fault) => self.fail(fault),
            Ok(None) => self,
            Ok(shadow) => Self { shadow, ..self }.checked(),
        }
    }
}

/// The shadow of two policies in one: what holds beside one of them holds in its shadow too. Both lose theirs.
///
/// `tolerates_open`: whether one side may enforce nothing where the other has no model, and so says nothing by itself.
pub(super) fn joined(
    one: &mut Policy,
    two: &mut Policy,
    tolerates_open: bool,
    join: fn(Policy, Policy) -> Policy,
) -> Result<Option<Shadow>, ConfigError> {
    match (one.shadow.take(), two.shadow.take()) {
        (None, None) => Ok(None),
        (Some(Shadow::Only), Some(Shadow::Only)) => Ok(Some(Shadow::Only)),
        (Some(Shadow::Only), None) | (None, Some(Shadow::Only)) if tolerates_open => Ok(Some(Shadow::Only)),
        (Some(Shadow::Only), _) | (_, Some(Shadow::Only)) => {
            Err(ConfigError::new(format_args!("({one}) and ({two}): dangerous_shadow_only() of a part of a policy")))
        }
        (first, second) => {
            let side = |shadow, enforced: &Policy| match shadow {
                Some(Shadow::Beside(other)) => *other,
                _ => enforced.clone(),
            };
            Ok(Some(Shadow::Beside(Box::new(join(side(first, one), side(second, two))))))
        }
    }
}
