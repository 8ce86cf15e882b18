//! The table of the guide, the table of the code, and what is recorded: one and the same.

use std::collections::BTreeSet;

use orgate::metrics::{ALL, Metric};

use crate::scrape::{metric_of, recorded};
use crate::{calls, gauges};

const GUIDE: &str = include_str!("../../docs/guide/observability.md");

fn row(metric: &Metric) -> String {
    let labels: Vec<String> = metric.labels().iter().map(|label| format!("`{label}`")).collect();
    let (name, kind) = (metric.name(), metric.kind().as_str());
    format!("| `{name}` | {kind} | {} | {} |", labels.join(", "), metric.description())
}

#[test]
fn table_of_the_guide_is_the_table_of_the_code() {
    let written: Vec<&str> = GUIDE.lines().filter(|line| line.starts_with("| `orgate_")).collect();
    let expected: Vec<String> = ALL.iter().map(row).collect();
    assert_eq!(written, expected, "\n{}\n", expected.join("\n"));
}

#[test]
fn picture_in_the_documentation_is_the_picture_of_the_guide() {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    let picture = include_bytes!("../../docs/guide/observability.svg");
    assert_eq!(include_str!("../../docs/guide/observability.svg.b64"), BASE64_STANDARD.encode(picture));
}

#[test]
fn names_follow_the_conventions_of_prometheus() {
    let names: BTreeSet<&str> = ALL.iter().map(Metric::name).collect();
    assert_eq!(names.len(), ALL.len());
    for metric in ALL {
        let (name, kind) = (metric.name(), metric.kind().as_str());
        assert!(name.starts_with("orgate_") && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()));
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
        assert_eq!(name.ends_with("_duration_seconds"), kind == "histogram", "{name}");
        assert!(metric.description().ends_with('.'), "{name}");
    }
}

#[test]
fn every_metric_of_the_table_is_recorded_with_its_labels_and_no_other_is() {
    recorded(async |prometheus| {
        let mut seen = BTreeSet::new();
        let mut look = |text: Vec<crate::scrape::Sample>| {
            for sample in text {
                let (metric, labels) = metric_of(&sample);
                let expected: BTreeSet<&str> = metric.labels().iter().copied().collect();
                assert_eq!(labels.into_iter().collect::<BTreeSet<_>>(), expected, "{sample:?}");
                seen.insert(metric.name());
            }
        };
        let servers = [
            calls::keys(&prometheus).await,
            calls::permissions(&prometheus).await,
            calls::decision_point(&prometheus).await,
            calls::webhooks(&prometheus).await,
        ];
        servers.iter().for_each(orgate::ResourceServer::update_metrics);
        look(prometheus.samples());
        recorded_again(&mut look);
        let all: BTreeSet<&str> = ALL.iter().map(Metric::name).collect();
        assert_eq!(seen, all);
    });
}

/// Scenarios whose labels are those of others, with a recorder of their own.
fn recorded_again(look: &mut (impl FnMut(Vec<crate::scrape::Sample>) + Send)) {
    let there = std::thread::spawn(|| {
        recorded(async |prometheus| {
            calls::introspection(&prometheus).await.update_metrics();
            gauges::holdings(&prometheus).await.server.update_metrics();
            prometheus.samples()
        })
    });
    look(there.join().unwrap());
}
