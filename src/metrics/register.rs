//! Registers handles with the recorder that is installed.

use ::metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, with_recorder};

use super::table::{ALL, Metric, MetricKind};

static METADATA: Metadata<'static> = Metadata::new("orgate", Level::INFO, Some("orgate"));

/// Tells the recorder what the metrics mean.
pub(super) fn describe() {
    with_recorder(|recorder| {
        for metric in ALL {
            let (name, unit) = (KeyName::from_const_str(metric.name()), Some(metric.recorded_unit()));
            let description = metric.description().into();
            match metric.kind() {
                MetricKind::Counter => recorder.describe_counter(name, unit, description),
                MetricKind::Gauge => recorder.describe_gauge(name, unit, description),
                MetricKind::Histogram => recorder.describe_histogram(name, unit, description),
            }
        }
    });
}

/// Values in the order of the metric's labels.
pub(super) fn counter(metric: &Metric, values: &[&str]) -> Counter {
    with_recorder(|recorder| recorder.register_counter(&key(metric, values), &METADATA))
}

pub(super) fn gauge(metric: &Metric, values: &[&str]) -> Gauge {
    with_recorder(|recorder| recorder.register_gauge(&key(metric, values), &METADATA))
}

pub(super) fn histogram(metric: &Metric, values: &[&str]) -> Histogram {
    with_recorder(|recorder| recorder.register_histogram(&key(metric, values), &METADATA))
}

fn key(metric: &Metric, values: &[&str]) -> Key {
    debug_assert_eq!(metric.labels().len(), values.len(), "{}", metric.name());
    let labels = metric.labels().iter().zip(values).map(|(name, value)| Label::new(*name, (*value).to_owned()));
    Key::from_parts(metric.name(), labels.collect::<Vec<_>>())
}
