//! A terminal: a shell on a target, and the page that has it. The shell outlives its page for a while, so that a reload comes
//! back to it.
//!
//! ```text
//!   device ── channel ── ssh or telnet ══ Shell ══► scrollback ══► page        said: output, questions, exit
//!                                               ◄══════════════           heard: keys, size, answers
//! ```
//!
//! What the shell says is taken only as far as the page has drawn (or as it may draw when it is back), so that a page that
//! stalls stops the shell and no memory here. Keys go their own way.

mod installation;
mod scrollback;
mod ssh;
mod telnet;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use towline_cloud_api::{
    Answer, Endpoint, ErrorCode, FromTerminal, HostKey, Permission, Problem, Protocol, Question, SessionEnd, Settings,
    TERMINAL_KEPT_SECONDS, TERMINAL_WINDOW_BYTES, TerminalCommand, ToTerminal, ToViewer,
};
use towline_tunnel_proto::driver::{Counters, Mux};

use self::scrollback::Scrollback;
pub(crate) use self::{
    installation::{Installed, install},
    ssh::{host_key, key_limits},
};
use crate::{
    api::Failure,
    app::App,
    attempt::{Attempt, Reached, Started},
    connect::{End, countdown, cut_off, device_changed, limit_reached},
    limits::{Activity, Limits, Tick},
    sessions::Cut,
    vault::Secrets,
    viewer::{Input, Sender, Viewer},
};

/// How long a page has for its first message.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a person has for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
const KEPT: Duration = Duration::from_secs(TERMINAL_KEPT_SECONDS);
/// What is sent at once.
const PIECE_BYTES: usize = 16 * 1024;
const QUEUE: usize = 2;

/// A window's size, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: u16,
    pub(crate) rows: u16,
}

/// What a shell says.
#[derive(Debug)]
enum Said {
    Output(Bytes),
    Notice(String),
    /// Answered by [`Heard::Answer`].
    Question(Question),
    /// The key of a server that is not the one that is kept, before anything is asked about it.
    HostKey(HostKey),
    /// The program runs.
    Ready {
        /// The server's key, if the protocol has one.
        host_key: Option<HostKey>,
        /// It was accepted so as to be kept.
        keep: bool,
    },
    Exit {
        status: Option<u32>,
        signal: Option<String>,
    },
}

/// What a shell hears.
#[derive(Debug)]
enum Heard {
    Input(Bytes),
    Resize(Size),
    Command(TerminalCommand),
    Answer(Answer),
}

/// A program on a target, in whatever protocol. It ends when this is dropped.
struct Shell {
    said: mpsc::Receiver<Result<Said, Failure>>,
    heard: mpsc::Sender<Heard>,
}

/// The other end of a [`Shell`].
struct ShellEnd {
    said: mpsc::Sender<Result<Said, Failure>>,
    heard: mpsc::Receiver<Heard>,
}

impl Shell {
    fn new() -> (Self, ShellEnd) {
        let (to_said, said) = mpsc::channel(QUEUE);
        let (heard, from_heard) = mpsc::channel(QUEUE);
        (Self { said, heard }, ShellEnd { said: to_said, heard: from_heard })
    }
}

/// Refuses what the tenant has switched off.
pub(crate) fn check_allowed(protocol: Protocol, settings: &Settings) -> Result<(), Failure> {
    if protocol == Protocol::Telnet && !settings.allow_telnet {
        return Err(Failure::new(ErrorCode::ProtocolForbidden, "Telnet is switched off"));
    }
    Ok(())
}

/// Opens a shell on a target.
fn open(
    app: &App,
    endpoint: &Endpoint,
    secrets: Secrets,
    settings: &Settings,
    reached: Reached,
    size: Size,
) -> Result<Shell, Failure> {
    let (shell, end) = Shell::new();
    match endpoint.protocol {
        Protocol::Ssh => {
            let wish = ssh::Wish::new(endpoint, secrets, settings.save_host_keys, size)?;
            app.tasks.spawn(ssh::run(wish, reached.channel, end));
        }
        Protocol::Telnet => {
            let options = endpoint.telnet.clone().unwrap_or_default();
            app.tasks.spawn(telnet::run(options, reached.channel, size, end));
        }
        Protocol::Passthrough | Protocol::Vnc => {
            return Err(Failure::new(ErrorCode::BadRequest, "the endpoint has no terminal"));
        }
    }
    Ok(shell)
}

/// The first message of a page.
pub(crate) async fn hello(viewer: &mut Viewer) -> Result<(Size, Option<u64>), Failure> {
    let (input, _) = viewer.split();
    let first = tokio::time::timeout(HELLO_TIMEOUT, input.recv()).await;
    let Ok(Some(Input::Text(text))) = first else {
        return Err(Failure::new(ErrorCode::ProtocolMismatch, "the page has not said hello"));
    };
    match serde_json::from_str(&text) {
        Ok(FromTerminal::Hello { columns, rows, received }) => Ok((Size { columns, rows }, received)),
        _ => Err(Failure::new(ErrorCode::ProtocolMismatch, "the page has not said hello")),
    }
}

/// A shell that runs.
pub(crate) struct Terminal {
    shell: Shell,
    scrollback: Scrollback,
}

impl Terminal {
    /// Opens the shell, and has the person answer what it asks.
    pub(crate) async fn sign_in(
        attempt: &Attempt,
        settings: &Settings,
        reached: Reached,
        viewer: &mut Viewer,
        size: Size,
    ) -> Result<Self, Failure> {
        let (app, tenant) = (&attempt.caller.app, attempt.caller.tenant());
        let endpoint = &attempt.endpoint()?.endpoint;
        let secrets = app.secrets(tenant, &endpoint.id).await?;
        let mut shell = open(app, endpoint, secrets, settings, reached, size)?;
        let may_save = attempt.device.permissions.contains(&Permission::RemoteAccessAdmin);
        let mut scrollback = Scrollback::default();
        let mut questions = 0;
        loop {
            let said = tokio::select! {
                said = shell.said.recv() => said,
                () = viewer.gone() => return Err(gone()),
            };
            match said {
                Some(Ok(Said::Question(mut question))) => {
                    questions += 1;
                    if let Question::HostKey { may_save: allowed, .. } = &mut question {
                        *allowed = may_save;
                    }
                    let answer = ask(viewer, &mut shell, questions, question).await?;
                    shell.heard.send(Heard::Answer(answer)).await.map_err(|_| over())?;
                }
                Some(Ok(Said::Notice(text))) => viewer.say(&ToTerminal::Notice { text }).await.map_err(|_| gone())?,
                Some(Ok(Said::Ready { host_key, keep })) => {
                    if let Some(key) = host_key.filter(|_| keep) {
                        app.store.add_host_key(tenant, attempt.actor(), endpoint, &key).await?;
                    }
                    return Ok(Self { shell, scrollback });
                }
                Some(Ok(Said::HostKey(_))) => {}
                Some(Ok(Said::Output(bytes))) => scrollback.push(&bytes),
                Some(Ok(Said::Exit { .. })) | None => return Err(over()),
                Some(Err(failure)) => return Err(failure),
            }
        }
    }
}

/// How far a sign-in without a person came.
pub(crate) struct Tried {
    /// The server's key, if it has shown one.
    pub(crate) host_key: Option<HostKey>,
    pub(crate) signed_in: Result<(), Failure>,
}

/// Tries a sign-in over SSH out: what a person would be asked ends it.
pub(crate) async fn try_ssh(
    app: &App,
    endpoint: &Endpoint,
    secrets: Secrets,
    settings: &Settings,
    reached: Reached,
) -> Tried {
    let mut host_key = None;
    let signed_in = match open(app, endpoint, secrets, settings, reached, Size { columns: 80, rows: 24 }) {
        Ok(shell) => try_shell(shell, &mut host_key).await,
        Err(failure) => Err(failure),
    };
    Tried { host_key, signed_in }
}

async fn try_shell(mut shell: Shell, shown: &mut Option<HostKey>) -> Result<(), Failure> {
    loop {
        match shell.said.recv().await {
            Some(Ok(Said::HostKey(key))) => *shown = Some(key),
            Some(Ok(Said::Ready { host_key, .. })) => {
                *shown = host_key;
                return Ok(());
            }
            Some(Ok(Said::Question(Question::HostKey { algorithm, fingerprint, .. }))) => {
                return Err(Failure::new(ErrorCode::HostKeyUnknown, format!("{algorithm} {fingerprint}")));
            }
            Some(Ok(Said::Question(Question::Passphrase { .. }))) => {
                let detail = "the key has a passphrase, which whoever connects is asked for";
                return Err(Failure::new(ErrorCode::TargetSignIn, detail));
            }
            Some(Ok(Said::Question(_))) => {
                let detail = "the target wants something that whoever connects is asked for";
                return Err(Failure::new(ErrorCode::TargetSignIn, detail));
            }
            Some(Ok(Said::Output(_) | Said::Notice(_) | Said::Exit { .. })) => {}
            Some(Err(failure)) => return Err(failure),
            None => return Err(over()),
        }
    }
}

fn gone() -> Failure {
    Failure::new(ErrorCode::SessionEnded, "the operator went away during the sign-in")
}

fn over() -> Failure {
    Failure::new(ErrorCode::TargetClosed, "the target ended the connection")
}

/// Has the page answer a question.
async fn ask(viewer: &mut Viewer, shell: &mut Shell, id: u32, question: Question) -> Result<Answer, Failure> {
    viewer.say(&ToTerminal::Question { id, question }).await.map_err(|_| gone())?;
    let (input, _) = viewer.split();
    let answered = async {
        loop {
            match input.recv().await.ok_or_else(gone)? {
                Input::Text(text) => match serde_json::from_str(&text) {
                    Ok(FromTerminal::Answer { answer: Answer::Cancel { .. }, .. }) => {
                        return Err(Failure::new(ErrorCode::SessionEnded, "the operator cancelled the sign-in"));
                    }
                    Ok(FromTerminal::Answer { id: answered, answer }) if answered == id => return Ok(answer),
                    Ok(FromTerminal::Resize { columns, rows }) => {
                        // The size at the beginning is what the shell was opened with.
                        let _over = shell.heard.send(Heard::Resize(Size { columns, rows })).await;
                    }
                    Ok(FromTerminal::Close) => return Err(gone()),
                    Ok(_) => {}
                    Err(_) => {
                        return Err(Failure::new(ErrorCode::ProtocolMismatch, "the page's answer is not understood"));
                    }
                },
                Input::Bytes(_) | Input::Extend => {}
            }
        }
    };
    let late = || Failure::new(ErrorCode::SessionEnded, format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()));
    tokio::time::timeout(ANSWER_TIMEOUT, answered).await.unwrap_or_else(|_| Err(late()))
}

/// A page that comes back to a terminal.
pub(crate) struct Return {
    viewer: Viewer,
    size: Size,
    received: Option<u64>,
}

struct Kept {
    token_hash: String,
    door: mpsc::Sender<Return>,
}

/// The terminals that live, for pages that come back.
#[derive(Default)]
pub(crate) struct Terminals {
    kept: Arc<Mutex<HashMap<String, Kept>>>,
}

/// A terminal's place among those; dropping it gives it up.
struct Place {
    session_id: String,
    kept: Arc<Mutex<HashMap<String, Kept>>>,
    returns: mpsc::Receiver<Return>,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.kept).remove(&self.session_id);
    }
}

fn lock(kept: &Mutex<HashMap<String, Kept>>) -> MutexGuard<'_, HashMap<String, Kept>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Terminals {
    fn enter(&self, session_id: &str, token_hash: &str) -> Place {
        let (door, returns) = mpsc::channel(1);
        lock(&self.kept).insert(session_id.into(), Kept { token_hash: token_hash.into(), door });
        Place { session_id: session_id.into(), kept: self.kept.clone(), returns }
    }

    /// Gives a page the terminal that it comes back to, if that lives and was begun with the same login.
    pub(crate) async fn come_back(&self, session_id: &str, token_hash: &str, mut viewer: Viewer) {
        let lost = || Problem::new(ErrorCode::SessionLost, "the terminal is no more");
        let found =
            lock(&self.kept).get(session_id).filter(|kept| kept.token_hash == token_hash).map(|kept| kept.door.clone());
        let Some(door) = found else { return viewer.end(lost()).await };
        match hello(&mut viewer).await {
            Ok((size, received)) => {
                if let Err(refused) = door.send(Return { viewer, size, received }).await {
                    refused.0.viewer.end(lost()).await;
                }
            }
            Err(failure) => viewer.end(failure.into_problem()).await,
        }
    }
}

/// The page that has the terminal now.
struct Page {
    viewer: Viewer,
    sender: Sender,
    /// What was sent and what was drawn, counted from the terminal's first byte.
    sent: u64,
    acked: u64,
}

/// What the page or the shell has made happen.
enum Event {
    Said(Option<Result<Said, Failure>>),
    Input(Option<Input>),
    Room,
    Passed,
    Tick(Tick),
    /// Whether the device is there.
    Device(bool),
    Returned(Return),
    Forgotten,
    Cut(Cut),
}

/// Runs a terminal to its end: the page it has, pages that come back, what the shell says.
pub(crate) struct Session<'a> {
    pub(crate) app: &'a App,
    pub(crate) started: &'a Started,
    pub(crate) counters: &'a Counters,
    pub(crate) agent: &'a Mux,
    pub(crate) limits: Limits,
}

impl Session<'_> {
    /// Ends with the page that is there then, if any.
    pub(crate) async fn run(mut self, terminal: Terminal, viewer: Viewer, token_hash: &str) -> (End, Option<Viewer>) {
        let Terminal { mut shell, mut scrollback } = terminal;
        let mut place = self.app.terminals.enter(&self.started.session_id, token_hash);
        let mut activity = viewer.activity();
        let mut page = Some(self.attach(viewer, 0, false).await);
        let mut left_at = None;
        let mut has_device = true;
        let mut to_shell: Option<Heard> = None;
        loop {
            let drawn = page.as_ref().map_or_else(|| scrollback.drawn(), |page| page.acked);
            let has_room = scrollback.end().saturating_sub(drawn) < TERMINAL_WINDOW_BYTES;
            let event = tokio::select! {
                said = shell.said.recv(), if has_room => Event::Said(said),
                event = page_event(&mut page, &scrollback, to_shell.is_none()) => event,
                passed = shell.heard.reserve(), if to_shell.is_some() => {
                    if let (Ok(permit), Some(heard)) = (passed, to_shell.take()) {
                        permit.send(heard);
                    }
                    Event::Passed
                }
                tick = self.limits.next(&activity) => Event::Tick(tick),
                connected = device_changed(self.agent, has_device) => Event::Device(connected),
                Some(back) = place.returns.recv() => Event::Returned(back),
                () = until(left_at) => Event::Forgotten,
                cut = self.started.place.cut() => Event::Cut(cut),
            };
            match event {
                Event::Said(Some(Ok(said))) => match said {
                    Said::Output(bytes) => {
                        self.counters.b_to_a.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                        scrollback.push(&bytes);
                    }
                    Said::Notice(text) => say(&page, &ToTerminal::Notice { text }).await,
                    Said::Exit { status, signal } => {
                        flush(&mut page, &scrollback).await;
                        say(&page, &ToTerminal::Exit { status, signal }).await;
                    }
                    Said::Question(_) | Said::HostKey(_) | Said::Ready { .. } => {}
                },
                Event::Said(Some(Err(failure))) => {
                    flush(&mut page, &scrollback).await;
                    return (self.failed(failure), page.map(|page| page.viewer));
                }
                Event::Said(None) => {
                    flush(&mut page, &scrollback).await;
                    let problem = Problem::new(ErrorCode::SessionEnded, "the program on the target has ended");
                    let end = End { end: SessionEnd::Finished, detail: String::new(), problem };
                    return (end, page.map(|page| page.viewer));
                }
                Event::Input(Some(input)) => match self.hear(input, &mut page, &activity, &mut scrollback).await {
                    Ok(heard) => to_shell = heard,
                    Err(end) => return (*end, page.map(|page| page.viewer)),
                },
                Event::Input(None) => {
                    // The page is gone without a farewell: it may come back.
                    page = None;
                    left_at = Some(Instant::now());
                }
                Event::Room | Event::Passed => {}
                Event::Tick(Tick::Reached(limit)) => return (limit_reached(limit), page.map(|page| page.viewer)),
                Event::Cut(cut) => return (cut_off(cut), page.map(|page| page.viewer)),
                Event::Tick(tick) => say(&page, &countdown(tick)).await,
                Event::Device(connected) => {
                    has_device = connected;
                    say(&page, &ToViewer::Device { connected }).await;
                }
                Event::Returned(Return { viewer, size, received }) => {
                    if let Some(old) = page.take() {
                        let problem = Problem::new(ErrorCode::SessionEnded, "the terminal was opened in another tab");
                        self.app.tasks.spawn(old.viewer.end(problem));
                    }
                    activity = viewer.activity();
                    left_at = None;
                    page = Some(self.attach(viewer, scrollback.from(received), true).await);
                    if !has_device {
                        say(&page, &ToViewer::Device { connected: false }).await;
                    }
                    to_shell = Some(Heard::Resize(size));
                }
                Event::Forgotten => {
                    let end = SessionEnd::OperatorLost;
                    let detail = format!("the page did not come back within {TERMINAL_KEPT_SECONDS} s");
                    return (End { end, problem: Problem::new(ErrorCode::SessionLost, detail.clone()), detail }, None);
                }
            }
        }
    }

    async fn attach(&self, mut viewer: Viewer, offset: u64, resumed: bool) -> Page {
        let (_, sender) = viewer.split();
        let session_id = self.started.session_id.clone();
        // That the page is gone is found out when it is read from.
        let _ = sender.text(&ToTerminal::Attached { session_id, offset, resumed }).await;
        Page { viewer, sender, sent: offset, acked: offset }
    }

    /// What becomes of something that the page said.
    async fn hear(
        &self,
        input: Input,
        page: &mut Option<Page>,
        activity: &Activity,
        scrollback: &mut Scrollback,
    ) -> Result<Option<Heard>, Box<End>> {
        let not_understood = || {
            let detail = "the page sent a message that is not understood";
            let problem = Problem::new(ErrorCode::ProtocolMismatch, detail);
            Box::new(End { end: SessionEnd::OperatorLost, detail: detail.into(), problem })
        };
        let text = match input {
            Input::Bytes(bytes) => {
                self.counters.a_to_b.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                return Ok(Some(Heard::Input(bytes)));
            }
            Input::Extend => {
                activity.extend();
                self.started.extended().await;
                return Ok(None);
            }
            Input::Text(text) => text,
        };
        match serde_json::from_str(&text).map_err(|_| not_understood())? {
            FromTerminal::Ack { bytes } => {
                if let Some(page) = page {
                    if bytes > page.sent {
                        return Err(not_understood());
                    }
                    page.acked = page.acked.max(bytes);
                    scrollback.drawn_to(page.acked);
                }
                Ok(None)
            }
            FromTerminal::Resize { columns, rows } => Ok(Some(Heard::Resize(Size { columns, rows }))),
            FromTerminal::Command { command } => {
                activity.touch();
                Ok(Some(Heard::Command(command)))
            }
            FromTerminal::Close => {
                let problem = ErrorCode::SessionEnded.into();
                Err(Box::new(End { end: SessionEnd::OperatorClosed, detail: String::new(), problem }))
            }
            FromTerminal::Answer { .. } => Ok(None),
            FromTerminal::Hello { .. } => Err(not_understood()),
        }
    }

    /// The shell has ended badly.
    fn failed(&self, failure: Failure) -> End {
        let problem = failure.into_problem();
        let is_device_lost = !self.app.agents.is_online(self.started.device_id());
        let end = if is_device_lost { SessionEnd::DeviceLost } else { SessionEnd::TargetClosed };
        let problem = match is_device_lost {
            true => Problem::new(ErrorCode::SessionLost, "the connection to the device was lost"),
            false => problem,
        };
        End { end, detail: problem.detail.clone(), problem }
    }
}

/// Sends the page more if it may have more, or else hears what it says.
async fn page_event(page: &mut Option<Page>, scrollback: &Scrollback, may_hear: bool) -> Event {
    let Some(Page { viewer, sender, sent, acked }) = page else { return std::future::pending().await };
    let may_send = *sent < scrollback.end() && sent.saturating_sub(*acked) < TERMINAL_WINDOW_BYTES;
    let (input, _) = viewer.split();
    tokio::select! {
        room = sender.room(), if may_send => match room {
            Ok(room) => {
                let piece = scrollback.read(*sent, PIECE_BYTES);
                *sent += piece.len() as u64;
                room.bytes(piece);
                Event::Room
            }
            Err(_) => Event::Input(None),
        },
        input = input.recv(), if may_hear => Event::Input(input),
        // Neither: the page waits for the shell.
        () = std::future::pending() => Event::Passed,
    }
}

/// Sends what the page still has to see before it hears of the end; a page that does not read sees less.
async fn flush(page: &mut Option<Page>, scrollback: &Scrollback) {
    let Some(Page { sender, sent, .. }) = page else { return };
    let rest = async {
        while *sent < scrollback.end() {
            let piece = scrollback.read(*sent, PIECE_BYTES);
            *sent += piece.len() as u64;
            if sender.bytes(piece).await.is_err() {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), rest).await;
}

async fn say(page: &Option<Page>, text: &impl serde::Serialize) {
    if let Some(page) = page {
        let _ = page.sender.text(text).await;
    }
}

async fn until(left_at: Option<Instant>) {
    match left_at {
        Some(left_at) => sleep_until(left_at + KEPT).await,
        None => std::future::pending().await,
    }
}
