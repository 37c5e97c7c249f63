//! A terminal from its shell's first word to its end: the page it has, pages that come back, what the shell says.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::time::{Instant, sleep_until};
use towline_cloud_api::{
    ErrorCode, FromTerminal, Problem, SessionEnd, TERMINAL_KEPT_SECONDS, TERMINAL_WINDOW_BYTES, ToTerminal, ToViewer,
};
use towline_tunnel_proto::driver::{Counters, Mux};

use super::{Heard, Said, Size, Terminal, kept::Return, scrollback::Scrollback};
use crate::{
    api::Failure,
    app::App,
    attempt::Started,
    connect::{End, countdown, cut_off, device_changed, limit_reached},
    limits::{Activity, Limits, Tick},
    sessions::Cut,
    viewer::{Input, Sender, Viewer},
};

const KEPT: Duration = Duration::from_secs(TERMINAL_KEPT_SECONDS);
/// What is sent at once.
const PIECE_BYTES: usize = 16 * 1024;

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
