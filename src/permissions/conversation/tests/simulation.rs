//! What clients hear in the situations that the design names.

use super::world::{Device, Kind, Verdict, World};
use super::*;

const KINDS: [Kind; 3] = [Kind::OrganizationPermission, Kind::ApiScope, Kind::Machine];

/// The API's clock is the issuer's, a minute ahead, and a minute behind, with and without a `Date`.
fn settings() -> impl Iterator<Item = (f64, bool)> {
    [0.0, 60.0, -60.0].into_iter().flat_map(|ahead| [(ahead, true), (ahead, false)])
}

fn first_step(kind: Kind) -> Remediation {
    match kind {
        Kind::OrganizationPermission => Refresh,
        Kind::ApiScope => Reconsent,
        Kind::Machine => RequestScope,
    }
}

/// Obeys each answer after `pause`, until it passes or nothing helps.
fn obey(world: &mut World, device: &mut Device, pause: f64) -> Vec<Verdict> {
    let mut heard = Vec::new();
    loop {
        let verdict = world.show(device);
        heard.push(verdict);
        assert!(heard.len() < 10, "it does not end: {heard:?}");
        world.time += pause;
        match verdict {
            Verdict::Told(Refresh) => world.renew(device),
            Verdict::Told(Reconsent | RequestScope) => world.ask_anew(device),
            _ => return heard,
        }
        world.time += pause;
    }
}

fn told(steps: &[Remediation]) -> Vec<Verdict> {
    steps.iter().map(|step| Verdict::Told(*step)).collect()
}

#[test]
fn demoted_subject_hears_refresh_on_each_device() {
    for ((ahead, date), kind) in settings().flat_map(|setting| KINDS.map(|kind| (setting, kind))) {
        for devices in [1, 2, 3, 7, 20] {
            let mut world = World::new(kind, ahead, date);
            world.holds = true;
            let mut all: Vec<Device> = Vec::new();
            for _ in 0..devices {
                let mut device = world.device(true);
                assert_eq!(world.show(&mut device), Verdict::Pass);
                all.push(device);
                world.time += 2.1;
            }
            world.holds = false;
            for device in &mut all {
                let heard = obey(&mut world, device, 0.3);
                assert_eq!(heard, [Verdict::Told(Refresh), Verdict::Neither], "{kind:?} {ahead} {date} {devices}");
            }
        }
    }
}

#[test]
fn promoted_subject_passes_after_the_first_step_on_each_device() {
    for ((ahead, date), kind) in settings().flat_map(|setting| KINDS.map(|kind| (setting, kind))) {
        for devices in [1, 2, 3, 7, 20] {
            let mut world = World::new(kind, ahead, date);
            let granted = kind == Kind::OrganizationPermission;
            let mut all: Vec<Device> = Vec::new();
            for _ in 0..devices {
                let mut device = world.device(granted);
                assert_eq!(world.show(&mut device), Verdict::Neither);
                all.push(device);
                world.time += 2.1;
            }
            world.holds = true;
            for device in &mut all {
                let heard = obey(&mut world, device, 0.3);
                let expected = [Verdict::Told(first_step(kind)), Verdict::Pass];
                assert_eq!(heard, expected, "{kind:?} {ahead} {date} {devices}");
            }
        }
    }
}

#[test]
fn source_that_always_disagrees_ends_after_four_or_seven_answers() {
    for ((ahead, date), pause) in settings().flat_map(|setting| [0.0, 0.15, 0.3, 20.0].map(|pause| (setting, pause))) {
        for kind in KINDS {
            let mut world = World::new(kind, ahead, date);
            world.holds = true;
            world.says = Some(false);
            let mut device = world.device(true);
            world.time += 200.0;
            let heard = obey(&mut world, &mut device, pause);
            assert_eq!(heard, told(&[Refresh, Refresh, Refresh, Nothing]), "{kind:?} {ahead} {date} {pause}");

            let mut world = World::new(kind, ahead, date);
            world.says = Some(true);
            let mut device = world.device(true);
            world.time += 200.0;
            let heard = obey(&mut world, &mut device, pause);
            let expected = match kind {
                Kind::OrganizationPermission => {
                    told(&[Refresh, Refresh, Refresh, Reconsent, Reconsent, Reconsent, Nothing])
                }
                _ => told(&[first_step(kind), first_step(kind), first_step(kind), Nothing]),
            };
            assert_eq!(heard, expected, "{kind:?} {ahead} {date} {pause}");
        }
    }
}

#[test]
fn client_that_never_asks_costs_three_sign_ins() {
    for (ahead, date) in settings() {
        for kind in KINDS {
            let mut world = World::new(kind, ahead, date);
            world.asks = false;
            let mut device = world.device(false);
            world.time += 200.0;
            world.holds = true;
            let heard = obey(&mut world, &mut device, 30.0);
            let asked = heard.iter().filter(|verdict| **verdict == Verdict::Told(Reconsent)).count();
            assert_eq!(asked, if kind == Kind::Machine { 0 } else { 3 }, "{heard:?}");
            assert_eq!(heard.last(), Some(&Verdict::Told(Nothing)));
            // It goes on, and its user is left alone.
            for _ in 0..100 {
                world.time += 60.0;
                world.renew(&mut device);
                assert_eq!(world.show(&mut device), Verdict::Told(Nothing));
            }
        }
    }
}

#[test]
fn lost_and_regained_permission_starts_anew_each_time() {
    for (ahead, date) in settings() {
        for kind in KINDS {
            let mut world = World::new(kind, ahead, date);
            world.holds = true;
            let mut device = world.device(true);
            for _ in 0..5 {
                assert_eq!(world.show(&mut device), Verdict::Pass);
                world.holds = false;
                let heard = obey(&mut world, &mut device, 0.3);
                assert_eq!(heard, [Verdict::Told(Refresh), Verdict::Neither]);
                device.granted = kind == Kind::OrganizationPermission;
                world.holds = true;
                let heard = obey(&mut world, &mut device, 0.3);
                assert_eq!(heard, [Verdict::Told(first_step(kind)), Verdict::Pass]);
            }
        }
    }
}

#[test]
fn renewals_for_a_day_before_consent_never_hear_none() {
    for ((ahead, date), devices) in settings().flat_map(|setting| [1, 2, 3].map(|devices| (setting, devices))) {
        for kind in [Kind::OrganizationPermission, Kind::ApiScope] {
            let mut world = World::new(kind, ahead, date);
            let mut all: Vec<Device> = Vec::new();
            for _ in 0..devices {
                all.push(world.device(false));
                world.time += 400.0;
            }
            world.holds = true;
            let end = world.time + 24.0 * HOUR;
            let mut turn = 0;
            while world.time < end {
                turn += 1;
                for (index, device) in all.iter_mut().enumerate() {
                    world.time += 50.0;
                    // Some clients renew before the token expires, some after a 401.
                    let early = [240.0, 0.0, -60.0][index];
                    if world.time >= device.token.expires_at - early {
                        world.renew(device);
                    }
                    let verdict = world.show(device);
                    if verdict == Verdict::Told(Refresh) {
                        world.renew(device);
                    }
                    assert_ne!(verdict, Verdict::Told(Nothing), "{kind:?} {ahead} {date} {devices} turn {turn}");
                }
            }
            for device in &mut all {
                world.time += 1.0;
                world.ask_anew(device);
                assert_eq!(world.show(device), Verdict::Pass);
            }
        }
    }
}

#[test]
fn twenty_devices_within_a_minute_seldom_hear_a_wrong_word() {
    let mut wrong = 0;
    for seed in 0..500 {
        let mut random = histories::Random::new(seed);
        let mut world = World::new(Kind::OrganizationPermission, [0.0, 60.0, -60.0][random.below(3)], true);
        world.holds = true;
        let mut times: Vec<f64> = (0..20).map(|_| random.up_to(60.0)).collect();
        times.sort_by(f64::total_cmp);
        let mut all: Vec<Device> = Vec::new();
        for time in times {
            world.time = NOON + time;
            let mut device = world.device(true);
            world.show(&mut device);
            all.push(device);
        }
        world.time = NOON + 60.0;
        world.holds = false;
        let mut is_wrong = false;
        while !all.is_empty() {
            world.time += random.up_to(1.0);
            let mut device = all.swap_remove(random.below(all.len()));
            is_wrong |= world.show(&mut device) == Verdict::Told(Nothing);
        }
        wrong += u32::from(is_wrong);
    }
    assert!(wrong <= 2, "{wrong} of 500 runs");
}
