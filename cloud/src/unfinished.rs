//! Connections that have not asked anything yet: so many from one source and so many in all. Who comes when there are
//! too many is taken in, and the one that has waited longest goes: whoever really wants something has asked by then.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio_util::sync::CancellationToken;

const MAX_PER_SOURCE: usize = 128;
const MAX_IN_ALL: usize = 4096;

/// The connections that have not asked anything yet.
pub(crate) struct Unfinished {
    register: Arc<Mutex<Register>>,
    dropped: Arc<AtomicU64>,
}

#[derive(Default)]
struct Register {
    next: u64,
    all: BTreeMap<u64, (Option<IpAddr>, CancellationToken)>,
    by_source: HashMap<IpAddr, BTreeSet<u64>>,
}

/// A connection's place among them; dropping it gives it up.
pub(crate) struct Place {
    number: u64,
    register: Arc<Mutex<Register>>,
    pushed_out: CancellationToken,
}

impl Unfinished {
    /// None yet; `dropped` counts those that are pushed out.
    pub(crate) fn new(dropped: Arc<AtomicU64>) -> Self {
        Self { register: Arc::default(), dropped }
    }

    /// Takes a place; the longest waiting one of the same source, or of all, may lose its own. Without a source only
    /// the number in all counts: that is for proxies that speak for many.
    pub(crate) fn enter(&self, source: Option<IpAddr>) -> Place {
        let source = source.map(network);
        let mut register = self.register.lock().unwrap_or_else(PoisonError::into_inner);
        let number = register.next;
        register.next += 1;
        let pushed_out = CancellationToken::new();
        register.all.insert(number, (source, pushed_out.clone()));
        let longest_of_source = source.and_then(|source| {
            let numbers = register.by_source.entry(source).or_default();
            numbers.insert(number);
            numbers.first().copied().filter(|_| numbers.len() > MAX_PER_SOURCE)
        });
        let longest_of_all = || register.all.keys().next().copied().filter(|_| register.all.len() > MAX_IN_ALL);
        if let Some(longest) = longest_of_source.or_else(longest_of_all)
            && let Some(pushed_out) = register.remove(longest)
        {
            pushed_out.cancel();
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Place { number, register: self.register.clone(), pushed_out }
    }
}

impl Register {
    fn remove(&mut self, number: u64) -> Option<CancellationToken> {
        let (source, pushed_out) = self.all.remove(&number)?;
        if let Some((source, numbers)) = source.and_then(|source| Some((source, self.by_source.get_mut(&source)?))) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_source.remove(&source);
            }
        }
        Some(pushed_out)
    }
}

impl Place {
    /// Rings when the place is lost to another.
    pub(crate) fn lost(&self) -> CancellationToken {
        self.pushed_out.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.register.lock().unwrap_or_else(PoisonError::into_inner).remove(self.number);
    }
}

/// Whoever has one IPv6 address has the whole network of 64 bits.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(number: usize) -> IpAddr {
        IpAddr::from(u32::try_from(number).unwrap().to_be_bytes())
    }

    #[test]
    fn one_source_pushes_out_its_own_oldest_and_nobody_elses() {
        let unfinished = Unfinished::new(Arc::default());
        let other = unfinished.enter(Some(source(1)));
        let mut places: Vec<_> = (0..MAX_PER_SOURCE).map(|_| unfinished.enter(Some(source(2)))).collect();
        assert!(places.iter().all(|place| !place.lost().is_cancelled()));

        places.push(unfinished.enter(Some(source(2))));
        let lost: Vec<_> = places.iter().map(|place| place.lost().is_cancelled()).collect();
        assert!(lost[0] && !lost[1..].contains(&true) && !other.lost().is_cancelled());
        assert_eq!(unfinished.dropped.load(Ordering::Relaxed), 1);

        drop(places);
        drop(other);
        let register = unfinished.register.lock().unwrap();
        assert!(register.all.is_empty() && register.by_source.is_empty());
    }

    #[test]
    fn many_sources_together_and_a_proxy_are_bounded_too() {
        let unfinished = Unfinished::new(Arc::default());
        let places: Vec<_> = (0..2 * MAX_IN_ALL).map(|number| unfinished.enter(Some(source(number)))).collect();
        assert_eq!(places.iter().filter(|place| !place.lost().is_cancelled()).count(), MAX_IN_ALL);
        let proxied: Vec<_> = (0..2 * MAX_IN_ALL).map(|_| unfinished.enter(None)).collect();
        assert_eq!(proxied.iter().filter(|place| !place.lost().is_cancelled()).count(), MAX_IN_ALL);
    }
}
