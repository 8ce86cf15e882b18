//! The table, as it is printed.

/// Prints lines under one head, with a target where there is one.
pub(crate) struct Table;

impl Table {
    pub(crate) fn start() -> Self {
        println!("{:<44}{:>12}{:>8}   {:<34}met", "", "median", "allocs", "target");
        Self
    }

    #[allow(clippy::unused_self, reason = "a table has a head")]
    pub(crate) fn section(&self, title: &str) {
        println!("\n{title}");
    }

    /// A time in nanoseconds, shown in microseconds.
    pub(crate) fn time(&self, name: &str, time: f64, allocations: Option<u64>) {
        self.line(name, &microseconds(time), allocations, None);
    }

    /// A time in nanoseconds, and what it should be.
    pub(crate) fn aimed(&self, name: &str, time: f64, allocations: Option<u64>, target: &str, met: bool) {
        self.line(name, &microseconds(time), allocations, Some((target, met)));
    }

    /// Any value.
    #[allow(clippy::unused_self, reason = "a table has a head")]
    pub(crate) fn line(&self, name: &str, value: &str, allocations: Option<u64>, target: Option<(&str, bool)>) {
        let allocations = allocations.map_or_else(String::new, |count| count.to_string());
        match target {
            None => println!("  {name:<42}{value:>12}{allocations:>8}"),
            Some((target, met)) => {
                println!("  {name:<42}{value:>12}{allocations:>8}   {target:<34}{}", if met { "yes" } else { "NO" });
            }
        }
    }
}

pub(crate) fn microseconds(nanoseconds: f64) -> String {
    format!("{:.2} µs", nanoseconds / 1000.0)
}
