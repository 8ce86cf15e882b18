//! One server, several runtimes: one of them ends, or stands still, while another waits.

use std::sync::mpsc;
use std::thread::{sleep, spawn};
use std::time::Duration;

use orgate::testing::{Endpoint, Fault, TestIssuer};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::support::{Api, builder, pass, token};

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// An issuer on a thread of its own, as a real one is.
fn issuer_elsewhere() -> TestIssuer {
    let (give, take) = mpsc::channel();
    spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        give.send(runtime.block_on(TestIssuer::start())).unwrap();
        runtime.block_on(std::future::pending::<()>());
    });
    take.recv().unwrap()
}

#[test]
fn runtime_that_ends_takes_no_other_waiter_along() {
    let issuer = issuer_elsewhere();
    issuer.fail_always(Endpoint::Keys, Fault::Delay(Duration::from_millis(300)));
    let server = builder(&issuer).build().unwrap();
    let (api, token) = (Api::of(&server), token(&issuer));
    let (other, its_token) = (api.clone(), token.clone());
    let one = spawn(move || {
        runtime()
            .block_on(async { assert!(timeout(Duration::from_millis(100), other.get(&its_token)).await.is_err()) });
    });
    sleep(Duration::from_millis(50));
    let answer = runtime().block_on(api.get(&token));
    one.join().unwrap();
    assert!(answer.is_ok(), "{:?}", server.keys()[0].last_error());
}

#[test]
fn fetch_that_ended_with_its_runtime_is_no_failure_of_the_issuer() {
    let issuer = issuer_elsewhere();
    issuer.fail_next(Endpoint::Keys, Fault::Hang);
    let server = builder(&issuer).build().unwrap();
    let (api, token) = (Api::of(&server), token(&issuer));
    runtime().block_on(async { assert!(timeout(Duration::from_millis(200), api.get(&token)).await.is_err()) });
    assert_eq!(server.keys()[0].last_error(), None);
    assert!(runtime().block_on(api.get(&token)).is_ok(), "without waiting out a back-off");
}

#[test]
fn runtime_that_stands_still_holds_nobody_up() {
    let issuer = issuer_elsewhere();
    let api = Api::new(builder(&issuer));
    let mut kept = Vec::new();
    for round in 0..3 {
        if round > 0 {
            pass(&issuer.clock(), 31);
            issuer.rotate();
        }
        let (token, runtime) = (token(&issuer), runtime());
        assert!(runtime.block_on(api.get(&token)).is_ok(), "round {round}");
        kept.push(runtime);
    }
}
