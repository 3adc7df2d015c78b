//! Slows down password guessing, without locking the true charger out.
//!
//! Failures count by source address. A source with too many of them is not refused: its
//! attempts are held for a while before the password is looked at, a bounded number at once. So
//! a station whose neighbour behind the same address is misconfigured gets in, a little later.
//! A station that was let in from that address before is not held at all, until guesses at
//! its own name pile up. What is remembered is bounded, and gone after a restart.

use chargebook_domain::ids::StationIdentity;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Failures of a source that cost nothing: typing errors, and a site with a few wrong passwords.
pub(crate) const FREE_FAILURES: u32 = 20;

/// One failure is forgotten after so long.
pub(crate) const FORGET_ONE_AFTER: Duration = Duration::from_secs(10);

/// Most attempts of one source that are held at once; more get 429.
pub(crate) const HELD_MAX: u32 = 32;

/// Most failures remembered of one source: it is free again after this many
/// [`FORGET_ONE_AFTER`].
const FAILURES_MAX: u32 = FREE_FAILURES + 360;

/// Failures after which a station that was let in before is held like the rest.
const FAILURES_OF_KNOWN_MAX: u32 = 5;

/// Most sources with failures that are remembered.
const SOURCES_MAX: usize = 16_384;

/// Most stations let in that are remembered.
const KNOWN_MAX: usize = 131_072;

/// Who tries: an IPv4 address, or an IPv6 network of 64 bits, which is what one gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Source(u64);

impl Source {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(u64::from(v4.to_bits())),
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, g, h, ..] = v6.octets();
                Self(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
        }
    }
}

/// What to do with an attempt before anything is looked up for it.
pub(crate) enum Gate {
    /// Go on.
    Open,
    /// Wait a while with this in hand, then go on.
    Hold(Held),
    /// Too many are waiting: come back later.
    Refuse,
}

/// One held attempt; gives its place back when dropped.
pub(crate) struct Held {
    throttle: Arc<Throttle>,
    source: Source,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(failures) = self.throttle.lock().sources.get_mut(&self.source) {
            failures.held = failures.held.saturating_sub(1);
        }
    }
}

/// Who was let in by a certificate that its boot may yet contradict.
pub(crate) struct LetIn {
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) source: Source,
    /// As it has named itself.
    pub(crate) identity: StationIdentity,
}

impl LetIn {
    /// Its boot has: letting it in counts as a failure.
    pub(crate) fn was_refuted(&self) {
        self.throttle.failed(self.source, self.identity.as_str(), Instant::now());
    }
}

#[derive(Debug)]
struct Failures {
    count: u32,
    since: Instant,
    held: u32,
}

impl Failures {
    /// Forgets what is old enough.
    fn age(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.since);
        let periods = passed.as_secs() / FORGET_ONE_AFTER.as_secs();
        if periods > 0 {
            let forgotten = u32::try_from(periods).unwrap_or(u32::MAX);
            self.count = self.count.saturating_sub(forgotten);
            self.since = now;
        }
    }
}

#[derive(Debug, Default)]
struct State {
    sources: HashMap<Source, Failures>,
    /// Failures since a station was let in from a source.
    known: HashMap<(Source, u64), u32>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    state: Mutex<State>,
    hasher: RandomState,
}

impl Throttle {
    /// Asks before a station is looked up and its password looked at. A station that goes by
    /// its name in another case goes by another name here.
    pub(crate) fn gate(self: &Arc<Self>, source: Source, identity: &str, now: Instant) -> Gate {
        let key = (source, self.hasher.hash_one(identity));
        let mut state = self.lock();
        let is_known = state.known.get(&key).is_some_and(|count| *count < FAILURES_OF_KNOWN_MAX);
        let Some(failures) = state.sources.get_mut(&source) else { return Gate::Open };
        failures.age(now);
        if is_known || failures.count < FREE_FAILURES {
            return Gate::Open;
        }
        if failures.held >= HELD_MAX {
            return Gate::Refuse;
        }
        failures.held += 1;
        drop(state);
        Gate::Hold(Held { throttle: Arc::clone(self), source })
    }

    /// The password was wrong, or nobody has that name.
    pub(crate) fn failed(&self, source: Source, identity: &str, now: Instant) {
        let key = (source, self.hasher.hash_one(identity));
        let mut state = self.lock();
        if let Some(count) = state.known.get_mut(&key) {
            *count = count.saturating_add(1);
        }
        if state.sources.len() >= SOURCES_MAX && !state.sources.contains_key(&source) {
            make_room(&mut state.sources, now);
        }
        let fresh = Failures { count: 0, since: now, held: 0 };
        let failures = state.sources.entry(source).or_insert(fresh);
        failures.age(now);
        failures.count = (failures.count + 1).min(FAILURES_MAX);
    }

    /// It was let in.
    pub(crate) fn succeeded(&self, source: Source, identity: &str) {
        let key = (source, self.hasher.hash_one(identity));
        let mut state = self.lock();
        if state.known.len() >= KNOWN_MAX && !state.known.contains_key(&key) {
            state.known.clear();
        }
        state.known.insert(key, 0);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets sources that cost nothing yet, and if all do, those that nobody waits for.
fn make_room(sources: &mut HashMap<Source, Failures>, now: Instant) {
    sources.retain(|_, failures| {
        failures.age(now);
        failures.held > 0 || failures.count >= FREE_FAILURES
    });
    if sources.len() >= SOURCES_MAX {
        sources.retain(|_, failures| failures.held > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::of(text.parse().expect("an address"))
    }

    fn gate(throttle: &Arc<Throttle>, identity: &str, now: Instant) -> &'static str {
        match throttle.gate(source("192.0.2.1"), identity, now) {
            Gate::Open => "open",
            Gate::Hold(_) => "hold",
            Gate::Refuse => "refuse",
        }
    }

    fn fail(throttle: &Throttle, identity: &str, count: u32, now: Instant) {
        (0..count).for_each(|_| throttle.failed(source("192.0.2.1"), identity, now));
    }

    #[test]
    fn guessing_is_held_and_forgotten_again() {
        let (throttle, now) = (Arc::new(Throttle::default()), Instant::now());
        fail(&throttle, "CP-1", FREE_FAILURES - 1, now);
        assert_eq!(gate(&throttle, "CP-1", now), "open");
        fail(&throttle, "CP-1", 1, now);
        assert_eq!(gate(&throttle, "CP-1", now), "hold");
        assert_eq!(gate(&throttle, "CP-2", now), "hold", "the source is what counts");
        assert_eq!(gate(&throttle, "CP-1", now + FORGET_ONE_AFTER), "open");
    }

    #[test]
    fn another_source_is_not_touched() {
        let (throttle, now) = (Arc::new(Throttle::default()), Instant::now());
        fail(&throttle, "CP-1", 100, now);
        assert!(matches!(throttle.gate(source("192.0.2.2"), "CP-1", now), Gate::Open));
    }

    #[test]
    fn a_station_that_was_let_in_before_is_not_held_for_its_neighbours_failures() {
        let (throttle, now) = (Arc::new(Throttle::default()), Instant::now());
        throttle.succeeded(source("192.0.2.1"), "CP-1");
        fail(&throttle, "CP-2", 100, now);
        assert_eq!(gate(&throttle, "CP-1", now), "open");
        assert_eq!(gate(&throttle, "CP-2", now), "hold");
        fail(&throttle, "CP-1", FAILURES_OF_KNOWN_MAX, now);
        assert_eq!(gate(&throttle, "CP-1", now), "hold", "its own name is being guessed at");
        throttle.succeeded(source("192.0.2.1"), "CP-1");
        assert_eq!(gate(&throttle, "CP-1", now), "open");
    }

    #[test]
    fn few_are_held_at_once_and_places_come_back() {
        let (throttle, now) = (Arc::new(Throttle::default()), Instant::now());
        fail(&throttle, "CP-1", 100, now);
        let held: Vec<_> =
            (0..HELD_MAX).map(|_| throttle.gate(source("192.0.2.1"), "CP-1", now)).collect();
        assert!(held.iter().all(|gate| matches!(gate, Gate::Hold(_))));
        assert_eq!(gate(&throttle, "CP-1", now), "refuse");
        drop(held);
        assert_eq!(gate(&throttle, "CP-1", now), "hold");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..SOURCES_MAX + 10 {
            let address = std::net::Ipv4Addr::from_bits(u32::try_from(n).expect("small"));
            throttle.failed(Source::of(address.into()), "CP-1", now);
            throttle.failed(Source::of(address.into()), "CP-1", now);
        }
        assert!(throttle.lock().sources.len() <= SOURCES_MAX);
        for n in 0..KNOWN_MAX + 10 {
            throttle.succeeded(source("192.0.2.1"), &n.to_string());
        }
        assert!(throttle.lock().known.len() <= KNOWN_MAX);
    }

    #[test]
    fn one_ipv6_network_is_one_source() {
        assert_eq!(source("2001:db8::1"), source("2001:db8::2"));
        assert_ne!(source("2001:db8:0:1::1"), source("2001:db8:0:2::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
    }
}
