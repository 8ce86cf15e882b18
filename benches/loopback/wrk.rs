//! Throughput, as `wrk` sees it, and what each request costs the server.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::site::Site;
use crate::{Effort, median};

const ROUTES: [&str; 3] = ["/open", "/hit", "/miss"];
const CONNECTIONS: &str = "16";

/// Tokens in turn. They are sent to the open route as well: all that differs is what the server does with them.
const SCRIPT: &str = r#"
local requests, last = {}, 0
function init(args)
    for token in io.lines(args[1]) do
        requests[#requests + 1] = wrk.format("GET", nil, { Authorization = "Bearer " .. token })
    end
end
function request()
    last = last % #requests + 1
    return requests[last]
end
"#;

/// One run against one route.
struct Run {
    /// Requests a second.
    rate: f64,
    /// Processor time of this process, in microseconds a request.
    cost: f64,
    /// Answers other than 2xx.
    refused: f64,
}

pub(crate) fn compare(effort: Effort) {
    println!("Throughput ({CONNECTIONS} connections; the same 64 tokens in turn on every route)");
    println!("{:<24}{:>12}{:>14}{:>16}{:>14}", "", "requests/s", "of no auth", "processor time", "of no auth");
    for threads in effort.threads {
        let site = Site::start(*threads);
        let files = Files::write(&site);
        let mut rounds: Vec<[Run; 3]> = Vec::new();
        for _ in 0..=effort.rounds {
            rounds.push(ROUTES.map(|route| run(&site, route, &files, effort.seconds)));
        }
        // The first round warms up.
        rounds.remove(0);
        for (index, name) in ["no auth", "hit", "miss (cache off)"].into_iter().enumerate() {
            let of = |value: &dyn Fn(&[Run; 3]) -> f64| median(rounds.iter().map(value).collect());
            let rate_ratio = of(&|round| round[index].rate / round[0].rate);
            let cost_ratio = of(&|round| round[0].cost / round[index].cost);
            println!(
                "{:<24}{:>12.0}{:>12.1} %{:>13.2} µs{:>12.1} %",
                format!("{name}, {} thread{}", site.threads, if site.threads == 1 { "" } else { "s" }),
                of(&|round| round[index].rate),
                rate_ratio * 100.0,
                of(&|round| round[index].cost),
                cost_ratio * 100.0,
            );
            if name == "hit" {
                let met = |ratio: f64| if ratio >= 0.95 { "yes" } else { "NO" };
                println!(
                    "{:<24}target: 95 % of no auth or better: {}, by processor time: {}",
                    "",
                    met(rate_ratio),
                    met(cost_ratio)
                );
            }
            let refused: f64 = rounds.iter().map(|round| round[index].refused).sum();
            if refused > 0.0 {
                println!("{:<24}{refused:.0} were told to come again: no signature check was free in time", "");
            }
        }
    }
}

struct Files {
    script: PathBuf,
    tokens: PathBuf,
}

impl Files {
    fn write(site: &Site) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let files = Self { script: folder.join("wrk.lua"), tokens: folder.join("tokens") };
        std::fs::write(&files.script, SCRIPT).expect("a file");
        std::fs::write(&files.tokens, site.tokens(64).join("\n")).expect("a file");
        files
    }
}

fn run(site: &Site, route: &str, files: &Files, seconds: f64) -> Run {
    let before = processor_time();
    let output = Command::new("wrk")
        .args(["-t", "1", "-c", CONNECTIONS, "-d", &format!("{}s", seconds.ceil()), "-s"])
        .arg(&files.script)
        .arg(format!("http://{}{route}", site.address))
        .arg(&files.tokens)
        .output()
        .expect("wrk: see benches/run, which installs it");
    let used = processor_time() - before;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "wrk: {text}{}", String::from_utf8_lossy(&output.stderr));
    let number = |label: &str| -> Option<f64> {
        let (_, rest) = text.split_once(label)?;
        rest.split_whitespace().next()?.parse().ok()
    };
    // `12345 requests in 1.00s, ..`
    let requests =
        text.split_once(" requests in").and_then(|(before, _)| before.split_whitespace().last()?.parse().ok());
    let requests: f64 = requests.expect("wrk counts its requests");
    Run {
        rate: number("Requests/sec:").expect("wrk prints a rate"),
        cost: used / requests / 1000.0,
        refused: number("Non-2xx or 3xx responses:").unwrap_or_default(),
    }
}

/// What all threads of this process have used so far, in nanoseconds: other load on the machine does not count.
fn processor_time() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let used = tasks.flatten().filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    used.sum()
}
