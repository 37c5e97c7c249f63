//! Somebody in front of a session: waits for what is expected, and answers.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use towline_ssh_bridge::{Bridge, Config, Error, Event, Events, Exit, Program, Ready};

/// Liveness only: nothing here takes a tenth of it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what} takes too long"))
}

pub(crate) struct Operator {
    pub(crate) bridge: Bridge,
    pub(crate) events: Events,
    /// Output that has been taken and not been looked at.
    screen: Vec<u8>,
}

impl Operator {
    pub(crate) fn connect(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, config: Config) -> Self {
        let (bridge, events) = Bridge::connect(stream, config);
        Self { bridge, events, screen: Vec::new() }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Error> {
        soon("the next event", self.events.next()).await
    }

    /// Waits for the program without being asked anything.
    pub(crate) async fn ready(&mut self) -> Ready {
        match self.next().await {
            Ok(Some(Event::Ready(ready))) => ready,
            other => panic!("{other:?}"),
        }
    }

    /// The same, at a server of which no key is known.
    pub(crate) async fn ready_anywhere(&mut self) -> Ready {
        match self.next().await {
            Ok(Some(Event::HostKey(question))) => {
                question.accept();
                self.ready().await
            }
            Ok(Some(Event::Ready(ready))) => ready,
            other => panic!("{other:?}"),
        }
    }

    /// The end of a session that fails before anything else happens.
    pub(crate) async fn failure(&mut self) -> Error {
        match self.next().await {
            Err(error) => error,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn send(&self, input: &[u8]) {
        soon("sending", self.bridge.send(&mut Bytes::copy_from_slice(input))).await.unwrap();
    }

    /// Takes output up to and including `mark`; what follows is for the next call.
    pub(crate) async fn until(&mut self, mark: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.screen.windows(mark.len()).position(|window| window == mark) {
                return self.screen.drain(..at + mark.len()).collect();
            }
            match self.next().await {
                Ok(Some(Event::Output(bytes))) => self.screen.extend_from_slice(&bytes),
                other => {
                    let last = self.screen.get(self.screen.len().saturating_sub(200)..).unwrap_or_default();
                    panic!("{other:?} instead of {}, after {}", mark.escape_ascii(), last.escape_ascii())
                }
            }
        }
    }

    /// Takes everything up to a good end.
    pub(crate) async fn rest(&mut self) -> Rest {
        let mut rest = Rest { output: std::mem::take(&mut self.screen), ..Rest::default() };
        while let Some(event) = self.next().await.unwrap() {
            match event {
                Event::Output(bytes) => rest.output.extend_from_slice(&bytes),
                Event::ErrorOutput(bytes) => rest.errors.extend_from_slice(&bytes),
                Event::Exit(exit) => rest.exit = Some(exit),
                other => panic!("{other:?}"),
            }
        }
        rest
    }
}

#[derive(Debug, Default)]
pub(crate) struct Rest {
    pub(crate) output: Vec<u8>,
    pub(crate) errors: Vec<u8>,
    pub(crate) exit: Option<Exit>,
}

/// The same session for a command, with or without a terminal.
pub(crate) fn command(mut config: Config, command: &str, terminal: bool) -> Config {
    config.program = Program::Command(command.into());
    if !terminal {
        config.terminal = None;
    }
    config
}
