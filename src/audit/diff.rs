//! What a change of code or tenant gave or took.

use std::fmt;

use serde::Serialize;

use super::findings::Finding;
use super::report::RouteAccess;
use super::verdict::Verdict;
use crate::name::stable_names;

/// The difference between two reports. Its printed form has a line for each change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Diff {
    /// The changes: by route, then by role and by roles that suffice together, then findings.
    pub changes: Vec<Change>,
}

/// One difference. A route that one report does not have is closed there unless another row answers it, and so is every route
/// to a role that it does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// Who holds the role may call what was closed, or open only under a condition.
    #[non_exhaustive]
    Gained {
        /// The route.
        route: String,
        /// The role, roles that suffice together, or a subject without a role.
        role: String,
        /// What it was before; none if there was no such route or role.
        before: Option<Verdict>,
        /// What it is now.
        after: Verdict,
    },
    /// Who holds the role may no longer call, or only under a condition.
    #[non_exhaustive]
    Lost {
        /// The route.
        route: String,
        /// The role, roles that suffice together, or a subject without a role.
        role: String,
        /// What it was before.
        before: Verdict,
        /// What it is now; none if there is no such route or role.
        after: Option<Verdict>,
    },
    /// The conditions are others.
    #[non_exhaustive]
    Conditions {
        /// The route.
        route: String,
        /// The role, roles that suffice together, or a subject without a role.
        role: String,
        /// What it was before.
        before: Verdict,
        /// What it is now.
        after: Verdict,
    },
    /// The route is enforced in another way: it became public, for instance.
    #[non_exhaustive]
    Access {
        /// The route.
        route: String,
        /// How it was before; none if there was no such route.
        before: Option<RouteAccess>,
        /// How it is now; none if there is no such route.
        after: Option<RouteAccess>,
    },
    /// A finding that was not there before.
    #[non_exhaustive]
    NewFinding {
        /// The finding.
        finding: Finding,
    },
    /// A finding that is no longer there.
    #[non_exhaustive]
    GoneFinding {
        /// The finding.
        finding: Finding,
    },
}

stable_names!(Change {
    Gained => "gained",
    Lost => "lost",
    Conditions => "conditions",
    Access => "access",
    NewFinding => "new_finding",
    GoneFinding => "gone_finding",
});

impl Diff {
    /// Returns whether nothing changed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Returns the changes by which somebody may call more: a role that gained, conditions of which one is new that asks for
    /// less, and a route that is enforced less.
    pub fn gained(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.is_gain())
    }
}

impl Change {
    fn is_gain(&self) -> bool {
        match self {
            Self::Gained { .. } => true,
            Self::Conditions { before, after, .. } => {
                let known = before.clone().ways();
                let is_new =
                    |way: &Vec<String>| !known.iter().any(|known| known.iter().all(|words| way.contains(words)));
                after.clone().ways().iter().any(is_new)
            }
            Self::Access { before, after, .. } => after.map_or(0, openness) > before.map_or(0, openness),
            Self::Lost { .. } | Self::NewFinding { .. } | Self::GoneFinding { .. } => false,
        }
    }
}

/// How much a route lets pass beside what its policy does: nothing, requests without a token, everything.
const fn openness(access: RouteAccess) -> u8 {
    match access {
        RouteAccess::Policy => 0,
        RouteAccess::Optional => 1,
        RouteAccess::ShadowOnly | RouteAccess::Public | RouteAccess::PublicRouter => 2,
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.changes.iter().try_for_each(|change| writeln!(f, "{change}"))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |verdict: &Option<Verdict>| verdict.as_ref().map_or("-".to_owned(), ToString::to_string);
        let access = |access: &Option<RouteAccess>| access.map_or("-", RouteAccess::as_str);
        match self {
            Self::Gained { route, role, before, after } => {
                write!(f, "+ {route}  {role}: {} -> {after}", known(before))
            }
            Self::Lost { route, role, before, after } => write!(f, "- {route}  {role}: {before} -> {}", known(after)),
            Self::Conditions { route, role, before, after } => write!(f, "~ {route}  {role}: {before} -> {after}"),
            Self::Access { route, before, after } => {
                write!(f, "~ {route}  access: {} -> {}", access(before), access(after))
            }
            Self::NewFinding { finding } => write!(f, "+ {finding}"),
            Self::GoneFinding { finding } => write!(f, "- {finding}"),
        }
    }
}
