//! Comparing the table with what is known here: loading and healing are the same.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use super::cause::{Cause, End};
use super::codec::{Label, Unbelieved};
use super::doubt::{Doubtful, Weighed};
use super::feed::{LOST, Row, loaded};
use super::link::{Link, Open};
use super::session::{Opened, Session};
use super::settings::WhenBehind;
use super::status::count;
use crate::change::row::parse_fact;
use crate::change::{Fact, FactKey, Facts, Rank, Update};
use crate::lock::lock;
use crate::time::milliseconds;

/// A generation that is younger may still lack what others are pushing, in milliseconds.
const SETTLED_AFTER: u64 = 5_000;
/// How long the end of a suspension is kept.
const LIFTED_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The largest leeway there is.
const LEEWAY: Duration = Duration::from_secs(5 * 60);
/// Rows that are edited with one call.
const EDITED_AT_ONCE: usize = 500;

/// The table, as it was read.
#[derive(Default)]
struct Table {
    /// The ranks that can be believed.
    ranks: HashMap<String, u64>,
    doubtful: Doubtful,
    /// Rows that are to be removed: with their values.
    faulty: Vec<(String, String)>,
    /// Those of them that were signed with another key than the first.
    old: HashSet<String>,
}

impl Link {
    /// Loads the table, puts back what it lacks, and stands in the feed where the table was begun to be read: every row that
    /// was there then is read, and what came later is in the feed. A regular comparison leaves the tail where it is.
    pub(super) async fn reconcile(
        &self,
        session: &Session,
        cause: Cause,
        held: &dyn Facts,
        updates: &Sender<Update>,
    ) -> Result<(), End> {
        self.counters.reconciled(cause);
        let mut commands = session.commands.clone();
        let known = lock(&self.standing).position.as_ref().map(|position| position.generation.clone());
        // Before the rows are weighed, which may end a doubt.
        let knew = self.knows(held);
        let opened = commands.open(known.as_deref(), held.token_life(), knew).await?;
        self.rows.store(opened.rows, Ordering::Relaxed);
        let mut table = self.load(session, updates).await?;
        let is_new = known.as_deref() != Some(&opened.position.generation);
        // One that was lost since the feed was found to be the same is another one.
        let cause = if is_new && cause == Cause::Regular { Cause::Lost } else { cause };
        let mut number = opened.position.number;
        if table.doubtful.has_signed() || lock(&self.standing).is_in_doubt {
            let generation = &opened.position.generation;
            let again = commands.open(Some(generation), held.token_life(), false).await?.position;
            if again.generation != *generation {
                return Err(End::Odd(Cause::Lost));
            }
            number = again.number;
        }
        let Weighed { removed, is_in_doubt } =
            self.weigh(cause, std::mem::take(&mut table.doubtful), number, &table.ranks);
        table.faulty.extend(removed);
        self.sweep(session, &opened, held.now().unix, &mut table).await?;

        let mut open = Open { commands, generation: opened.position.generation.clone() };
        let lacking = self.lacking(held, &table, is_new);
        count(&self.counters.pushed, lacking.len() as u64);
        self.write(&mut open, &lacking).await?;
        let fields = table.ranks.keys().map(|field| self.hash(field));
        let pushed = lacking.iter().map(|row| self.hash(&row.field));
        self.see_only(fields.chain(pushed));

        {
            let mut standing = lock(&self.standing);
            standing.is_in_doubt = is_in_doubt;
            standing.forget_beats();
            // Others begin to put back what they know when they find that it is gone.
            let begin = if cause == Cause::Fork { opened.now } else { opened.generation_began() };
            let settled_at = begin.saturating_add(SETTLED_AFTER);
            let is_unsettled = opened.now < settled_at || !opened.is_whole;
            let waits = (known.is_none() || !knew) && is_unsettled || standing.hold.is_some();
            standing.hold = waits.then_some(standing.hold.unwrap_or(0).max(settled_at / 1000));
            // What was published since the tail was there is in the feed, and not all of it is in the table.
            if cause != Cause::Regular {
                standing.position = Some(opened.position);
            }
        }
        // Requests may have been judged before the first comparison, and what they cached is as old as that.
        let was_judging = cause == Cause::Start && self.settings.when_behind == WhenBehind::GoOn;
        let has_missed = lock(&self.standing).has_missed;
        if cause.is_gap() || was_judging || has_missed {
            updates.send(Update::Gap).await.map_err(|_| End::Gone)?;
            lock(&self.standing).has_missed = false;
        }
        if cause != Cause::Regular {
            tracing::info!(target: "orgate", cause = cause.as_str(), rows = table.ranks.len(), pushed = lacking.len(), "compared with the table in Redis");
        }
        Ok(())
    }

    async fn load(&self, session: &Session, updates: &Sender<Update>) -> Result<Table, End> {
        let (mut commands, mut table, mut cursor) = (session.commands.clone(), Table::default(), 0);
        loop {
            let (next, rows) = commands.scan(cursor).await?;
            for (field, value) in rows {
                let (Ok(field), Ok(value)) = (String::from_utf8(field), String::from_utf8(value)) else {
                    count(&self.counters.refused_unknown, 1);
                    continue;
                };
                if field.starts_with('#') && field != LOST {
                    continue;
                }
                match self.codec.read(Label::Fact, &field, &value) {
                    Ok((rank, is_signed_by_the_first)) => {
                        match loaded(&field, rank) {
                            Some(update) => updates.send(update).await.map_err(|_| End::Gone)?,
                            None => self.refuse(Unbelieved::Broken, &field),
                        }
                        count(&self.counters.loaded, 1);
                        if table.ranks.len() >= self.most_remembered() {
                            continue;
                        }
                        if !is_signed_by_the_first {
                            table.faulty.push((field.clone(), value));
                            table.old.insert(field.clone());
                        }
                        table.ranks.insert(field, rank);
                    }
                    Err(unbelieved) => {
                        self.refuse(unbelieved, &field);
                        table.doubtful.add(unbelieved, field, value, self.most_remembered());
                    }
                }
            }
            cursor = next;
            if cursor == 0 {
                return Ok(table);
            }
        }
    }

    /// Removes rows that have ended, that are not believed, or that are to be signed anew. One that is dated ahead, by a clock
    /// that is wrong, would hide what happens until then: it gets the latest moment that can be right.
    async fn sweep(&self, session: &Session, opened: &Opened, own: Duration, table: &mut Table) -> Result<(), End> {
        let life = Duration::from_secs(opened.token_life).saturating_add(LEEWAY);
        let now = Duration::from_millis(opened.now);
        // By the later of two clocks: a clock that is behind has nothing forgotten.
        let latest = now.max(own).saturating_add(LEEWAY);
        let mut ahead = Vec::new();
        for (field, rank) in &mut table.ranks {
            let Some(lowered) = lowered(field, *rank, latest) else { continue };
            if !table.old.contains(field) {
                let value = |rank| self.codec.write(Label::Fact, field, rank);
                ahead.push((field.clone(), value(*rank), value(lowered)));
            }
            *rank = lowered;
        }
        let everyone = covering(&table.ranks);
        let mut rows = std::mem::take(&mut table.faulty);
        table.ranks.retain(|field, rank| {
            let Some(fact) = fact_of(field, *rank) else { return true };
            let is_ahead = fact.rank().since_epoch() > latest;
            let is_idle = is_ahead || has_ended(&fact, now, life) || is_covered(&fact, &everyone);
            if is_idle && !table.old.contains(field) {
                rows.push((field.clone(), self.codec.write(Label::Fact, field, *rank)));
            }
            !is_idle
        });
        let mut commands = session.commands.clone();
        for rows in ahead.chunks(EDITED_AT_ONCE) {
            let words: Vec<&str> = rows.iter().flat_map(|(field, value, lower)| [&**field, value, lower]).collect();
            let rows = commands.edit(&words).await?;
            if rows > 0 {
                tracing::warn!(target: "orgate", rows, "facts in Redis were dated ahead: they got the latest moment that can be right");
            }
        }
        for rows in rows.chunks(EDITED_AT_ONCE) {
            let words: Vec<&str> = rows.iter().flat_map(|(field, value)| [&**field, value, ""]).collect();
            let dropped = commands.edit(&words).await?;
            count(&self.counters.dropped, dropped);
        }
        Ok(())
    }

    /// What is held here and the table lacks. Of a table that is not new only what was in it once: rows that became coarser
    /// here for want of room are this replica's own business.
    fn lacking(&self, held: &dyn Facts, table: &Table, is_new: bool) -> Vec<Row> {
        let mut lacking = Vec::new();
        let now = held.now().unix;
        let life = held.token_life().saturating_add(LEEWAY);
        held.each(&mut |fact| {
            let row = self.row_of(fact);
            let known = table.ranks.get(&row.field).copied();
            let is_known = known.is_some_and(|known| {
                known >= u64::from(fact.rank()) || seconds(known) == seconds(fact.rank().into()) && !is_suspension(fact)
            });
            let is_wanted = is_new || self.has_seen(&row.field);
            if !is_known && is_wanted && !has_ended(fact, now, life) {
                lacking.push(row);
            }
        });
        if let Some(lost) = held.lost().map(|lost| Rank::new(lost, true)) {
            let is_known = table.ranks.get(LOST).is_some_and(|known| *known >= u64::from(lost));
            if !is_known && (is_new || self.has_seen(LOST)) && !has_ended(&loss(lost), now, life) {
                lacking.push(Row::of_loss(&self.codec, lost));
            }
        }
        for field in &table.old {
            if let Some(rank) = table.ranks.get(field) {
                lacking.push(Row { field: field.clone(), value: self.codec.write(Label::Fact, field, *rank) });
            }
        }
        lacking
    }
}

/// The list keeps whole seconds, and the milliseconds of suspensions.
pub(super) fn seconds(rank: u64) -> u64 {
    rank / 2000
}

fn is_suspension(fact: &Fact) -> bool {
    matches!(fact.key(), FactKey::Suspension { .. })
}

/// What a loss means to each issuer entry.
fn loss(before: Rank) -> Fact {
    Fact::new("", FactKey::Everyone, before)
}

fn has_ended(fact: &Fact, now: Duration, life: Duration) -> bool {
    let lasting = match fact.key() {
        FactKey::Suspension { .. } if fact.rank().is_strict() => return false,
        FactKey::Suspension { .. } => LIFTED_KEPT,
        _ => life,
    };
    fact.rank().since_epoch().saturating_add(lasting) < now
}

/// What a row of the table says: a fact, or a loss.
fn fact_of(field: &str, rank: u64) -> Option<Fact> {
    if field == LOST { Some(loss(rank.into())) } else { parse_fact(field, rank) }
}

/// The rank that a row should have that is dated later than `latest`; `None` if it is not, or if it ends a suspension: that is
/// not believed at all.
fn lowered(field: &str, rank: u64, latest: Duration) -> Option<u64> {
    let fact = fact_of(field, rank)?;
    let is_ahead = fact.rank().since_epoch() > latest && fact.rank().is_strict();
    is_ahead.then(|| Rank::of_milliseconds(milliseconds(latest), true).into())
}

/// The *not before* of each whole issuer entry.
fn covering(ranks: &HashMap<String, u64>) -> HashMap<String, Rank> {
    let facts = ranks.iter().filter_map(|(field, rank)| parse_fact(field, *rank));
    facts.filter(|fact| *fact.key() == FactKey::Everyone).map(|fact| (fact.issuer().to_owned(), fact.rank())).collect()
}

/// Blocks are more than a *not before*, and stay.
fn is_covered(fact: &Fact, everyone: &HashMap<String, Rank>) -> bool {
    let is_weaker = !matches!(
        fact.key(),
        FactKey::Everyone | FactKey::Suspension { .. } | FactKey::Deletion { .. } | FactKey::Token { .. }
    );
    is_weaker
        && everyone
            .get(fact.issuer())
            .is_some_and(|everyone| seconds((*everyone).into()) >= seconds(fact.rank().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Rank {
        (2 * milliseconds).into()
    }

    #[test]
    fn not_before_of_everyone_covers_weaker_facts_up_to_the_end_of_its_second() {
        let everyone = HashMap::from([("i".to_owned(), at(7_500))]);
        let is_covered = |issuer: &str, key, rank| is_covered(&Fact::new(issuer.to_owned(), key, rank), &everyone);
        for (milliseconds, expected) in [(6_000, true), (7_500, true), (7_999, true), (8_000, false)] {
            assert_eq!(is_covered("i", FactKey::subject("s"), at(milliseconds)), expected, "{milliseconds}");
            assert!(!is_covered("other", FactKey::subject("s"), at(milliseconds)));
            assert!(!is_covered("i", FactKey::token("t"), at(milliseconds)));
        }
    }
}
