//! Staying connected to the cloud, for ever.

use std::{
    convert::Infallible,
    future::Future,
    path::Path,
    pin::pin,
    time::{Duration, SystemTime},
};

use http::{HeaderName, HeaderValue, header};
use tokio::time::Instant;
use towline_cloud_api::{Challenge, ErrorCode, Problem, SUBPROTOCOL_TUNNEL};
use towline_transport::{
    BoxTransport, Carrier, Endpoint, Scheme, dial,
    websocket::{self, ClientRequest},
};
use towline_tunnel_proto::{
    CarrierKind, Code, Config, Limits, MemoryBudget, Resumption,
    driver::{By, Ended, Mux},
};

use crate::{
    CarrierChoice, Enrolment, Error, WayOut,
    backoff::{Backoff, fraction, random},
    binding::{binding, exporter},
    carrier::Memory,
    dial_problem, enrol,
    http::HTTP,
    identity::Identity,
    serve::serve,
    single_line,
};

const TUNNEL_PATH: &str = "/api/v1/agent/tunnel";
const AGENT_HEADER: HeaderName = HeaderName::from_static("towline-agent");

const FIRST_WAIT: Duration = Duration::from_millis(500);
/// A device is back this soon after its cloud is, however long that was away.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// What a cloud that goes away may ask for at most.
const LONGEST_ABSENCE: Duration = Duration::from_secs(10 * 60);
/// After a "no" that only a person can turn into a "yes".
const REJECTED_WAIT: Duration = Duration::from_secs(5 * 60);
/// A session that lasted this long counts as a success.
const STABLE_SESSION: Duration = Duration::from_secs(60);
/// A cloud that answers at all answers QUIC sooner.
const QUIC_LIMIT: Duration = Duration::from_secs(4);
const UPGRADE_LIMIT: Duration = Duration::from_secs(10);
const FAREWELL_LIMIT: Duration = Duration::from_secs(2);

/// Connections that one agent has open at a time, unless [`Agent::max_channels`] says otherwise.
pub const DEFAULT_MAX_CHANNELS: usize = 256;

/// What an agent's tunnel may promise to take in, in bytes, unless [`Agent::tunnel_memory_bytes`] says otherwise: 128
/// connections before windows are so many that new ones are refused.
pub const DEFAULT_TUNNEL_MEMORY_BYTES: usize = 32 << 20;

/// A device that is enrolled.
#[derive(Debug)]
pub struct Agent {
    identity: Identity,
    data_dir: std::path::PathBuf,
    /// Connections to targets at a time; more are refused.
    pub max_channels: usize,
    /// What the tunnel may promise to take in before a target has taken it, in bytes.
    pub tunnel_memory_bytes: usize,
    /// How to get out to the cloud; directly by default.
    pub way_out: WayOut,
    /// What the tunnel runs on.
    pub carrier: CarrierChoice,
}

type Headers = Vec<(HeaderName, HeaderValue)>;

/// What came of one attempt to be connected.
enum Outcome {
    /// No session came about.
    Failed { phase: &'static str, problem: Problem },
    /// There was a session, for this long. The cloud may have said before when to come back.
    Ended { ended: Ended, lasted: Duration, come_back: Option<Duration> },
}

impl Agent {
    /// Enrols this device with a token and keeps the identity in the data folder.
    ///
    /// # Errors
    ///
    /// [`Error`]: the token was used or has expired, the cloud cannot be reached or is another one than the token
    /// says, or the data folder cannot be written.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: the token may be spent and the identity not kept.
    pub async fn enrol(enrolment: &Enrolment) -> Result<Self, Error> {
        let identity = enrol::enrol(enrolment).await?;
        let way_out = enrolment.way_out.clone();
        Ok(Self { way_out, ..Self::new(identity, enrolment.data_dir.clone()) })
    }

    /// The device whose identity is in a data folder.
    ///
    /// # Errors
    ///
    /// [`Error`] if there is none, or it cannot be read.
    pub fn load(data_dir: &Path) -> Result<Self, Error> {
        let identity = Identity::load(data_dir)?;
        Ok(Self::new(identity, data_dir.to_owned()))
    }

    fn new(identity: Identity, data_dir: std::path::PathBuf) -> Self {
        let (way_out, carrier) = (WayOut::default(), CarrierChoice::default());
        let (max_channels, tunnel_memory_bytes) = (DEFAULT_MAX_CHANNELS, DEFAULT_TUNNEL_MEMORY_BYTES);
        Self { identity, data_dir, max_channels, tunnel_memory_bytes, way_out, carrier }
    }

    /// Who this device is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Connects to the cloud and stays connected until `shutdown` is ready. Nothing else ends it: what fails is tried
    /// again, sooner or later, and the log says what failed and what to do.
    ///
    /// # Cancel safety
    ///
    /// Cancelling breaks off every connection without a farewell.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut memory = Memory::load(&self.data_dir);
        let mut limits = Limits::default();
        limits.budget = MemoryBudget::new(self.tunnel_memory_bytes);
        loop {
            let outcome = tokio::select! {
                biased;
                () = &mut shutdown => return,
                connected = self.connect(&mut memory) => match connected {
                    Ok(carrier) => match self.session(carrier, limits.clone(), &mut memory, shutdown.as_mut()).await {
                        Some(outcome) => outcome,
                        None => return,
                    },
                    Err(failed) => failed,
                },
            };
            let wait = next_wait(&outcome, &mut backoff);
            log(&outcome, wait);
            tokio::select! {
                () = &mut shutdown => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Opens the tunnel's carrier.
    async fn connect(&self, memory: &mut Memory) -> Result<Carrier<BoxTransport>, Outcome> {
        let Identity { cloud, trust, .. } = &self.identity;
        cloud.check_encryption().map_err(failed("checking the cloud's address"))?;

        let (mut headers, quic_port) = self.proof().await?;
        let mut quic_problem = None;
        if let Some(endpoint) = quic_port.and_then(|port| self.quic(port, memory)) {
            match self.over_quic(&endpoint, headers).await {
                Ok(carrier) => {
                    memory.quic_worked();
                    return Ok(carrier);
                }
                // The cloud has answered: no other carrier would change its mind.
                Err(error @ towline_transport::Error::HttpStatus { .. }) => {
                    return Err(failed("opening the tunnel over QUIC")(dial_problem(cloud, &error)));
                }
                Err(error) => quic_problem = Some(dial_problem(cloud, &error)),
            }
            // A proof is good once, and that one may have arrived.
            (headers, _) = self.proof().await?;
        }
        if self.carrier == CarrierChoice::Quic {
            let not_offered =
                || Problem::new(ErrorCode::CloudUnreachable, "the cloud offers no QUIC, or a proxy is on the way");
            return Err(failed("opening the tunnel over QUIC")(quic_problem.unwrap_or_else(not_offered)));
        }

        let mut options = self.way_out.options(trust, HTTP);
        options.headers = headers;
        options.subprotocol = Some(SUBPROTOCOL_TUNNEL.into());
        let dialled = async { dial(&cloud.websocket(TUNNEL_PATH)?, &options).await };
        let carrier = dialled.await.map_err(|error| failed("opening the tunnel")(dial_problem(cloud, &error)))?;
        if let Some(problem) = quic_problem {
            memory.quic_failed(SystemTime::now());
            let hours = memory.pause().as_secs() / 3600;
            let problem = single_line(&problem.to_string());
            tracing::info!(again_after_hours = hours, "QUIC does not get through, WebSocket does: {problem}");
        }
        Ok(carrier)
    }

    /// The headers that prove who this is, and where the cloud takes QUIC.
    async fn proof(&self) -> Result<(Headers, Option<u16>), Outcome> {
        let Identity { device_id, cloud, trust, key, .. } = &self.identity;
        let challenge = enrol::challenge(cloud, trust, &self.way_out).await;
        let Challenge { nonce, quic_port } = challenge.map_err(failed("asking the cloud for a challenge"))?;
        let signature = key.sign(format!("towline device v1\n{}\n{device_id}\n{nonce}", cloud.authority()).as_bytes());
        let proof = HeaderValue::try_from(format!("Towline-Device v1 {device_id} {nonce} {signature}"));
        let mut proof = proof.map_err(|_| {
            let problem = Problem::new(ErrorCode::ProtocolMismatch, "the challenge is not a header's text");
            failed("opening the tunnel")(problem)
        })?;
        proof.set_sensitive(true);
        let version = HeaderValue::from_static(env!("CARGO_PKG_VERSION"));
        let headers = [(header::AUTHORIZATION, proof), (AGENT_HEADER, version)];
        Ok((headers.into_iter().chain(binding(trust)).collect(), quic_port))
    }

    /// Where to try QUIC, if it is to be tried.
    fn quic(&self, port: u16, memory: &Memory) -> Option<Endpoint> {
        let is_due = match self.carrier {
            CarrierChoice::Auto => memory.is_quic_due(SystemTime::now()),
            CarrierChoice::Quic => true,
            CarrierChoice::Websocket => false,
        };
        let endpoint = self.identity.cloud.quic(port).ok().filter(|_| cfg!(feature = "quic") && is_due)?;
        // A proxy carries no QUIC, and whoever says that there is one wants it to be used.
        matches!(self.way_out.proxies.for_endpoint(&endpoint), Ok(None)).then_some(endpoint)
    }

    /// The same handshake as over TLS, on the stream of a QUIC connection.
    async fn over_quic(
        &self,
        to: &Endpoint,
        headers: Headers,
    ) -> Result<Carrier<BoxTransport>, towline_transport::Error> {
        let mut options = self.way_out.options(&self.identity.trust, SUBPROTOCOL_TUNNEL);
        options.timeouts.quic = QUIC_LIMIT;
        let carrier = dial(to, &options).await?;
        let request = ClientRequest {
            authority: self.identity.cloud.authority(),
            path: TUNNEL_PATH.into(),
            headers,
            subprotocol: Some(SUBPROTOCOL_TUNNEL.into()),
        };
        let (carrier, _) = websocket::connect(carrier, &request, UPGRADE_LIMIT).await?;
        Ok(carrier.boxed())
    }

    /// Replaces each connection that is lost, for as long as the session lives.
    async fn keep(&self, mux: &Mux, memory: &mut Memory) -> Infallible {
        loop {
            let reason = mux.lost().await;
            if mux.is_idle() {
                // Nothing would be lost with it: the next session is as good.
                mux.close(Code::SILENT, &reason);
                return std::future::pending().await;
            }
            tracing::warn!(reason = single_line(&reason), "the connection was lost; what is open waits for another");
            let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
            while !mux.is_ended() && !mux.is_connected() {
                let outcome = match self.connect(memory).await {
                    Ok(carrier) => {
                        let exporter = exporter(&self.identity.trust, &carrier);
                        match mux.resume(carrier, exporter).await {
                            Ok(()) => break,
                            Err(ended) => Outcome::Ended { ended, lasted: Duration::ZERO, come_back: None },
                        }
                    }
                    Err(failed) => failed,
                };
                let wait = next_wait(&outcome, &mut backoff);
                if !mux.is_ended() {
                    log(&outcome, wait);
                    tokio::time::sleep(wait).await;
                }
            }
            if mux.is_connected() {
                tracing::info!("the session goes on");
            }
        }
    }

    /// Serves one session to its end; `None` if that was `shutdown`.
    async fn session(
        &self,
        carrier: Carrier<BoxTransport>,
        limits: Limits,
        memory: &mut Memory,
        mut shutdown: std::pin::Pin<&mut impl Future<Output = ()>>,
    ) -> Option<Outcome> {
        let name = if is_quic(&carrier) { "QUIC" } else { "WebSocket" };
        let mut config = Config::dialer(CarrierKind::Negotiated);
        config.implementation = crate::IMPLEMENTATION.into();
        config.resumption = Some(Resumption::dialer());
        let (mux, driver) = Mux::new(carrier, config, limits);
        let driver = tokio::spawn(driver);
        let began = Instant::now();
        tracing::info!(cloud = %self.identity.cloud, device = self.identity.device_id, carrier = name, "online");
        let mut serving = pin!(serve(&mux, self.data_dir.clone(), self.max_channels));
        let mut keeping = pin!(self.keep(&mux, memory));
        let mut come_back = None;
        loop {
            tokio::select! {
                never = keeping.as_mut() => match never {},
                () = shutdown.as_mut() => {
                    mux.close(Code::SHUTDOWN, "the agent is stopping");
                    drop(tokio::time::timeout(FAREWELL_LIMIT, driver).await);
                    return None;
                }
                () = serving.as_mut() => {
                    return Some(Outcome::Ended { ended: mux.ended().await, lasted: began.elapsed(), come_back });
                }
                // What is open goes on until the cloud ends it.
                (after, reason) = mux.draining(), if come_back.is_none() => {
                    let reason = single_line(&reason);
                    tracing::info!(seconds = after.as_secs_f32(), reason, "the cloud will go away for a while");
                    come_back = Some(after.min(LONGEST_ABSENCE));
                }
            }
        }
    }
}

fn failed(phase: &'static str) -> impl FnOnce(Problem) -> Outcome {
    move |problem| Outcome::Failed { phase, problem }
}

fn is_quic(carrier: &Carrier<BoxTransport>) -> bool {
    carrier.info().endpoint.as_ref().is_some_and(|endpoint| endpoint.scheme() == Scheme::Quic)
}

fn next_wait(outcome: &Outcome, backoff: &mut Backoff) -> Duration {
    let rejected = match outcome {
        Outcome::Failed { problem, .. } => {
            // A device that is disabled is not among them: who enables it again waits for it.
            matches!(problem.code, ErrorCode::DeviceIdentityRejected | ErrorCode::VersionUnsupported)
        }
        // It was announced, so it is no failure. The cloud spreads its devices; this spreads them a little more.
        Outcome::Ended { ended, come_back: Some(after), .. }
            if ended.code == Code::SHUTDOWN || ended.code == Code::SILENT || ended.by == By::Carrier =>
        {
            backoff.reset();
            return *after + fraction(FIRST_WAIT.max(*after / 4), random());
        }
        Outcome::Ended { ended, lasted, .. } => {
            if *lasted > STABLE_SESSION {
                backoff.reset();
            }
            [Code::REVOKED, Code::AUTH, Code::REPLACED, Code::VERSION].contains(&ended.code)
        }
    };
    let wait = backoff.next_wait(random());
    // Two agents with one identity would otherwise drive each other out all the time.
    if rejected { REJECTED_WAIT + wait } else { wait }
}

fn log(outcome: &Outcome, wait: Duration) {
    let next_try = format_args!("{:.1} s", wait.as_secs_f32()).to_string();
    match outcome {
        Outcome::Failed { phase, problem } => {
            let problem = single_line(&problem.to_string());
            tracing::warn!(next_try, "offline: {phase} failed: {problem}");
        }
        Outcome::Ended { come_back: Some(_), .. } => {
            tracing::info!(next_try, "offline: the cloud went away as it had said");
        }
        Outcome::Ended { ended, lasted, .. } => {
            let error = ErrorCode::from_tunnel_code(ended.code.0);
            let reason = single_line(&ended.to_string());
            let seconds = lasted.as_secs();
            tracing::warn!(next_try, "offline: the session ended after {seconds} s: {reason} — {}", error.remedy());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(code: ErrorCode) -> Outcome {
        Outcome::Failed { phase: "opening the tunnel", problem: code.into() }
    }

    #[test]
    fn a_rejected_identity_is_tried_again_after_minutes_and_a_lost_network_within_one() {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        for _ in 0..20 {
            assert!(next_wait(&failed(ErrorCode::CloudUnreachable), &mut backoff) <= LONGEST_WAIT);
        }
        assert!(next_wait(&failed(ErrorCode::DeviceIdentityRejected), &mut backoff) >= REJECTED_WAIT);
        assert!(next_wait(&failed(ErrorCode::DeviceDisabled), &mut backoff) <= LONGEST_WAIT);
    }

    #[test]
    fn a_cloud_that_said_when_it_is_back_is_not_looked_for_earlier_and_has_not_failed() {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        for _ in 0..20 {
            backoff.next_wait(0);
        }
        let ended = |code| Ended { code, reason: String::new(), by: By::Peer };
        let after = Duration::from_secs(4);
        let gone = |code| Outcome::Ended { ended: ended(code), lasted: Duration::ZERO, come_back: Some(after) };

        let wait = next_wait(&gone(Code::SHUTDOWN), &mut backoff);
        assert!(wait >= after && wait <= after + Duration::from_secs(1), "{wait:?}");
        assert!(backoff.next_wait(u64::MAX) <= FIRST_WAIT, "it counted as a failure");
        assert!(next_wait(&gone(Code::REVOKED), &mut backoff) >= REJECTED_WAIT);
    }
}
