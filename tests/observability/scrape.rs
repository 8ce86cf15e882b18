//! Metrics as Prometheus would read them.

use std::collections::BTreeMap;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use orgate::metrics::{ALL, DURATION_BUCKETS, Metric, MetricKind};

/// One line of a scrape.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// Runs a scenario on this thread. What it records goes to a recorder of its own.
pub(crate) fn recorded<T>(scenario: impl AsyncFnOnce(Prometheus) -> T) -> T {
    let recorder = PrometheusBuilder::new().set_buckets(&DURATION_BUCKETS).unwrap().build_recorder();
    let prometheus = Prometheus(recorder.handle());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(scenario(prometheus)))
}

#[derive(Clone)]
pub(crate) struct Prometheus(PrometheusHandle);

impl Prometheus {
    pub(crate) fn text(&self) -> String {
        self.0.render()
    }

    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.text().lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(sample).collect()
    }

    /// The value of one series; zero if there is none.
    #[track_caller]
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: BTreeMap<String, String> =
            labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let found = self.samples().into_iter().find(|sample| sample.name == name && sample.labels == labels);
        found.map_or(0.0, |sample| sample.value)
    }

    /// All series of one metric: the values of its labels in the order of the table, and the value.
    pub(crate) fn all(&self, name: &str) -> Vec<(Vec<String>, f64)> {
        let metric = ALL.iter().find(|metric| metric.name() == name).expect("a metric of the table");
        let values =
            |sample: &Sample| metric.labels().iter().map(|label| sample.labels[*label].clone()).collect::<Vec<_>>();
        let samples = self.samples().into_iter().filter(|sample| sample.name == name);
        let mut all: Vec<_> = samples.map(|sample| (values(&sample), sample.value)).collect();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    }
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.strip_suffix('}').unwrap();
    let labels = labels.split("\",").filter(|label| !label.is_empty()).map(|label| {
        let (name, value) = label.split_once("=\"").unwrap();
        (name.to_owned(), value.trim_end_matches('"').to_owned())
    });
    Sample { name: name.to_owned(), labels: labels.collect(), value: value.parse().unwrap() }
}

/// The metric that a series belongs to, and the names of its labels.
#[track_caller]
pub(crate) fn metric_of(sample: &Sample) -> (&'static Metric, Vec<&str>) {
    let is_part = |metric: &Metric| {
        let rest = sample.name.strip_prefix(metric.name());
        match metric.kind() {
            MetricKind::Histogram => matches!(rest, Some("_bucket" | "_sum" | "_count")),
            _ => rest == Some(""),
        }
    };
    let metric = ALL.iter().find(|metric| is_part(metric)).unwrap_or_else(|| panic!("{sample:?} is not in the table"));
    let is_bucket = metric.kind() == MetricKind::Histogram;
    let labels = sample.labels.keys().map(String::as_str).filter(|label| !(is_bucket && *label == "le"));
    (metric, labels.collect())
}
