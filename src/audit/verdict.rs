//! What a role opens of a route.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The access that a role has to a route: one cell of the matrix.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Its tokens pass.
    Yes,
    /// They pass if something else holds too.
    #[non_exhaustive]
    OnlyIf {
        /// What must hold, in words: everything of one of these lists.
        any_of: Vec<Vec<String>>,
    },
    /// They lack scopes.
    #[non_exhaustive]
    No {
        /// What is missing, each a scope or a choice of scopes.
        lacks: Vec<String>,
    },
    /// They do not pass, whatever the role is granted.
    #[non_exhaustive]
    Never {
        /// Why, in words.
        why: String,
    },
}

impl Verdict {
    /// Returns whether a request can pass: [`Yes`](Self::Yes) or [`OnlyIf`](Self::OnlyIf).
    #[must_use]
    pub const fn reaches(&self) -> bool {
        matches!(self, Self::Yes | Self::OnlyIf { .. })
    }

    /// Returns the stable name.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::OnlyIf { .. } => "only if",
            Self::No { .. } => "no",
            Self::Never { .. } => "never",
        }
    }

    /// Returns the sign that stands for it in a narrow table.
    #[must_use]
    pub const fn sign(&self) -> &'static str {
        match self {
            Self::Yes => "✓",
            Self::OnlyIf { .. } => "?",
            Self::No { .. } => "–",
            Self::Never { .. } => "✕",
        }
    }

    /// Returns the words beside the name, without it; none for [`Yes`](Self::Yes).
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Yes => None,
            Self::OnlyIf { any_of } => {
                let ways = any_of.iter().map(|all| all.join(" and "));
                Some(ways.collect::<Vec<_>>().join(", or "))
            }
            Self::No { lacks } => Some(format!("lacks {}", lacks.join(", "))),
            Self::Never { why } => Some(why.clone()),
        }
    }

    /// What must hold beside the roles, each a way of its own; none if there is no way.
    pub(super) fn ways(self) -> Vec<Vec<String>> {
        match self {
            Self::Yes => vec![Vec::new()],
            Self::OnlyIf { any_of } => any_of,
            Self::No { .. } | Self::Never { .. } => Vec::new(),
        }
    }

    /// What any of several clauses opens: the best of them; of several conditions each is a way.
    pub(super) fn any(verdicts: impl IntoIterator<Item = Self>) -> Self {
        let mut ways: Vec<Vec<String>> = Vec::new();
        let mut nearest: Option<Vec<String>> = None;
        let mut never: Vec<String> = Vec::new();
        for verdict in verdicts {
            match verdict {
                Self::Yes => return Self::Yes,
                Self::OnlyIf { any_of } => ways.extend(any_of),
                Self::No { lacks } if nearest.as_ref().is_none_or(|known| lacks.len() < known.len()) => {
                    nearest = Some(lacks);
                }
                Self::No { .. } => {}
                Self::Never { why } if never.contains(&why) => {}
                Self::Never { why } => never.push(why),
            }
        }
        match (ways.is_empty(), nearest) {
            (false, _) => Self::OnlyIf { any_of: without_longer(&ways) },
            (true, Some(lacks)) => Self::No { lacks },
            (true, None) => Self::Never { why: never.join("; ") },
        }
    }
}

/// A way that asks for everything that another asks for, and more, opens nothing more.
fn without_longer(ways: &[Vec<String>]) -> Vec<Vec<String>> {
    let sets: Vec<BTreeSet<String>> = ways.iter().map(|way| way.iter().cloned().collect()).collect();
    let is_needed = |index: usize, set: &BTreeSet<String>| {
        !sets.iter().enumerate().any(|(other, smaller)| {
            other != index && smaller.is_subset(set) && (smaller.len() < set.len() || other < index)
        })
    };
    let needed = ways.iter().zip(&sets).enumerate().filter(|(index, (_, set))| is_needed(*index, set));
    needed.map(|(_, (way, _))| way.clone()).collect()
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.detail()) {
            (_, None) => f.write_str(self.as_str()),
            (Self::OnlyIf { .. }, Some(detail)) => write!(f, "only if {detail}"),
            (_, Some(detail)) => write!(f, "{} ({detail})", self.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only_if(ways: &[&[&str]]) -> Verdict {
        let ways = ways.iter().map(|way| way.iter().map(ToString::to_string).collect());
        Verdict::OnlyIf { any_of: ways.collect() }
    }

    fn no(lacks: &[&str]) -> Verdict {
        Verdict::No { lacks: lacks.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn best_clause_decides_and_conditions_are_alternatives() {
        let never = |why: &str| Verdict::Never { why: why.to_owned() };
        assert_eq!(Verdict::any([no(&["a"]), only_if(&[&["x"]]), Verdict::Yes]), Verdict::Yes);
        assert_eq!(
            Verdict::any([only_if(&[&["x", "y"]]), no(&[]), only_if(&[&["z"]]), only_if(&[&["x"]])]),
            only_if(&[&["z"], &["x"]]),
            "x and y is one of the ways of x"
        );
        assert_eq!(Verdict::any([only_if(&[&["x"]]), only_if(&[&["x"]])]), only_if(&[&["x"]]));
        assert_eq!(Verdict::any([no(&["a", "b"]), never("n"), no(&["c"])]), no(&["c"]));
        assert_eq!(Verdict::any([never("n"), never("m"), never("n")]), never("n; m"));
    }

    #[test]
    fn words_name_what_is_missing() {
        assert_eq!(only_if(&[&["x", "y"], &["z"]]).to_string(), "only if x and y, or z");
        assert_eq!(no(&["a", "one of [b c]"]).to_string(), "no (lacks a, one of [b c])");
    }
}
