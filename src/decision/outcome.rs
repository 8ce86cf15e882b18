//! What a decision point answers.

use super::Property;
use super::error::shortened;
use crate::rejection::StepUp;

/// The answer of a decision point.
///
/// An allow may be tied to obligations: "yes, if you also log it". Whoever does not know an obligation cannot fulfil it,
/// so an allow counts only once each of its obligations [was handled](Self::handled); until then
/// [`is_allowed`](Self::is_allowed) is `false`.
///
/// ```
/// use orgate::decision::{Decision, Obligation};
///
/// let decision = Decision::allow().with_obligation(Obligation::new("audit"));
/// assert!(!decision.is_allowed());
/// assert!(decision.handled("audit").is_allowed());
/// ```
#[derive(Clone, Debug)]
#[must_use = "a decision that is not looked at guards nothing"]
pub struct Decision {
    allow: bool,
    reason: Option<Box<str>>,
    obligations: Vec<Obligation>,
    step_up: Option<Box<StepUp>>,
    reusable: bool,
}

impl Decision {
    /// The request may go on.
    pub const fn allow() -> Self {
        Self::new(true)
    }

    /// The request must not go on.
    pub const fn deny() -> Self {
        Self::new(false)
    }

    const fn new(allow: bool) -> Self {
        Self { allow, reason: None, obligations: Vec::new(), step_up: None, reusable: true }
    }

    /// The point's own words, for the log and never for an answer. More than 256 characters are cut off.
    pub fn with_reason(mut self, reason: impl std::fmt::Display) -> Self {
        self.reason = Some(shortened(reason)).filter(|reason| !reason.trim().is_empty());
        self
    }

    /// Something that must be done along with an allow. It is not handled until somebody says so.
    pub fn with_obligation(mut self, obligation: Obligation) -> Self {
        self.obligations.push(obligation);
        self
    }

    /// Says how the user must sign in for the request to be allowed. Whatever else it says, such a decision allows nothing:
    /// the client of a user who has not signed in like that receives 401 and is told how (RFC 9470).
    ///
    /// ```
    /// use orgate::decision::Decision;
    /// use orgate::rejection::StepUp;
    ///
    /// let decision = Decision::allow().with_step_up(StepUp::new(["urn:example:loa:3"], None)?);
    /// assert!(!decision.is_allowed());
    /// # Ok::<(), orgate::ConfigError>(())
    /// ```
    pub fn with_step_up(mut self, step_up: StepUp) -> Self {
        self.step_up = Some(Box::new(step_up));
        self
    }

    /// Every obligation of this name has been understood, and is fulfilled.
    pub fn handled(mut self, name: &str) -> Self {
        for obligation in self.obligations.iter_mut().filter(|obligation| &*obligation.name == name) {
            obligation.handled = true;
        }
        self
    }

    /// Hands each obligation to `handle`, which says whether it is understood and fulfilled.
    #[cfg(feature = "authzen")]
    pub(crate) fn fulfilled(mut self, handle: impl Fn(&Obligation) -> bool) -> Self {
        if self.allow {
            for obligation in &mut self.obligations {
                obligation.handled = handle(obligation);
            }
        }
        self
    }

    /// Holds for this request only: it is never remembered for another one like it.
    pub const fn once(mut self) -> Self {
        self.reusable = false;
        self
    }

    /// Whether the request may go on: the point allows it, requires no other sign-in, and no obligation is left unhandled.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.allow && self.step_up.is_none() && self.obligations.iter().all(|obligation| obligation.handled)
    }

    /// Returns how the user must sign in for the request to be allowed, if that would help.
    #[must_use]
    pub fn step_up(&self) -> Option<&StepUp> {
        self.step_up.as_deref()
    }

    /// Why, in the point's own words.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// What must be done along with an allow.
    #[must_use]
    pub fn obligations(&self) -> &[Obligation] {
        &self.obligations
    }

    /// Whether it may be remembered. What comes with obligations is for one request.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        self.reusable && self.obligations.is_empty()
    }
}

/// Something that must be done along with an allow.
#[derive(Clone, Debug, PartialEq)]
pub struct Obligation {
    name: Box<str>,
    details: Option<Property>,
    handled: bool,
}

impl Obligation {
    /// An obligation that has not been handled yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), details: None, handled: false }
    }

    /// What the point said about it.
    #[must_use]
    pub fn with_details(mut self, details: Property) -> Self {
        self.details = Some(details);
        self
    }

    /// This one has been understood, and is fulfilled.
    #[must_use]
    pub const fn as_handled(mut self) -> Self {
        self.handled = true;
        self
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the point said about it.
    #[must_use]
    pub const fn details(&self) -> Option<&Property> {
        self.details.as_ref()
    }

    /// Whether somebody understood and fulfilled it.
    #[must_use]
    pub const fn is_handled(&self) -> bool {
        self.handled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_obligation_must_be_handled() {
        let decision = Decision::allow().with_obligation(Obligation::new("a")).with_obligation(Obligation::new("b"));
        assert!(!decision.is_allowed() && !decision.is_reusable());
        let decision = decision.handled("a").handled("c");
        assert!(!decision.is_allowed());
        let decision = decision.handled("b");
        assert!(decision.is_allowed() && !decision.is_reusable());
    }

    #[test]
    fn no_handling_makes_an_allow_of_a_denial() {
        assert!(!Decision::deny().with_obligation(Obligation::new("a")).handled("a").is_allowed());
        assert!(Decision::deny().is_reusable() && !Decision::allow().once().is_reusable());
    }

    #[test]
    fn an_empty_reason_is_none() {
        assert_eq!(Decision::deny().with_reason(" \n").reason(), None);
        assert_eq!(Decision::deny().with_reason("a\nb").reason(), Some("a b"));
    }
}
