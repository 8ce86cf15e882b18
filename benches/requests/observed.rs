//! What it costs to be watched: the same hit without an observer, with metrics, with a log of decisions, and with an equal
//! policy judged beside the one that is enforced.

use metrics_exporter_prometheus::PrometheusBuilder;
use orgate::metrics::DURATION_BUCKETS;
use orgate::observe::JsonLines;
use orgate::policy::resource;

use crate::case::Case;
use crate::rounds::{Measured, Rounds};
use crate::table::{Table, microseconds};
use crate::{BATCH, Line, guarded, load};

/// Rows of one round, the first of which is not watched.
pub(crate) struct Observed {
    off: Line,
    watched: Vec<(&'static str, Line, Option<f64>)>,
}

impl Observed {
    pub(crate) fn add(rounds: &mut Rounds<'_>, case: &Case, tokens: &[String]) -> Self {
        let recorder = PrometheusBuilder::new().set_buckets(&DURATION_BUCKETS).expect("buckets");
        recorder.install_recorder().expect("the only recorder");
        let server = |builder: orgate::server::Builder| builder.build().expect("a server");
        let mut line = |server| Line::add(rounds, &load(guarded(&server), "/products", tokens), BATCH);
        let off = line(case.server());
        let metrics = line(server(case.builder().metrics()));
        let lines = JsonLines::builder().writer(std::io::sink());
        let json_lines = line(server(case.builder().observer(lines)));
        let policy = || resource().scope("read:products");
        let shadow = case.server().guard().get("/products", || async { "products" }, policy().shadow(policy()));
        let shadow = Line::add(rounds, &load(shadow.into_router().expect("a router"), "/products", tokens), BATCH);
        Self {
            off,
            watched: vec![
                ("metrics", metrics, Some(60.0)),
                ("JSON lines", json_lines, Some(500.0)),
                ("shadow of an equal policy", shadow, None),
            ],
        }
    }

    pub(crate) fn print(&self, table: &Table, measured: &Measured) {
        table.section("A hit that is watched (time beyond the same without, and its ratio)");
        self.off.print(table, measured, "off");
        for (name, line, most) in &self.watched {
            let beyond = measured.beyond(line.row, self.off.row);
            let more = line.allocations.saturating_sub(self.off.allocations);
            match most {
                Some(most) => table.aimed(name, beyond, Some(more), &microseconds(*most), beyond <= *most),
                None => table.time(name, beyond, Some(more)),
            }
            let ratio = measured.compare(line.row, self.off.row, |watched, off| watched / off);
            table.line("  times off", &format!("{ratio:.3}"), None, None);
        }
    }
}
