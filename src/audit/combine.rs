//! The smallest sets of roles that together open a route where none of them does alone, or only under more conditions.

use std::collections::BTreeSet;

use super::catalog::{Bits, Catalog};
use super::holder::{Holder, level_counts};
use super::requirement::{Clause, Route};
use super::tenant::SubjectType;

/// Larger sets are not looked for.
const MOST_ROLES: usize = 3;
/// So many sets are listed for a route and a kind of subject.
const MOST_SETS: usize = 20;
/// So many sets are looked at for a clause: twice what is listed, since some may not be minimal.
const MOST_OF_CLAUSE: usize = 2 * MOST_SETS;
/// So many steps are made in search of the sets of one clause.
const MOST_STEPS: usize = 20_000;

/// The sets of two and three roles of a kind of subject; and whether there may be more than are listed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sets {
    pub(super) sets: BTreeSet<Vec<usize>>,
    pub(super) more: bool,
}

impl Route {
    /// The minimal sets: each suffices, and none without one of its roles.
    pub(super) fn combinations(&self, subjects: SubjectType, catalog: &Catalog) -> Sets {
        let mut found = Sets::default();
        if self.access.is_open() {
            return found;
        }
        let wanted = |clause: &&Clause| clause.subjects.is_none_or(|wanted| wanted == subjects);
        for clause in self.clauses.iter().filter(wanted) {
            clause.combine(subjects, catalog, &mut found);
        }
        // All of them as members, so that no role is listed for the membership alone that comes with it.
        let ways = |roles: &[usize]| {
            let holder = Holder { is_member: true, ..Holder::of_roles(subjects, roles, catalog) };
            self.judge(holder, catalog).ways()
        };
        // What suffices for one clause may hold a set that suffices for another. A set is listed for a way that asks for less
        // than every way of its parts.
        found.sets.retain(|set| {
            let known: Vec<Vec<String>> = parts(set).flat_map(|part| ways(&part)).collect();
            let is_new = |way: &Vec<String>| !known.iter().any(|known| known.iter().all(|words| way.contains(words)));
            ways(set).iter().any(is_new)
        });
        while found.sets.len() > MOST_SETS {
            found.sets.pop_last();
            found.more = true;
        }
        found
    }
}

/// A set without each of its roles.
fn parts(set: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    set.iter().map(|left_out| set.iter().copied().filter(|role| role != left_out).collect())
}

/// Roles that meet the same rules are exchangeable. In the order of what they meet.
type Classes = Vec<(Bits, Vec<usize>)>;

impl Clause {
    fn combine(&self, subjects: SubjectType, catalog: &Catalog, found: &mut Sets) {
        // One rule is met by one role or by none.
        if self.rules.len() < 2 {
            return;
        }
        let counts = level_counts(&self.reach, subjects);
        let mut classes = Classes::new();
        for (number, role) in catalog.roles.iter().enumerate() {
            if role.subjects != subjects || !counts(role.level) {
                continue;
            }
            let mut met = Bits::default();
            for (index, rule) in self.rules.iter().enumerate() {
                if rule.0.iter().any(|(_, permission)| permission.is_some_and(|permission| role.grants(permission))) {
                    met.insert(index);
                }
            }
            if met.is_empty() {
                continue;
            }
            match classes.iter_mut().find(|(known, _)| *known == met) {
                Some((_, roles)) => roles.push(number),
                None => classes.push((met, vec![number])),
            }
        }
        classes.sort_unstable();
        let mut search = Search { rules: self.rules.len(), classes: &classes, steps: 0, found: BTreeSet::new() };
        search.extend(&mut Vec::new());
        found.more |= search.steps >= MOST_STEPS;
        let mut own = Sets::default();
        for set in search.found {
            let roles: Vec<&Vec<usize>> = set.iter().filter_map(|class| Some(&classes.get(*class)?.1)).collect();
            expand(&roles, &mut Vec::new(), &mut own);
        }
        found.more |= own.more;
        found.sets.append(&mut own.sets);
    }
}

struct Search<'a> {
    rules: usize,
    classes: &'a Classes,
    steps: usize,
    /// Sets of classes, by their numbers.
    found: BTreeSet<Vec<usize>>,
}

impl Search<'_> {
    /// Goes on with the rule that the fewest classes meet among those that are not met yet.
    fn extend(&mut self, chosen: &mut Vec<usize>) {
        self.steps += 1;
        let classes = self.classes;
        let meets = move |class: usize, rule: usize| classes.get(class).is_some_and(|(met, _)| met.holds(rule));
        let is_met = |rule: usize| chosen.iter().any(|class| meets(*class, rule));
        let meeting = |rule: usize| (0..classes.len()).filter(move |class| meets(*class, rule));
        let open = (0..self.rules).filter(|rule| !is_met(*rule)).min_by_key(|rule| meeting(*rule).count());
        let Some(rule) = open else {
            let mut set = chosen.clone();
            set.sort_unstable();
            self.found.insert(set);
            return;
        };
        if chosen.len() == MOST_ROLES {
            return;
        }
        for class in meeting(rule) {
            if self.steps >= MOST_STEPS {
                return;
            }
            chosen.push(class);
            self.extend(chosen);
            chosen.pop();
        }
    }
}

/// Every choice of one role of each class, as long as there is room.
fn expand(classes: &[&Vec<usize>], chosen: &mut Vec<usize>, found: &mut Sets) {
    let Some((first, rest)) = classes.split_first() else {
        let mut set = chosen.clone();
        set.sort_unstable();
        if set.len() > 1 {
            found.sets.insert(set);
        }
        return;
    };
    for role in *first {
        if found.sets.len() >= MOST_OF_CLAUSE {
            found.more = true;
            return;
        }
        chosen.push(*role);
        expand(rest, chosen, found);
        chosen.pop();
    }
}
