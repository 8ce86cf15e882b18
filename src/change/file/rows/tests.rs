use std::io::Cursor;

use super::*;

const LINES: [(u64, &str); 4] = [
    (5, r#"["i","subject","s"]"#),
    (7, r#"["i","suspension","s"]"#),
    (9, r#"["i","subject","s"]"#),
    (3, r#"["i","subject","s"]"#),
];

fn file(lines: &[(u64, &str)]) -> String {
    let mut text = HEADER.to_owned();
    for (rank, key) in lines {
        line::write(&mut text, *rank, key);
    }
    text
}

fn model(lines: &[(u64, &str)]) -> HashMap<Box<str>, u64> {
    lines.iter().fold(HashMap::new(), |mut model, (rank, key)| {
        let known = model.entry(Box::from(*key)).or_insert(*rank);
        *known = (*known).max(*rank);
        model
    })
}

fn read(text: impl AsRef<[u8]>) -> Reading {
    Reading::of(Cursor::new(text.as_ref())).unwrap()
}

#[test]
fn file_cut_at_any_byte_keeps_every_whole_line() {
    let text = file(&LINES);
    for cut in 0..=text.len() {
        let reading = read(&text[..cut]);
        let whole = text[..cut].matches('\n').count();
        assert_eq!(reading.rows.0, model(&LINES[..whole.saturating_sub(1)]), "cut at {cut}");
        assert_eq!((reading.end + reading.tail, reading.damaged), (cut as u64, 0), "cut at {cut}");
        assert_eq!(reading.tail == 0, text[..cut].ends_with('\n') || cut == 0, "cut at {cut}");
    }
}

#[test]
fn any_changed_byte_costs_its_line_only() {
    let text = file(&LINES);
    for at in HEADER.len()..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] ^= 0x15;
        let reading = read(&changed);
        let line = text[..at].matches('\n').count() - 1;
        // The end of a line takes the next one along.
        let lost = if text.as_bytes()[at] == b'\n' { line..(line + 2).min(LINES.len()) } else { line..line + 1 };
        let kept: Vec<_> = (0..LINES.len()).filter(|line| !lost.contains(line)).map(|line| LINES[line]).collect();
        assert_eq!(reading.rows.0, model(&kept), "byte {at}");
        assert!(reading.damaged > 0 || reading.tail > 0, "byte {at} is reported");
    }
}

#[test]
fn garbage_and_repeated_tails_change_nothing_else() {
    let text = file(&LINES);
    let second = text[HEADER.len()..].find('\n').unwrap() + HEADER.len() + 1;
    let repeated = format!("{text}{}", &text[second..]);
    assert_eq!(read(&repeated).rows.0, model(&LINES));
    let garbage: [&[u8]; 4] = [&[0; 5000], b"\xff\xfe\n\n\n", b"00000000 1 x\n", b"\n"];
    for garbage in garbage {
        let reading = read([text.as_bytes(), garbage].concat());
        assert_eq!((reading.rows.0, reading.tail), (model(&LINES), garbage.len() as u64));
        let reading = read([text.as_bytes(), garbage, b"\n", &text.as_bytes()[second..]].concat());
        assert_eq!(reading.rows.0, model(&LINES));
        assert!(reading.damaged > 0 && reading.tail == 0);
    }
}

#[test]
fn line_that_is_too_long_is_left_out() {
    let long = "x".repeat(MAX_LINE + 100);
    let text = format!("{HEADER}{long}\n{}", &file(&LINES)[HEADER.len()..]);
    let reading = read(text);
    assert_eq!((reading.rows.0, reading.damaged), (model(&LINES), 1));
}

#[test]
fn another_file_is_rejected() {
    assert!(Reading::of(Cursor::new("x".repeat(MAX_LINE + 1))).is_err());
    for text in ["orgate-changes 2\n", "#!/bin/sh\n", "\n", "orgate-changes 1"] {
        let reading = Reading::of(Cursor::new(text));
        assert_eq!(reading.is_err(), text != "orgate-changes 1", "{text:?}");
    }
}

#[test]
fn facts_that_reject_nothing_are_dropped() {
    let day = Duration::from_secs(24 * 60 * 60);
    let (now, old) = (day * 400, day * 398);
    let rank = |at: Duration, strict| u64::from(Rank::new(std::time::SystemTime::UNIX_EPOCH + at, strict));
    let lines = [
        (rank(old, true), r#"["i","subject","ended"]"#),
        (rank(day * 399, true), r#"["i","subject","in its margin"]"#),
        (rank(day, true), r#"["i","suspension","holds"]"#),
        (rank(old, false), r#"["i","suspension","lifted"]"#),
        (rank(day * 369, false), r#"["i","suspension","lifted long ago"]"#),
        (rank(day, true), r#"["i","of a later version"]"#),
    ];
    let mut rows = read(file(&lines)).rows;
    rows.let_go(Horizon { now, token_life: day });
    assert_eq!(rows.0, model(&[lines[1], lines[2], lines[3], lines[5]]));
    assert_eq!(rows.let_go_of_suspensions(), 1);
    assert_eq!(rows.0, model(&[lines[1], lines[3], lines[5]]));
    let mut rows = read(file(&lines)).rows;
    rows.let_go(Horizon { now, token_life: Duration::MAX });
    assert_eq!(rows.0.len(), 5, "nothing ends by itself but what was lifted");
}
