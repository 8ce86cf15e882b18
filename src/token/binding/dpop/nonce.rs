//! Nonces of this server (RFC 9449 section 9): they say when a proof was made, whatever the client's clock says.
//!
//! Nothing is kept of them. A nonce is a number of a time step and its MAC, so every replica that has the secret can make
//! and check all of them.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::ConfigError;
use crate::signature::{SharedSecret, random};
use crate::time::Now;

/// A nonce serves for this many steps after its own.
const STEPS: u32 = 4;
const MIN_LIFETIME: Duration = Duration::from_secs(20);
const MAX_LIFETIME: Duration = Duration::from_secs(60 * 60);
const MIN_SECRET: usize = 32;
/// Binds the MAC to its purpose: the secret may serve other purposes as well.
const LABEL: &[u8] = b"orgate DPoP nonce 1\0";

/// The settings of the nonces in proofs. For [`Dpop::nonces`](super::Dpop::nonces).
///
/// ```
/// use std::time::Duration;
/// use orgate::token::binding::{Dpop, Nonces};
///
/// # let secret = [7; 32];
/// // The same secret at every replica.
/// let nonces = Nonces::required().secret(secret).lifetime(Duration::from_secs(120));
/// let dpop = Dpop::new("https://api.example.com").nonces(nonces);
/// # _ = dpop;
/// ```
#[derive(Clone)]
#[must_use]
pub struct Nonces {
    pub(super) required: bool,
    lifetime: Duration,
    /// The first one makes nonces, all of them check.
    secrets: Vec<Vec<u8>>,
}

impl Nonces {
    /// Requires a nonce in every proof.
    pub fn required() -> Self {
        Self { required: true, lifetime: Duration::from_secs(5 * 60), secrets: Vec::new() }
    }

    /// Requires a nonce only where the `iat` of a proof is outside the window: the client's clock is wrong, and a nonce takes
    /// its place. A nonce that a proof holds must be valid.
    pub fn on_demand() -> Self {
        Self { required: false, ..Self::required() }
    }

    /// Sets the secret that all replicas share, at least 32 octets. Default: a random one, which only this process knows.
    pub fn secret(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.secrets.insert(0, secret.into());
        self
    }

    /// Accepts nonces that were made with another secret, too: the one before while a secret is replaced, or the next one.
    pub fn also_accept(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.secrets.push(secret.into());
        self
    }

    /// Sets how long a nonce is valid. Default: 5 min; 20 s to one hour.
    ///
    /// A client receives a new one with the response to its request as soon as a quarter of this time has passed.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    pub(super) fn build(&self) -> Result<NonceKeys, ConfigError> {
        if self.lifetime < MIN_LIFETIME || self.lifetime > MAX_LIFETIME {
            return Err(ConfigError::new(format_args!(
                "DPoP nonces: lifetime {:?} is not between {MIN_LIFETIME:?} and {MAX_LIFETIME:?}",
                self.lifetime
            )));
        }
        if let Some(short) = self.secrets.iter().find(|secret| secret.len() < MIN_SECRET) {
            return Err(ConfigError::new(format_args!(
                "DPoP nonces: a secret of {} octets; at least {MIN_SECRET} are needed",
                short.len()
            )));
        }
        let made_here =
            || random::<32>().ok_or_else(|| ConfigError::new("DPoP nonces: the system has no random octets"));
        let (making, accepted) = match self.secrets.split_first() {
            Some((first, others)) => (SharedSecret::new(first), others),
            None => (SharedSecret::new(&made_here()?), &[][..]),
        };
        let accepted = accepted.iter().map(|secret| SharedSecret::new(secret)).collect();
        Ok(NonceKeys { required: self.required, step: self.lifetime / STEPS, making, accepted })
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces")
            .field("required", &self.required)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// What makes and checks nonces.
pub(super) struct NonceKeys {
    pub(super) required: bool,
    step: Duration,
    making: SharedSecret,
    accepted: Vec<SharedSecret>,
}

/// A nonce of this server, or of its fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ValidNonce {
    /// Unix time from which on it is no longer accepted.
    pub(super) expires_at: Duration,
    /// There is a newer one.
    pub(super) is_old: bool,
}

impl NonceKeys {
    /// The nonce of the present step.
    pub(super) fn current(&self, now: &Now) -> String {
        let step = self.step_of(now).to_be_bytes();
        let mut octets = [0; 40];
        let (number, tag) = octets.split_at_mut(8);
        number.copy_from_slice(&step);
        tag.copy_from_slice(&self.making.tag(&message(step)));
        URL_SAFE_NO_PAD.encode(octets)
    }

    /// `None` for one that is forged, or too old.
    pub(super) fn check(&self, nonce: &str, now: &Now) -> Option<ValidNonce> {
        let octets: [u8; 40] = URL_SAFE_NO_PAD.decode(nonce).ok()?.try_into().ok()?;
        let (number, tag) = octets.split_first_chunk::<8>()?;
        let tag: &[u8; 32] = tag.try_into().ok()?;
        let (step, present) = (u64::from_be_bytes(*number), self.step_of(now));
        // One ahead comes from a replica whose clock is ahead, or was made before this clock was set back.
        if step > present.saturating_add(1) || step.saturating_add(STEPS.into()) < present {
            return None;
        }
        let message = message(*number);
        let is_ours = self.making.verify(&message, tag) || self.accepted.iter().any(|key| key.verify(&message, tag));
        is_ours
            .then(|| ValidNonce { expires_at: self.end_of(step.saturating_add(STEPS.into())), is_old: step < present })
    }

    /// When the step after this one begins.
    fn end_of(&self, step: u64) -> Duration {
        let nanoseconds = u128::from(step).saturating_add(1).saturating_mul(self.step.as_nanos());
        let seconds = u64::try_from(nanoseconds / 1_000_000_000).unwrap_or(u64::MAX);
        Duration::new(seconds, u32::try_from(nanoseconds % 1_000_000_000).unwrap_or(0))
    }

    fn step_of(&self, now: &Now) -> u64 {
        u64::try_from(now.unix.as_nanos() / self.step.as_nanos().max(1)).unwrap_or(u64::MAX)
    }
}

fn message(step: [u8; 8]) -> Vec<u8> {
    [LABEL, &step].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_800_000_000;

    fn at(seconds: u64) -> Now {
        Now::new(Duration::from_secs(START + seconds), Duration::ZERO)
    }

    fn keys(secret: u8) -> NonceKeys {
        Nonces::required().secret([secret; 32]).lifetime(Duration::from_secs(40)).build().unwrap()
    }

    #[test]
    fn a_nonce_serves_for_its_lifetime() {
        let keys = keys(1);
        let nonce = keys.current(&at(0));
        let check = |seconds| keys.check(&nonce, &at(seconds)).map(|valid| valid.is_old);
        assert_eq!(check(0), Some(false));
        assert_eq!(check(9), Some(false));
        assert_eq!(check(10), Some(true), "there is a newer one");
        assert_eq!(check(49), Some(true));
        assert_eq!(check(50), None);
        assert_eq!(keys.check(&nonce, &at(9)).unwrap().expires_at, Duration::from_secs(START + 50));
        assert_ne!(keys.current(&at(10)), nonce);
        assert_eq!(keys.current(&at(9)), nonce);
    }

    #[test]
    fn replicas_with_one_secret_take_each_others_nonces() {
        let (one, other, stranger) = (keys(1), keys(1), keys(2));
        assert!(one.check(&other.current(&at(0)), &at(3)).is_some());
        assert!(one.check(&other.current(&at(12)), &at(5)).is_some(), "its clock is ahead");
        assert_eq!(one.check(&other.current(&at(25)), &at(5)), None, "too far ahead");
        assert_eq!(one.check(&stranger.current(&at(0)), &at(0)), None);
        let random = |nonces: Nonces| nonces.build().unwrap();
        let alone = random(Nonces::on_demand());
        assert!(alone.check(&alone.current(&at(0)), &at(0)).is_some());
        assert_eq!(random(Nonces::on_demand()).check(&alone.current(&at(0)), &at(0)), None);
    }

    #[test]
    fn a_secret_can_be_replaced() {
        let new = Nonces::required().also_accept([1; 32]).secret([2; 32]).lifetime(Duration::from_secs(40));
        let new = new.build().unwrap();
        assert!(new.check(&keys(1).current(&at(0)), &at(0)).is_some());
        assert!(keys(2).check(&new.current(&at(0)), &at(0)).is_some());
        assert_eq!(keys(1).check(&new.current(&at(0)), &at(0)), None);
    }

    #[test]
    fn a_nonce_that_was_changed_is_rejected() {
        let keys = keys(1);
        let nonce = keys.current(&at(0));
        let octets = URL_SAFE_NO_PAD.decode(&nonce).unwrap();
        for bit in 0..octets.len() * 8 {
            let mut octets = octets.clone();
            octets[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(keys.check(&URL_SAFE_NO_PAD.encode(octets), &at(0)), None, "bit {bit}");
        }
        for bad in ["", "x", &nonce[1..], &format!("{nonce}A"), &format!("{nonce}="), &"A".repeat(nonce.len())] {
            assert_eq!(keys.check(bad, &at(0)), None, "{bad}");
        }
    }

    #[test]
    fn settings_that_must_not_run() {
        let lifetime = |seconds| Nonces::required().lifetime(Duration::from_secs(seconds)).build();
        for bad in [0, 19, 3601] {
            assert!(lifetime(bad).is_err(), "{bad}");
        }
        assert!(lifetime(20).is_ok() && lifetime(3600).is_ok());
        assert!(Nonces::required().secret([1; 31]).build().is_err());
        assert!(Nonces::required().secret([1; 32]).also_accept([1; 31]).build().is_err());
        assert!(Nonces::required().secret([1; 32]).build().is_ok());
        assert!(!format!("{:?}", Nonces::required().secret([77; 32])).contains("77"));
    }

    #[test]
    fn times_at_the_ends_never_panic() {
        let keys = keys(1);
        for now in [Duration::ZERO, Duration::MAX] {
            let now = Now::new(now, Duration::ZERO);
            assert!(keys.check(&keys.current(&now), &now).is_some());
        }
    }
}
