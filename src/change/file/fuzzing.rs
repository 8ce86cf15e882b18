use super::line;
use super::rows::Reading;

/// What a file of changes says.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileReading {
    /// Each key and its largest rank, sorted.
    pub rows: Vec<(String, u64)>,
    /// Where the last sound line ends.
    pub end: u64,
    /// The bytes behind it.
    pub tail: u64,
    /// The lines before it that are not as they were written.
    pub damaged: u64,
}

/// Reads a file. `None` if it is another one.
#[must_use]
pub fn read_file(bytes: &[u8]) -> Option<FileReading> {
    let Reading { rows, end, tail, damaged, .. } = Reading::of(bytes).ok()?;
    let mut rows: Vec<(String, u64)> = rows.0.into_iter().map(|(key, rank)| (key.into(), rank)).collect();
    rows.sort();
    Some(FileReading { rows, end, tail, damaged })
}

/// Writes a file of these rows.
#[must_use]
pub fn write_file(rows: &[(u64, &str)]) -> String {
    let mut lines = line::HEADER.to_owned();
    for (rank, key) in rows {
        line::write(&mut lines, *rank, key);
    }
    lines
}
