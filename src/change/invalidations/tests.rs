use proptest::prelude::*;

use super::*;

const QUESTIONS: [Question<'static>; 9] = [
    Question::Api { subject: "u1", is_user: true },
    Question::Organization { subject: "u1", organization: "a", api: false },
    Question::Organization { subject: "u1", organization: "a", api: true },
    Question::Organization { subject: "u2", organization: "b", api: false },
    Question::Api { subject: "m1", is_user: false },
    Question::Organization { subject: "m1", organization: "b", api: true },
    Question::Decision { subject: "u1", organization: None },
    Question::Decision { subject: "u1", organization: Some("a") },
    Question::Decision { subject: "u2", organization: Some("b") },
];

#[allow(clippy::unnecessary_wraps, reason = "as it is passed on")]
fn reported(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

fn epoch(number: u64) -> Epoch {
    Epoch::numbered(number)
}

fn token() -> Introspected<'static, impl Iterator<Item = &'static str>> {
    Introspected { subject: "u1", client: Some("web"), token_id: Some("t"), organizations: ["a"].into_iter() }
}

/// Which of the questions a change makes untrue, and whether it does so for the token.
fn touched(about: &About) -> (Vec<usize>, bool) {
    let mut marks = Marks::default();
    assert!(marks.note(about, epoch(7), reported(1)));
    let stale = QUESTIONS.iter().map(|question| marks.latest(*question) == epoch(7)).collect::<Vec<_>>();
    let stale = stale.iter().enumerate().filter(|(_, stale)| **stale).map(|(index, _)| index).collect();
    (stale, marks.latest_of_token(token()) == epoch(7))
}

#[test]
fn each_change_touches_what_hangs_on_it() {
    for (about, questions, of_token) in [
        (About::subject("u1"), &[0, 1, 2, 6, 7][..], true),
        (About::subject("u2"), &[3, 8], false),
        (About::member("a", "u1"), &[0, 1, 2, 6, 7], true),
        (About::member("b", "u1"), &[0, 6, 7], true),
        (About::member("b", "m1"), &[5], false),
        (About::organization("a"), &[0, 1, 2, 7], true),
        (About::organization("b"), &[0, 3, 5, 8], false),
        (About::OrganizationTemplate, &[0, 1, 2, 3, 5, 6, 7, 8], true),
        (About::ApiPermissions, &[0, 2, 4, 5, 6, 7, 8], true),
        (About::Everything, &[0, 1, 2, 3, 4, 5, 6, 7, 8], true),
        (About::Everyone, &[0, 1, 2, 3, 4, 5, 6, 7, 8], true),
        (About::client("web"), &[], true),
        (About::client("app"), &[], false),
        (About::token("t"), &[], true),
        (About::token("x"), &[], false),
    ] {
        assert_eq!(touched(&about), (questions.to_vec(), of_token), "{about:?}");
    }
}

#[test]
fn a_repeated_or_overtaken_report_changes_nothing() {
    let mut marks = Marks::default();
    let about = About::subject("u1");
    let latest = |marks: &Marks| marks.latest(QUESTIONS[1]);
    assert!(marks.note(&about, epoch(1), reported(100)));
    assert!(!marks.note(&about, epoch(2), reported(100)), "repeated");
    assert!(!marks.note(&about, epoch(3), reported(39)), "overtaken for longer than clocks differ");
    assert_eq!(latest(&marks), epoch(1));
    assert!(marks.note(&about, epoch(4), reported(101)));
    assert_eq!(latest(&marks), epoch(4));
    // Without a moment it is news each time, and what was known of the moments stays.
    assert!(marks.note(&about, epoch(5), None) && marks.note(&about, epoch(6), None));
    assert!(!marks.note(&about, epoch(7), reported(101)));
    assert!(!marks.note(&about, epoch(8), reported(40)));
    assert_eq!(latest(&marks), epoch(6));
}

#[test]
fn events_of_two_nodes_whose_clocks_differ_are_both_news() {
    let mut marks = Marks::default();
    let about = About::member("a", "u1");
    assert!(marks.note(&about, epoch(1), reported(100)));
    assert!(marks.note(&about, epoch(2), reported(99)), "of a node that is a second behind");
    assert!(marks.note(&about, epoch(3), reported(40)), "of a node that is a minute behind");
    assert_eq!(marks.latest(QUESTIONS[1]), epoch(3));
    // The latest moment stays.
    assert!(!marks.note(&about, epoch(4), reported(100)) && !marks.note(&about, epoch(5), reported(39)));
}

#[test]
fn too_many_marks_become_one() {
    let mut marks = Marks::default();
    for number in 0..=MOST_MARKS {
        let at = epoch(u64::try_from(number).unwrap() + 1);
        marks.note(&About::subject(number.to_string()), at, reported(1));
    }
    assert_eq!((marks.subjects.len(), marks.count), (1, 1));
    let last = epoch(MOST_MARKS as u64 + 1);
    assert!(QUESTIONS.iter().all(|question| marks.latest(*question) == last));
    assert_eq!((marks.latest_of_token(token()), marks.latest_of_all()), (last, last));
    // Members count as well, each in two maps.
    let mut marks = Marks::default();
    for number in 0..MOST_MARKS {
        marks.note(&About::member("a", number.to_string()), epoch(1), None);
    }
    let held: usize = marks.organizations.values().map(|marks| marks.members.len()).sum();
    assert!(held + marks.subjects.len() <= MOST_MARKS + 3, "{held}");
}

#[test]
fn only_wide_changes_are_remembered_as_such() {
    let invalidations = Invalidations::default();
    invalidations.note(&About::subject("u1"), epoch(1), None, Duration::from_secs(5));
    assert_eq!(invalidations.wide(), None);
    invalidations.note(&About::ApiPermissions, epoch(2), None, Duration::from_secs(6));
    assert_eq!(invalidations.wide(), Some(Duration::from_secs(6)));
    assert_eq!(invalidations.latest_of_all(), epoch(2));
}

proptest! {
    #[test]
    fn a_mark_never_goes_back(changes in prop::collection::vec((0..11_usize, prop::option::of(0..5_u64)), 0..40)) {
        let kinds = [
            About::subject("u1"),
            About::member("a", "u1"),
            About::member("b", "m1"),
            About::organization("a"),
            About::organization("b"),
            About::OrganizationTemplate,
            About::ApiPermissions,
            About::Everything,
            About::Everyone,
            About::client("web"),
            About::token("t"),
        ];
        let all = |marks: &Marks| {
            let mut all: Vec<Epoch> = QUESTIONS.iter().map(|question| marks.latest(*question)).collect();
            all.extend([marks.latest_of_token(token()), marks.latest_of_all()]);
            all
        };
        let mut marks = Marks::default();
        let mut before = all(&marks);
        for (at, (kind, changed)) in (1..).zip(changes) {
            marks.note(&kinds[kind], epoch(at), changed.and_then(reported));
            let after = all(&marks);
            prop_assert!(before.iter().zip(&after).all(|(before, after)| before <= after));
            before = after;
        }
    }
}

#[test]
fn each_mark_is_counted_once() {
    let mut marks = Marks::default();
    for (about, count) in [
        (About::subject("u1"), 1),
        (About::subject("u1"), 1),
        (About::subject("u2"), 2),
        (About::organization("a"), 3),
        (About::organization("a"), 3),
        (About::member("a", "u1"), 4),
        (About::member("a", "u1"), 4),
        (About::member("a", "u3"), 6),
        (About::member("b", "u1"), 8),
        (About::member("c", "u4"), 11),
        (About::client("web"), 12),
        (About::client("web"), 12),
        (About::token("t"), 13),
        (About::organization("d"), 14),
        (About::Everyone, 14),
        (About::OrganizationTemplate, 14),
    ] {
        marks.note(&about, epoch(1), None);
        assert_eq!(marks.count, count, "{about:?}");
    }
}
