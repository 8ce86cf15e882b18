//! A file: what a restart finds, whatever happened to it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use orgate::change::{About, Change};
use orgate::logto::LogtoManagement;
use orgate::server::LogStatus;
use orgate::testing::{TestIssuer, TestTenant};
use orgate::time::Clock as _;

use crate::support::{API, Directory, Replica, builder, now};

#[tokio::test]
async fn what_was_revoked_stays_revoked_after_a_restart() {
    let (issuer, directory) = (TestIssuer::start().await, Directory::new());
    let path = directory.path("changes");
    let start = || Replica::plain(builder(&issuer).change_file(&*path));
    let token = |user: &str| issuer.resource_token(API).subject(user).mint();
    let tokens = ["alice", "bob", "carol", "dave", "eve"].map(token);
    let one = start().await;
    for token in &tokens {
        assert_eq!(one.status(token).await, 200);
    }
    let (entry, at) = (one.entry(), now(&issuer));
    let iss = entry.issuer().to_owned();
    let second = Duration::from_secs(1);
    for change in [
        Change::suspended(&*iss, "alice", at),
        Change::not_before(&*iss, About::subject("bob"), at),
        Change::subject_deleted(&*iss, "carol", at),
        Change::suspended(&*iss, "dave", at),
        Change::restored(&*iss, "dave", at + second),
    ] {
        entry.apply_change(&change).unwrap();
    }
    one.server.changes_kept().await;
    let expected = [(401, "authenticate"), (401, "refresh"), (401, "authenticate"), (200, ""), (200, "")];
    let judge = async |replica: &Replica| {
        for (token, (status, remediation)) in tokens.iter().zip(expected) {
            assert_eq!(replica.get(token).await, (status, remediation.to_owned()));
        }
    };
    judge(&one).await;
    drop(entry);
    one.stop_and_close(&path).await;
    let two = start().await;
    judge(&two).await;
    // It can be lifted by hand, and that is kept too.
    two.entry().apply_change(&Change::restored(&*iss, "alice", at + second)).unwrap();
    two.server.changes_kept().await;
    two.stop_and_close(&path).await;
    assert_eq!(start().await.status(&tokens[0]).await, 200);
}

#[tokio::test]
async fn webhook_is_answered_once_it_is_in_the_file() {
    let (tenant, directory) = (TestTenant::start().await, Directory::new());
    let path = directory.path("changes");
    let issuer = tenant.issuer();
    tenant.add_user("alice");
    let start = async || Replica::start(builder(issuer).change_file(&*path), &tenant.signing_key()).await;
    let one = start().await;
    let token = issuer.resource_token(API).subject("alice").mint();
    assert_eq!(one.status(&token).await, 200);
    _ = tenant.take_deliveries();
    tenant.suspend("alice");
    for delivery in tenant.take_deliveries() {
        assert_eq!(one.deliver(delivery).await, 200);
    }
    assert!(std::fs::read_to_string(&path).unwrap().contains("suspension"), "kept before it was answered");
    one.stop_and_close(&path).await;
    assert_eq!(start().await.status(&token).await, 401);
}

#[tokio::test]
async fn suspension_that_ended_meanwhile_is_lifted_by_the_permission_source() {
    let (tenant, directory) = (TestTenant::start().await, Directory::new());
    let path = directory.path("changes");
    let issuer = tenant.issuer();
    let users @ [alice, bob, carol] = ["alice", "bob", "carol"];
    users.into_iter().for_each(|user| tenant.add_user(user));
    let token = |user: &str| issuer.resource_token(API).subject(user).mint();
    let start = async || {
        let (id, secret) = tenant.management_client();
        let management = LogtoManagement::builder(tenant.origin(), id, secret).clock(issuer.clock());
        let management = management.management_resource(tenant.management_resource()).build().unwrap();
        let entry = orgate::Issuer::new(issuer.url()).permissions(management);
        Replica::plain(orgate::ResourceServer::builder(entry, API).clock(issuer.clock()).change_file(&*path)).await
    };
    let one = start().await;
    for user in users {
        tenant.suspend(user);
        one.entry().apply_change(&Change::suspended(issuer.url(), user, now(issuer))).unwrap();
    }
    one.server.changes_kept().await;
    one.stop_and_close(&path).await;
    // While the log is not followed, one is restored, and one is deleted: a clear no is only of one that is there.
    tenant.unsuspend(alice);
    tenant.remove_user(carol);
    let two = start().await;
    two.becomes(&token(alice), 200).await;
    // The questions go on for a while.
    for _ in 0..200 {
        assert_eq!((two.status(&token(bob)).await, two.status(&token(carol)).await), (401, 401));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // What ended it is 1 ms later than it: a newer suspension wins.
    let newer = now(issuer) + Duration::from_millis(2);
    two.entry().apply_change(&Change::suspended(issuer.url(), alice, newer)).unwrap();
    assert_eq!(two.status(&token(alice)).await, 401);
}

#[tokio::test]
async fn hundred_thousand_facts_are_ready_within_a_second() {
    let (issuer, directory) = (TestIssuer::start().await, Directory::new());
    let path = directory.path("changes");
    let one = Replica::plain(builder(&issuer).change_file(&*path)).await;
    let (entry, at) = (one.entry(), now(&issuer));
    for id in 0..100_000 {
        entry.apply_change(&Change::suspended(issuer.url(), format!("user_{id:06}"), at)).unwrap();
    }
    one.server.changes_kept().await;
    drop(entry);
    one.stop_and_close(&path).await;
    let token = issuer.resource_token(API).subject("user_099999").mint();
    let start = Instant::now();
    let server = builder(&issuer).change_file(&*path).build().unwrap();
    let opened = start.elapsed();
    let rejection = server.verify(&token).await.unwrap_err();
    println!("opened after {opened:?}, the first token judged after {:?}", start.elapsed());
    assert_eq!(rejection.remediation().as_str(), "authenticate");
    assert_eq!(server.revocations().suspensions, 100_000);
}

#[tokio::test]
async fn second_process_is_rejected_and_a_killed_one_leaves_all_that_it_had_kept() {
    let (issuer, directory) = (TestIssuer::start().await, Directory::new());
    let path = directory.path("changes");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "file::child_that_keeps_changes", "--nocapture", "--ignored"])
        .env("ORGATE_TEST_FILE", &path)
        .env("ORGATE_TEST_ISSUER", issuer.url())
        .env("ORGATE_TEST_NOW", issuer.clock().now().unix.as_millis().to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let kept: usize = loop {
        let line = lines.next().unwrap().unwrap();
        if let Some(kept) = line.strip_prefix("kept ").and_then(|kept| kept.parse().ok())
            && kept >= 30
        {
            break kept;
        }
    };
    let refused = builder(&issuer).change_file(&*path).build().unwrap_err().to_string();
    assert!(refused.contains("another process has it open") && refused.contains("changes"), "{refused}");
    child.kill().unwrap();
    child.wait().unwrap();
    let replica = Replica::plain(builder(&issuer).change_file(&*path)).await;
    for id in 0..kept {
        let token = issuer.resource_token(API).subject(format!("user_{id}")).mint();
        assert_eq!(replica.status(&token).await, 401, "user_{id} of {kept}");
    }
    let untouched = issuer.resource_token(API).subject("somebody").mint();
    assert_eq!(replica.status(&untouched).await, 200);
}

/// Run by the test above, in another process.
#[tokio::test]
#[ignore = "run by another test"]
async fn child_that_keeps_changes() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let iss = variable("ORGATE_TEST_ISSUER");
    let at = std::time::SystemTime::UNIX_EPOCH + Duration::from_millis(variable("ORGATE_TEST_NOW").parse().unwrap());
    let server = orgate::ResourceServer::builder(&*iss, API).change_file(variable("ORGATE_TEST_FILE")).build().unwrap();
    let entry = server.issuers()[0].clone();
    for id in 0.. {
        entry.apply_change(&Change::suspended(&*iss, format!("user_{id}"), at)).unwrap();
        server.changes_kept().await;
        println!("kept {}", id + 1);
    }
}

#[tokio::test]
async fn status_of_a_file_alone_is_that_of_the_change_log() {
    let (issuer, directory) = (TestIssuer::start().await, Directory::new());
    let replica = Replica::plain(builder(&issuer).change_file(directory.path("changes"))).await;
    replica.server.ready().await.unwrap();
    let LogStatus { is_current, pending, failures, error, .. } = replica.server.change_log().unwrap();
    assert_eq!((is_current, pending, failures, error), (true, 0, 0, None));
    assert!(replica.server.change_file().is_none());
}
