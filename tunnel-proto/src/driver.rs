//! The async driver: one task moves a session's bytes, handles open and use its channels.
//!
//! [`Mux::new`] makes a cheap, cloneable handle and the [`Driver`], a future to be spawned. Reading and writing go on
//! independently of each other inside it, so that two sides that are both full never wait for one another.
//!
//! With [`Config::resumption`] a session outlives its carrier. The dialer waits for [`Mux::lost`], dials, and calls
//! [`Mux::resume`]. The acceptor begins every carrier with [`Mux::new`] and asks for the [`Mux::greeting`]: if that is a
//! [`Returning`], it looks for the session that is meant and hands the carrier over. Channels never notice.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use towline_tunnel_proto::{CarrierKind, Config, Fields, Limits, Open, driver::Mux};
//!
//! let (a, b) = tokio::io::duplex(64 * 1024);
//! let (near, driver) = Mux::new(a, Config::dialer(CarrierKind::Magic), Limits::default());
//! tokio::spawn(driver);
//! let (far, driver) = Mux::new(b, Config::acceptor(CarrierKind::Magic), Limits::default());
//! tokio::spawn(driver);
//!
//! // The far side echoes whatever is asked of it.
//! tokio::spawn(async move {
//!     while let Some(incoming) = far.accept().await {
//!         let mut channel = incoming.accept(Fields::new());
//!         while let Ok(Some(data)) = channel.recv().await {
//!             if channel.send(data).await.is_err() {
//!                 return;
//!             }
//!         }
//!         let _ = channel.finish().await;
//!     }
//! });
//!
//! let mut channel = near.open(Open::to("echo"))?;
//! channel.write_all(b"over the tunnel").await?;
//! channel.shutdown().await?;
//! let mut answer = Vec::new();
//! channel.read_to_end(&mut answer).await?;
//! assert_eq!(answer, b"over the tunnel");
//! # Ok(())
//! # }
//! ```

mod channel;
mod relay;
mod task;

use std::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    string::String,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
};

use self::channel::Handle;
pub use self::{
    channel::{Channel, ReceiveHalf, SendHalf},
    relay::{Counters, RelayEnd, Side, pass_on, relay, relay_until},
    task::Driver,
};
use crate::{
    Binding, ChannelId, Code, Config, Connection, Error, Fields, Hello, Limits, Micros, Open, Resume, Secret, SessionId,
};

/// What a session runs over.
trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

type BoxIo = Box<dyn Io>;

/// Who ended something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// The other side said so.
    Peer,
    /// This side.
    Local,
    /// Nobody: the connection underneath broke.
    Carrier,
}

/// Why a channel or a session is no more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}{}{reason}", if reason.is_empty() { "" } else { ": " })]
pub struct Ended {
    /// The code.
    pub code: Code,
    /// More about it, for a person. From the peer if `by` is [`By::Peer`]: not to be trusted with a terminal.
    pub reason: String,
    /// Who did it.
    pub by: By,
}

impl From<Ended> for std::io::Error {
    fn from(ended: Ended) -> Self {
        use std::io::ErrorKind;
        let kind = match ended.by {
            By::Carrier => ErrorKind::ConnectionAborted,
            By::Local => ErrorKind::NotConnected,
            By::Peer => ErrorKind::ConnectionReset,
        };
        Self::new(kind, ended)
    }
}

/// One session. Cheap to clone; all clones are the same session. The session goes on when all are dropped, until it is
/// closed or its carrier ends, or, with resumption, until it has waited too long for another.
#[derive(Clone)]
pub struct Mux(Arc<Shared>);

impl std::fmt::Debug for Mux {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mux").field("ended", &self.0.lock().ended).finish_non_exhaustive()
    }
}

impl Mux {
    /// A session over `io`, and the task that drives it: spawn that. Nothing happens before it is polled.
    pub fn new<S>(io: S, config: Config, limits: Limits) -> (Self, Driver)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                connection: Connection::new(config, limits, Micros(0)),
                hello: None,
                standing: Standing::Beginning,
                lost_because: None,
                carriers: 0,
                next_carrier: Some(Box::new(io)),
                yields_to: None,
                channels: BTreeMap::new(),
                incoming: VecDeque::new(),
                driver: None,
                draining: false,
                peer_drains: None,
                ended: None,
            }),
            changed: Notify::new(),
            began: Instant::now(),
        });
        (Self(shared.clone()), Driver::new(shared))
    }

    /// Asks the peer for a channel and returns at once; data may be sent before [`Channel::accepted`].
    ///
    /// # Errors
    ///
    /// The session's end; or, by this side, [`Code::LIMIT`] if the peer has no room for another channel now, and
    /// [`Code::BUDGET`] if there is no memory for it here.
    pub fn open(&self, open: Open) -> Result<Channel, Ended> {
        let mut state = self.0.lock();
        if let Some(ended) = &state.ended {
            return Err(ended.clone());
        }
        let id = state.connection.open(open).map_err(|error| Ended {
            code: error.code(),
            reason: std::format!("{error}"),
            by: By::Local,
        })?;
        state.channels.insert(id, Box::default());
        state.wake_driver();
        drop(state);
        Ok(Channel::new(self.0.clone(), id))
    }

    /// The next channel that the peer opens; `None` once the session has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a channel that is not returned is returned by the next call.
    pub async fn accept(&self) -> Option<Incoming> {
        self.0
            .when(|state| match state.incoming.pop_front() {
                Some(wanted) => Some(Some(wanted)),
                None => state.ended.is_some().then_some(None),
            })
            .await
            .map(|(id, open)| Incoming { channel: Channel::new(self.0.clone(), id), open })
    }

    /// Waits until the peer has introduced itself.
    ///
    /// # Errors
    ///
    /// The session's end.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn connected(&self) -> Result<Hello, Ended> {
        self.0
            .when(|state| match (&state.hello, &state.ended) {
                (_, Some(ended)) => Some(Err(ended.clone())),
                (Some(hello), None) => Some(Ok(hello.clone())),
                (None, None) => None,
            })
            .await
    }

    /// Acceptor: what the carrier is for, a session of its own or one that is to be resumed.
    ///
    /// # Errors
    ///
    /// The session's end.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn greeting(&self) -> Result<Greeting, Ended> {
        let found = self.0.when(|state| match (&state.standing, &state.hello, &state.ended) {
            (_, _, Some(ended)) => Some(Err(ended.clone())),
            (Standing::Yielded(resume), _, None) => Some(Ok(Err(resume.clone()))),
            (_, Some(hello), None) => Some(Ok(Ok(hello.clone()))),
            (_, None, None) => None,
        });
        Ok(match found.await? {
            Ok(hello) => Greeting::Hello(hello),
            Err(resume) => Greeting::Returning(Returning { carrier: self.clone(), resume }),
        })
    }

    /// The session's name, if it can be resumed.
    pub fn session_id(&self) -> Option<SessionId> {
        self.0.lock().connection.session_id()
    }

    /// Whether the session has a carrier and goes on over it.
    pub fn is_connected(&self) -> bool {
        let state = self.0.lock();
        matches!(state.standing, Standing::Connected) && state.ended.is_none()
    }

    /// Whether no channel is open and nothing that was sent waits for the peer: nothing would be lost with the session.
    pub fn is_idle(&self) -> bool {
        let state = self.0.lock();
        state.connection.channel_count() == 0 && !state.connection.has_unsent()
    }

    /// What the session holds in memory of what was sent and received, in bytes.
    pub fn held_bytes(&self) -> u64 {
        let state = self.0.lock();
        state.connection.buffered_bytes() + state.connection.replay_bytes() as u64
    }

    /// Waits until the session is without a carrier, and says why; the dialer then makes another. Never, once the session
    /// has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn lost(&self) -> String {
        self.0
            .when(|state| match &state.standing {
                Standing::Lost(reason) if state.ended.is_none() => Some(reason.clone()),
                _ => None,
            })
            .await
    }

    /// Waits until the session has a carrier again: true; or has ended: false.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn is_back(&self) -> bool {
        self.0
            .when(|state| match (&state.standing, &state.ended) {
                (_, Some(_)) => Some(false),
                (Standing::Connected, None) => Some(true),
                _ => None,
            })
            .await
    }

    /// Dialer: goes on over another carrier; one that is still there is given up. `exporter` is that of the carrier's TLS
    /// (RFC 9266), if nobody in between has TLS of their own. Waits until the acceptor has agreed.
    ///
    /// # Errors
    ///
    /// By [`By::Carrier`]: this carrier was lost, too, and another can be tried unless [`Mux::is_ended`]. Else why the
    /// session is over.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the session goes on over the carrier all the same.
    pub async fn resume<S>(&self, io: S, exporter: Option<[u8; 32]>) -> Result<(), Ended>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.begin_to_resume(Box::new(io), exporter)?;
        self.0.changed.notify_waiters();
        self.0
            .when(|state| match (&state.standing, &state.ended) {
                (_, Some(ended)) => Some(Err(ended.clone())),
                (Standing::Connected, None) => Some(Ok(())),
                (Standing::Lost(reason), None) => {
                    Some(Err(Ended { code: Code::SILENT, reason: reason.clone(), by: By::Carrier }))
                }
                _ => None,
            })
            .await
    }

    fn begin_to_resume(&self, io: BoxIo, exporter: Option<[u8; 32]>) -> Result<(), Ended> {
        let mut state = self.0.lock();
        if let Some(ended) = &state.ended {
            return Err(ended.clone());
        }
        let begun = state.connection.resume(self.0.now(), exporter);
        begun.map_err(|error| Ended { code: error.code(), reason: std::format!("{error}"), by: By::Local })?;
        state.carriers += 1;
        state.next_carrier = Some(io);
        state.standing = Standing::Beginning;
        state.wake_driver();
        Ok(())
    }

    /// Tells the peer that this side will go away soon and when to come back. The peer opens nothing more; what is open
    /// goes on until it ends, or until [`Mux::close`].
    pub fn drain(&self, retry_after: Duration, reason: &str) {
        let mut state = self.0.lock();
        state.connection.drain(u32::try_from(retry_after.as_millis()).unwrap_or(u32::MAX), reason);
        state.wake_driver();
    }

    /// Waits until the peer says that it will go away: when to come back, and why. Never, if it does not say so before
    /// the session ends.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn draining(&self) -> (Duration, String) {
        self.0.when(|state| state.peer_drains.clone()).await
    }

    /// Ends the session and tells the peer why. Channels end with the same code.
    pub fn close(&self, code: Code, reason: &str) {
        let mut state = self.0.lock();
        state.connection.close(code, reason);
        let wakers = state.end(Ended { code, reason: reason.into(), by: By::Local });
        state.wake_driver();
        drop(state);
        self.0.changed.notify_waiters();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Waits until everything that was sent, ends of directions included, has been handed to the carrier, and with
    /// resumption has arrived; or the session has ended. A [`Mux::close`] after that loses nothing that this side sent.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn drained(&self) {
        self.0
            .when(|state| {
                state.draining = true;
                (state.ended.is_some() || !state.connection.has_unsent()).then_some(())
            })
            .await;
    }

    /// Waits for the end of the session.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn ended(&self) -> Ended {
        self.0.when(|state| state.ended.clone()).await
    }

    /// Whether the session has ended.
    pub fn is_ended(&self) -> bool {
        self.0.lock().ended.is_some()
    }

    /// Whether both are handles of one session.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// What a carrier that was made to an acceptor is for.
#[derive(Debug)]
pub enum Greeting {
    /// A session of its own.
    Hello(Hello),
    /// One that there was before.
    Returning(Returning),
}

/// A carrier that was made to go on with a session. Dropped without an answer, it is refused.
#[derive(Debug)]
pub struct Returning {
    carrier: Mux,
    resume: Resume,
}

impl Returning {
    /// Which session is meant. Not proved yet.
    pub fn session_id(&self) -> SessionId {
        self.resume.session
    }

    /// Goes on with `session` over this carrier, if the peer proves to be its other side; see [`Connection::resume_with`].
    ///
    /// # Errors
    ///
    /// [`Error::ResumeRefused`]: the peer is told, and `session` is as it was.
    pub fn resume(self, session: &Mux, exporter: Option<[u8; 32]>, next: Secret) -> Result<(), Error> {
        let offered = self.carrier.0.lock().connection.offered();
        let Some(offered) = offered else { return Err(Error::Misuse("resume on a carrier that has ended")) };
        let binding = Binding { offered, exporter };
        let mut state = session.0.lock();
        let outcome = state.connection.resume_with(session.0.now(), &self.resume, &binding, next);
        if let Err(error) = outcome {
            drop(state);
            self.refuse(error.code(), &std::format!("{error}"));
            return Err(error);
        }
        state.carriers += 1;
        state.standing = Standing::Connected;
        state.wake_driver();
        drop(state);
        session.0.changed.notify_waiters();

        let mut carrier = self.carrier.0.lock();
        carrier.yields_to = Some(session.0.clone());
        carrier.wake_driver();
        Ok(())
    }

    /// No, and why.
    pub fn refuse(self, code: Code, reason: &str) {
        self.carrier.close(code, reason);
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        let state = self.carrier.0.lock();
        let is_answered = state.yields_to.is_some() || state.ended.is_some();
        drop(state);
        if !is_answered {
            self.carrier.close(Code::RESUME_REFUSED, "");
        }
    }
}

/// A channel that the peer wants. Dropped without an answer, it is refused with [`Code::CANCEL`].
#[derive(Debug)]
pub struct Incoming {
    channel: Channel,
    open: Open,
}

impl Incoming {
    /// What the peer wants it for. Not to be trusted.
    pub fn open(&self) -> &Open {
        &self.open
    }

    /// Yes.
    pub fn accept(self, fields: Fields) -> Channel {
        self.channel.accept(fields);
        self.channel
    }

    /// No, and why.
    pub fn refuse(self, code: Code, reason: &str) {
        self.channel.reset(code, reason);
    }

    /// Waits until nobody wants the channel any more: the peer reset it, or the session ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn broken(&mut self) -> Ended {
        self.channel.broken().await
    }
}

/// What the handles and the driver share.
struct Shared {
    state: Mutex<State>,
    /// Rings when `incoming`, `hello`, `standing`, `peer_drains` or `ended` change, and when all has been sent.
    changed: Notify,
    began: Instant,
}

/// How a session stands with its carrier.
enum Standing {
    /// There is one, and the peer has not answered on it yet.
    Beginning,
    Connected,
    Lost(String),
    /// It is for another session.
    Yielded(Resume),
}

struct State {
    connection: Connection,
    hello: Option<Hello>,
    standing: Standing,
    /// What the driver found out about the carrier.
    lost_because: Option<String>,
    /// Counts carriers: the driver lets go of one that is no longer the last.
    carriers: u64,
    /// For the driver to take.
    next_carrier: Option<BoxIo>,
    /// The session that gets this one's carrier.
    yields_to: Option<Arc<Shared>>,
    channels: BTreeMap<ChannelId, Box<Handle>>,
    incoming: VecDeque<(ChannelId, Open)>,
    driver: Option<Waker>,
    /// Somebody waits, or has waited, for everything to be sent.
    draining: bool,
    peer_drains: Option<(Duration, String)>,
    ended: Option<Ended>,
}

impl Shared {
    /// The lock is held for moments and never across an await; a panic elsewhere leaves nothing half done that matters.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Micros {
        Micros(u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    async fn when<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            // Listening begins before looking, so that no change falls in between.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(found) = look(&mut self.lock()) {
                return found;
            }
            changed.await;
        }
    }
}

impl State {
    fn wake_driver(&mut self) {
        if let Some(waker) = self.driver.take() {
            waker.wake();
        }
    }

    /// Ends everything; returns whom to wake once the lock is released. The first end is the one that counts.
    #[must_use]
    fn end(&mut self, ended: Ended) -> std::vec::Vec<Waker> {
        let mut wakers = std::vec::Vec::new();
        self.incoming.clear();
        for handle in self.channels.values_mut() {
            handle.end(ended.clone(), &mut wakers);
        }
        self.ended.get_or_insert(ended);
        wakers
    }
}
