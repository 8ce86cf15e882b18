//! The conversations of one server: bounded as a whole, and for each subject.

use std::fmt;
use std::mem::size_of;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::conversation::{Answer, Conversation, Difference, Moment, Presented};
use super::store::SourceId;
use crate::bounded::Bounded;
use crate::lock::lock;
use crate::token::IssuerId;

/// All conversations together. Losing one costs its client the steps that it had taken.
const MOST_BYTES: u64 = 32 * 1024 * 1024;
/// More things than one subject is in conversation about.
const MOST_OF_SUBJECT: usize = 64;
/// By then every conversation would start anew.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// By whose word. Of one issuer entry: no other one has it, not even one of the same name that comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Authority {
    /// Its permission source.
    Source(SourceId),
    /// The issuer itself, by what it says in its tokens.
    Issuer(IssuerId),
}

/// Who was answered, about what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Topic<'a> {
    pub(crate) authority: Authority,
    pub(crate) subject: &'a Arc<str>,
    pub(crate) client: Option<&'a str>,
    pub(crate) organization: Option<&'a str>,
    /// The branch of the policy, as it is printed.
    pub(crate) requirement: &'a Arc<str>,
    /// What a decision point advises beyond the branch: the contexts of the sign-in, and not its age, which may differ each time.
    pub(crate) advice: Option<&'a str>,
}

pub(crate) struct Conversations(Bounded<(Authority, Arc<str>), OfSubject>);

/// What one subject is in conversation about; the least recent is first.
#[derive(Default)]
struct OfSubject {
    talks: Mutex<Vec<Talk>>,
    size: AtomicU32,
}

struct Talk {
    client: Option<Box<str>>,
    organization: Option<Box<str>>,
    /// The policy's own text, which is there anyway.
    requirement: Arc<str>,
    advice: Option<Box<str>>,
    conversation: Conversation,
}

impl Talk {
    fn is_about(&self, topic: &Topic<'_>) -> bool {
        self.organization.as_deref() == topic.organization
            && self.client.as_deref() == topic.client
            && self.requirement == *topic.requirement
            && self.advice.as_deref() == topic.advice
    }

    fn size(&self) -> usize {
        let texts = [&self.client, &self.organization, &self.advice].into_iter().flatten().map(|text| text.len());
        size_of::<Self>() + texts.sum::<usize>() + self.conversation.size()
    }
}

impl OfSubject {
    fn lock(&self) -> MutexGuard<'_, Vec<Talk>> {
        lock(&self.talks)
    }
}

impl Conversations {
    pub(crate) fn new() -> Self {
        let weigh = |(_, subject): &(Authority, Arc<str>), held: &OfSubject| {
            let fixed = u32::try_from(subject.len() + 256).unwrap_or(u32::MAX);
            held.size.load(Ordering::Relaxed).saturating_add(fixed)
        };
        let bounds = Cache::builder().max_capacity(MOST_BYTES).time_to_idle(IDLE);
        Self(Bounded::weighed(bounds.eviction_policy(EvictionPolicy::lru()), weigh))
    }

    /// What this token is told.
    pub(crate) fn answer(
        &self,
        topic: &Topic<'_>,
        token: Presented,
        difference: Difference,
        holds: bool,
        moment: Moment,
    ) -> Answer {
        let key = (topic.authority, topic.subject.clone());
        let held = self.0.get_or_default(key.clone());
        let (answer, size) = {
            let mut talks = held.lock();
            let mut talk = match talks.iter().position(|talk| talk.is_about(topic)) {
                Some(index) => talks.remove(index),
                None => Talk {
                    client: topic.client.map(Into::into),
                    organization: topic.organization.map(Into::into),
                    requirement: topic.requirement.clone(),
                    advice: topic.advice.map(Into::into),
                    conversation: Conversation::default(),
                },
            };
            let answer = talk.conversation.answer(token, difference, holds, moment);
            if talks.len() >= MOST_OF_SUBJECT {
                talks.remove(0);
            }
            talks.push(talk);
            (answer, talks.iter().map(Talk::size).sum::<usize>())
        };
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        if held.size.swap(size, Ordering::Relaxed) != size {
            // Put in again, it is weighed again.
            self.0.insert(key, held);
        }
        answer
    }

    /// What this token would be told now. Nothing comes of it.
    pub(crate) fn preview(
        &self,
        topic: &Topic<'_>,
        token: Presented,
        difference: Difference,
        holds: bool,
        moment: Moment,
    ) -> Answer {
        let held = self.0.get(&(topic.authority, topic.subject.clone()));
        let known = held.and_then(|held| {
            let talks = held.lock();
            talks.iter().find(|talk| talk.is_about(topic)).map(|talk| talk.conversation.clone())
        });
        known.unwrap_or_default().answer(token, difference, holds, moment)
    }

    /// What the source says where no step is to be taken.
    pub(crate) fn see(&self, topic: &Topic<'_>, holds: bool) {
        if let Some(held) = self.0.get(&(topic.authority, topic.subject.clone())) {
            let mut talks = held.lock();
            if let Some(talk) = talks.iter_mut().find(|talk| talk.is_about(topic)) {
                talk.conversation.see(holds);
            }
        }
    }
}

impl fmt::Debug for Conversations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversations").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::Remediation;
    use crate::time::Now;

    fn now() -> Moment {
        Moment { now: Now::new(Duration::from_secs(1_800_000_000), Duration::from_secs(3600)), lead: 0.0 }
    }

    fn token(number: u8) -> Presented {
        Presented { digest: [number; 32], issued_at: Some(1_800_000_000.0), expires_at: 1_800_003_600.0 }
    }

    struct Ids {
        subjects: [Arc<str>; 2],
        requirements: [Arc<str>; 2],
    }

    impl Ids {
        fn new() -> Self {
            Self { subjects: ["u1".into(), "u2".into()], requirements: ["a".into(), "b".into()] }
        }

        fn topic(&self) -> Topic<'_> {
            Topic {
                authority: Authority::Source(SourceId(1)),
                subject: &self.subjects[0],
                client: Some("web"),
                organization: Some("acme"),
                requirement: &self.requirements[0],
                advice: None,
            }
        }
    }

    #[test]
    fn each_topic_is_a_conversation_of_its_own() {
        let (ids, conversations) = (Ids::new(), Conversations::new());
        let topic = ids.topic();
        let tell =
            |topic: &Topic<'_>, number| conversations.answer(topic, token(number), Difference::Lost, false, now()).step;
        for (number, expected) in
            (0..4).zip([Remediation::Refresh, Remediation::Refresh, Remediation::Refresh, Remediation::None])
        {
            assert_eq!(tell(&topic, number), expected);
        }
        let others = [
            Topic { authority: Authority::Source(SourceId(2)), ..topic },
            Topic { authority: Authority::Issuer(IssuerId::for_tests("main")), ..topic },
            Topic { subject: &ids.subjects[1], ..topic },
            Topic { client: None, ..topic },
            Topic { organization: Some("globex"), ..topic },
            Topic { organization: None, ..topic },
            Topic { requirement: &ids.requirements[1], ..topic },
            Topic { advice: Some("gold"), ..topic },
            Topic { advice: Some(""), ..topic },
        ];
        for other in &others {
            assert_eq!(tell(other, 5), Remediation::Refresh, "{other:?}");
        }
        assert_eq!(tell(&topic, 6), Remediation::None);
        conversations.see(&others[0], true);
        assert_eq!(tell(&topic, 7), Remediation::None);
        conversations.see(&topic, true);
        assert_eq!(tell(&topic, 7), Remediation::Refresh);
    }

    #[test]
    fn preview_says_what_would_be_told_and_takes_no_step() {
        let (ids, conversations) = (Ids::new(), Conversations::new());
        let topic = ids.topic();
        let preview = |number| conversations.preview(&topic, token(number), Difference::Lost, false, now());
        for number in 0..6 {
            for _ in 0..3 {
                let foreseen = preview(number);
                assert_eq!(foreseen, preview(number));
            }
            let foreseen = preview(number);
            assert_eq!(conversations.answer(&topic, token(number), Difference::Lost, false, now()), foreseen);
        }
        assert_eq!(preview(9).step, Remediation::None);
    }

    #[test]
    fn conversations_of_one_subject_are_bounded() {
        let (ids, conversations) = (Ids::new(), Conversations::new());
        for number in 0..2 * MOST_OF_SUBJECT {
            let organization = number.to_string();
            let topic = Topic { organization: Some(&organization), ..ids.topic() };
            conversations.answer(&topic, token(0), Difference::Lost, false, now());
        }
        let held = conversations.0.get(&(Authority::Source(SourceId(1)), ids.subjects[0].clone())).unwrap();
        assert_eq!(held.lock().len(), MOST_OF_SUBJECT);
        assert_eq!(held.lock()[0].organization.as_deref(), Some("64"));
    }

    #[test]
    fn conversations_are_weighed_by_what_they_hold() {
        let (ids, conversations) = (Ids::new(), Conversations::new());
        let weight = || conversations.0.settled().weighted_size();
        conversations.answer(&ids.topic(), token(0), Difference::Lost, false, now());
        let light = weight();
        for number in 1..=u8::MAX {
            conversations.answer(&ids.topic(), token(number), Difference::Lost, false, now());
        }
        assert!(weight() > light + 500 && weight() < light + 4096, "{light} {}", weight());
        assert_eq!(conversations.0.settled().policy().max_capacity(), Some(MOST_BYTES));
        let (before, advice) = (weight(), "a".repeat(1024));
        conversations.answer(&Topic { advice: Some(&advice), ..ids.topic() }, token(0), Difference::Lost, false, now());
        assert!(weight() > before + 1024, "{before} {}", weight());
    }
}
