//! One subject, one client on several devices, one permission, an issuer, and an API whose clock is off.

use http::HeaderMap;
use http::header::DATE;

use super::*;
use crate::issuer::IssuerClock;

pub(super) const LEEWAY: Duration = Duration::from_secs(60);
const LIFE: f64 = 3600.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    OrganizationPermission,
    ApiScope,
    Machine,
}

pub(super) struct World {
    conversation: Conversation,
    clock: IssuerClock,
    kind: Kind,
    /// The issuer's time.
    pub(super) time: f64,
    /// How far the API's clock is ahead of the issuer's.
    ahead: f64,
    /// Whether the subject holds the permission, and what the source says if that is something else.
    pub(super) holds: bool,
    pub(super) says: Option<bool>,
    /// Whether the client asks for the scope at its next sign-in, or in its next token request.
    pub(super) asks: bool,
    tokens: u32,
    /// The answers that counted since the conversation began, the first one included.
    pub(super) counted: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    number: u32,
    issued_at: f64,
    pub(super) expires_at: f64,
    pub(super) has_it: bool,
}

/// A device, or an instance of a machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Device {
    /// Whether new tokens hold the permission while the subject does.
    pub(super) granted: bool,
    pub(super) token: Token,
    verified: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    Told(Remediation),
    /// Neither token nor subject holds it.
    Neither,
}

impl World {
    pub(super) fn new(kind: Kind, ahead: f64, date_known: bool) -> Self {
        let world = Self {
            conversation: Conversation::default(),
            clock: IssuerClock::default(),
            kind,
            time: NOON,
            ahead,
            holds: false,
            says: None,
            asks: true,
            tokens: 0,
            counted: 0,
        };
        if date_known {
            world.responds();
        }
        world
    }

    /// The issuer responds with its time.
    fn responds(&self) {
        let date = std::time::UNIX_EPOCH + Duration::from_secs_f64(self.time.floor());
        let date = httpdate::fmt_http_date(date).parse().unwrap();
        self.clock.see_response(&HeaderMap::from_iter([(DATE, date)]), LEEWAY, self.now());
    }

    fn now(&self) -> Now {
        let monotonic = Duration::from_secs_f64(self.time - NOON + 7200.0);
        Now::new(Duration::from_secs_f64(self.time + self.ahead), monotonic)
    }

    pub(super) fn device(&mut self, granted: bool) -> Device {
        Device { granted, token: self.mint(granted), verified: None }
    }

    fn mint(&mut self, granted: bool) -> Token {
        self.tokens += 1;
        let issued_at = self.time.floor();
        Token { number: self.tokens, issued_at, expires_at: issued_at + LIFE, has_it: granted && self.holds }
    }

    pub(super) fn renew(&mut self, device: &mut Device) {
        device.token = self.mint(device.granted);
    }

    /// A new sign-in, or a token request with another scope.
    pub(super) fn ask_anew(&mut self, device: &mut Device) {
        device.granted = self.asks && (self.holds || self.kind != Kind::ApiScope);
        self.renew(device);
    }

    fn live(&self) -> bool {
        self.says.unwrap_or(self.holds)
    }

    pub(super) fn show(&mut self, device: &mut Device) -> Verdict {
        let (now, token) = (self.now(), device.token);
        if device.verified.replace(token.number) != Some(token.number) {
            self.clock.see_token(token.issued_at, now);
        }
        let live = self.live();
        let difference = match (token.has_it, live, self.kind) {
            (true, true, _) => {
                self.conversation.see(true);
                return Verdict::Pass;
            }
            (false, false, _) => {
                self.conversation.see(false);
                return Verdict::Neither;
            }
            (true, false, _) => Difference::Lost,
            (false, true, Kind::Machine) => Difference::GainedByMachine,
            (false, true, Kind::ApiScope) => Difference::GainedForApi,
            (false, true, Kind::OrganizationPermission) => Difference::GainedInOrganization,
        };
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&token.number.to_be_bytes());
        let presented = Presented { digest, issued_at: Some(token.issued_at), expires_at: token.expires_at };
        let moment = Moment { now, lead: self.clock.lead(LEEWAY, now) };
        let place = |talk: &Conversation| talk.position.as_ref().map(|at| (at.began, at.step, at.counted));
        let before = place(&self.conversation);
        let answer = self.conversation.answer(presented, difference, live, moment);
        let after = place(&self.conversation);
        match (before, after) {
            (Some(before), Some(after)) if before.0.total_cmp(&after.0).is_ne() => self.counted = 1,
            (None, _) => self.counted = 1,
            (before, after) if before != after && answer.left != Some(Nothing) => {
                self.counted += u32::from(before.is_some_and(|before| before.1 != Nothing));
            }
            _ => {}
        }
        Verdict::Told(answer.step)
    }

    /// Whether a new token or a new sign-in would change anything for this device.
    pub(super) fn is_helpable(&self, device: &Device) -> bool {
        let renewed = device.granted && self.holds;
        let signed_in = self.asks && self.holds;
        if self.live() { renewed || signed_in } else { device.token.has_it && !renewed }
    }
}
