//! `towline events`: what changes, as it changes.

use std::time::Duration;

use bytes::BytesMut;
use towline_cloud_api::{Change, ErrorCode, Problem, SessionEnd};

use crate::{
    access::Access,
    args::Global,
    output::{Output, note},
    records::failure,
    signal::interrupted,
};

/// The cloud says something, if only a comment, more often than this.
const SILENCE_LIMIT: Duration = Duration::from_secs(90);
const MAX_EVENT_BYTES: usize = 1 << 20;

pub(crate) async fn run(global: &Global, output: Output) -> Result<(), Problem> {
    let api = Access::resolve(global).await?.api()?;
    let mut stream = api.get_stream(&["events"], &[]).await?;
    let mut events = EventStream::default();
    let mut interrupted = std::pin::pin!(interrupted());
    note("Following: press ctrl-c to end");
    loop {
        let next = tokio::select! {
            next = tokio::time::timeout(SILENCE_LIMIT, stream.next()) => next,
            () = &mut interrupted => return Ok(()),
        };
        let lost = |cause: &str| Problem::new(ErrorCode::SessionLost, format!("the events ended: {cause}"));
        let bytes = match next {
            Err(_) => return Err(lost("the cloud fell silent")),
            Ok(Err(problem)) => return Err(lost(&problem.detail)),
            Ok(Ok(None)) => return Err(lost("the cloud has no more to say")),
            Ok(Ok(Some(bytes))) => bytes,
        };
        events.handle_input(&bytes)?;
        while let Some(data) = events.poll_event() {
            // What a newer cloud tells beyond what we know is not for us.
            match serde_json::from_str::<Change>(&data) {
                Ok(change) => output.next(&change, line)?,
                Err(error) => tracing::info!(%error, "an event was not understood"),
            }
        }
    }
}

fn line(change: &Change) -> String {
    match change {
        Change::Device { device_id, online, reconnecting } => {
            let presence = match (online, reconnecting) {
                (true, _) => "online",
                (false, true) => "reconnecting",
                (false, false) => "offline",
            };
            format!("device {device_id} {presence}")
        }
        Change::Operation(operation) => {
            let failure = failure(operation).map_or_else(String::new, |failure| format!(" {failure}"));
            let status = operation.status.as_str();
            format!(
                "operation {} {status} device {} user {}{failure}",
                operation.id, operation.device_id, operation.user
            )
        }
        Change::Session(session) => {
            let state = session.end.map_or("began", SessionEnd::as_str);
            format!("session {} {state} device {} user {}", session.id, session.device_id, session.user)
        }
    }
}

/// Server-sent events: takes bytes, gives the `data` of each event.
///
/// Spec: HTML Living Standard §9.2.6, without `id` and `retry`, which nothing here uses.
#[derive(Default)]
struct EventStream {
    input: BytesMut,
    data: Option<String>,
    events: std::collections::VecDeque<String>,
    after_carriage_return: bool,
}

impl EventStream {
    /// Takes the next bytes of the stream.
    ///
    /// # Errors
    ///
    /// When a line, or the data of an event, is longer than a mebibyte.
    fn handle_input(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        for byte in bytes {
            let after_carriage_return = std::mem::replace(&mut self.after_carriage_return, *byte == b'\r');
            match byte {
                b'\n' if after_carriage_return => {}
                b'\n' | b'\r' => {
                    let line = self.input.split();
                    self.handle_line(&String::from_utf8_lossy(&line));
                }
                byte => self.input.extend_from_slice(&[*byte]),
            }
            if self.input.len() + self.data.as_ref().map_or(0, String::len) > MAX_EVENT_BYTES {
                return Err(Problem::new(ErrorCode::ProtocolMismatch, "an event is longer than a mebibyte"));
            }
        }
        Ok(())
    }

    fn handle_line(&mut self, line: &str) {
        if line.is_empty() {
            self.events.extend(self.data.take());
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        if field == "data" {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            }
        }
    }

    /// The data of the next event that is all here.
    fn poll_event(&mut self) -> Option<String> {
        self.events.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] =
        b": hello\n\nevent: device\ndata: {\"a\":1}\n\ndata:one\ndata: two\r\n\r\nid: 7\n\ndata\n\ndata: rest";

    #[test]
    fn events_are_the_same_however_the_bytes_are_split() {
        for piece in 1..TEXT.len() {
            let mut stream = EventStream::default();
            for bytes in TEXT.chunks(piece) {
                stream.handle_input(bytes).unwrap();
            }
            let events: Vec<_> = std::iter::from_fn(|| stream.poll_event()).collect();
            assert_eq!(events, ["{\"a\":1}", "one\ntwo", ""], "pieces of {piece}");
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut stream = EventStream::default();
        assert!(stream.handle_input(&vec![b'x'; MAX_EVENT_BYTES]).is_ok());
        assert!(stream.handle_input(b"x").is_err());

        let mut stream = EventStream::default();
        let mut lines = 0;
        while stream.handle_input(b"data: 0123456789\n").is_ok() {
            lines += 1;
        }
        assert!(lines <= MAX_EVENT_BYTES / 10);
    }
}
