//! Is it SSH that answers? Looks at what passes before the identification line (RFC 4253 §4.2), and changes nothing.

use super::{error::Error, text};

/// Longest identification kept, in bytes; RFC 4253 allows 255.
const MAX_KEPT_BYTES: usize = 512;
/// What other servers begin with, who then wait for an answer that never comes.
const OTHER_PROTOCOLS: [&[u8]; 2] = [b"RFB ", b"HTTP/"];

/// Fed with all that comes from the server, until it has said what it speaks.
#[derive(Debug, Default)]
pub(super) struct Identification {
    head: Vec<u8>,
    line: Vec<u8>,
    found: Option<String>,
}

impl Identification {
    /// The server's line, once it has come: `SSH-2.0-OpenSSH_9.2p1`.
    pub(super) fn found(&self) -> Option<&str> {
        self.found.as_deref()
    }

    /// Looks at bytes on their way.
    ///
    /// # Errors
    ///
    /// As soon as it is certain that this is no server of SSH 2. A server may say other lines of text first, so a
    /// line of text alone is no proof.
    pub(super) fn look_at(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.found.is_some() {
            return Ok(());
        }
        let room = MAX_KEPT_BYTES.saturating_sub(self.head.len());
        self.head.extend(bytes.iter().take(room));
        for &byte in bytes {
            if byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                let line = line.strip_suffix(b"\r").unwrap_or(&line);
                if line.starts_with(b"SSH-2.0-") || line.starts_with(b"SSH-1.99-") {
                    self.found = Some(text::escaped(line));
                    return Ok(());
                }
                if line.starts_with(b"SSH-1.") {
                    return Err(Error::OnlySsh1 { version: text::escaped(line) });
                }
                continue;
            }
            // Text, in UTF-8 or not. Telnet begins with 0xFF, TLS and most binary protocols with a control character.
            if byte == 0xFF || (byte < b' ' && byte != b'\r' && byte != b'\t') {
                return Err(self.not_ssh());
            }
            if self.line.len() < MAX_KEPT_BYTES {
                self.line.push(byte);
            }
        }
        if OTHER_PROTOCOLS.iter().any(|other| self.head.starts_with(other)) {
            return Err(self.not_ssh());
        }
        Ok(())
    }

    /// What to say when the conversation ended, or nothing more came, before the line was there.
    pub(super) fn missing(&self) -> Option<Error> {
        (self.found.is_none() && !self.head.is_empty()).then(|| self.not_ssh())
    }

    fn not_ssh(&self) -> Error {
        Error::NotSsh { said: text::escaped(self.head.get(..64).unwrap_or(&self.head)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(bytes: &[u8]) -> Result<Option<String>, Error> {
        let mut whole = Identification::default();
        let at_once = whole.look_at(bytes).map(|()| whole.found.clone());
        let mut pieces = Identification::default();
        let piecewise = bytes.iter().try_for_each(|byte| pieces.look_at(&[*byte])).map(|()| pieces.found.clone());
        match (&at_once, &piecewise) {
            // How much had been seen when it was clear depends on the pieces.
            (Err(Error::NotSsh { .. }), Err(Error::NotSsh { .. })) => {}
            _ => assert_eq!(at_once, piecewise),
        }
        at_once
    }

    #[test]
    fn the_line_is_found_behind_other_lines() {
        assert_eq!(verdict(b"Welcome\r\nto\nSSH-2.0-x_1 y\r\n\0\0").unwrap().unwrap(), "SSH-2.0-x_1 y");
        assert_eq!(verdict(b"SSH-1.99-Cisco-1.25\n").unwrap().unwrap(), "SSH-1.99-Cisco-1.25");
    }

    #[test]
    fn version_one_is_named() {
        assert_eq!(verdict(b"SSH-1.5-old\r\n"), Err(Error::OnlySsh1 { version: "SSH-1.5-old".into() }));
    }

    #[test]
    fn other_protocols_are_found_out_at_once() {
        for other in [&b"RFB 003.008\n"[..], b"\xFF\xFD\x18", b"\x15\x03\x01\0\x02", b"HTTP/1.1 400 Bad Request\r\n"] {
            assert!(matches!(verdict(other), Err(Error::NotSsh { .. })), "{}", other.escape_ascii());
        }
    }

    #[test]
    fn text_alone_is_no_proof_until_it_ends() {
        let mut identification = Identification::default();
        assert_eq!(identification.look_at(b"220 ftp ready\r\n"), Ok(()));
        assert_eq!(identification.missing(), Some(Error::NotSsh { said: "220 ftp ready\\r\\n".into() }));
    }
}
