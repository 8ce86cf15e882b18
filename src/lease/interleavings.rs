//! Leases that are made, waited for, renewed and dropped while something changes, in every order of their steps: who waits for
//! the end of a lease is woken by whatever ends it, and finds that it is over.
//!
//! No thread has a runtime, except where a permission source is asked: no task looks at leases on its own.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::FutureExt as _;

use super::EndReason;
use super::lease::Lease;
use super::waiter::Waiter;
use crate::engine::Grant;
use crate::engine::interleavings::{FIXTURE, Happens, World as Server, preemptions};
use crate::interleave::{Thread, drive, every_order};
use crate::policy::{Policy, resource};

const ENDING: [Happens; 6] = [
    Happens::Suspended,
    Happens::FirstRevoked,
    Happens::NotBeforeOfEveryone,
    Happens::Removed,
    Happens::OtherResource,
    Happens::Closed,
];

/// With more than two threads, or a runtime, an order has hundreds of steps: one preemption less.
fn few() -> usize {
    preemptions().saturating_sub(1).max(1)
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// One who waits for the end of a lease.
struct Waiting {
    waiter: Waiter,
    woken: Arc<Woken>,
    is_over: bool,
}

impl Waiting {
    fn new(lease: &Arc<Lease>) -> Self {
        let mut waiting = Self { waiter: Waiter::new(lease.clone()), woken: Arc::default(), is_over: false };
        waiting.is_over = waiting.poll().is_ready();
        waiting
    }

    fn poll(&mut self) -> Poll<EndReason> {
        let waker = Waker::from(self.woken.clone());
        self.waiter.poll(&Context::from_waker(&waker)).map(|ended| ended.reason())
    }

    /// Whether it learned of the end. A runtime would poll it again only if it was woken.
    fn has_learned(&mut self) -> bool {
        self.is_over || self.woken.0.load(Ordering::SeqCst) > 0 && self.poll().is_ready()
    }
}

struct World {
    server: Server,
    grant: Grant,
    /// A lease that two threads may use.
    lease: Arc<Lease>,
    waiting: Mutex<Vec<Waiting>>,
    has_begun: AtomicBool,
    was_renewed: AtomicBool,
    opened: AtomicUsize,
}

impl World {
    fn new(happens: Happens, policy: Policy) -> Self {
        let server = Server::new(happens, policy, true);
        let grant = server.grant().unwrap();
        let lease = Arc::new(grant.lease().unwrap());
        let first = Waiting::new(&lease);
        assert!(!first.is_over);
        Self {
            server,
            grant,
            lease,
            waiting: Mutex::new(vec![first]),
            has_begun: AtomicBool::new(false),
            was_renewed: AtomicBool::new(false),
            opened: AtomicUsize::new(0),
        }
    }

    fn wait_for(&self, lease: &Arc<Lease>) {
        let waiting = Waiting::new(lease);
        self.waiting.lock().unwrap().push(waiting);
    }

    fn all_have_learned(&self) -> bool {
        self.waiting.lock().unwrap().iter_mut().all(Waiting::has_learned)
    }

    fn leases(&self) -> usize {
        self.server.server.usage().leases
    }
}

const CHANGES: Thread<World> = |world| {
    world.has_begun.store(true, Ordering::SeqCst);
    world.server.change();
};

const OPENS: Thread<World> = |world| {
    let was_over = world.server.is_over.load(Ordering::SeqCst);
    match world.grant.lease() {
        Ok(lease) => {
            assert!(!was_over, "{:?}: a lease is made after the change has returned", world.server.happens);
            world.opened.fetch_add(1, Ordering::SeqCst);
            world.wait_for(&Arc::new(lease));
        }
        Err(rejection) => assert!(world.has_begun.load(Ordering::SeqCst), "{rejection:?}"),
    }
};

/// Comes to wait for the same lease, and asks for it once more.
const WAITS: Thread<World> = |world| {
    world.wait_for(&world.lease);
    let was_over = world.server.is_over.load(Ordering::SeqCst);
    assert!(!was_over || world.lease.is_over(), "{:?}: used after the change has returned", world.server.happens);
};

/// Makes a lease of the same subject and drops it: both are in the same lists.
const PASSES_BY: Thread<World> = |world| drop(world.grant.lease());

const RENEWS: Thread<World> = |world| {
    let renewed = world.lease.renew(&FIXTURE.renewed).now_or_never().expect("nothing to wait for");
    world.was_renewed.store(renewed.is_ok(), Ordering::SeqCst);
};

/// Tries every order of an ending beside other threads. Returns in how many a lease was made before it.
fn explore(happens: Happens, threads: &[Thread<World>]) -> (usize, usize) {
    let opened = AtomicUsize::new(0);
    let orders = every_order(
        if threads.len() > 2 { few() } else { preemptions() },
        || World::new(happens, resource().scope("read")),
        threads,
        |world| {
            assert!(world.all_have_learned(), "{happens:?}: somebody still waits");
            assert_eq!(world.leases(), 0, "{happens:?}: what is over is still kept");
            opened.fetch_add(world.opened.load(Ordering::SeqCst).min(1), Ordering::SeqCst);
        },
    );
    (orders, opened.into_inner())
}

#[test]
fn lease_that_is_made_beside_a_change_is_rejected_or_woken_in_every_order() {
    for happens in ENDING {
        let (orders, opened) = explore(happens, &[OPENS, CHANGES]);
        assert!(opened > 0 && opened < orders, "{happens:?}: made in {opened} of {orders} orders");
    }
}

#[test]
fn all_who_wait_for_a_lease_are_woken_by_its_end_in_every_order() {
    for happens in ENDING {
        let (orders, _) = explore(happens, &[WAITS, CHANGES, PASSES_BY]);
        assert!(orders > 10, "{happens:?}: {orders}");
    }
}

#[test]
fn renewed_lease_ends_by_changes_of_its_new_token_and_not_of_its_old_one_in_every_order() {
    for happens in [Happens::FirstRevoked, Happens::SecondRevoked, Happens::Suspended] {
        let outcomes = Mutex::new(std::collections::BTreeSet::new());
        every_order(
            preemptions(),
            || World::new(happens, resource().scope("read")),
            &[RENEWS, CHANGES],
            |world| {
                let first = world.grant.token().map(crate::AccessToken::expires_at);
                let is_second = world.lease.expires_at() != first;
                let was_renewed = world.was_renewed.load(Ordering::SeqCst);
                let learned = world.all_have_learned();
                let is_over = world.lease.is_over();
                assert_eq!(learned, is_over, "{happens:?}: over and not told, or told and not over");
                match happens {
                    Happens::FirstRevoked => assert_eq!(was_renewed, !is_over),
                    Happens::SecondRevoked => assert_eq!(is_second, is_over),
                    _ => assert!(is_over),
                }
                assert!(is_second || !was_renewed, "{happens:?}: renewed, and rests on the first token");
                outcomes.lock().unwrap().insert((was_renewed, is_second, is_over));
            },
        );
        let outcomes = outcomes.into_inner().unwrap();
        assert!(outcomes.len() > 1, "{happens:?}: {outcomes:?}");
    }
}

#[test]
fn edit_has_the_source_asked_for_a_lease_that_is_made_beside_it_in_every_order() {
    const WATCHES: Thread<World> = |world| {
        let ended = drive(async {
            match world.grant.lease() {
                Ok(lease) => Some(lease.ended().await.reason()),
                Err(_) => None,
            }
        });
        world.opened.store(usize::from(ended.is_some()), Ordering::SeqCst);
        assert!(matches!(ended, None | Some(EndReason::PermissionLost)), "{ended:?}");
    };
    let policy = || resource().scope("read").fresh_within(Duration::from_secs(30));
    let opened = AtomicUsize::new(0);
    let orders = every_order(
        few(),
        || World::new(Happens::Edited, policy()),
        &[WATCHES, CHANGES],
        |world| {
            opened.fetch_add(world.opened.load(Ordering::SeqCst), Ordering::SeqCst);
        },
    );
    assert!(orders > 10 && opened.load(Ordering::SeqCst) > 10, "{orders} orders");
}
