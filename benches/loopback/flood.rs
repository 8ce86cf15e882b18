//! A flood of forged tokens beside good ones.
//!
//! The load is open: each connection sends when it is time to, and a latency counts from when the request was due, so an
//! answer that comes late is not hidden by the requests that were therefore not sent. Each connection is a thread that
//! blocks, since a runtime's timers are too coarse.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, ParsedPublicKey};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};

use crate::site::Site;
use crate::{Effort, quantile};

const CACHED_RATE: f64 = 400.0;
const NEW_RATE: f64 = 50.0;

/// One kind of request at a steady rate.
#[derive(Clone)]
struct Traffic {
    path: &'static str,
    rate: f64,
    connections: usize,
    tokens: Vec<String>,
}

/// What came back: status, and the time from when it was due in microseconds.
type Answers = Vec<(u16, f64)>;

pub(crate) fn beside_good_tokens(effort: Effort) {
    let check = check_time(&Site::start(1));
    let rate = 0.5 / check;
    println!(
        "\nA flood of forged tokens: {rate:.0} a second, half of what one core can check (ES384, {:.0} µs each),\n\
         beside {CACHED_RATE} cached and {NEW_RATE} new good tokens a second; latencies in µs",
        check * 1e6
    );
    println!("{:<38}{:>12}{:>12}{:>12}{:>12}{:>10}", "", "cached p50", "cached p99", "new p50", "new p99", "new 503");
    for threads in effort.threads {
        let site = Site::start(*threads);
        let forged: Vec<String> = (0..256).map(|_| site.token().forged().mint()).collect();
        let known = site.tokens(64);
        let traffic =
            |path, rate, connections, tokens: &[String]| Traffic { path, rate, connections, tokens: tokens.to_vec() };
        run(site.address, &[traffic("/hit", 640.0, 1, &known)], 0.1);
        let floods = [
            ("no flood", None),
            ("forged tokens", Some(traffic("/hit", rate, 24, &forged))),
            ("as much to a route that answers 401", Some(traffic("/401", rate, 24, &forged))),
        ];
        let mut answers: [[Answers; 2]; 3] = Default::default();
        for _ in 0..effort.rounds.div_ceil(3) {
            for ((_, flood), answers) in floods.iter().zip(&mut answers) {
                let seconds = effort.seconds * 3.0;
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred")]
                let new = site.tokens((NEW_RATE * seconds) as usize + 8);
                let mut all = vec![traffic("/hit", CACHED_RATE, 8, &known), traffic("/hit", NEW_RATE, 4, &new)];
                all.extend(flood.clone());
                let came = run(site.address, &all, seconds);
                answers[0].extend(&came[0]);
                answers[1].extend(&came[1]);
            }
        }
        for ((name, _), [cached, new]) in floods.iter().zip(&answers) {
            assert!(cached.iter().all(|(status, _)| *status == 200), "a cached token was refused");
            assert!(new.iter().all(|(status, _)| [200, 503].contains(status)), "a good token was refused");
            let at = |answers: &Answers, share| quantile(answers.iter().map(|(_, took)| *took).collect(), share);
            let busy = new.iter().filter(|(status, _)| *status == 503).count();
            #[allow(clippy::cast_precision_loss, reason = "a few hundred")]
            let busy = busy as f64 / new.len() as f64 * 100.0;
            println!(
                "{:<38}{:>12.0}{:>12.0}{:>12.0}{:>12.0}{busy:>8.1} %",
                format!("{name}, {} thread{}", site.threads, if site.threads == 1 { "" } else { "s" }),
                at(cached, 0.5),
                at(cached, 0.99),
                at(new, 0.5),
                at(new, 0.99),
            );
        }
    }
}

/// Seconds of one check.
#[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn check_time(site: &Site) -> f64 {
    let jwks: serde_json::Value = serde_json::from_str(&site.issuer.jwks_json()).expect("a key set");
    let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url");
    let number = |name: &str| decode(jwks["keys"][0][name].as_str().expect("a number of the key"));
    let key = ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, [vec![4], number("x"), number("y")].concat());
    let (key, token) = (key.expect("a key"), site.token().mint());
    let (message, signature) = token.rsplit_once('.').expect("a JWT");
    let signature = decode(signature);
    // By the clock on the wall: what others take of the processor is not there for checks either.
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < Duration::from_secs(1) {
        key.verify_sig(message.as_bytes(), &signature).expect("a valid signature");
        count += 1;
    }
    start.elapsed().as_secs_f64() / f64::from(count)
}

/// All of the traffic at the same time.
#[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn run(address: SocketAddr, traffic: &[Traffic], seconds: f64) -> Vec<Answers> {
    let start = Instant::now() + Duration::from_millis(50);
    std::thread::scope(|scope| {
        let kinds: Vec<Vec<_>> = traffic
            .iter()
            .map(|traffic| {
                let each = |number| scope.spawn(move || connection(address, traffic, number, start, seconds));
                (0..traffic.connections).map(each).collect()
            })
            .collect();
        let answers = |threads: Vec<std::thread::ScopedJoinHandle<'_, Answers>>| {
            threads.into_iter().flat_map(|thread| thread.join().expect("a connection")).collect()
        };
        kinds.into_iter().map(answers).collect()
    })
}

#[allow(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark reads the clock; small numbers"
)]
fn connection(address: SocketAddr, traffic: &Traffic, number: usize, start: Instant, seconds: f64) -> Answers {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("an option");
    let mut buffer = Vec::new();
    let count = (traffic.rate * seconds) as usize;
    // Every so many-th request of its kind.
    let own = (number..count).step_by(traffic.connections);
    own.map(|request| {
        let due = start + Duration::from_secs_f64(request as f64 / traffic.rate);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let token = &traffic.tokens[request % traffic.tokens.len()];
        let text = format!("GET {} HTTP/1.1\r\nhost: api\r\nauthorization: Bearer {token}\r\n\r\n", traffic.path);
        stream.write_all(text.as_bytes()).expect("to send");
        let status = answer(&mut stream, &mut buffer);
        (status, due.elapsed().as_secs_f64() * 1e6)
    })
    .collect()
}

/// Reads one answer, and returns its status.
fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> u16 {
    buffer.clear();
    let mut part = [0; 2048];
    loop {
        let read = stream.read(&mut part).expect("an answer");
        assert!(read > 0, "the server hung up");
        buffer.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(buffer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or("0", str::trim);
        if body.len() >= length.parse().expect("a length") {
            return head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        }
    }
}
