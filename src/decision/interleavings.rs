//! An answer of the point and a change, in every order of their steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::decider::Question;
use super::*;
use crate::change::{About, Epoch};
use crate::interleave::{Thread, every_order};
use crate::lock::step;
use crate::token::{Subject, SubjectKind};

struct Nobody;

impl DecisionPoint for Nobody {
    fn decide<'a>(&'a self, _: &'a DecisionRequest) -> DecisionFuture<'a> {
        Box::pin(std::future::ready(Err(DecisionError::unavailable("not asked here"))))
    }
}

struct World {
    decider: Decider,
    request: DecisionRequest,
    allows: AtomicBool,
    is_over: Arc<AtomicBool>,
}

impl World {
    fn new() -> Self {
        let subject = Subject::new("main".into(), "alice".into(), SubjectKind::User);
        let request = DecisionRequest::of(subject, None, std::iter::empty(), "read", Resource::new("document", "1"));
        let decider = Decider::builder(Nobody).build().unwrap();
        Self { decider, request, allows: AtomicBool::new(true), is_over: Arc::default() }
    }

    fn is_allowed(&self) -> bool {
        self.decider.known(&self.request, None).is_some_and(|decision| decision.is_allowed())
    }
}

/// As `decide` does it, with an answer that is made between two steps.
const ASKS: Thread<World> = |world| {
    let times = world.decider.times();
    let begun = world.decider.begin();
    step();
    let decision = if world.allows.load(Ordering::SeqCst) { Decision::allow() } else { Decision::deny() };
    step();
    let was_over = world.is_over.load(Ordering::SeqCst);
    let counts = world.decider.settle(&Question::new(&world.request, times), &decision, times, begun);
    assert!(!(was_over && counts && decision.is_allowed()), "an allow of before the change is used");
};

const CHANGES: Thread<World> = |world| {
    world.allows.store(false, Ordering::SeqCst);
    world.decider.invalidate("main", &About::subject("alice"), Epoch::next());
    world.is_over.store(true, Ordering::SeqCst);
    assert!(!world.is_allowed());
};

#[test]
fn allow_of_a_question_that_began_before_a_change_is_not_remembered_after_it_in_every_order() {
    let orders = every_order(3, World::new, &[ASKS, ASKS, CHANGES], |world| assert!(!world.is_allowed()));
    assert!(orders > 100, "{orders}");
}
