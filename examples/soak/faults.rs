//! What fails, one at a time and at random.

use std::error::Error;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use orgate::testing::{Endpoint, Fault};

use crate::measure::Random;
use crate::processes::Redis;
use crate::{AFTERMATH, Soak};

/// The issuer's clock goes wrong by less than the leeway: its tokens and its webhooks stay valid.
const SKEW: usize = 25_000;

impl Soak {
    /// A calm time, and then a fault for a few seconds.
    pub(crate) async fn fail(&self, redis: &mut Redis, random: &mut Random) -> Result<(), Box<dyn Error>> {
        // Calm longer than a fault has an aftermath, so that there are times without any excuse.
        tokio::time::sleep(AFTERMATH + Duration::from_millis(2000 + random.below(6000) as u64)).await;
        let lasting = Duration::from_millis(500 + random.below(3500) as u64);
        self.tally.faults.fetch_add(1, Ordering::Relaxed);
        let issuer = self.tenant.issuer();
        let kind = random.below(6);
        if kind == 5 {
            // Nothing is excused by it. It lasts until the next one.
            let ahead = random.below(2 * SKEW) as i64 - SKEW as i64;
            self.ahead.store(ahead, Ordering::SeqCst);
            return Ok(());
        }
        self.is_failing.store(true, Ordering::SeqCst);
        match kind {
            0 => {
                issuer.take_down();
                tokio::time::sleep(lasting).await;
                issuer.bring_up();
            }
            1 => {
                let faults = [Fault::Status(500), Fault::Hang, Fault::Garbage, Fault::Reset];
                issuer.fail_always(Endpoint::Management, faults[random.below(4)].clone());
                tokio::time::sleep(lasting).await;
                issuer.recover();
            }
            2 => {
                redis.signal("-STOP")?;
                tokio::time::sleep(lasting).await;
                redis.signal("-CONT")?;
            }
            3 => redis.restart()?,
            _ => {
                self.upstream_fails.store(true, Ordering::SeqCst);
                tokio::time::sleep(lasting).await;
                self.upstream_fails.store(false, Ordering::SeqCst);
            }
        }
        *self.fault.lock().unwrap() = Some(Instant::now());
        self.is_failing.store(false, Ordering::SeqCst);
        Ok(())
    }
}
