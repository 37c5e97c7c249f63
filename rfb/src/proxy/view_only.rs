//! Lets a viewer see, and nothing else.

use bytes::{Bytes, BytesMut};

use crate::{ClientMessage, Encoding, Error, Limits, client_message, input::Input};

/// What became of a message of the viewer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ViewOnlyEvent {
    /// These bytes are for the server.
    Passed(Bytes),
    /// A message with this number is not for the server: a key, the pointer, a clipboard, a new size.
    Withheld(u8),
}

/// A filter for what the viewer says after the handshake: formats, encodings and requests pass, what would change something
/// on the device is withheld.
#[derive(Debug)]
pub struct ViewOnly {
    limits: Limits,
    input: Input,
    /// What is still to come of a message that is withheld, in bytes.
    skipping: usize,
    failed: Option<Error>,
}

impl ViewOnly {
    /// A filter that has seen nothing of the session yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, input: Input::default(), skipping: 0, failed: None }
    }

    /// Stores what the viewer sent. Drain [`ViewOnly::poll_event`] to `None` before the next chunk.
    pub fn handle_input(&mut self, input: Bytes) {
        if self.failed.is_none() {
            self.input.push(input);
        }
    }

    /// What became of the next message; `Ok(None)` until more has arrived.
    ///
    /// # Errors
    ///
    /// The first error is final and repeats: those of [`ClientMessage::decode`]. A message that is not known cannot be
    /// withheld, for nobody knows where it ends.
    pub fn poll_event(&mut self) -> Result<Option<ViewOnlyEvent>, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.advance().inspect_err(|error| {
            self.failed = Some(error.clone());
            self.input.clear();
        })
    }

    fn advance(&mut self) -> Result<Option<ViewOnlyEvent>, Error> {
        self.skipping -= self.input.skip(self.skipping);
        let mut head = [0; ClientMessage::HEAD_BYTES];
        let head = self.input.peek(&mut head);
        let Some(length) = ClientMessage::wire_bytes(head, &self.limits)? else { return Ok(None) };
        let number = head.first().copied().unwrap_or_default();
        if !client_message::only_looks(number) {
            self.skipping = length;
            return Ok(Some(ViewOnlyEvent::Withheld(number)));
        }

        let Some(wire) = self.input.take(length) else { return Ok(None) };
        let Some(message) = ClientMessage::decode(&mut &wire[..], &self.limits)? else { return Ok(None) };
        let passed = match message {
            ClientMessage::SetEncodings(mut encodings) => {
                // With it, a pointer message has a length that only those know who have seen the server's answer.
                encodings.retain(|encoding| *encoding != Encoding::EXTENDED_MOUSE_BUTTONS);
                let mut out = BytesMut::new();
                ClientMessage::SetEncodings(encodings).encode(&mut out);
                out.freeze()
            }
            _ => wire,
        };
        Ok(Some(ViewOnlyEvent::Passed(passed)))
    }
}
