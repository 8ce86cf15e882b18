//! What the log of decisions holds, with what differs from run to run taken out.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orgate::observe::JsonLines;
use serde_json::Value;

#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    pub(crate) fn log(&self) -> JsonLines {
        JsonLines::builder().writer(self.clone())
    }

    /// Everything that was written, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Waits for so many lines.
    pub(crate) async fn wait_for(&self, count: usize) {
        for _ in 0..20_000 {
            if self.text().matches('\n').count() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The first line that has this status, once there is one.
    pub(crate) fn with_status(&self, status: u16) -> Option<Value> {
        let whole = |line: &str| serde_json::from_str::<Value>(line).ok();
        let text = self.text();
        text.lines().filter_map(whole).find(|line| line["status"] == status).map(normalized)
    }

    /// Waits for so many lines, and takes them: whole, but for times and the issuer's address.
    pub(crate) async fn take(&self, count: usize) -> Vec<Value> {
        self.wait_for(count).await;
        let text = std::mem::take(&mut *self.0.lock().unwrap());
        let lines: Vec<Value> = String::from_utf8(text)
            .unwrap()
            .lines()
            .map(|line| normalized(serde_json::from_str(line).unwrap()))
            .collect();
        assert_eq!(lines.len(), count, "{lines:#?}");
        lines
    }
}

fn normalized(mut line: Value) -> Value {
    let fields = line.as_object_mut().unwrap();
    let time = fields.remove("time").unwrap();
    let time = time.as_str().unwrap();
    assert!(time.ends_with('Z') && time.contains('T'), "{time}");
    assert!(fields.remove("duration_us").unwrap().is_u64());
    for wait in fields.get_mut("waits").into_iter().flat_map(|waits| waits.as_array_mut().unwrap()) {
        assert!(wait.as_object_mut().unwrap().remove("us").unwrap().is_u64());
    }
    if let Some(issuer) = fields.get_mut("issuer") {
        assert!(issuer.as_str().unwrap().starts_with("http://127.0.0.1:"), "{issuer}");
        *issuer = "ISSUER".into();
    }
    for name in ["detail", "clause"] {
        if let Some(text) = fields.get_mut(name) {
            *text = without_issuer(text.as_str().unwrap()).into();
        }
    }
    line
}

/// Ports are the system's to choose, and the clock goes on.
fn without_ports(text: &str) -> String {
    if let Some((age, rest)) = text.strip_prefix("expired ").and_then(|rest| rest.split_once(" s ago")) {
        assert!(age.parse::<u64>().is_ok_and(|age| age >= 3600), "{text}");
        return format!("expired N s ago{rest}");
    }
    let mut parts = text.split("127.0.0.1:");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| {
        format!("{text}127.0.0.1:PORT{}", part.trim_start_matches(|c: char| c.is_ascii_digit()))
    })
}

/// A clause is printed with the one issuer that there is.
fn without_issuer(text: &str) -> String {
    without_ports(text).replace(" and issued by http://127.0.0.1:PORT/oidc", "")
}

/// What was recorded is what the file says, one after another.
#[track_caller]
pub(crate) fn is_as_written(recorded: &[Value], written: &str) {
    let written: Vec<Value> = serde_json::from_str(written).unwrap();
    for (recorded, written) in recorded.iter().zip(&written) {
        assert_eq!(recorded, written, "recorded:\n{recorded:#}\nwritten:\n{written:#}");
    }
    let all = Value::from(recorded.to_vec());
    assert_eq!(recorded.len(), written.len(), "{all:#}");
}
