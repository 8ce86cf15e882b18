//! One line of the file.

use std::fmt::Write as _;

/// The first line: what the file is, and in which form.
pub(super) const HEADER: &str = "orgate-changes 1\n";
/// What is written when a log was open: instead of what a fact is about.
pub(super) const OPENED: &str = "opened";
/// Longer ones are not written, and not believed.
pub(super) const MAX_LINE: usize = 8 * 1024 * 1024;

/// Appends a line. `rank` is a fact's, or of [`OPENED`] the milliseconds since the Unix epoch.
pub(super) fn write(lines: &mut String, rank: u64, key: &str) {
    let start = lines.len();
    // Writing to a string does not fail.
    _ = write!(lines, "{rank} {key}");
    let checksum = crc32fast::hash(lines.as_bytes().get(start..).unwrap_or_default());
    lines.insert_str(start, &format!("{checksum:08x} "));
    lines.push('\n');
}

/// Reads a line, without its end. `None` if it is not as it was written.
pub(super) fn read(line: &[u8]) -> Option<(u64, &str)> {
    let line = std::str::from_utf8(line).ok()?;
    let (checksum, rest) = line.split_at_checked(8)?;
    let rest = rest.strip_prefix(' ')?;
    if u32::from_str_radix(checksum, 16).ok()? != crc32fast::hash(rest.as_bytes()) {
        return None;
    }
    let (rank, key) = rest.split_once(' ')?;
    Some((rank.parse().ok()?, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_with_a_changed_byte_is_rejected() {
        let mut lines = String::new();
        write(&mut lines, 7, r#"["i","subject","s"]"#);
        let line = lines.trim_end().as_bytes();
        assert_eq!(read(line), Some((7, r#"["i","subject","s"]"#)));
        for at in 0..line.len() {
            let mut changed = line.to_vec();
            changed[at] ^= 1;
            assert_eq!(read(&changed), None, "byte {at}");
            assert_eq!(read(&line[..at]), None, "cut at {at}");
        }
    }
}
