//! Words about decision points.

use crate::decision::CacheTimes;
use crate::error::ConfigError;
use crate::name::Span;
use crate::organization::RequestSource;
use crate::policy::condition::{Condition, Decisions, Question};
use crate::policy::tree::Word;
use crate::policy::value::Policy;

/// Requires that the decision point allows an action on a resource of a type, whose id the request names. Combine it
/// with a model: `resource().decide(..)` means the same.
///
/// ```
/// use orgate::policy::{decide, organization, path};
///
/// let policy = organization(path("org")).scope("read:documents").and(decide("read", "document", path("id")));
/// assert_eq!(
///     policy.to_string(),
///     "organization from path {org} and scope read:documents and decide read document from path {id}"
/// );
/// ```
pub fn decide(action: &str, resource_type: &str, id: RequestSource) -> Policy {
    Policy::conditional(Decisions::new(action, resource_type, id).map(Condition::Decisions))
}

impl Policy {
    /// Adds [`decide`]: requires that the decision point allows the action. Subject, organization, method and matched
    /// route are sent automatically.
    ///
    /// It is asked last, together with the other decisions of its clause, and can only narrow what the token allows. The
    /// server needs one: [`Builder::decision_point`](crate::server::Builder::decision_point).
    pub fn decide(self, action: &str, resource_type: &str, id: RequestSource) -> Self {
        self.and(decide(action, resource_type, id))
    }

    /// Sets how long the decisions of this policy so far are cached, instead of the times of the server's decider: five
    /// minutes at most. [`CacheTimes::NONE`]: not at all. If set twice, the shorter times apply.
    pub fn decision_cache(self, times: CacheTimes) -> Self {
        let longest = times.allow().max(times.deny());
        if longest > CacheTimes::LONGEST {
            let fault = format_args!("decision_cache: {longest:?} is more than {:?}", CacheTimes::LONGEST);
            return self.and(Self::faulty(written(times), ConfigError::new(fault)));
        }
        let shorter = |question: &mut Question| question.keep_at_most(times);
        self.each_question("decision_cache(..)", || written(times), shorter)
    }

    /// Skips the decision point while it cannot be reached: anyone who can keep it from responding gets everything that
    /// it would deny. Counted and logged. Without this the response is 503. A wrong response, or one that rejects this
    /// server's credential, still results in 503.
    ///
    /// It is about what this policy asks so far, and not about what is added to it: by `and`, or by the guard.
    pub fn dangerous_allow_on_error(self) -> Self {
        let allow = |question: &mut Question| question.allow_on_error();
        self.each_question("dangerous_allow_on_error()", || "decisions [allow on error]".to_owned(), allow)
    }

    fn each_question(mut self, word: &str, written: impl Fn() -> String, change: impl Fn(&mut Question)) -> Self {
        let mut is_asked = false;
        self.tree.words_mut(&mut |word| {
            if let Word::Condition(Condition::Decisions(decisions)) = word {
                decisions.questions_mut().for_each(&change);
                is_asked = true;
            }
        });
        if is_asked {
            return self;
        }
        let fault = ConfigError::new(format_args!("{word}: the policy does not use a decision point"));
        self.and(Self::faulty(written(), fault))
    }
}

fn written(times: CacheTimes) -> String {
    format!("decisions [keep {} {}]", Span(times.allow()), Span(times.deny()))
}
