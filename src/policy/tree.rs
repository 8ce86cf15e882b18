//! A policy as it was written: words, `and`, `or`.

use std::fmt;
use std::sync::Arc;

use super::clause::Clause;
use super::condition::Condition;
use super::freshness::Freshness;
use super::model::{IssuerRule, Model};
use super::scopes::ScopeRule;
use crate::error::ConfigError;

/// More clauses than a person would read; `and` of two `or`s multiplies them.
pub(super) const MAX_CLAUSES: usize = 64;
/// How deep `and` and `or` may be nested.
pub(super) const MAX_DEPTH: usize = 64;

#[derive(Clone, Debug)]
pub(super) enum Node {
    Word(Word),
    And(Vec<Self>),
    Or(Vec<Self>),
}

/// One thing that is said.
#[derive(Clone, Debug)]
pub(super) enum Word {
    Issuer(IssuerRule),
    Model(Model),
    Scopes(ScopeRule),
    Freshness(Freshness),
    Condition(Condition),
    /// A word that could not be made, as it was written.
    Faulty(Arc<str>),
}

impl Node {
    pub(super) fn and(self, other: Self) -> Self {
        let mut nodes = match self {
            Self::And(nodes) => nodes,
            one => vec![one],
        };
        match other {
            // How two tolerances combine depends on the order: such a group stays one.
            Self::And(more) if !more.iter().any(Self::says_freshness) => nodes.extend(more),
            one => nodes.push(one),
        }
        Self::And(nodes)
    }

    pub(super) fn or(self, other: Self) -> Self {
        let [mut nodes, more] = [self, other].map(|node| match node {
            Self::Or(nodes) => nodes,
            one => vec![one],
        });
        nodes.extend(more);
        Self::Or(nodes)
    }

    fn says_freshness(&self) -> bool {
        match self {
            Self::Word(word) => matches!(word, Word::Freshness(_)),
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().any(Self::says_freshness),
        }
    }

    fn children(&self) -> &[Self] {
        match self {
            Self::Word(_) => &[],
            Self::And(nodes) | Self::Or(nodes) => nodes,
        }
    }

    fn depth(&self) -> usize {
        1 + self.children().iter().map(Self::depth).max().unwrap_or(0)
    }

    /// # Errors
    ///
    /// Returns an error if it is nested too deep. As it is printed, each level is a group.
    pub(super) fn check_depth(&self) -> Result<(), ConfigError> {
        if self.depth() > MAX_DEPTH {
            return Err(ConfigError::new(format_args!("a policy that is nested more than {MAX_DEPTH} deep")));
        }
        Ok(())
    }

    /// Calls `see` with each word, in the order in which they are written.
    pub(super) fn words<'a>(&'a self, see: &mut dyn FnMut(&'a Word)) {
        match self {
            Self::Word(word) => see(word),
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().for_each(|node| node.words(see)),
        }
    }

    pub(super) fn words_mut(&mut self, change: &mut dyn FnMut(&mut Word)) {
        match self {
            Self::Word(word) => change(word),
            Self::And(nodes) | Self::Or(nodes) => nodes.iter_mut().for_each(|node| node.words_mut(change)),
        }
    }

    /// The multiplied form: the clauses of which one must hold, in the order in which they are tried.
    ///
    /// # Errors
    ///
    /// Returns an error if there are too many, or the words of one contradict each other.
    pub(super) fn clauses(&self) -> Result<Vec<Clause>, ConfigError> {
        if self.count() > MAX_CLAUSES {
            return Err(ConfigError::new(format_args!("a policy of more than {MAX_CLAUSES} clauses")));
        }
        self.multiply()
    }

    fn count(&self) -> usize {
        match self {
            Self::Word(_) => 1,
            Self::And(nodes) => nodes.iter().fold(1, |count, node| count.saturating_mul(node.count())),
            Self::Or(nodes) => nodes.iter().fold(0, |count, node| count.saturating_add(node.count())),
        }
    }

    fn multiply(&self) -> Result<Vec<Clause>, ConfigError> {
        match self {
            Self::Word(word) => Ok(vec![word.clause()]),
            Self::Or(nodes) => {
                let parts: Vec<Vec<Clause>> = nodes.iter().map(Self::multiply).collect::<Result<_, _>>()?;
                Ok(parts.into_iter().flatten().collect())
            }
            Self::And(nodes) => nodes.iter().try_fold(vec![Clause::default()], |product, node| {
                let right = node.multiply()?;
                let pairs = product.iter().flat_map(|one| right.iter().map(|two| one.clone().and(two.clone())));
                pairs.collect()
            }),
        }
    }
}

impl Word {
    /// The clause that says only this.
    fn clause(&self) -> Clause {
        let nothing = Clause::default();
        match self.clone() {
            Self::Issuer(rule) => Clause { issuer: Some(rule), ..nothing },
            Self::Model(model) => Clause { model: Some(model), ..nothing },
            Self::Scopes(rule) => Clause { scopes: vec![rule], ..nothing },
            Self::Freshness(rule) => Clause { freshness: rule, ..nothing },
            Self::Condition(condition) => Clause { conditions: Box::new([condition]), ..nothing },
            Self::Faulty(_) => nothing,
        }
    }
}

/// `and` binds tighter than `or`; groups have parentheses all the same where that reads better.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (nodes, between) = match self {
            Self::Word(word) => return word.fmt(f),
            Self::And(nodes) => (nodes, " and "),
            Self::Or(nodes) => (nodes, " or "),
        };
        for (index, node) in nodes.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { between })?;
            match node {
                Self::Word(word) => word.fmt(f)?,
                group => write!(f, "({group})")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issuer(rule) => rule.fmt(f),
            Self::Model(model) => model.fmt(f),
            Self::Scopes(rule) => rule.fmt(f),
            Self::Freshness(rule) => rule.fmt(f),
            Self::Condition(condition) => condition.fmt(f),
            Self::Faulty(text) => f.write_str(text),
        }
    }
}
