//! What a decision point answers.

use super::Property;
use super::error::shortened;
use crate::rejection::StepUp;

/// The decision of a decision point.
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
    /// Creates a decision that lets the request pass.
    pub const fn allow() -> Self {
        Self::new(true)
    }

    /// Creates a decision that rejects the request.
    pub const fn deny() -> Self {
        Self::new(false)
    }

    const fn new(allow: bool) -> Self {
        Self { allow, reason: None, obligations: Vec::new(), step_up: None, reusable: true }
    }

    /// Adds the point's reason, for the log and never for a response. Cut off after 256 characters.
    pub fn with_reason(mut self, reason: impl std::fmt::Display) -> Self {
        self.reason = Some(shortened(reason)).filter(|reason| !reason.trim().is_empty());
        self
    }

    /// Adds an obligation that must be fulfilled along with an allow. It is unhandled until [`handled`](Self::handled)
    /// names it.
    pub fn with_obligation(mut self, obligation: Obligation) -> Self {
        self.obligations.push(obligation);
        self
    }

    /// Requires that the user signs in as described. Such a decision allows nothing: the client receives 401 and the
    /// requirement (RFC 9470).
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

    /// Marks every obligation of this name as understood and fulfilled.
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

    /// Limits the decision to this request: it is never cached for an equal one.
    pub const fn once(mut self) -> Self {
        self.reusable = false;
        self
    }

    /// Returns whether the request passes: the point allows it, requires no other sign-in, and no obligation is
    /// unhandled.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.allow && self.step_up.is_none() && self.obligations.iter().all(|obligation| obligation.handled)
    }

    /// Returns how the user must sign in for the request to be allowed, if that would help.
    #[must_use]
    pub fn step_up(&self) -> Option<&StepUp> {
        self.step_up.as_deref()
    }

    /// Returns the point's reason.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Returns the obligations that come with an allow.
    #[must_use]
    pub fn obligations(&self) -> &[Obligation] {
        &self.obligations
    }

    /// Returns whether the decision may be cached. A decision with obligations is for one request.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        self.reusable && self.obligations.is_empty()
    }
}

/// Something that must be done along with an allow.
///
/// ```
/// use orgate::decision::{Decision, Obligation, Property};
///
/// let decision = Decision::allow().with_obligation(Obligation::new("audit").with_details(Property::from("full")));
/// assert_eq!(decision.obligations()[0].name(), "audit");
/// assert!(!decision.is_allowed());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Obligation {
    name: Box<str>,
    details: Option<Property>,
    handled: bool,
}

impl Obligation {
    /// Creates an obligation that is not handled yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), details: None, handled: false }
    }

    /// Adds the point's details.
    #[must_use]
    pub fn with_details(mut self, details: Property) -> Self {
        self.details = Some(details);
        self
    }

    /// Marks this obligation as understood and fulfilled.
    #[must_use]
    pub const fn as_handled(mut self) -> Self {
        self.handled = true;
        self
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the point's details.
    #[must_use]
    pub const fn details(&self) -> Option<&Property> {
        self.details.as_ref()
    }

    /// Returns whether the obligation was understood and fulfilled.
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
