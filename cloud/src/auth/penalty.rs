//! Waiting times for those who guess: per source, and per source and account. Strangers cannot lock an account
//! for its owner, who comes from elsewhere.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);
const MAX_ENTRIES: usize = 16 * 1024;

/// How many failures are free.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// From one source, for one account.
    pub(crate) per_account: u32,
    /// From one source, for all its accounts together.
    pub(crate) per_source: u32,
}

/// The caller has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) time: Duration,
    /// This is the first refusal of this waiting time: the one to record.
    pub(crate) first: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    source: IpAddr,
    account: Option<String>,
}

#[derive(Clone, Debug)]
struct Offender {
    failures: u32,
    last: Instant,
    until: Instant,
    told: bool,
}

/// Who failed lately.
#[derive(Default)]
pub(crate) struct Penalties {
    offenders: Mutex<HashMap<Key, Offender>>,
}

impl Penalties {
    /// Lets an attempt through, and counts it as failed until [`Penalties::forgive`] says otherwise: attempts that
    /// run at the same time are counted too. That is for what can be guessed. What cannot is let through by
    /// [`Penalties::check`]: a thousand honest callers of one source that come at once have not failed a thousand times.
    pub(crate) fn admit(&self, source: IpAddr, account: &str, allowance: Allowance, now: Instant) -> Result<(), Wait> {
        let mut offenders = self.offenders.lock().unwrap_or_else(PoisonError::into_inner);
        check(&mut offenders, source, account, now)?;
        count(&mut offenders, source, account, allowance, now);
        Ok(())
    }

    /// Whether an attempt is let through. It counts only if it has [`Penalties::failed`].
    pub(crate) fn check(&self, source: IpAddr, account: &str, now: Instant) -> Result<(), Wait> {
        check(&mut self.offenders.lock().unwrap_or_else(PoisonError::into_inner), source, account, now)
    }

    /// An attempt that was let through was none that is forgiven.
    pub(crate) fn failed(&self, source: IpAddr, account: &str, allowance: Allowance, now: Instant) {
        let mut offenders = self.offenders.lock().unwrap_or_else(PoisonError::into_inner);
        count(&mut offenders, source, account, allowance, now);
    }

    /// The attempt that was let through was good.
    pub(crate) fn forgive(&self, source: IpAddr, account: &str) {
        let mut offenders = self.offenders.lock().unwrap_or_else(PoisonError::into_inner);
        let [of_account, of_source] = keys(source, account);
        offenders.remove(&of_account);
        // What else the source did stays counted.
        if let Some(offender) = offenders.get_mut(&of_source) {
            offender.failures = offender.failures.saturating_sub(1);
            offender.until = offender.last;
        }
    }
}

fn check(offenders: &mut HashMap<Key, Offender>, source: IpAddr, account: &str, now: Instant) -> Result<(), Wait> {
    for key in &keys(source, account) {
        let Some(offender) = offenders.get_mut(key) else { continue };
        if let Some(time) = offender.until.checked_duration_since(now).filter(|time| !time.is_zero()) {
            let first = !std::mem::replace(&mut offender.told, true);
            return Err(Wait { time, first });
        }
    }
    Ok(())
}

fn count(offenders: &mut HashMap<Key, Offender>, source: IpAddr, account: &str, allowance: Allowance, now: Instant) {
    make_room(offenders, now);
    let [of_account, of_source] = keys(source, account);
    for (key, free) in [(of_account, allowance.per_account), (of_source, allowance.per_source)] {
        let offender = offenders.entry(key).or_insert(Offender { failures: 0, last: now, until: now, told: false });
        if is_forgotten(offender, now) {
            offender.failures = 0;
        }
        offender.failures = offender.failures.saturating_add(1);
        offender.last = now;
        offender.told = false;
        if let Some(beyond) = offender.failures.checked_sub(free) {
            let wait = FIRST_WAIT.saturating_mul(1_u32.checked_shl(beyond).unwrap_or(u32::MAX));
            offender.until = now + wait.min(LONGEST_WAIT);
        }
    }
}

fn keys(source: IpAddr, account: &str) -> [Key; 2] {
    let source = match source.to_canonical() {
        // Whoever has one IPv6 address has the whole network of 64 bits.
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    };
    let account = account.chars().take(64).collect();
    [Key { source, account: Some(account) }, Key { source, account: None }]
}

fn is_forgotten(offender: &Offender, now: Instant) -> bool {
    now.saturating_duration_since(offender.last.max(offender.until)) > FORGOTTEN_AFTER
}

fn make_room(offenders: &mut HashMap<Key, Offender>, now: Instant) {
    if offenders.len() + 2 <= MAX_ENTRIES {
        return;
    }
    offenders.retain(|_, offender| !is_forgotten(offender, now));
    if offenders.len() + 2 > MAX_ENTRIES {
        // Those that wait longest stay: they are the ones that matter.
        let mut ends: Vec<_> = offenders.values().map(|offender| offender.until).collect();
        let middle = ends.len() / 2;
        let (_, &mut median, _) = ends.select_nth_unstable(middle);
        offenders.retain(|_, offender| offender.until > median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWANCE: Allowance = Allowance { per_account: 3, per_source: 100 };

    fn source(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn the_wait_grows_with_each_failure_and_another_source_does_not_wait() {
        let penalties = Penalties::default();
        let mut now = Instant::now();
        for _ in 0..3 {
            assert_eq!(penalties.admit(source(1), "ann", ALLOWANCE, now), Ok(()));
        }
        let wait = |time, first| Err(Wait { time: Duration::from_secs(time), first });
        assert_eq!(penalties.admit(source(1), "ann", ALLOWANCE, now), wait(2, true));
        assert_eq!(penalties.admit(source(1), "ann", ALLOWANCE, now), wait(2, false));
        assert_eq!(penalties.admit(source(2), "ann", ALLOWANCE, now), Ok(()));
        assert_eq!(penalties.admit(source(1), "bob", ALLOWANCE, now), Ok(()));

        now += Duration::from_secs(2);
        assert_eq!(penalties.admit(source(1), "ann", ALLOWANCE, now), Ok(()));
        assert_eq!(penalties.admit(source(1), "ann", ALLOWANCE, now), wait(4, true));
    }

    #[test]
    fn success_and_time_are_forgiven() {
        let penalties = Penalties::default();
        let now = Instant::now();
        for _ in 0..10 {
            assert_eq!(penalties.admit(source(1), "ann", ALLOWANCE, now), Ok(()));
            penalties.forgive(source(1), "ann");
        }
        for _ in 0..3 {
            assert_eq!(penalties.admit(source(1), "ann", ALLOWANCE, now), Ok(()));
        }
        assert!(penalties.admit(source(1), "ann", ALLOWANCE, now).is_err());
        let later = now + Duration::from_secs(120);
        for _ in 0..3 {
            assert_eq!(penalties.admit(source(1), "ann", ALLOWANCE, later), Ok(()));
        }
    }

    #[test]
    fn many_accounts_from_one_source_end_in_a_wait_and_memory_is_bounded() {
        let penalties = Penalties::default();
        let now = Instant::now();
        let admitted = (0..1000).filter(|n| penalties.admit(source(1), &n.to_string(), ALLOWANCE, now).is_ok()).count();
        assert_eq!(admitted, 100);

        for n in 0..3 * u32::try_from(MAX_ENTRIES).unwrap() {
            let _ = penalties.admit(IpAddr::from(n.to_be_bytes()), "ann", ALLOWANCE, now);
        }
        assert!(penalties.offenders.lock().unwrap().len() <= MAX_ENTRIES);
        assert!(penalties.admit(source(1), "ann", ALLOWANCE, now).is_err(), "the worst offender was forgotten");
    }
}
