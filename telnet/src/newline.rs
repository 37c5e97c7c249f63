//! The end of a line on the network virtual terminal, as explicit modes. With BINARY on, a direction has none.
//!
//! On the wire a new line is CR LF, and a carriage return alone is CR NUL (RFC 854, page 11). What a program wants to
//! see instead depends on what it is.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use memchr::{memchr, memchr_iter, memchr2, memchr3};

use crate::{IAC, near::find};

const CR: u8 = b'\r';
const LF: u8 = b'\n';
const NUL: u8 = 0;

/// What is made of the peer's CR LF and CR NUL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Incoming {
    /// Every byte as it came.
    Raw,
    /// For a terminal's screen: CR NUL becomes CR, CR LF stays.
    #[default]
    Screen,
    /// For a program that reads keys: CR NUL and CR LF become CR, the Enter key.
    Keys,
    /// For a program that reads lines: CR LF becomes LF, CR NUL becomes CR.
    Lines,
}

/// What becomes of the application's CR and LF. A pair is seen as one if it is in one call of `send`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Outgoing {
    /// Every byte as it is.
    Raw,
    /// Enter is CR NUL: CR alone gets a NUL, CR LF and LF stay.
    #[default]
    CrNul,
    /// Enter is CR LF: CR alone gets an LF, CR LF and LF stay.
    CrLf,
    /// Enter is LF: CR alone, CR LF and LF become LF. For consoles that do not know better.
    Lf,
    /// For a program that writes lines: LF alone becomes CR LF, CR alone gets a NUL, CR LF stays.
    Lines,
}

/// Applies [`Incoming`] to data, whatever its pieces.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    mode: Incoming,
    /// The last byte was a CR that has been passed on: its LF or NUL may still come.
    after_cr: bool,
    /// The last byte was a CR that has not: what it becomes depends on the next.
    held_cr: bool,
}

impl Folder {
    pub(crate) fn new(mode: Incoming) -> Self {
        Self { mode, after_cr: false, held_cr: false }
    }

    /// Whether `data` comes out in one piece as it is; then it counts as taken.
    #[inline]
    pub(crate) fn passes(&mut self, data: &[u8], is_binary: bool) -> bool {
        let passes = match self.mode {
            _ if self.held_cr => false,
            _ if is_binary => true,
            Incoming::Raw => true,
            Incoming::Screen => !(self.after_cr && data.first() == Some(&NUL)) && nul_after_cr(data).is_none(),
            Incoming::Keys | Incoming::Lines => !self.after_cr && find(CR, data).is_none(),
        };
        if passes {
            self.after_cr = !is_binary && self.mode != Incoming::Raw && data.last() == Some(&CR);
        }
        passes
    }

    /// What came next has been thrown away: nothing of it belongs to what comes after it. A CR that was waiting comes out.
    pub(crate) fn skip(&mut self) -> Option<Bytes> {
        self.after_cr = false;
        core::mem::take(&mut self.held_cr).then(|| Bytes::from_static(b"\r"))
    }

    /// Takes the next piece off the front of `data` that is one slice of it, and drops what is between; `None`
    /// when `data` is used up.
    pub(crate) fn take(&mut self, data: &mut Bytes, is_binary: bool) -> Option<Bytes> {
        let mode = if is_binary { Incoming::Raw } else { self.mode };
        while let Some(&first) = data.first() {
            if mode != Incoming::Lines && core::mem::take(&mut self.held_cr) {
                // BINARY came between: the CR stands for itself.
                return Some(Bytes::from_static(b"\r"));
            }
            match mode {
                Incoming::Raw => {
                    self.after_cr = false;
                    return Some(core::mem::take(data));
                }
                Incoming::Screen | Incoming::Keys => {
                    let is_keys = mode == Incoming::Keys;
                    if core::mem::take(&mut self.after_cr) && (first == NUL || (is_keys && first == LF)) {
                        data.advance(1);
                        continue;
                    }
                    let end = if is_keys { after_folding_cr(data) } else { nul_after_cr(data) };
                    let piece = data.split_to(end.unwrap_or(data.len()));
                    self.after_cr = piece.last() == Some(&CR);
                    return Some(piece);
                }
                Incoming::Lines => {
                    if core::mem::take(&mut self.held_cr) && first != LF {
                        if first == NUL {
                            data.advance(1);
                        }
                        return Some(Bytes::from_static(b"\r"));
                    }
                    let Some(at) =
                        memchr_iter(CR, data).find(|at| matches!(data.get(at + 1), None | Some(&(LF | NUL))))
                    else {
                        return Some(core::mem::take(data));
                    };
                    let piece = data.split_to(at);
                    data.advance(1);
                    self.held_cr = true;
                    if !piece.is_empty() {
                        return Some(piece);
                    }
                }
            }
        }
        None
    }
}

/// Where the first NUL stands that follows a CR.
fn nul_after_cr(data: &[u8]) -> Option<usize> {
    let first = find(NUL, data)?;
    let from = data.get(first..)?;
    memchr_iter(NUL, from)
        .map(|at| first + at)
        .find(|at| at.checked_sub(1).and_then(|before| data.get(before)) == Some(&CR))
}

/// Where the byte stands that the first CR swallows.
fn after_folding_cr(data: &[u8]) -> Option<usize> {
    memchr_iter(CR, data).map(|at| at + 1).find(|after| matches!(data.get(*after), Some(&(LF | NUL))))
}

/// Appends `data` as it goes onto the wire: newlines as `mode` has them, 0xFF doubled.
pub(crate) fn encode(mode: Outgoing, data: &[u8], out: &mut BytesMut) {
    out.reserve(data.len());
    let mut rest = data;
    while let Some(at) = first_special(mode, rest) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(before);
        let Some((&special, after)) = from.split_first() else { return };
        rest = after;
        let pair = special == CR && after.first() == Some(&LF);
        match (special, mode) {
            (IAC, _) => out.put_slice(&[IAC, IAC]),
            (_, Outgoing::Lf) => out.put_u8(LF),
            (CR, _) if pair => out.put_slice(b"\r\n"),
            (CR, Outgoing::CrLf) => out.put_slice(b"\r\n"),
            (CR, _) => out.put_slice(b"\r\0"),
            _ => out.put_slice(b"\r\n"),
        }
        if pair {
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    out.extend_from_slice(rest);
}

/// Whether `data` can go onto the wire as it is.
pub(crate) fn is_plain(mode: Outgoing, data: &[u8]) -> bool {
    first_special(mode, data).is_none()
}

fn first_special(mode: Outgoing, data: &[u8]) -> Option<usize> {
    match mode {
        Outgoing::Raw => memchr(IAC, data),
        Outgoing::CrNul | Outgoing::CrLf | Outgoing::Lf => memchr2(IAC, CR, data),
        Outgoing::Lines => memchr3(IAC, CR, LF, data),
    }
}
