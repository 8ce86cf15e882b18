//! Lines for a destination that may fail in the middle of one.

use std::io::{self, ErrorKind, Write};

pub(super) struct Lines<W> {
    pub(super) to: W,
    /// Whether the last line was begun and not ended.
    pub(super) is_broken: bool,
}

impl<W: Write> Lines<W> {
    /// Writes a line, and before it the end of one that broke off.
    pub(super) fn write(&mut self, mut line: Vec<u8>) -> io::Result<()> {
        line.push(b'\n');
        if self.is_broken {
            line.insert(0, b'\n');
        }
        let mut rest = &*line;
        while !rest.is_empty() {
            match self.to.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    rest = rest.get(count..).unwrap_or_default();
                    self.is_broken = !rest.is_empty();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
