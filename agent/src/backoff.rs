//! How long to wait before the next attempt.

use std::time::Duration;

/// Exponential back-off with full jitter: each wait is drawn evenly between zero and a bound that doubles.
///
/// Full jitter spreads a fleet that lost its cloud at the same moment evenly over the bound.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// A back-off whose bound begins with `first` and never exceeds `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// Begins again: the last attempt was a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure. `random` is any random number; all of its range is used.
    pub fn next_wait(&mut self, random: u64) -> Duration {
        let bound = self.first.saturating_mul(2_u32.saturating_pow(self.failures)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        fraction(bound, random)
    }
}

/// A share of `bound` between none and all of it, as `random` says.
pub(crate) fn fraction(bound: Duration, random: u64) -> Duration {
    let bound_nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    let product = u128::from(bound_nanos) * u128::from(random);
    Duration::from_nanos(u64::try_from(product >> 64).unwrap_or(u64::MAX))
}

/// A random number from the system; the middle of the range in the odd case that it has none.
pub(crate) fn random() -> u64 {
    let mut bytes = [0; 8];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => u64::from_le_bytes(bytes),
        Err(_) => u64::MAX / 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(500);
    const LONGEST: Duration = Duration::from_secs(60);

    #[test]
    fn the_bound_doubles_up_to_the_longest_and_stays_there() {
        let mut backoff = Backoff::new(FIRST, LONGEST);
        let bounds: Vec<_> = (0..9).map(|_| backoff.next_wait(u64::MAX).as_secs_f64().ceil()).collect();

        assert_eq!(bounds, [1.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
    }

    #[test]
    fn no_wait_is_longer_than_its_bound_and_the_shortest_is_none() {
        let mut backoff = Backoff::new(FIRST, LONGEST);
        assert_eq!(backoff.next_wait(0), Duration::ZERO);
        for _ in 0..1_000 {
            assert!(backoff.next_wait(random()) <= LONGEST);
        }
        assert!(backoff.next_wait(u64::MAX) > Duration::from_secs(59));
    }

    #[test]
    fn a_success_begins_again() {
        let mut backoff = Backoff::new(FIRST, LONGEST);
        for _ in 0..20 {
            backoff.next_wait(0);
        }
        backoff.reset();

        assert!(backoff.next_wait(u64::MAX) <= FIRST);
    }
}
