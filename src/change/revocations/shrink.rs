//! What happens when there is no room: rows become coarser, none is dropped.

use std::cmp::Reverse;
use std::sync::Arc;

use super::entry::{EntryRows, Of};
use super::row::Lifetime;

/// From so many removed members on, an organization's members may become the organization.
const CROWD: usize = 16;

/// Makes at least `excess` rows of an entry end, or go into coarser ones. Returns how many deleted subjects are no longer
/// blocked, but have a *not before*.
///
/// What has ended goes first. Then organizations with many removed members, the largest first: whoever fills the list pays.
/// Then the oldest rows of all become one *not before* of the whole entry, at the latest of their moments: few tokens are as
/// old as that.
pub(super) fn shrink(entry: &EntryRows, excess: usize, life: Lifetime) -> usize {
    let goal = entry.weight().saturating_sub(excess);
    let mut stamps = entry.stamps();
    let ended = stamps.iter().filter(|stamp| !life.is_alive(**stamp)).count();
    if ended < excess && merge_crowds(entry, goal) {
        stamps = entry.stamps();
    }
    match entry.weight().saturating_sub(goal).checked_sub(1) {
        Some(last) if last < stamps.len() => {
            let (_, covering, _) = stamps.select_nth_unstable(last);
            entry.raise(Of::Everyone, *covering);
            entry.let_go(life, true)
        }
        _ => 0,
    }
}

/// Whether there were any.
fn merge_crowds(entry: &EntryRows, goal: usize) -> bool {
    let mut crowds: Vec<(Reverse<usize>, Arc<str>)> = Vec::new();
    entry.organizations.each(|id, row| {
        if row.members.len() >= CROWD {
            crowds.push((Reverse(row.members.len()), id.clone()));
        }
    });
    crowds.sort_unstable();
    for (_, organization) in &crowds {
        if entry.weight() <= goal {
            break;
        }
        entry.merge_members(organization);
    }
    !crowds.is_empty()
}
