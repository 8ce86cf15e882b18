//! Policies from text.

mod error;
mod grammar;
mod reader;
mod source;

use std::str::FromStr;

use http::request::Parts;

pub use error::ParseError;
pub(super) use reader::{MAX_TEXT, Reader, Token};
pub(super) use source::source;

use super::code::{Check, CheckResult, Code, Facts};
use super::detail::AuthorizationDetail;
use super::value::Policy;
use super::words::detail;
use crate::organization::custom;

/// Reads policies from text, with the application's own code under names.
///
/// The text is what `Display` prints. `and` binds tighter than `or`, parentheses group, `optional` and `hidden` stand in front
/// of everything, and `shadow (..)` or `SHADOW ONLY` frame a whole policy:
///
/// | text | word |
/// |---|---|
/// | `resource`, `resource https://api.example.com/billing` | [`resource()`](super::resource), [`resource_at(..)`](super::resource_at) |
/// | `resource about path {org}` | [`about(path("org"))`](Policy::about) |
/// | `resource for member of organization from path {org} [acting allowed]` | [`for_member_of(path("org"))`](Policy::for_member_of), [`acting_allowed()`](Policy::acting_allowed) |
/// | `organization from path {org}` | [`organization(path("org"))`](super::organization()) |
/// | `resource in organization from path {org}` | [`in_organization(path("org"))`](Policy::in_organization) |
/// | `any organization`, `resource in any organization` | the same with [`any_organization()`](super::any_organization) |
/// | `authenticated` | [`authenticated()`](super::authenticated) |
/// | `from path {org}`, `header x-org`, `subdomain of example.com`, `argument org`, `custom "label"` | sources |
/// | `issued by staff`, `any issuer` | [`issued_by(..)`](super::issued_by), [`any_issuer()`](super::any_issuer) |
/// | `scope read`, `all of [read write]`, `any of [read admin]` | [`scope(..)`](super::scope), [`all_of(..)`](super::all_of), [`any_of(..)`](super::any_of) |
/// | `client [web mobile]` | [`client(..)`](super::client) |
/// | `user`, `machine` | [`user()`](super::user), [`machine()`](super::machine) |
/// | `sender-constrained`, `dpop`, `mtls` | [`sender_constrained()`](super::sender_constrained), [`dpop()`](super::dpop), [`mtls()`](super::mtls) |
/// | `claim plan = "pro"`, `claim plan any of ["pro" "team"]`, `claim groups contains "staff"` | [`claim(..)`](super::claim) and its like |
/// | `acr gold`, `acr any of [gold silver]`, `max-auth-age 300s` | [`acr(..)`](super::acr), [`any_acr(..)`](super::any_acr), [`max_auth_age(..)`](super::max_auth_age) |
/// | `live [stale 60s]`, `fresh within 30s [token only on error]` | [`live()`](super::live), [`fresh_within(..)`](super::fresh_within), and what happens on an error |
/// | `freshness [stale 60s]` | [`stale_if_error(..)`](Policy::stale_if_error) for what the policy is combined with |
/// | `authorization-detail payment "own account"` | [`authorization_detail(..)`](super::authorization_detail) |
/// | `check "own profile"` | [`check(..)`](super::check) |
/// | `decide read document from path {id} [allow on error] [keep 10s 5s]` | [`decide(..)`](super::decide) |
/// | `resource shadow (resource and user)` | [`shadow(resource().user())`](Policy::shadow) |
/// | `SHADOW ONLY resource` | [`dangerous_shadow_only()`](Policy::dangerous_shadow_only) |
///
/// A name is bare if it matches `[A-Za-z0-9_][A-Za-z0-9_.:/@*~-]*` and is no word of the grammar, else a JSON string.
/// Strings in claims, and the names of checks and closures, are always quoted. A duration is an integer and `ns`, `us`, `ms`
/// or `s`.
///
/// ```
/// use orgate::policy::Parser;
///
/// let parser = Parser::new().check("own profile", |facts| facts.path("user") == Some(facts.token().subject().id()));
/// let policy = parser.parse(r#"resource and scope read:profile and check "own profile""#)?;
/// assert_eq!(policy.to_string(), r#"resource and scope read:profile and check "own profile""#);
/// # Ok::<(), orgate::policy::ParseError>(())
/// ```
///
/// Policies without such code are read by [`str::parse`]:
///
/// ```
/// use orgate::Policy;
///
/// let policy: Policy = "resource and any of [read:orders admin]".parse()?;
/// assert_eq!("resource and scope".parse::<Policy>().unwrap_err().to_string(), "column 19: expected a scope, found the end");
/// # Ok::<(), orgate::policy::ParseError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Parser(Code);

impl Parser {
    /// Creates a parser without checks and closures of the application.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check under its name, in place of one that has it already.
    #[must_use]
    pub fn check<R: CheckResult>(mut self, name: &str, run: impl Fn(&Facts<'_>) -> R + Send + Sync + 'static) -> Self {
        self.0.add_check(Check::new(name, run));
        self
    }

    /// Adds a check of authorization details under their type and its name, in place of one that has both already.
    #[must_use]
    pub fn authorization_detail<R: CheckResult>(
        mut self,
        detail_type: &str,
        name: &str,
        run: impl Fn(&AuthorizationDetail<'_>) -> R + Send + Sync + 'static,
    ) -> Self {
        let detail = detail(detail_type, name, run);
        self.0.add_detail(&detail.kind, detail.check);
        self
    }

    /// Adds a [`custom`] source under its label, in place of one that has it already.
    #[must_use]
    pub fn custom(mut self, label: &str, find: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static) -> Self {
        self.0.add_source(label, custom(label, find));
        self
    }

    /// Reads one policy: at most 64 KiB, 64 deep, and 64 clauses.
    ///
    /// # Errors
    ///
    /// Returns what was expected and found instead, and where; also for text that a policy could not be made of by its words.
    pub fn parse(&self, text: &str) -> Result<Policy, ParseError> {
        grammar::policy(&mut Reader::new(text, &self.0)?)
    }
}

/// Reads a policy without code of the application: see [`Parser`].
impl FromStr for Policy {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Parser::new().parse(text)
    }
}
