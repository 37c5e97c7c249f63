//! What makes a session outlive its carrier: its id, its secret, and the proof that whoever comes back is who left.
//!
//! Spec: PROTOCOL.md §10.

use core::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// A session's name: random, unique, and no secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub [u8; 16]);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What only the two sides of a session know. It is overwritten when it is dropped, and never shown.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// A secret of 32 random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(Zeroizing::new(random))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn mac(&self, resume: &Resume, binding: &Binding) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).ok()?;
        mac.update(b"towline resume v1");
        mac.update(&resume.session.0);
        mac.update(&resume.epoch.to_be_bytes());
        mac.update(&resume.received.to_be_bytes());
        mac.update(&binding.offered.0);
        mac.update(binding.exporter.as_ref().map_or(&[][..], |exporter| exporter));
        Some(mac)
    }

    /// The same wish with its proof. HMAC takes keys of any length, so there is always one.
    ///
    /// Spec: PROTOCOL.md §10.2.
    pub fn prove(&self, mut resume: Resume, binding: &Binding) -> Resume {
        if let Some(mac) = self.mac(&resume, binding) {
            resume.proof = mac.finalize().into_bytes().into();
        }
        resume
    }

    /// Whether the proof is one by this secret; takes the same time whatever it is.
    pub fn is_proved_by(&self, resume: &Resume, binding: &Binding) -> bool {
        self.mac(resume, binding).is_some_and(|mac| mac.verify_slice(&resume.proof).is_ok())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0.iter()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// How a side resumes: what it keeps, for how long, and, from the acceptor, the session's id and secret.
///
/// Spec: PROTOCOL.md §10.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumption {
    /// What the sender keeps of what it sent until the other side has it, in bytes. It sends no more than that ahead, so this is a
    /// window too: bandwidth × round-trip time should fit.
    pub replay_bytes: u32,
    /// How long the sender waits for a new carrier, in milliseconds. The shorter time of the two sides counts.
    pub max_age_millis: u32,
    /// Given by the acceptor, in its HELLO.
    pub session: Option<(SessionId, Secret)>,
}

impl Resumption {
    /// 4 MiB and 10 minutes, for the side that dials.
    pub fn dialer() -> Self {
        Self { replay_bytes: 4 << 20, max_age_millis: 600_000, session: None }
    }

    /// The same for the side that is dialled. Both values are random and used for one session only.
    pub fn acceptor(id: SessionId, secret: Secret) -> Self {
        Self { session: Some((id, secret)), ..Self::dialer() }
    }
}

/// The wish to go on with a session, on a new carrier.
///
/// Spec: PROTOCOL.md §10.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// Which session.
    pub session: SessionId,
    /// Which attempt this is, counted from 1: higher than any before.
    pub epoch: u32,
    /// How much of the session the sender has, in bytes of counted frames.
    pub received: u64,
    /// HMAC-SHA-256 by the session's secret.
    pub proof: [u8; 32],
}

/// What a proof is good for: one carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The session id in the acceptor's HELLO on this carrier.
    pub offered: SessionId,
    /// The TLS exporter (RFC 9266), if both ends of the carrier see the same TLS connection.
    pub exporter: Option<[u8; 32]>,
}
