//! The file of changes: whatever a crash or a disk has left of it, what is believed is what was written, and rewriting it
//! loses nothing.

use orgate::change::fuzzing::{FileReading, read_file, write_file};

const HEADER: &[u8] = b"orgate-changes 1\n";

/// A file, or what is left of one; `!` in front writes each line `RANK KEY` as the log would write it.
pub(crate) fn run(data: &[u8]) {
    if let Some(lines) = data.strip_prefix(b"!") {
        let Ok(text) = std::str::from_utf8(lines) else { return };
        let rows = text.lines().filter_map(|line| line.split_once(' ')).filter_map(|(rank, key)| {
            let rank: u64 = rank.parse().ok()?;
            Some((rank, key))
        });
        let rows: Vec<_> = rows.filter(|(_, key)| *key != "opened").collect();
        let reading = read_file(write_file(&rows).as_bytes()).expect("what was written is read");
        assert_eq!((reading.damaged, reading.tail), (0, 0));
        for (rank, key) in &rows {
            let kept = reading.rows.iter().find(|(known, _)| known == key).expect("each row").1;
            assert!(kept >= *rank);
        }
        return;
    }
    let mut file = HEADER.to_vec();
    file.extend_from_slice(data);
    for bytes in [data, &file] {
        let Some(reading) = read_file(bytes) else { continue };
        assert!(reading.end + reading.tail == bytes.len() as u64, "{reading:?}");
        assert!(reading.rows.len() as u64 + reading.damaged <= 1 + bytes.split(|byte| *byte == b'\n').count() as u64);
        check(&reading);
    }
}

/// What was believed is believed again once it is rewritten.
fn check(reading: &FileReading) {
    let rows: Vec<(u64, &str)> = reading.rows.iter().map(|(key, rank)| (*rank, &**key)).collect();
    let again = read_file(write_file(&rows).as_bytes()).expect("what was written is read");
    assert_eq!(again.rows, reading.rows);
}
