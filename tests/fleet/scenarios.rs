//! The scenarios of a fleet: each has a test of its name.

use std::path::Path;

/// What can happen to a fleet, in the order of the design, and where its test is.
const SCENARIOS: [(&str, &[&str]); 13] = [
    (
        "tests/fleet/redis/facts.rs",
        &[
            "1 webhook_reaches_every_replica",
            "2 manual_revocation_too",
            "4 late_older_event_changes_nothing",
            "5 same_event_at_all_replicas_is_one_entry",
            "6 same_moment_stays_suspended",
            "8 fact_from_the_year_2100_is_rejected",
        ],
    ),
    ("src/change/row.rs", &["3 every_kind_survives_the_round_trip"]),
    ("tests/fleet/redis/live.rs", &["7 change_drops_live_snapshots_elsewhere", "16 slow_reader_reconciles_after_trim"]),
    (
        "tests/fleet/redis/start.rs",
        &[
            "9 start_loads_before_it_serves",
            "10 start_without_redis",
            "12 flushall_with_a_replica_starting",
            "13 empty_store_and_nobody_alive",
        ],
    ),
    ("tests/fleet/redis/random.rs", &["11 snapshot_and_tail_leave_no_gap"]),
    (
        "tests/fleet/redis/loss.rs",
        &[
            "14 flushall_is_healed",
            "15 deleted_feed",
            "17 deleted_row_comes_back",
            "18 restart_without_persistence",
            "19 restart_from_older_rdb",
            "20 fork_overtaken_by_new_entries",
            "21 primary_dies_after_ok",
        ],
    ),
    (
        "tests/fleet/redis/servers.rs",
        &[
            "22 sentinel_failover",
            "23 demoted_primary_answers_readonly",
            "24 split_brain_with_copies",
            "25 hung_server",
            "26 oom_keeps_pending",
            "27 noperm_says_which_command",
            "28 wrong_password_or_ca",
        ],
    ),
    ("tests/two_providers/src/lib.rs", &["29 two_crypto_providers_do_not_panic"]),
    (
        "tests/fleet/redis/network.rs",
        &[
            "30 cut_both_ways",
            "31 cut_to_redis",
            "32 cut_from_redis",
            "33 drip_then_recovery",
            "34 webhook_at_a_cut_off_replica",
            "35 clock_of_a_replica_an_hour_off",
        ],
    ),
    (
        "tests/fleet/redis/policy.rs",
        &["36 refuse_when_behind", "37 go_on_when_behind", "39 server_dropped_leaves_no_task"],
    ),
    (
        "tests/fleet/redis/trust.rs",
        &[
            "40 wrong_mac_is_skipped_dropped_and_pushed_again",
            "41 key_rotation",
            "42 unknown_kind_is_counted",
            "43 two_fleets_in_one_redis_do_not_meet",
            "44 hundred_thousand_rows",
            "45 full_table_becomes_coarser",
            "46 ended_rows_are_dropped_once",
        ],
    ),
    ("tests/fleet/redis/path.rs", &["38 request_path_never_waits"]),
    (
        "tests/fleet/redis/beside.rs",
        &["47 proof_replayed_at_another_replica", "48 proof_check_times_out_by_policy", "49 budget_is_shared_out"],
    ),
];

/// Whether the file has a test of this name that runs by itself.
fn has_test(source: &str, name: &str) -> bool {
    let Some((before, _)) = source.split_once(&format!("fn {name}(")) else { return false };
    let lines = before.rsplit_once('\n').map_or("", |(lines, _)| lines).lines().rev();
    let attributes: Vec<&str> = lines.map(str::trim).take_while(|line| line.starts_with(['#', '/'])).collect();
    attributes.iter().any(|line| line.contains("test]") || line.contains("test(flavor"))
        && !attributes.iter().any(|line| line.contains("ignore"))
}

#[test]
fn every_scenario_has_a_test() {
    let mut numbers = Vec::new();
    for (path, scenarios) in &SCENARIOS {
        let source = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
        for scenario in *scenarios {
            let (number, name) = scenario.split_once(' ').unwrap();
            assert!(has_test(&source, name), "{scenario}: {path}");
            numbers.push(number.parse::<u32>().unwrap());
        }
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=49).collect::<Vec<_>>());
}

#[test]
fn test_that_is_left_out_or_ignored_is_found() {
    let source = "#[test]\nfn one() {}\n\n#[tokio::test]\n#[ignore]\nasync fn two() {}\n\nasync fn three() {}\n";
    assert_eq!(["one", "two", "three", "four"].map(|name| has_test(source, name)), [true, false, false, false]);
}
