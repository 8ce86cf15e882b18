//! A disk that is full.

#![cfg(target_os = "linux")]

use std::process::Command;

use orgate::change::{Change, FileLog};
use orgate::testing::TestIssuer;

use crate::support::{API, Directory, Replica, builder, now};

/// In a process that may write no file longer than 64 KiB: for the writer that is what a full disk is.
#[test]
fn changes_apply_while_the_disk_is_full_and_what_was_kept_is_whole() {
    let directory = Directory::new();
    let program = std::env::current_exe().unwrap();
    let script =
        "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact file_full::child_whose_disk_is_full --nocapture --ignored";
    let output = Command::new("bash")
        .args(["-c", script])
        .arg(&program)
        .env("ORGATE_TEST_FILE", directory.path("changes"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    // What was kept is whole.
    let kept: usize = text.lines().find_map(|line| line.strip_prefix("kept ")?.parse().ok()).unwrap();
    drop(FileLog::open(directory.path("changes")).unwrap());
    let file = std::fs::read_to_string(directory.path("changes")).unwrap();
    assert!(kept > 100, "{kept}");
    (0..kept).for_each(|id| assert!(file.contains(&format!("\"user_{id}\"]\n")), "user_{id} of {kept}"));
}

#[tokio::test]
#[ignore = "run by another test"]
async fn child_whose_disk_is_full() {
    let path = std::env::var("ORGATE_TEST_FILE").unwrap();
    let issuer = TestIssuer::start().await;
    let replica = Replica::plain(builder(&issuer).change_file(&*path)).await;
    let (entry, at) = (replica.entry(), now(&issuer));
    let token = |id: u32| issuer.resource_token(API).subject(format!("user_{id}")).mint();
    let mut id = 0;
    let error = loop {
        entry.apply_change(&Change::suspended(issuer.url(), format!("user_{id}"), at)).unwrap();
        id += 1;
        if !replica.server.changes_delivered().await
            && let Some(error) = replica.server.change_log().unwrap().error
        {
            break error;
        }
        assert!(id < 10_000, "the limit was never reached");
    };
    assert!(error.contains("too large") || error.contains("space"), "{error}");
    let status = replica.server.change_log().unwrap();
    assert!(status.pending > 0 && status.failures > 0, "{status:?}");
    assert_eq!(replica.status(&token(id - 1)).await, 401, "it applies here all the same");
    assert_eq!(replica.status(&token(id)).await, 200);

    println!("kept {}", id as usize - status.pending);
}
