//! The log of decisions in JSON lines.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use orgate::observe::{JsonLines, LogCounts, SubjectForm};
use orgate::policy::{organization, path};
use serde_json::{Value, json};

use crate::authorize::parts;
use crate::web::Api;

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn lines(&self) -> Vec<Value> {
        let bytes = self.0.lock().unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[tokio::test]
async fn a_line_holds_what_was_decided_and_no_token() {
    let written = Written::default();
    let log = JsonLines::builder().subject(SubjectForm::plain()).writer(written.clone());
    let api = Api::configured(|builder| builder.observer(log.clone())).await;
    let invite = api.server.requirement(organization(path("org")).scope("invite")).unwrap();
    let token = api.issuer.organization_token("acme").subject("alice").client("web").scope("invite").mint();
    invite.authorize(&mut parts(Some(&token), "acme")).await.unwrap();
    invite.authorize(&mut parts(Some(&token), "globex")).await.unwrap_err();
    drop(invite);
    drop(api);
    drop(log);

    let mut lines = written.lines();
    assert_eq!(lines.len(), 2);
    for line in &mut lines {
        assert!(!line.to_string().contains(&token[..40]));
        let line = line.as_object_mut().unwrap();
        let time = line.remove("time").unwrap();
        assert!(time.as_str().unwrap().ends_with('Z') && time.as_str().unwrap().contains('T'), "{time}");
        assert!(line.remove("duration_us").unwrap().is_u64());
        if let Some(waits) = line.get_mut("waits") {
            assert!(waits[0].as_object_mut().unwrap().remove("us").unwrap().is_u64());
        }
        assert!(line.remove("issuer").unwrap().is_string());
        // The clause as it is judged names the one issuer that there is.
        let clause = line.remove("clause").unwrap();
        assert!(clause.as_str().unwrap().starts_with("organization from path {org} and issued by http://"), "{clause}");
    }
    let policy = "organization from path {org} and scope invite";
    assert_eq!(
        lines,
        [
            json!({
                "outcome": "allow", "method": "GET", "policy": policy, "client": "web", "organization": "acme",
                "subject": "alice", "subject_kind": "user", "token_cache": "miss", "waits": [{ "for": "key" }],
            }),
            json!({
                "outcome": "deny", "method": "GET", "policy": policy, "client": "web", "subject": "alice",
                "subject_kind": "user", "token_cache": "hit", "status": 403, "kind": "wrong_organization",
                "remediation": "organization_token",
                "detail": "the request's organization (path {org}) is not the token's",
            }),
        ]
    );
}

/// Takes nothing until it is told to.
#[derive(Clone, Default)]
struct Stuck(Arc<(Mutex<bool>, Condvar)>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let free = self.0.0.lock().unwrap();
        let _free = self.0.1.wait_while(free, |free| !*free).unwrap();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_stuck_destination_drops_records_and_holds_up_no_request() {
    let stuck = Stuck::default();
    let log = JsonLines::builder().queue(4).writer(stuck.clone());
    let api = Api::configured(|builder| builder.observer(log.clone())).await;
    let read = api.server.requirement(orgate::policy::resource()).unwrap();
    for _ in 0..20 {
        read.authorize(&mut parts(None, "")).await.unwrap_err();
    }
    // One is being written, four wait.
    assert!((15..=16).contains(&log.dropped()), "{}", log.dropped());
    *stuck.0.0.lock().unwrap() = true;
    stuck.0.1.notify_all();
    assert_eq!(log.failed(), 0);
}

#[tokio::test]
async fn method_that_a_caller_made_long_is_cut() {
    let written = Written::default();
    let log = JsonLines::builder().writer(written.clone());
    let api = Api::configured(|builder| builder.observer(log.clone())).await;
    let read = api.server.requirement(orgate::policy::resource()).unwrap();
    for length in [64, 65, 400_000] {
        let mut request = parts(None, "");
        request.method = "M".repeat(length).parse().unwrap();
        read.authorize(&mut request).await.unwrap_err();
    }
    drop((read, api, log));
    let (short, cut) = ("M".repeat(64), format!("{}...", "M".repeat(64)));
    let methods: Vec<Value> = written.lines().iter().map(|line| line["method"].clone()).collect();
    assert_eq!(methods, [short, cut.clone(), cut]);
}

/// Takes ten bytes of the first line, then fails once.
#[derive(Clone, Default)]
struct Interrupted(Written, Arc<AtomicUsize>);

impl Write for Interrupted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.1.fetch_add(1, Ordering::SeqCst) {
            0 => self.0.write(&bytes[..10]),
            1 => Err(io::Error::from(io::ErrorKind::StorageFull)),
            _ => self.0.write(&bytes[..bytes.len().min(100)]),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn line_after_one_that_broke_off_is_whole() {
    let disk = Interrupted::default();
    let counts = LogCounts::default();
    let log = JsonLines::builder().counts(&counts).writer(disk.clone());
    let api = Api::configured(|builder| builder.observer(log.clone())).await;
    let read = api.server.requirement(orgate::policy::resource()).unwrap();
    for _ in 0..3 {
        read.authorize(&mut parts(None, "")).await.unwrap_err();
    }
    drop((read, api, log));
    let text = String::from_utf8(disk.0.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.split_terminator('\n').collect();
    assert_eq!((lines.len(), lines[0].len()), (3, 10), "{text}");
    for line in &lines[1..] {
        assert_eq!(serde_json::from_str::<Value>(line).unwrap()["outcome"], "deny");
    }
    assert_eq!((counts.failed(), counts.dropped()), (1, 0), "counts outlive their log");
}

struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::from(io::ErrorKind::StorageFull))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn logs_of_one_builder_count_apart_unless_told_otherwise() {
    let shared = LogCounts::default();
    for (builder, expected) in [(JsonLines::builder(), 0), (JsonLines::builder().counts(&shared), 1)] {
        let (full, good) = (builder.clone().writer(Full), builder.writer(io::sink()));
        let api = Api::configured(|builder| builder.observer(full.clone())).await;
        let read = api.server.requirement(orgate::policy::resource()).unwrap();
        read.authorize(&mut parts(None, "")).await.unwrap_err();
        let own = full.clone();
        drop((read, api, full));
        while own.failed() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(good.failed(), expected);
    }
}

#[tokio::test]
async fn a_full_disk_is_counted() {
    let log = JsonLines::builder().writer(Full);
    let api = Api::configured(|builder| builder.observer(log.clone())).await;
    let read = api.server.requirement(orgate::policy::resource()).unwrap();
    read.authorize(&mut parts(None, "")).await.unwrap_err();
    while log.failed() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!((log.failed(), log.dropped()), (1, 0));
}
