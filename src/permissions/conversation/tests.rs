use super::*;
use Remediation::{None as Nothing, Reconsent, Refresh, RequestScope};

mod histories;
mod simulation;
mod step_up;
mod world;

const NOON: f64 = 1_800_000_000.0;
const HOUR: f64 = 3600.0;

/// A token by its number, issued so many seconds after noon.
fn token(number: u8, issued: f64) -> Presented {
    Presented { digest: [number; 32], issued_at: Some(NOON + issued), expires_at: NOON + issued + HOUR }
}

/// So many seconds after noon, at an issuer whose clock is ours as far as is known.
fn at(seconds: f64) -> Moment {
    let monotonic = Duration::from_secs_f64(HOUR * 10.0 + seconds);
    Moment { now: Now::new(Duration::from_secs_f64(NOON + seconds), monotonic), lead: 0.0 }
}

#[derive(Default)]
struct Talk(Conversation);

impl Talk {
    /// Whether the subject holds it follows from the difference.
    fn hears(&mut self, token: Presented, difference: Difference, moment: Moment) -> Remediation {
        self.0.answer(token, difference, difference != Difference::Lost, moment).step
    }
}

#[test]
fn each_step_is_left_at_the_third_token_that_counts() {
    for (difference, steps) in [
        (Difference::Lost, &[Refresh, Refresh, Refresh, Nothing, Nothing][..]),
        (
            Difference::GainedInOrganization,
            &[Refresh, Refresh, Refresh, Reconsent, Reconsent, Reconsent, Nothing, Nothing],
        ),
        (Difference::GainedForApi, &[Reconsent, Reconsent, Reconsent, Nothing, Nothing]),
        (Difference::GainedByMachine, &[RequestScope, RequestScope, RequestScope, Nothing, Nothing]),
        (Difference::SignIn, &[Remediation::StepUp, Remediation::StepUp, Remediation::StepUp, Nothing, Nothing]),
    ] {
        let mut talk = Talk::default();
        for (number, step) in (0..).zip(steps) {
            let heard = talk.hears(token(number, 0.0), difference, at(0.0));
            assert_eq!(heard, *step, "{difference:?}, token {number}");
        }
        for (number, step) in (0..).zip(steps) {
            let heard = talk.hears(token(number, 0.0), difference, at(0.0));
            assert_eq!(heard, *step, "the same token hears the same: {difference:?}, token {number}");
        }
    }
}

#[test]
fn gained_permissions_differ_by_subject_and_model() {
    for (kind, in_organization, expected) in [
        (SubjectKind::User, true, Difference::GainedInOrganization),
        (SubjectKind::User, false, Difference::GainedForApi),
        (SubjectKind::Unknown, true, Difference::GainedInOrganization),
        (SubjectKind::Unknown, false, Difference::GainedForApi),
        (SubjectKind::Machine, true, Difference::GainedByMachine),
        (SubjectKind::Machine, false, Difference::GainedByMachine),
    ] {
        assert_eq!(Difference::gained(kind, in_organization), expected);
    }
}

#[test]
fn provably_older_tokens_do_not_count() {
    for (issued, lead, counts) in [
        (-1.0, 0.0, false),
        (0.0, 0.0, true),
        (-1.0, -0.5, true),
        (-2.0, -1.0, false),
        (-61.0, -60.0, false),
        (-60.0, -60.0, true),
        (29.0, 30.0, false),
        (30.0, 30.0, true),
    ] {
        let mut talk = Talk::default();
        let moment = Moment { lead, ..at(0.0) };
        talk.hears(token(0, -1000.0), Difference::Lost, moment);
        for number in 1..4 {
            talk.hears(token(number, issued), Difference::Lost, moment);
        }
        let heard = talk.hears(token(9, 100.0), Difference::Lost, moment);
        assert_eq!(heard, if counts { Nothing } else { Refresh }, "issued at {issued}, lead {lead}");
    }
}

#[test]
fn tokens_without_iat_count() {
    let mut talk = Talk::default();
    let undated = |number| Presented { issued_at: None, ..token(number, 0.0) };
    let heard = [0, 0, 1, 2, 3].map(|number| talk.hears(undated(number), Difference::Lost, at(0.0)));
    assert_eq!(heard, [Refresh, Refresh, Refresh, Refresh, Nothing]);
}

#[test]
fn tokens_older_than_the_conversation_hear_the_first_step_and_others_the_present_one() {
    let mut talk = Talk::default();
    let difference = Difference::GainedInOrganization;
    for number in 0..3 {
        assert_eq!(talk.hears(token(number, 0.0), difference, at(0.0)), Refresh);
    }
    assert_eq!(talk.hears(token(3, 10.0), difference, at(10.0)), Reconsent);
    for number in 10..20 {
        assert_eq!(talk.hears(token(number, -10.0), difference, at(11.0)), Refresh, "another device");
    }
    for number in 20..30 {
        assert_eq!(talk.hears(token(number, 5.0), difference, at(11.0)), Reconsent, "issued meanwhile");
    }
    let heard = [30, 31, 32].map(|number| talk.hears(token(number, 12.0), difference, at(12.0)));
    assert_eq!(heard, [Reconsent, Reconsent, Nothing], "none of those counted");
    assert_eq!(talk.hears(token(30, 12.0), difference, at(13.0)), Reconsent);
}

#[test]
fn renewals_at_reconsent_do_not_count() {
    for (late, counts) in [(-301.0, true), (-300.0, false), (0.0, false), (300.0, false), (301.0, true)] {
        let mut talk = Talk::default();
        let mut issued = 0.0;
        let mut asked = 0.0;
        for number in 0..10 {
            // Another device asks every nine minutes.
            let other = Presented { expires_at: NOON - HOUR, ..token(200, -10.0) };
            while asked < issued {
                talk.hears(other, Difference::GainedForApi, at(asked));
                asked += 540.0;
            }
            let heard = talk.hears(token(number, issued), Difference::GainedForApi, at(issued));
            let is_over = counts && number >= 3;
            assert_eq!(heard, if is_over { Nothing } else { Reconsent }, "{late} s late, token {number}");
            issued += HOUR + late;
        }
    }
}

#[test]
fn renewals_count_at_other_steps() {
    let mut talk = Talk::default();
    for (number, expected) in (0..).zip([Refresh, Refresh, Refresh, Nothing]) {
        let short = Presented { expires_at: NOON + 10.0, ..token(number, 0.0) };
        assert_eq!(talk.hears(short, Difference::Lost, at(0.0)), expected);
    }
}

#[test]
fn a_change_of_what_is_held_starts_anew_and_a_pass_does_not() {
    let mut talk = Talk::default();
    for number in 0..4 {
        talk.hears(token(number, 0.0), Difference::GainedForApi, at(0.0));
    }
    talk.0.see(true);
    assert_eq!(talk.hears(token(4, 0.0), Difference::GainedForApi, at(0.0)), Nothing, "a pass");
    talk.0.see(false);
    assert_eq!(talk.hears(token(4, 0.0), Difference::GainedForApi, at(0.0)), Reconsent);
    assert_eq!(talk.hears(token(5, 0.0), Difference::Lost, at(0.0)), Refresh, "lost");
    for (number, expected) in (6..).zip([Refresh, Refresh, Nothing]) {
        assert_eq!(talk.hears(token(number, 0.0), Difference::Lost, at(0.0)), expected);
    }
    assert_eq!(talk.hears(token(8, 0.0), Difference::GainedForApi, at(0.0)), Reconsent);
}

#[test]
fn ten_minutes_of_silence_start_anew() {
    for (silence, expected) in [(599.0, Nothing), (600.0, Refresh)] {
        let mut talk = Talk::default();
        for number in 0..4 {
            talk.hears(token(number, 0.0), Difference::Lost, at(0.0));
        }
        assert_eq!(talk.hears(token(3, 0.0), Difference::Lost, at(500.0)), Nothing);
        assert_eq!(talk.hears(token(4, 500.0), Difference::Lost, at(500.0 + silence)), expected);
    }
}

#[test]
fn steps_only_go_up_when_the_difference_changes() {
    // Of `any_of(a, b)` the token has one and the subject the other.
    let mut talk = Talk::default();
    let mut hears = |number, difference| talk.0.answer(token(number, 0.0), difference, true, at(0.0));
    assert_eq!(hears(0, Difference::Lost).step, Refresh);
    assert_eq!(hears(1, Difference::GainedForApi), Answer { step: Reconsent, left: Some(Refresh) });
    assert_eq!(hears(2, Difference::Lost).step, Refresh);
    assert_eq!(hears(3, Difference::GainedForApi).step, Reconsent);
    assert_eq!(hears(4, Difference::GainedForApi), Answer { step: Nothing, left: Some(Reconsent) });
    assert_eq!(hears(5, Difference::Lost), Answer { step: Nothing, left: None });
}

#[test]
fn a_step_that_is_left_is_told_once() {
    let mut talk = Conversation::default();
    let left: Vec<_> =
        (0..6).map(|number| talk.answer(token(number, 0.0), Difference::Lost, false, at(0.0)).left).collect();
    assert_eq!(left, [None, None, None, Some(Refresh), None, None]);
}

#[test]
fn tokens_of_a_conversation_are_bounded() {
    let mut talk = Conversation::default();
    for number in 0..=u8::MAX {
        talk.answer(token(number, 0.0), Difference::Lost, false, at(0.0));
    }
    assert_eq!(talk.told.len(), MOST_TOKENS);
    assert!(talk.size() <= 2 * MOST_TOKENS * size_of::<Told>());
}
