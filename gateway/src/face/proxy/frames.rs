/// Where a WebSocket is in its frames (RFC 6455 section 5.2). What they hold is not looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frames {
    part: Part,
    /// Bytes of the frame that are still to come, once its length is known.
    left: u64,
    is_close: bool,
    has_closed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Opcode,
    Length,
    /// So many bytes of a longer length, and those of the mask behind it.
    Extended(u8, u64),
    Rest,
}

const CLOSE: u8 = 8;
const FIN: u8 = 0x80;

impl Frames {
    /// Goes on to the end of the frame. Returns how many of the bytes belong to it, or `None` if it does not end in them.
    pub(super) fn end_of_frame(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            match self.part {
                Part::Opcode => {
                    self.is_close = byte & 0x0f == CLOSE;
                    (self.part, rest) = (Part::Length, after);
                }
                Part::Length => {
                    let mask = if byte & 0x80 == 0 { 0 } else { 4 };
                    (self.part, self.left) = match byte & 0x7f {
                        126 => (Part::Extended(2, mask), 0),
                        127 => (Part::Extended(8, mask), 0),
                        length => (Part::Rest, u64::from(length) + mask),
                    };
                    rest = after;
                }
                Part::Extended(more, mask) => {
                    self.left = self.left << 8 | u64::from(byte);
                    if more > 1 {
                        self.part = Part::Extended(more - 1, mask);
                    } else {
                        (self.part, self.left) = (Part::Rest, self.left.saturating_add(mask));
                    }
                    rest = after;
                }
                Part::Rest => {
                    let skipped = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
                    self.left -= skipped as u64;
                    rest = rest.get(skipped..).unwrap_or_default();
                }
            }
            if self.part == Part::Rest && self.left == 0 {
                self.part = Part::Opcode;
                self.has_closed |= self.is_close;
                return Some(bytes.len() - rest.len());
            }
        }
        None
    }

    /// Goes on over all of these bytes.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while let Some(end) = self.end_of_frame(bytes) {
            bytes = bytes.get(end..).unwrap_or_default();
        }
    }

    /// Returns whether a frame has just ended, or none has begun.
    pub(super) fn are_between(&self) -> bool {
        self.part == Part::Opcode
    }

    /// Returns whether a close frame has passed: nothing may follow it.
    pub(super) const fn have_closed(&self) -> bool {
        self.has_closed
    }
}

/// Returns a server's close frame (RFC 6455 section 5.5.1). A reason is at most 123 bytes long.
pub(super) fn close(code: u16, reason: &'static str) -> Vec<u8> {
    let reason = reason.as_bytes().get(..123).unwrap_or(reason.as_bytes());
    let length = u8::try_from(2 + reason.len()).unwrap_or(2);
    [&[FIN | CLOSE, length], &code.to_be_bytes()[..], reason].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(opcode: u8, length: usize, is_masked: bool) -> Vec<u8> {
        let mask = if is_masked { 0x80 } else { 0 };
        let mut frame = vec![FIN | opcode];
        match length {
            0..126 => frame.push(mask | u8::try_from(length).unwrap()),
            126..65536 => {
                frame.push(mask | 0x7e);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(mask | 0x7f);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(std::iter::repeat_n(0x88, length + if is_masked { 4 } else { 0 }));
        frame
    }

    proptest! {
        #[test]
        fn ends_are_found_however_the_bytes_arrive(
            shapes in prop::collection::vec((0_u8..16, prop_oneof![0..130_usize, 65_530..65_545_usize], any::<bool>()), 1..5),
            cuts in prop::collection::vec(1..70_000_usize, 1..20),
        ) {
            let frames: Vec<Vec<u8>> = shapes.iter().map(|(opcode, length, mask)| frame(*opcode, *length, *mask)).collect();
            let (mut state, mut found, mut at) = (Frames::default(), Vec::new(), 0);
            let bytes = frames.concat();
            let mut cuts = cuts.iter().cycle();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (mut part, after) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                while let Some(end) = state.end_of_frame(part) {
                    at += end;
                    found.push(at);
                    part = &part[end..];
                }
                prop_assert_eq!(state.are_between(), part.is_empty());
                at += part.len();
                rest = after;
            }
            let mut end = 0;
            let expected: Vec<usize> = frames.iter().map(|frame| { end += frame.len(); end }).collect();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(state.have_closed(), shapes.iter().any(|(opcode, ..)| *opcode == CLOSE));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            Frames::default().pass(&bytes);
        }
    }

    #[test]
    fn close_frame_holds_code_and_reason_and_is_one_frame() {
        let frame = close(1012, "retry");
        assert_eq!(frame, [0x88, 7, 0x03, 0xf4, b'r', b'e', b't', b'r', b'y']);
        let mut frames = Frames::default();
        assert_eq!(frames.end_of_frame(&frame), Some(frame.len()));
        assert!(frames.have_closed());
    }
}
