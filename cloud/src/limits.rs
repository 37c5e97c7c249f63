//! How long a page's session may last: idle, and at all. The page hears of it a while before, and the person may go on.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};
use towline_cloud_api::{SessionLimit, Settings};

/// How long before its end a session is told of it; less where the limit itself is shorter.
const WARNING: Duration = Duration::from_secs(60);

struct Moments {
    last_input: Instant,
    extended: Instant,
}

/// When a person last did something.
pub(crate) struct Activity(Mutex<Moments>);

impl Default for Activity {
    fn default() -> Self {
        let now = Instant::now();
        Self(Mutex::new(Moments { last_input: now, extended: now }))
    }
}

impl Activity {
    fn moments(&self) -> MutexGuard<'_, Moments> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A key, a click.
    pub(crate) fn touch(&self) {
        self.moments().last_input = Instant::now();
    }

    /// The person wants to go on.
    pub(crate) fn extend(&self) {
        let now = Instant::now();
        *self.moments() = Moments { last_input: now, extended: now };
    }
}

/// What is to be said about the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tick {
    /// The limit is this near.
    Near(SessionLimit, Duration),
    /// It is no longer.
    Lifted,
    /// It is reached.
    Reached(SessionLimit),
}

/// One session's limits.
pub(crate) struct Limits {
    idle: Option<Duration>,
    total: Option<Duration>,
    began: Instant,
    warned: Option<Instant>,
}

impl Limits {
    /// They run from now on.
    pub(crate) fn new(settings: &Settings) -> Self {
        let limit = |seconds| (seconds > 0).then(|| Duration::from_secs(seconds));
        Self {
            idle: limit(settings.idle_limit_seconds),
            total: limit(settings.total_limit_seconds),
            began: Instant::now(),
            warned: None,
        }
    }

    /// The nearest end as it is now, with the length of its warning.
    fn nearest(&self, activity: &Activity) -> Option<(Instant, SessionLimit, Duration)> {
        let moments = activity.moments();
        let idle = self.idle.map(|idle| (moments.last_input.max(self.began) + idle, SessionLimit::Idle, idle));
        let total = self.total.map(|total| (moments.extended.max(self.began) + total, SessionLimit::Total, total));
        let (end, limit, length) = idle.into_iter().chain(total).min_by_key(|(end, ..)| *end)?;
        Some((end, limit, WARNING.min(length / 2)))
    }

    /// The next thing to say; never, without limits.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(crate) async fn next(&mut self, activity: &Activity) -> Tick {
        loop {
            let now = Instant::now();
            let Some((end, limit, warning)) = self.nearest(activity) else { return std::future::pending().await };
            if now >= end {
                return Tick::Reached(limit);
            }
            let is_near = now + warning >= end;
            match self.warned {
                Some(warned) if warned == end => sleep_until(end.min(now + Duration::from_secs(1))).await,
                Some(_) if !is_near => {
                    self.warned = None;
                    return Tick::Lifted;
                }
                _ if is_near => {
                    self.warned = Some(end);
                    return Tick::Near(limit, end - now);
                }
                _ => sleep_until(end - warning).await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(idle: u64, total: u64) -> Settings {
        Settings { save_host_keys: false, allow_telnet: true, idle_limit_seconds: idle, total_limit_seconds: total }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_session_is_warned_and_ends_and_a_key_lifts_the_warning() {
        let (activity, mut limits) = (Activity::default(), Limits::new(&settings(300, 0)));
        assert_eq!(limits.next(&activity).await, Tick::Near(SessionLimit::Idle, Duration::from_secs(60)));
        activity.touch();
        assert_eq!(limits.next(&activity).await, Tick::Lifted);
        assert_eq!(limits.next(&activity).await, Tick::Near(SessionLimit::Idle, Duration::from_secs(60)));
        assert_eq!(limits.next(&activity).await, Tick::Reached(SessionLimit::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn keys_do_not_prolong_the_total_time_and_an_extension_does() {
        let (activity, mut limits) = (Activity::default(), Limits::new(&settings(0, 300)));
        let began = Instant::now();
        assert!(matches!(limits.next(&activity).await, Tick::Near(SessionLimit::Total, _)));
        activity.touch();
        activity.extend();
        assert_eq!(limits.next(&activity).await, Tick::Lifted);
        while limits.next(&activity).await != Tick::Reached(SessionLimit::Total) {
            activity.touch();
        }
        assert_eq!(began.elapsed().as_secs(), 240 + 300);
    }
}
