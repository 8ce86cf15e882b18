//! What clients hear whose users must sign in again.

use http::HeaderMap;
use http::header::DATE;

use super::world::LEEWAY;
use super::*;
use crate::issuer::IssuerClock;
use Remediation::StepUp;

/// A token with the time of its user's sign-in, where that was the right one.
#[derive(Clone, Copy, Debug)]
struct Token {
    number: u32,
    issued_at: f64,
    signed_in: Option<f64>,
}

/// One user, one client on several devices, and a route that wants a sign-in of a kind, not too long ago.
struct World {
    conversation: Conversation,
    clock: IssuerClock,
    time: f64,
    ahead: f64,
    lifetime: f64,
    max_age: f64,
    tokens: u32,
}

impl World {
    fn new((ahead, date_known): (f64, bool), lifetime: f64, max_age: f64) -> Self {
        let clock = IssuerClock::default();
        let world =
            Self { conversation: Conversation::default(), clock, time: NOON, ahead, lifetime, max_age, tokens: 0 };
        if date_known {
            let date = std::time::UNIX_EPOCH + Duration::from_secs_f64(world.time);
            let date = httpdate::fmt_http_date(date).parse().unwrap();
            world.clock.see_response(&HeaderMap::from_iter([(DATE, date)]), LEEWAY, world.now());
        }
        world
    }

    fn now(&self) -> Now {
        let monotonic = Duration::from_secs_f64(self.time - NOON + 7200.0);
        Now::new(Duration::from_secs_f64(self.time + self.ahead), monotonic)
    }

    fn mint(&mut self, signed_in: Option<f64>) -> Token {
        self.tokens += 1;
        Token { number: self.tokens, issued_at: self.time.floor(), signed_in }
    }

    /// Its user signs in, and the issuer says how.
    fn signs_in(&mut self) -> Token {
        self.mint(Some(self.time.floor()))
    }

    /// What the token is told; `None` if it passes.
    fn show(&mut self, token: Token) -> Option<Remediation> {
        let now = self.now();
        self.clock.see_token(token.issued_at, now);
        let good_at = |moment: f64| token.signed_in.is_some_and(|signed_in| moment - signed_in <= self.max_age);
        if good_at(now.unix.as_secs_f64()) {
            return None;
        }
        let difference = if good_at(token.issued_at) { Difference::SignInAgain } else { Difference::SignIn };
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&token.number.to_be_bytes());
        let expires_at = token.issued_at + self.lifetime;
        let presented = Presented { digest, issued_at: Some(token.issued_at), expires_at };
        let moment = Moment { now, lead: self.clock.lead(LEEWAY, now) };
        Some(self.conversation.answer(presented, difference, true, moment).step)
    }
}

fn settings() -> impl Iterator<Item = (f64, bool)> {
    [0.0, 60.0, -60.0].into_iter().flat_map(|ahead| [(ahead, true), (ahead, false)])
}

#[test]
fn client_that_obeys_signs_its_user_in_once_on_each_device() {
    for (setting, devices) in settings().flat_map(|setting| [1, 2, 3, 7, 20].map(|devices| (setting, devices))) {
        let mut world = World::new(setting, HOUR, HOUR);
        let tokens: Vec<Token> = (0..devices).map(|_| world.mint(None)).collect();
        world.time += 100.0;
        for token in tokens {
            assert_eq!(world.show(token), Some(StepUp), "{setting:?} {devices}");
            world.time += 20.0;
            let token = world.signs_in();
            world.time += 0.3;
            assert_eq!(world.show(token), None, "{setting:?} {devices}");
        }
    }
}

#[test]
fn client_that_only_renews_hears_none_after_two_later_tokens() {
    for (setting, pause) in settings().flat_map(|setting| [0.0, 0.3, 1.5, 20.0].map(|pause| (setting, pause))) {
        for lifetime in [300.0, 600.0, HOUR] {
            let mut world = World::new(setting, lifetime, 60.0);
            let mut token = world.mint(None);
            world.time += 10.0;
            let mut heard = Vec::new();
            for _ in 0..5 {
                heard.push(world.show(token));
                // The same token hears the same.
                assert_eq!(heard.last(), Some(&world.show(token)));
                world.time += pause;
                token = world.mint(None);
                world.time += pause;
            }
            let expected = [StepUp, StepUp, StepUp, Nothing, Nothing].map(Some);
            assert_eq!(heard, expected, "{setting:?} {pause} {lifetime}");
        }
    }
}

#[test]
fn sign_in_passes_whatever_was_said_and_the_next_one_that_is_due_begins_anew() {
    for setting in settings() {
        let mut world = World::new(setting, HOUR, 300.0);
        for _ in 0..4 {
            let token = world.mint(None);
            world.time += 5.0;
            world.show(token);
        }
        let token = world.mint(None);
        assert_eq!(world.show(token), Some(Nothing), "{setting:?}");
        let token = world.signs_in();
        assert_eq!(world.show(token), None, "{setting:?}");
        world.time += 400.0;
        assert_eq!(world.show(token), Some(StepUp), "{setting:?}");
    }
}

/// A minute is shorter than a conversation lasts without a word.
#[test]
fn sign_in_that_is_due_all_day_long_is_always_asked_for() {
    for (setting, max_age) in settings().flat_map(|setting| [150.0, 300.0, 900.0].map(|age| (setting, age))) {
        let mut world = World::new(setting, HOUR, max_age);
        let mut token = world.mint(None);
        for turn in 0..500 {
            assert_eq!(world.show(token), Some(StepUp), "{setting:?} {max_age} turn {turn}");
            world.time += 10.0;
            token = world.signs_in();
            assert_eq!(world.show(token), None, "{setting:?} {max_age} turn {turn}");
            world.time += max_age + 70.0;
        }
    }
}

#[test]
fn renewals_before_the_user_signs_in_never_hear_none() {
    for (setting, devices) in settings().flat_map(|setting| [1_usize, 2, 3].map(|devices| (setting, devices))) {
        for lifetime in [300.0, HOUR] {
            let mut world = World::new(setting, lifetime, 600.0);
            let mut tokens: Vec<Token> = Vec::new();
            for _ in 0..devices {
                tokens.push(world.mint(None));
                world.time += lifetime / 10.0;
            }
            let end = world.time + 8.5 * HOUR;
            while world.time < end {
                for token in &mut tokens {
                    world.time += lifetime / 60.0;
                    // Before the token expires: its client renews it without a look at its user.
                    if world.time >= token.issued_at + lifetime - (0.1 * lifetime).min(240.0) {
                        *token = world.mint(None);
                    }
                    let heard = world.show(*token);
                    assert_eq!(heard, Some(StepUp), "{setting:?} {devices} {lifetime} {}", world.time - NOON);
                }
            }
            let token = world.signs_in();
            assert_eq!(world.show(token), None);
        }
    }
}

/// Another device whose token was good once does not keep a client from hearing that nothing helps.
#[test]
fn device_whose_sign_in_is_over_does_not_delay_the_end_of_another_ones() {
    for setting in settings() {
        let mut world = World::new(setting, HOUR, 300.0);
        let over = world.signs_in();
        world.time += 400.0;
        let mut heard = Vec::new();
        for _ in 0..8 {
            let token = world.mint(None);
            for _ in 0..5 {
                world.time += 1.0;
                assert_eq!(world.show(over), Some(StepUp));
            }
            heard.push(world.show(token));
        }
        assert_eq!(heard.last(), Some(&Some(Nothing)), "{setting:?} {heard:?}");
    }
}
