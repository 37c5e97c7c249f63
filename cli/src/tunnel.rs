//! One tunnel session to the cloud for all connections of a command. It outlives its connection; one that has ended is made
//! again when it is needed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{HeaderValue, header};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::Instant,
};
use towline_agent::{Backoff, binding, dial_problem, exporter};
use towline_cloud_api::{Device, Endpoint, ErrorCode, Problem, SUBPROTOCOL_TUNNEL};
use towline_transport::{BoxTransport, Carrier, dial};
use towline_tunnel_proto::{
    CarrierKind, Code, Config, FieldKey, Limits, Open, Resumption, Urgency,
    driver::{By, Channel, Ended, Mux},
};

use crate::{access::Access, progress::waiting};

const TUNNEL_PATH: &str = "/api/v1/tunnel";
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const DRAIN_LIMIT: Duration = Duration::from_secs(30);
const FAREWELL_LIMIT: Duration = Duration::from_secs(6);
const MAX_WAITING: usize = 1024;

/// A handle of the session. It is made at the first [`Tunnel::open`].
pub(crate) struct Tunnel {
    requests: mpsc::Sender<Request>,
    keeper: JoinHandle<()>,
    /// The cloud no longer takes the token of the session there is.
    stale: Arc<AtomicBool>,
}

struct Request {
    open: Open,
    reply: oneshot::Sender<Result<Channel, Problem>>,
}

impl Tunnel {
    pub(crate) fn new(access: Access) -> Self {
        let (requests, waiting) = mpsc::channel(MAX_WAITING);
        let stale = Arc::new(AtomicBool::new(false));
        Self { requests, keeper: tokio::spawn(keep(access, waiting, stale.clone())), stale }
    }

    /// A channel to an endpoint, for bytes of this urgency. Data may be sent at once; a refusal comes through the channel.
    ///
    /// # Cancel safety
    ///
    /// Cancelling gives the channel up.
    pub(crate) async fn open(&self, device_id: &str, endpoint_id: &str, urgency: Urgency) -> Result<Channel, Problem> {
        let (reply, answer) = oneshot::channel();
        let target = format!("towline:device/{device_id}/endpoint/{endpoint_id}");
        let open = Open { urgency, ..Open::to(target) };
        let stopped = || Problem::new(ErrorCode::SessionLost, "the session was closed");
        self.requests.send(Request { open, reply }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Notes how a channel ended: after one that failed because the token has ended, the next one gets a session anew.
    pub(crate) fn note_end(&self, ended: &Ended) {
        if ended.code == Code::AUTH {
            self.stale.store(true, Ordering::Relaxed);
        }
    }

    /// Ends the session with a farewell.
    pub(crate) async fn close(self) {
        drop(self.requests);
        drop(self.keeper.await);
    }
}

/// Asks the cloud to connect the endpoint, and leaves it at that. A device that seems offline may be back by now; the
/// cloud knows, and its refusal stands in its audit. Returns the address that the device connected, if it told.
pub(crate) async fn ask(access: &Access, device: &Device, endpoint: &Endpoint) -> Result<Option<String>, Problem> {
    let tunnel = Tunnel::new(access.clone());
    let mut channel = tunnel.open(&device.id, &endpoint.id, Urgency::NORMAL).await?;
    let answer = waiting(|| format!("asking device {} to connect", device.name), channel.accepted()).await;
    drop(channel);
    tunnel.close().await;
    match answer {
        Ok(fields) => Ok(fields.text(FieldKey::PEER_ADDRESS).map(Into::into)),
        Err(ended) => Err(ended_problem(&ended)),
    }
}

/// What the end of a channel or session means, in the words of the closed list.
pub(crate) fn ended_problem(ended: &Ended) -> Problem {
    let code = match ended.by {
        By::Carrier => ErrorCode::SessionLost,
        By::Peer | By::Local => ErrorCode::from_tunnel_code(ended.code.0),
    };
    Problem::new(code, &*ended.reason)
}

struct Session {
    mux: Mux,
    driver: JoinHandle<Ended>,
}

/// Owns the session: makes it when a channel is wanted and there is none, with a growing wait after failures.
async fn keep(mut access: Access, mut requests: mpsc::Receiver<Request>, stale: Arc<AtomicBool>) {
    let mut session: Option<Session> = None;
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    let mut not_before = Instant::now();
    while let Some(Request { open, reply }) = requests.recv().await {
        if stale.swap(false, Ordering::Relaxed) || session.as_ref().is_some_and(|session| session.mux.is_ended()) {
            // Channels that are open on it go on as long as the cloud lets them.
            session = None;
        }
        if access.is_over()
            && let Ok(Some(renewed)) = access.renewed().await
        {
            (access, session) = (renewed, None);
        }
        let current = match session.take() {
            Some(current) => current,
            None => {
                tokio::time::sleep_until(not_before).await;
                match connect_as(&mut access).await {
                    Ok(made) => {
                        backoff.reset();
                        made
                    }
                    Err(problem) => {
                        not_before = Instant::now() + backoff.next_wait(u64::MAX);
                        // Whoever waited for the same attempt gets the same answer.
                        while let Ok(waiting) = requests.try_recv() {
                            drop(waiting.reply.send(Err(problem.clone())));
                        }
                        drop(reply.send(Err(problem)));
                        continue;
                    }
                }
            }
        };
        drop(reply.send(current.mux.open(open).map_err(|ended| ended_problem(&ended))));
        session = Some(current);
    }
    if let Some(Session { mux, driver }) = session {
        // The last bytes may still wait for credit or for the carrier.
        drop(tokio::time::timeout(DRAIN_LIMIT, mux.drained()).await);
        mux.close(Code::NO_ERROR, "");
        drop(tokio::time::timeout(FAREWELL_LIMIT, driver).await);
    }
}

/// Connects with the token there is, and if that has ended with the one that replaced it.
async fn connect_as(access: &mut Access) -> Result<Session, Problem> {
    match connect(access).await {
        Err(problem) if problem.code == ErrorCode::Unauthenticated => match access.renewed().await? {
            Some(renewed) => {
                *access = renewed;
                connect(access).await
            }
            None => Err(problem),
        },
        made => made,
    }
}

/// Whether a tunnel really comes about; it is ended at once.
pub(crate) async fn try_out(access: &Access) -> Result<(), Problem> {
    let Session { mux, driver } = connect(access).await?;
    mux.close(Code::NO_ERROR, "");
    match tokio::time::timeout(FAREWELL_LIMIT, driver).await {
        Ok(Ok(Ended { by: By::Local, .. })) => Ok(()),
        Ok(Ok(ended)) => Err(ended_problem(&ended)),
        _ => Err(Problem::new(ErrorCode::SessionLost, "the cloud did not say farewell")),
    }
}

async fn connect(access: &Access) -> Result<Session, Problem> {
    let carrier = waiting(|| format!("connecting to {}", access.cloud), carrier(access)).await?;
    let mut config = Config::dialer(CarrierKind::Negotiated);
    config.resumption = Some(Resumption::dialer());
    let (mux, driver) = Mux::new(carrier, config, Limits::default());
    tokio::spawn(keep_up(mux.clone(), access.clone()));
    Ok(Session { mux, driver: tokio::spawn(driver) })
}

/// Replaces each connection that is lost, for as long as the session lives.
async fn keep_up(mux: Mux, mut access: Access) {
    let over = mux.clone();
    let keep = async {
        loop {
            mux.lost().await;
            let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
            while !mux.is_connected() {
                let again = match carrier(&access).await {
                    Ok(carrier) => {
                        let exporter = exporter(&access.trust(), &carrier);
                        mux.resume(carrier, exporter).await.err().map(|ended| ended_problem(&ended))
                    }
                    Err(problem) => Some(problem),
                };
                let Some(problem) = again else { break };
                if problem.code == ErrorCode::Unauthenticated {
                    match access.renewed().await {
                        Ok(Some(renewed)) => access = renewed,
                        _ => return mux.close(Code::AUTH, "the cloud no longer takes the login"),
                    }
                }
                tokio::time::sleep(backoff.next_wait(u64::MAX)).await;
            }
        }
    };
    tokio::select! {
        () = keep => {}
        _ = over.ended() => {}
    }
}

async fn carrier(access: &Access) -> Result<Carrier<BoxTransport>, Problem> {
    let cloud = &access.cloud;
    cloud.check_encryption()?;
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", access.token))
        .map_err(|_| Problem::new(ErrorCode::Unauthenticated, "the token has characters that no token has"))?;
    bearer.set_sensitive(true);
    let trust = access.trust();
    let mut options = access.way_out.options(&trust, "http/1.1");
    options.headers = [(header::AUTHORIZATION, bearer)].into_iter().chain(binding(&trust)).collect();
    options.subprotocol = Some(SUBPROTOCOL_TUNNEL.into());
    let dialled = async { dial(&cloud.websocket(TUNNEL_PATH)?, &options).await };
    dialled.await.map_err(|error| dial_problem(cloud, &error))
}
