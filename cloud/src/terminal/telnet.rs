//! A shell over Telnet: a [`Console`] between a page and a channel.

use bytes::Bytes;
use tokio::sync::mpsc;
use towline_cloud_api::{ErrorCode, TelnetOptions};
use towline_telnet::option::naws::WindowSize;
use towline_tunnel_proto::driver::{Channel, Ended, ReceiveHalf, SendHalf};

use super::{Heard, Said, ShellEnd, Size};
use crate::{api::Failure, connect::channel_gone, console::Console};

const SERVER: &str = "the Telnet server";
const TERMINAL: &str = "xterm-256color";

/// Runs the session until it or its [`Shell`](super::Shell) ends.
pub(super) async fn run(options: TelnetOptions, channel: Channel, size: Size, end: ShellEnd) {
    let ShellEnd { said, heard } = end;
    let (from_target, to_target) = channel.split();
    let (to_writer, queue) = mpsc::channel(1);
    let console = Console::new(&options, TERMINAL, window(size));
    let talk = async {
        if said.send(Ok(Said::Ready { host_key: None, keep: false })).await.is_ok() {
            talk(console, from_target, to_writer, &said, heard).await
        } else {
            Ok(())
        }
    };
    let ended = tokio::select! {
        ended = talk => ended,
        ended = write(queue, to_target) => Err(ended),
    };
    if let Err(ended) = ended {
        let problem = channel_gone(Some(&ended), SERVER).problem;
        drop(said.send(Err(Failure::new(problem.code, problem.detail))).await);
    }
}

fn window(size: Size) -> WindowSize {
    WindowSize { columns: size.columns, rows: size.rows }
}

async fn write(mut queue: mpsc::Receiver<Bytes>, mut target: SendHalf) -> Ended {
    while let Some(bytes) = queue.recv().await {
        if let Err(ended) = target.send(bytes).await {
            return ended;
        }
    }
    // The session is over, and says how.
    std::future::pending().await
}

async fn talk(
    mut console: Console,
    mut from_target: ReceiveHalf,
    to_writer: mpsc::Sender<Bytes>,
    said: &mpsc::Sender<Result<Said, Failure>>,
    mut heard: mpsc::Receiver<Heard>,
) -> Result<(), Ended> {
    let (mut to_target, mut to_page) = (Bytes::new(), Bytes::new());
    loop {
        if to_page.is_empty() {
            match console.poll_screen() {
                Ok(shown) => to_page = shown.unwrap_or_default(),
                Err(error) => {
                    let failure = Failure::new(ErrorCode::TargetProtocol, format!("{SERVER}: {error}"));
                    drop(said.send(Err(failure)).await);
                    return Ok(());
                }
            }
        }
        if to_target.is_empty() {
            to_target = console.poll_transmit().unwrap_or_default();
        }
        tokio::select! {
            permit = to_writer.reserve(), if !to_target.is_empty() => match permit {
                Ok(permit) => permit.send(std::mem::take(&mut to_target)),
                Err(_) => return Ok(()),
            },
            permit = said.reserve(), if !to_page.is_empty() => match permit {
                Ok(permit) => permit.send(Ok(Said::Output(std::mem::take(&mut to_page)))),
                Err(_) => return Ok(()),
            },
            // A page that does not read stops the target.
            received = from_target.recv(), if to_page.is_empty() && console.wants_input() => match received? {
                Some(bytes) => console.handle_input(bytes),
                None => return Ok(()),
            },
            heard = heard.recv(), if console.wants_keys() => match heard {
                Some(Heard::Input(keys)) => console.press(&keys),
                Some(Heard::Resize(size)) => console.resize(window(size)),
                Some(Heard::Command(command)) => console.command(command),
                Some(Heard::Answer(_)) => {}
                None => return Ok(()),
            },
        }
    }
}
