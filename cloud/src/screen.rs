//! VNC: the cloud proves the password to the server, the page sees RFB 3.8 with security None.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use towline_cloud_api::{ErrorCode, Problem, SessionEnd};
use towline_rfb::{
    Error, Limits, Password, SecurityType,
    proxy::{Event, Handshake, Side, ViewOnly, ViewOnlyEvent},
};
use towline_tunnel_proto::driver::{Counters, Ended, ReceiveHalf, SendHalf};

use crate::{
    api::Failure,
    app::App,
    attempt::{MAX_REASON_CHARS, Reached, Started},
    connect::{End, channel_gone, page_gone},
    limits::Activity,
    store::{StoredEndpoint, Tenant, audit::clean},
    vault::Field,
    viewer::{Input, Viewer},
};

/// How long a server has for its part of the handshake, and a page for its own.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
/// What is shown of a target that speaks something else.
const MAX_SHOWN_BYTES: usize = 48;
const SERVER: &str = "the VNC server";

/// A screen on its way.
pub(crate) struct Screen {
    reached: Reached,
    handshake: Handshake,
    limits: Limits,
    view_only: bool,
    /// The first bytes that the target sent.
    beginning: Vec<u8>,
    offered: Vec<SecurityType>,
    /// How the server was last asked to be content.
    security: Option<SecurityType>,
}

impl Screen {
    pub(crate) async fn new(
        app: &App,
        tenant: &Tenant,
        stored: &StoredEndpoint,
        reached: Reached,
        view_only: bool,
    ) -> Result<Self, Failure> {
        let password = app.secrets(tenant, &stored.endpoint.id).await?.take(Field::Password);
        Ok(Self::with_password(password.map(|password| Password::new(password.as_slice())), reached, view_only))
    }

    pub(crate) fn with_password(password: Option<Password>, reached: Reached, view_only: bool) -> Self {
        let limits = Limits::default();
        Self {
            reached,
            handshake: Handshake::new(password, limits.clone()),
            limits,
            view_only,
            beginning: Vec::new(),
            offered: Vec::new(),
            security: None,
        }
    }

    /// Whether the target was found to speak RFB.
    pub(crate) fn speaks_rfb(&self) -> bool {
        !self.offered.is_empty()
    }

    /// How the server was last asked to be content.
    pub(crate) fn security(&self) -> Option<SecurityType> {
        self.security
    }

    /// The server's part of the handshake: version, security, password.
    pub(crate) async fn sign_in(&mut self) -> Result<(), Failure> {
        let signed_in = tokio::time::timeout(HANDSHAKE_TIMEOUT, self.satisfy()).await;
        signed_in.unwrap_or_else(|_| {
            let seconds = HANDSHAKE_TIMEOUT.as_secs();
            let so_far = match self.beginning.as_slice() {
                [] => "it has said nothing".into(),
                beginning => format!("it has said {}", shown(beginning)),
            };
            let detail = format!("no VNC handshake within {seconds} s: {so_far}");
            Err(Failure::new(ErrorCode::TargetProtocol, detail))
        })
    }

    async fn satisfy(&mut self) -> Result<(), Failure> {
        loop {
            let satisfied = self.drain();
            while let Some(bytes) = self.handshake.poll_transmit_server() {
                self.reached.channel.send(bytes).await.map_err(|ended| self.lost(Some(&ended)))?;
            }
            if satisfied? {
                return Ok(());
            }
            match self.reached.channel.recv().await {
                Ok(Some(bytes)) => {
                    let missing = MAX_SHOWN_BYTES.saturating_sub(self.beginning.len());
                    self.beginning.extend(bytes.iter().take(missing));
                    self.handshake.handle_server_input(bytes);
                }
                Ok(None) => return Err(self.lost(None)),
                Err(ended) => return Err(self.lost(Some(&ended))),
            }
        }
    }

    /// Looks at what has arrived; says whether the server is content.
    fn drain(&mut self) -> Result<bool, Failure> {
        loop {
            match self.handshake.poll_event() {
                Ok(Some(Event::SecurityOffered(types))) => self.offered = types,
                Ok(Some(Event::Authenticating(security))) => self.security = Some(security),
                Ok(Some(Event::Authenticated)) => return Ok(true),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(false),
                Err(error) => return Err(self.failure(&error)),
            }
        }
    }

    fn lost(&self, ended: Option<&Ended>) -> Failure {
        let problem = channel_gone(ended, SERVER).problem;
        if self.beginning.is_empty() || ended.is_some() {
            return Failure::new(problem.code, problem.detail);
        }
        let detail = format!("{} after it had said {}", problem.detail, shown(&self.beginning));
        Failure::new(problem.code, detail)
    }

    /// What an error of the server's part of the handshake means to a person.
    fn failure(&self, error: &Error) -> Failure {
        match error {
            Error::Malformed { what: "protocol version", .. } => {
                let detail = format!("it does not speak VNC: it said {}", shown(&self.beginning));
                Failure::new(ErrorCode::TargetProtocol, detail)
            }
            Error::Refused { by: "this side", .. } => {
                let detail = "the VNC server wants a password and the endpoint has none";
                Failure::new(ErrorCode::TargetSignIn, detail)
            }
            Error::Refused { reason, .. } if self.security == Some(SecurityType::VNC_AUTHENTICATION) => {
                let detail = format!("the VNC server refused the password: {}", clean(reason, MAX_REASON_CHARS));
                Failure::new(ErrorCode::TargetSignIn, detail)
            }
            Error::Refused { reason, .. } => {
                let detail = format!("the VNC server refuses: {}", clean(reason, MAX_REASON_CHARS));
                Failure::new(ErrorCode::TargetUnsupported, detail)
            }
            Error::Unsupported { what: "security type", .. } => {
                Failure::new(ErrorCode::TargetUnsupported, unsupported(&self.offered))
            }
            error => Failure::new(ErrorCode::TargetProtocol, format!("the VNC handshake failed: {error}")),
        }
    }

    /// The page's part of the handshake, and then bytes both ways until one side ends it.
    pub(crate) async fn run(mut self, viewer: &mut Viewer, started: &Started, counters: &Counters) -> End {
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, self.join(viewer)).await {
            Ok(Ok(())) => {}
            Ok(Err(end)) => return *end,
            Err(_) => {
                let detail =
                    format!("the page has not finished its part of the handshake in {} s", HANDSHAKE_TIMEOUT.as_secs());
                return broken(detail);
            }
        }
        let (to_server, to_viewer) = match self.handshake.finish() {
            Ok(unread) => (unread.to_server, unread.to_viewer),
            Err(error) => return broken(error.to_string()),
        };
        let (from_target, to_target) = self.reached.channel.split();
        let filter = self.view_only.then(|| ViewOnly::new(self.limits));
        let activity = viewer.activity();
        let (input, output) = viewer.split();
        let over = tokio::select! {
            over = forth(to_server, Page { input, started, activity }, to_target, filter, counters) => over,
            over = back(to_viewer, from_target, &output, counters) => over,
        };
        match over {
            Some(end) => end,
            None => page_gone(viewer).await,
        }
    }

    /// The page's part of the handshake.
    async fn join(&mut self, viewer: &mut Viewer) -> Result<(), Box<End>> {
        loop {
            let joined = loop {
                match self.handshake.poll_event() {
                    Ok(Some(Event::Joined)) => break true,
                    Ok(Some(_)) => {}
                    Ok(None) => break false,
                    Err(error) if self.handshake.failed_side() == Some(Side::Viewer) => {
                        return Err(broken(format!("the page's VNC handshake: {error}")).into());
                    }
                    Err(error) => {
                        let problem = self.failure(&error).into_problem();
                        let detail = problem.detail.clone();
                        return Err(End { end: SessionEnd::TargetClosed, detail, problem }.into());
                    }
                }
            };
            while let Some(bytes) = self.handshake.poll_transmit_server() {
                let sent = self.reached.channel.send(bytes).await;
                sent.map_err(|ended| Box::new(channel_gone(Some(&ended), SERVER)))?;
            }
            let (input, output) = viewer.split();
            while let Some(bytes) = self.handshake.poll_transmit_viewer() {
                if output.bytes(bytes).await.is_err() {
                    return Err(page_gone(viewer).await.into());
                }
            }
            if joined {
                return Ok(());
            }
            tokio::select! {
                read = input.recv() => match read {
                    Some(Input::Bytes(bytes)) => self.handshake.handle_viewer_input(bytes),
                    Some(Input::Extend) => {}
                    Some(Input::Text(_)) => return Err(broken("the page sent a text that is not understood".into()).into()),
                    None => return Err(page_gone(viewer).await.into()),
                },
                received = self.reached.channel.recv() => match received {
                    Ok(Some(bytes)) => self.handshake.handle_server_input(bytes),
                    Ok(None) => return Err(channel_gone(None, SERVER).into()),
                    Err(ended) => return Err(channel_gone(Some(&ended), SERVER).into()),
                },
            }
        }
    }
}

/// The page has broken the protocol.
fn broken(detail: String) -> End {
    let problem = Problem::new(ErrorCode::ProtocolMismatch, detail.clone());
    End { end: SessionEnd::OperatorLost, detail, problem }
}

/// What the page says, and what it is said in.
struct Page<'a> {
    input: &'a mut tokio::sync::mpsc::Receiver<Input>,
    started: &'a Started,
    activity: Arc<Activity>,
}

/// From the page to the server; `None` when the page is gone.
async fn forth(
    unread: Bytes,
    page: Page<'_>,
    mut target: SendHalf,
    mut filter: Option<ViewOnly>,
    counters: &Counters,
) -> Option<End> {
    let mut next = Some(unread);
    loop {
        let bytes = match next.take() {
            Some(bytes) => bytes,
            None => match page.input.recv().await? {
                Input::Bytes(bytes) => bytes,
                Input::Extend => {
                    page.activity.extend();
                    page.started.extended().await;
                    continue;
                }
                Input::Text(_) => return Some(broken("the page sent a text that is not understood".into())),
            },
        };
        let passed = match pass(&mut filter, bytes) {
            Ok(passed) => passed,
            Err(error) => return Some(broken(format!("a message that may do more than look: {error}"))),
        };
        for bytes in passed {
            let length = bytes.len() as u64;
            if let Err(ended) = target.send(bytes).await {
                return Some(channel_gone(Some(&ended), SERVER));
            }
            counters.a_to_b.fetch_add(length, Ordering::Relaxed);
        }
    }
}

/// What of the page's bytes is for the server.
fn pass(filter: &mut Option<ViewOnly>, bytes: Bytes) -> Result<Vec<Bytes>, Error> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let Some(filter) = filter else { return Ok(vec![bytes]) };
    filter.handle_input(bytes);
    let mut passed = Vec::new();
    while let Some(event) = filter.poll_event()? {
        if let ViewOnlyEvent::Passed(bytes) = event {
            passed.push(bytes);
        }
    }
    Ok(passed)
}

/// From the server to the page; `None` when the page is gone.
async fn back(
    unread: Bytes,
    mut target: ReceiveHalf,
    output: &crate::viewer::Sender,
    counters: &Counters,
) -> Option<End> {
    let mut next = Some(unread).filter(|bytes| !bytes.is_empty());
    loop {
        let bytes = match next.take() {
            Some(bytes) => bytes,
            None => match target.recv().await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return Some(channel_gone(None, SERVER)),
                Err(ended) => return Some(channel_gone(Some(&ended), SERVER)),
            },
        };
        let length = bytes.len() as u64;
        output.bytes(bytes).await.ok()?;
        counters.b_to_a.fetch_add(length, Ordering::Relaxed);
    }
}

/// The first bytes of a target, for a person.
fn shown(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}

/// What to do about a server with which no way to sign in is shared.
fn unsupported(offered: &[SecurityType]) -> String {
    let list = offered.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let advice = if offered
        .iter()
        .any(|security| security.name() == Some("RealVNC") || matches!(security.0, 5 | 6 | 13))
    {
        "RealVNC Server: in Options, set Authentication to \"VNC password\" and Encryption to \"Prefer off\" (Expert: \
         ProtocolVersion 3.8), then save that password with the endpoint"
    } else if offered.iter().any(|security| matches!(security.0, 30..=36)) {
        "macOS: in Sharing, Remote Management, Computer Settings, allow \"VNC viewers may control screen with password\", \
         then save that password with the endpoint"
    } else {
        "allow \"None\" or \"VNC Authentication\" (a VNC password) on the server"
    };
    format!("the VNC server offers no sign-in that is supported: it offers {list}. {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_a_common_sign_in_is_told_apart_by_its_maker() {
        assert!(unsupported(&[SecurityType::RA2, SecurityType(129)]).contains("RealVNC Server"));
        assert!(unsupported(&[SecurityType::DIFFIE_HELLMAN]).contains("macOS"));
        let other = unsupported(&[SecurityType::VENCRYPT]);
        assert!(other.contains("19 (VeNCrypt)") && other.contains("VNC password"), "{other}");
    }
}
