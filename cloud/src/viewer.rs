//! The WebSocket of a page that has a connection open: text for how it goes, binary for the protocol's bytes.
//!
//! ```text
//!   page ──► reader task ──► input (bytes, texts) ──► screen or terminal ──► the device's channel
//!              │ pings                                   │
//!              ▼                                         ▼
//!   page ◄── writer task ◄──────── output ◄──────── phases, bytes, the end
//! ```
//!
//! Both queues are short: who does not read stops whoever sends, at the other end of the path.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use towline_cloud_api::{CLOSE_ENDED, FromViewer, Problem, ToViewer};
use towline_transport::websocket::{Message, MessageReader, MessageWriter, server_messages};
use zeroize::Zeroizing;

use crate::limits::Activity;

const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);
/// What a page that does not read is given to hear the last word.
const LAST_WORD: Duration = Duration::from_secs(1);
/// Messages that wait in either direction.
const QUEUE: usize = 2;
/// Pongs that wait; who pings faster than it reads misses some.
const PONGS: usize = 4;
const CLOSE_NORMAL: u16 = 1000;

type Io = TokioIo<Upgraded>;

/// What a page sends, but for what is answered here.
#[derive(Debug)]
pub(crate) enum Input {
    Bytes(Bytes),
    /// A text that is not a [`FromViewer`]. It may hold a secret.
    Text(Zeroizing<String>),
    /// The person wants to go on beyond a limit.
    Extend,
}

#[derive(Debug)]
enum Output {
    Message(Message),
    End(Box<Problem>),
}

/// A page's end of a connection. Dropping it closes the WebSocket.
pub(crate) struct Viewer {
    input: mpsc::Receiver<Input>,
    output: mpsc::Sender<Output>,
    gone: CancellationToken,
    has_closed: Arc<AtomicBool>,
    activity: Arc<Activity>,
    _end: DropGuard,
}

/// The sending direction of a [`Viewer`].
#[derive(Clone)]
pub(crate) struct Sender(mpsc::Sender<Output>);

/// Room for one message.
pub(crate) struct Room<'a>(mpsc::Permit<'a, Output>);

impl Room<'_> {
    pub(crate) fn bytes(self, bytes: Bytes) {
        self.0.send(Output::Message(Message::Binary(bytes)));
    }
}

/// The page is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

impl Viewer {
    /// Begins on a connection that has just become a WebSocket.
    pub(crate) async fn begin(tasks: &TaskTracker, connection: OnUpgrade) -> Option<Self> {
        let io = tokio::time::timeout(UPGRADE_TIMEOUT, connection).await.ok()?.ok()?;
        let (reader, writer) = server_messages(TokioIo::new(io)).await;
        let (gone, end) = (CancellationToken::new(), CancellationToken::new());
        let has_closed = Arc::new(AtomicBool::new(false));
        let activity = Arc::new(Activity::default());
        let (to_input, input) = mpsc::channel(QUEUE);
        let (output, from_output) = mpsc::channel(QUEUE);
        let (to_pongs, pongs) = mpsc::channel(PONGS);
        let reading = {
            let (has_closed, activity) = (has_closed.clone(), activity.clone());
            async move {
                let closed = read(reader, to_input, to_pongs, &activity).await;
                has_closed.store(closed, Ordering::Relaxed);
            }
        };
        let [reader_gone, writer_gone] = [gone.clone(), gone.clone()];
        let reader_end = end.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = reading => {}
                () = reader_end.cancelled() => {}
            }
            reader_gone.cancel();
        });
        let writer_end = end.clone();
        tasks.spawn(async move {
            write(writer, from_output, pongs, writer_end).await;
            writer_gone.cancel();
        });
        Some(Self { input, output, gone, has_closed, activity, _end: end.drop_guard() })
    }

    /// Ready when the page is gone.
    pub(crate) fn gone(&self) -> impl Future<Output = ()> + use<> {
        let gone = self.gone.clone();
        async move { gone.cancelled().await }
    }

    /// Whether the page has closed the connection, as opposed to having been lost.
    pub(crate) fn has_closed(&self) -> bool {
        self.has_closed.load(Ordering::Relaxed)
    }

    /// When the person last did something.
    pub(crate) fn activity(&self) -> Arc<Activity> {
        self.activity.clone()
    }

    /// Says something.
    pub(crate) async fn say(&self, text: &impl serde::Serialize) -> Result<(), Gone> {
        Sender(self.output.clone()).text(text).await
    }

    /// The two directions by themselves.
    pub(crate) fn split(&mut self) -> (&mut mpsc::Receiver<Input>, Sender) {
        (&mut self.input, Sender(self.output.clone()))
    }

    /// Says what ended the connection, and closes it.
    pub(crate) async fn end(self, problem: Problem) {
        let last_word = async {
            if self.output.send(Output::End(problem.into())).await.is_ok() {
                self.gone.cancelled().await;
            }
        };
        // A page that does not read hears nothing.
        let _ = tokio::time::timeout(LAST_WORD, last_word).await;
    }
}

impl Sender {
    /// Sends bytes of the protocol; waits while the page does not read.
    pub(crate) async fn bytes(&self, bytes: Bytes) -> Result<(), Gone> {
        self.0.send(Output::Message(Message::Binary(bytes))).await.map_err(|_| Gone)
    }

    /// Waits until there is room for one message, and takes it.
    pub(crate) async fn room(&self) -> Result<Room<'_>, Gone> {
        self.0.reserve().await.map(Room).map_err(|_| Gone)
    }

    /// Sends a text.
    pub(crate) async fn text(&self, text: &impl serde::Serialize) -> Result<(), Gone> {
        // It is made of strings and numbers, all of which JSON can write.
        let text = serde_json::to_string(text).unwrap_or_default();
        self.0.send(Output::Message(Message::Text(text))).await.map_err(|_| Gone)
    }
}

/// Reads until the page is gone; says whether it has closed the connection.
async fn read(
    mut reader: MessageReader<Io>,
    input: mpsc::Sender<Input>,
    pongs: mpsc::Sender<u32>,
    activity: &Activity,
) -> bool {
    loop {
        let read = match reader.next().await {
            Ok(Some(Message::Binary(bytes))) => {
                activity.touch();
                Input::Bytes(bytes)
            }
            Ok(Some(Message::Text(text))) => match serde_json::from_str(&text) {
                Ok(FromViewer::Ping { id }) => {
                    let _full = pongs.try_send(id);
                    continue;
                }
                Ok(FromViewer::Extend) => Input::Extend,
                Err(_) => Input::Text(Zeroizing::new(text)),
            },
            Ok(None) => return true,
            Err(_) => return false,
        };
        if input.send(read).await.is_err() {
            return false;
        }
    }
}

/// Writes until the last word, or until nobody has anything to say any more.
async fn write(
    mut writer: MessageWriter<Io>,
    mut output: mpsc::Receiver<Output>,
    mut pongs: mpsc::Receiver<u32>,
    end: CancellationToken,
) {
    let writing = async {
        loop {
            let output = tokio::select! {
                biased;
                Some(id) = pongs.recv() => Output::Message(Message::Text(to_text(&ToViewer::Pong { id }))),
                output = output.recv() => match output {
                    Some(output) => output,
                    None => return drop(writer.close(CLOSE_NORMAL, "").await),
                },
            };
            match output {
                Output::Message(message) => {
                    if writer.send(message).await.is_err() {
                        return;
                    }
                }
                Output::End(problem) => {
                    let code = problem.code.as_str();
                    let last = Message::Text(to_text(&ToViewer::End { problem: *problem }));
                    if writer.send(last).await.is_ok() {
                        drop(writer.close(CLOSE_ENDED, code).await);
                    }
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = writing => {}
        () = async {
            end.cancelled().await;
            // What is under way may still go out; a page that does not read keeps nothing alive.
            tokio::time::sleep(LAST_WORD).await;
        } => {}
    }
}

fn to_text(message: &ToViewer) -> String {
    serde_json::to_string(message).unwrap_or_default()
}
