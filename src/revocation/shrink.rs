//! What happens when there is no room: rows become coarser, none is dropped.

use std::cmp::Reverse;
use std::sync::Arc;

use super::rows::{EntryRows, Lifetime, Of};

/// From so many removed members on, an organization's members may become the organization.
const CROWD: usize = 16;

/// Makes at least `excess` rows of an entry go into coarser ones. Returns how many deleted subjects are no longer blocked,
/// but have a *not before*.
///
/// First organizations with many removed members, the largest first: whoever fills the list pays. Then the oldest rows of
/// all become one *not before* of the whole entry, at the latest of their moments: few tokens are as old as that.
pub(super) fn shrink(entry: &EntryRows, excess: usize, life: Lifetime) -> usize {
    let goal = entry.weight().saturating_sub(excess);
    let mut crowds: Vec<(Reverse<usize>, Arc<str>)> = Vec::new();
    entry.organizations.each(|id, row| {
        if row.members.len() >= CROWD {
            crowds.push((Reverse(row.members.len()), id.clone()));
        }
    });
    crowds.sort_unstable();
    for (_, organization) in crowds {
        if entry.weight() <= goal {
            break;
        }
        entry.merge_members(&organization);
    }
    let Some(last) = entry.weight().saturating_sub(goal).checked_sub(1) else { return 0 };
    let mut stamps = entry.stamps();
    if last >= stamps.len() {
        return 0;
    }
    let (_, covering, _) = stamps.select_nth_unstable(last);
    entry.raise(Of::Everyone, *covering);
    entry.let_go(life, true)
}
