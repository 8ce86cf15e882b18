//! Random histories: what must hold whatever happens in which order.

use super::world::{Device, Kind, Verdict, World};
use super::*;

/// As many histories as this, if the environment does not say otherwise.
const HISTORIES: u64 = 10_000;
const HISTORIES_FROM: &str = "ORGATE_HISTORIES";

/// `SplitMix64`.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub(super) fn up_to(&mut self, most: f64) -> f64 {
        most * (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn is(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Mostly short, sometimes long.
    fn span(&mut self, most: f64) -> f64 {
        let part = self.up_to(1.0);
        most * part * part * part
    }
}

fn histories() -> u64 {
    std::env::var(HISTORIES_FROM).map_or(HISTORIES, |count| count.parse().expect(HISTORIES_FROM))
}

/// What a device is about to do, and when.
struct Life {
    device: Device,
    asks_at: f64,
    renews_at: f64,
    /// When its user signs in again, once told to.
    signs_in_at: f64,
}

impl Life {
    fn next(&self) -> f64 {
        self.asks_at.min(self.renews_at).min(self.signs_in_at)
    }

    fn fetch(&mut self, world: &mut World, random: &mut Random) {
        world.renew(&mut self.device);
        self.plan_renewal(random);
    }

    /// Clients renew a token within four minutes of its expiry.
    fn plan_renewal(&mut self, random: &mut Random) {
        self.renews_at = self.device.token.expires_at + random.up_to(480.0) - 240.0;
    }
}

/// The tokens' ages when the first of them is answered, whose age is first, and how many of the others are young.
fn ages(random: &mut Random, most: usize) -> (Vec<f64>, usize) {
    let is_young = random.is(30);
    // Of three devices that got a token within two seconds before the first answer, one is the one that is answered.
    let young = random.below(3).min(most - 1);
    let old = random.below(most - young);
    let first = if is_young { random.up_to(2.0) } else { 2.2 + random.span(3000.0) };
    let ages = (0..young + old).map(|index| if index < young { random.up_to(2.0) } else { 2.2 + random.span(3000.0) });
    ([first].into_iter().chain(ages).collect(), young)
}

/// What happened in histories, so that none of it is missing from the test.
#[derive(Debug, Default)]
struct Seen {
    answers: u32,
    passes: u32,
    nones: u32,
    /// The most answers that counted in one conversation, by the kind of the permission.
    counted: [u32; 3],
    devices: usize,
}

impl Seen {
    fn and(self, other: &Self) -> Self {
        Self {
            answers: self.answers + other.answers,
            passes: self.passes + other.passes,
            nones: self.nones + other.nones,
            counted: std::array::from_fn(|kind| self.counted[kind].max(other.counted[kind])),
            devices: self.devices.max(other.devices),
        }
    }
}

/// One history; what went wrong, if something did.
fn live(seed: u64) -> Result<Seen, String> {
    let mut random = Random::new(seed);
    let kind = [Kind::OrganizationPermission, Kind::ApiScope, Kind::Machine][random.below(3)];
    let ahead = [0.0, 60.0, -60.0, random.up_to(120.0) - 60.0][random.below(4)];
    let mut world = World::new(kind, ahead, random.is(50));
    world.asks = !random.is(10);
    world.holds = random.is(50);
    let granted = world.holds || (kind == Kind::OrganizationPermission && random.is(50));
    // The client fetches two tokens before consent, other than at expiry. Where a refresh comes first, each further device
    // fetches one of them then; elsewhere the young ones are among them.
    let needs_both = kind == Kind::OrganizationPermission && !granted;
    let (ages, young) = ages(&mut random, if needs_both { 3 } else { 20 });
    let mut extra = if needs_both { 3 - ages.len() } else { 2 - young };
    let (pace, most) = [(0.3, 60.0), (30.0, 3600.0), (500.0, 9.0 * HOUR)][random.below(3)];

    let change = NOON + 3100.0;
    let mut order: Vec<usize> = (0..ages.len()).collect();
    order.sort_by(|one, two| ages[*two].total_cmp(&ages[*one]));
    let mut lives = Vec::new();
    for index in order {
        // Tokens are used as soon as they are there.
        world.time = change - ages[index];
        let mut device = world.device(granted);
        world.show(&mut device);
        let asks_at = if index == 0 { change } else { change + random.up_to(pace * 4.0) };
        let mut life = Life { device, asks_at, renews_at: 0.0, signs_in_at: f64::INFINITY };
        life.plan_renewal(&mut random);
        // A renewal is known by the token that it renews: that one was answered here.
        life.asks_at = life.asks_at.min(life.renews_at).max(change);
        life.renews_at = life.renews_at.max(life.asks_at + 0.01);
        lives.push(life);
    }
    let mut seen = Seen { devices: lives.len(), ..Seen::default() };
    world.time = change;
    world.holds = !world.holds;
    if random.is(15) {
        world.says = Some(!world.holds);
    }
    let end = change + random.up_to(most);
    while let Some(index) = (0..lives.len()).min_by(|one, two| lives[*one].next().total_cmp(&lives[*two].next())) {
        let life = &mut lives[index];
        let time = life.next();
        world.time = time.max(world.time);
        if world.time > end {
            break;
        }
        if life.signs_in_at <= time {
            life.signs_in_at = f64::INFINITY;
            world.ask_anew(&mut life.device);
            life.plan_renewal(&mut random);
        } else if life.renews_at <= time {
            life.fetch(&mut world, &mut random);
            continue;
        }
        let verdict = world.show(&mut life.device);
        seen.answers += 1;
        seen.passes += u32::from(verdict == Verdict::Pass);
        seen.nones += u32::from(verdict == Verdict::Told(Nothing));
        seen.counted[kind as usize] = seen.counted[kind as usize].max(world.counted);
        if world.counted > 7 {
            return Err(format!("{} answers counted", world.counted));
        }
        life.asks_at = world.time + 0.01 + random.up_to(pace);
        match verdict {
            Verdict::Told(Nothing) if world.is_helpable(&life.device) => {
                return Err(format!("none, and something would help: {kind:?}, {:?}", life.device));
            }
            Verdict::Pass | Verdict::Neither | Verdict::Told(Nothing) => _ = lives.swap_remove(index),
            Verdict::Told(Refresh) => {
                world.time += random.up_to(0.2);
                life.fetch(&mut world, &mut random);
            }
            Verdict::Told(RequestScope) => world.ask_anew(&mut life.device),
            Verdict::Told(_) if life.signs_in_at.is_infinite() => {
                life.signs_in_at = world.time + random.span(most);
            }
            Verdict::Told(_) => {
                if extra > 0 && random.is(3) {
                    extra -= 1;
                    life.fetch(&mut world, &mut random);
                }
            }
        }
    }
    Ok(seen)
}

#[test]
fn none_is_said_only_when_nothing_helps_and_conversations_end() {
    let (mut seen, mut wrong) = (Seen::default(), Vec::new());
    for seed in 0..histories() {
        match live(seed) {
            Ok(one) => seen = seen.and(&one),
            Err(why) => wrong.push((seed, why)),
        }
    }
    println!("{} histories: {seen:?}", histories());
    assert!(wrong.is_empty(), "{} histories, first: {:?}", wrong.len(), &wrong[..wrong.len().min(5)]);
    assert!(seen.passes > 0 && seen.nones > 0 && seen.devices == 20, "{seen:?}");
    assert_eq!(seen.counted, [7, 4, 4], "a source that always disagrees takes every step");
}
