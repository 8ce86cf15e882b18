//! Which fault comes when: one script for issuers, tenants and decision points.

use std::sync::Mutex;

use tokio::sync::watch;

use super::{Endpoint, Fault};
use crate::lock::lock;

/// What a fault is scripted for.
pub(super) trait Place: PartialEq {
    /// What a request asks for.
    type Asked: ?Sized;

    /// How far this place is from what is asked for, which it holds. `None` if it does not.
    fn distance(&self, asked: &Self::Asked) -> Option<usize>;
}

impl Place for Endpoint {
    type Asked = Self;

    fn distance(&self, asked: &Self) -> Option<usize> {
        asked.widening().position(|place| place == *self)
    }
}

/// The beginning of a path.
impl Place for String {
    type Asked = str;

    fn distance(&self, asked: &str) -> Option<usize> {
        asked.strip_prefix(&**self).map(str::len)
    }
}

/// The faults to come.
#[derive(Debug)]
pub(super) struct Faults<P> {
    script: Mutex<Script<P>>,
    released: watch::Sender<()>,
}

/// Taken before the arrival of a request is told, so that a release that follows it is not missed.
pub(super) struct Arrival(watch::Receiver<()>);

#[derive(Debug)]
struct Script<P> {
    next: Vec<(P, Fault)>,
    always: Vec<(P, Fault)>,
}

impl<P> Default for Faults<P> {
    fn default() -> Self {
        let script = Script { next: Vec::new(), always: Vec::new() };
        Self { script: Mutex::new(script), released: watch::Sender::new(()) }
    }
}

impl<P: Place> Faults<P> {
    pub(super) fn next(&self, place: P, fault: Fault) {
        fault.check();
        lock(&self.script).next.push((place, fault));
    }

    pub(super) fn always(&self, place: P, fault: Fault) {
        fault.check();
        let always = &mut lock(&self.script).always;
        always.retain(|(other, _)| *other != place);
        always.push((place, fault));
    }

    pub(super) fn recover(&self) {
        let mut script = lock(&self.script);
        script.next.clear();
        script.always.clear();
    }

    pub(super) fn release(&self) {
        self.released.send_replace(());
    }

    pub(super) fn arrive(&self) -> Arrival {
        Arrival(self.released.subscribe())
    }

    /// The fault for a request that has come in. What is a matter of time has passed by then.
    pub(super) async fn meet(&self, mut arrival: Arrival, asked: &P::Asked) -> Option<Fault> {
        let fault = self.take(asked);
        match &fault {
            Some(Fault::Delay(time)) => tokio::time::sleep(*time).await,
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Hold) => {
                let _ = arrival.0.changed().await;
            }
            _ => {}
        }
        fault
    }

    /// One time before always, the narrower place before the wider, the earlier before the later.
    fn take(&self, asked: &P::Asked) -> Option<Fault> {
        let mut script = lock(&self.script);
        match nearest(&script.next, asked) {
            Some(at) => Some(script.next.remove(at).1),
            None => nearest(&script.always, asked).and_then(|at| script.always.get(at)).map(|(_, fault)| fault.clone()),
        }
    }
}

fn nearest<P: Place>(faults: &[(P, Fault)], asked: &P::Asked) -> Option<usize> {
    let distances = faults.iter().enumerate().filter_map(|(at, (place, _))| Some((place.distance(asked)?, at)));
    distances.min().map(|(_, at)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_time_faults_come_first_and_in_order() {
        let script = Faults::default();
        script.always(Endpoint::All, Fault::Empty);
        script.always(Endpoint::Keys, Fault::Garbage);
        script.next(Endpoint::All, Fault::Status(500));
        script.next(Endpoint::Keys, Fault::Status(501));
        script.next(Endpoint::Keys, Fault::Status(502));
        let keys: Vec<_> = std::iter::repeat_with(|| script.take(&Endpoint::Keys)).take(4).collect();
        let expected = [Fault::Status(501), Fault::Status(502), Fault::Status(500), Fault::Garbage];
        assert_eq!(keys, expected.map(Some));
        assert_eq!(script.take(&Endpoint::Discovery), Some(Fault::Empty));
        assert_eq!(Faults::<Endpoint>::default().take(&Endpoint::Keys), None);
        script.always(Endpoint::Management, Fault::Hang);
        assert_eq!(script.take(&Endpoint::User), Some(Fault::Hang));
        assert_eq!(script.take(&Endpoint::Token), Some(Fault::Empty));
    }

    #[test]
    fn longest_beginning_of_a_path_comes_first() {
        let script = Faults::default();
        script.always("/a".to_owned(), Fault::Empty);
        script.always("/a/b".to_owned(), Fault::Garbage);
        assert_eq!(script.take("/a/b/c"), Some(Fault::Garbage));
        assert_eq!(script.take("/a/c"), Some(Fault::Empty));
        assert_eq!(script.take("/"), None);
        script.always("/a/b".to_owned(), Fault::Huge);
        assert_eq!(script.take("/a/b"), Some(Fault::Huge), "said again, it is said anew");
        script.recover();
        assert_eq!(script.take("/a/b"), None);
    }

    #[tokio::test]
    async fn release_lets_those_go_that_have_arrived() {
        let script = Faults::default();
        script.always(Endpoint::All, Fault::Hold);
        let arrival = script.arrive();
        script.release();
        assert_eq!(script.meet(arrival, &Endpoint::Keys).await, Some(Fault::Hold));
        let (arrival, one_millisecond) = (script.arrive(), std::time::Duration::from_millis(1));
        assert!(tokio::time::timeout(one_millisecond, script.meet(arrival, &Endpoint::Keys)).await.is_err());
    }
}
