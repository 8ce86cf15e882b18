//! `exp`, `nbf` and `iat`: read once, and judged whenever the token is used.

use std::time::Duration;

use crate::json::Object;
use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::time::Now;
use crate::token::{NumericDate, Times};

pub(super) fn read(claims: &Object<'_>) -> Result<Times, Rejection> {
    let expires_at = date(claims, "exp")?.ok_or_else(|| Rejection::invalid_token("exp is missing"))?;
    Ok(Times { expires_at, not_before: date(claims, "nbf")?, issued_at: date(claims, "iat")? })
}

/// Where the end need not be stated, it is this one.
pub(super) fn read_optional(claims: &Object<'_>, ends_at_last: NumericDate) -> Result<Times, Rejection> {
    let expires_at = date(claims, "exp")?.unwrap_or(ends_at_last);
    Ok(Times { expires_at, not_before: date(claims, "nbf")?, issued_at: date(claims, "iat")? })
}

fn date(claims: &Object<'_>, name: &'static str) -> Result<Option<NumericDate>, Rejection> {
    let Some(raw) = claims.raw(name) else { return Ok(None) };
    // As issuers write it: whole seconds.
    if let Ok(seconds) = raw.parse::<u32>() {
        return Ok(NumericDate::new(f64::from(seconds)));
    }
    let seconds = claims.get::<f64>(name).map_err(|error| Rejection::invalid_token(error.to_string()))?;
    let Some(seconds) = seconds else { return Ok(None) };
    NumericDate::new(seconds).map(Some).ok_or_else(|| Rejection::invalid_token(format!("{name} is no date")))
}

/// What is expected of them, for an explanation.
pub(super) fn expected(leeway: Duration, note: &str) -> String {
    format!("`exp` ahead, `nbf` and `iat` past, with a leeway of {} s{note}", leeway.as_secs())
}

/// How far they are from now, for an explanation.
pub(super) fn shown(times: &Times, now: Now) -> String {
    let now = now.unix.as_secs_f64();
    let one = |name: &str, date: Option<NumericDate>| {
        let date = date?.seconds() - now;
        Some(if date >= 0.0 { format!("{name} in {date:.0} s") } else { format!("{name} {:.0} s ago", -date) })
    };
    let all = [("exp", Some(times.expires_at)), ("nbf", times.not_before), ("iat", times.issued_at)];
    all.into_iter().filter_map(|(name, date)| one(name, date)).collect::<Vec<_>>().join(", ")
}

/// RFC 7519 section 4.1: now must be *before* `exp`, at or after `nbf`, and `iat` must not lie ahead.
#[inline]
pub(crate) fn judge(times: &Times, leeway: Duration, now: Now) -> Result<(), Rejection> {
    let moment = Moment::new(leeway, now);
    moment.judge_end(times, "")?;
    moment.judge_begin(times)
}

pub(super) fn judge_end(times: &Times, leeway: Duration, now: Now) -> Result<(), Rejection> {
    Moment::new(leeway, now).judge_end(times, "")
}

pub(super) fn judge_begin(times: &Times, leeway: Duration, now: Now) -> Result<(), Rejection> {
    Moment::new(leeway, now).judge_begin(times)
}

/// The end alone, before it is verified: what is rejected here costs no signature check. Nothing else may rest on
/// it.
pub(super) fn judge_unverified_end(times: &Times, leeway: Duration, now: Now) -> Result<(), Rejection> {
    Moment::new(leeway, now).judge_end(times, ", unverified")
}

/// Whether the token was issued less than a minute ago, by its own word.
pub(super) fn is_new(times: &Times, now: Now) -> bool {
    const NEW: f64 = 60.0;
    times.issued_at.is_some_and(|issued_at| now.unix.as_secs_f64() - issued_at.seconds() < NEW)
}

/// Now, and how far clocks may be apart, in seconds.
struct Moment {
    now: f64,
    leeway: f64,
}

impl Moment {
    #[inline]
    fn new(leeway: Duration, now: Now) -> Self {
        Self { now: now.unix.as_secs_f64(), leeway: leeway.as_secs_f64() }
    }

    #[inline]
    fn judge_end(&self, times: &Times, note: &str) -> Result<(), Rejection> {
        let late = self.now - times.expires_at.seconds();
        if late < self.leeway { Ok(()) } else { Err(self.expired(late, note)) }
    }

    #[inline]
    fn judge_begin(&self, times: &Times) -> Result<(), Rejection> {
        for (name, date) in [("nbf", times.not_before), ("iat", times.issued_at)] {
            let early = date.map_or(0.0, |date| date.seconds() - self.now);
            if early > self.leeway {
                return Err(self.too_early(name, early));
            }
        }
        Ok(())
    }

    #[cold]
    fn expired(&self, late: f64, note: &str) -> Rejection {
        // Written as whole numbers: a float takes longer than all of the rest.
        let whole = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).as_secs();
        let detail = format!("expired {} s ago, leeway {} s{note}", whole(late), whole(self.leeway));
        Rejection::new(RejectionKind::ExpiredToken, Remediation::Refresh, detail)
    }

    #[cold]
    fn too_early(&self, name: &str, early: f64) -> Rejection {
        Rejection::invalid_token(format!("{name} is {early:.0} s ahead, leeway {} s", self.leeway))
    }
}
