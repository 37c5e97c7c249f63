//! RFC 854 and 855 framing a byte at a time, written to be read.

use towline_telnet::{Command, Error, OptionCode, Verb};

use super::Piece;

const SB: u8 = 250;
const SE: u8 = 240;
const IAC: u8 = 255;

pub(super) fn frame(input: &[u8], max_payload: usize) -> Vec<Piece> {
    let malformed = |reason| Error::Malformed { what: "subnegotiation", reason };
    let mut pieces = Vec::new();
    let mut at = 0;
    // The next byte, and the end of it all when there is none.
    macro_rules! next {
        () => {{
            let Some(byte) = input.get(at) else { return pieces };
            at += 1;
            *byte
        }};
    }
    loop {
        let byte = next!();
        let command = if byte == IAC { next!() } else { IAC };
        match command {
            IAC => match pieces.last_mut() {
                Some(Piece::Data(data)) => data.push(byte),
                _ => pieces.push(Piece::Data(vec![byte])),
            },
            251..=254 => {
                pieces.push(Piece::Negotiation(Verb::from_byte(command).expect("a verb"), OptionCode(next!())))
            }
            SB => {
                let first = next!();
                let second = if first == IAC { next!() } else { IAC };
                if second != IAC {
                    let ended = second == SE;
                    let reason = if ended { "it names no option" } else { "it was cut off by another command" };
                    pieces.push(Piece::Spoilt(None, malformed(reason)));
                    at -= if ended { 0 } else { 2 };
                    continue;
                }
                let option = OptionCode(first);
                let (mut payload, mut is_stray, mut is_long) = (Vec::new(), false, false);
                let fault = loop {
                    let byte = next!();
                    match if byte == IAC { next!() } else { IAC } {
                        IAC if is_long => {}
                        IAC if payload.len() == max_payload => {
                            let max = max_payload as u64;
                            let error = Error::LimitExceeded { what: "max_subnegotiation_bytes", got: max + 1, max };
                            pieces.push(Piece::Spoilt(Some(option), error));
                            is_long = true;
                        }
                        IAC => payload.push(byte),
                        SE if is_stray => break Some("a 0xFF in it is not doubled"),
                        SE => break None,
                        0..236 => is_stray = true,
                        _ => {
                            at -= 2;
                            break Some("it was cut off by another command");
                        }
                    }
                };
                match fault {
                    _ if is_long => {}
                    Some(reason) => pieces.push(Piece::Spoilt(Some(option), malformed(reason))),
                    None => pieces.push(Piece::Subnegotiation(option, payload)),
                }
            }
            other => pieces.push(Piece::Command(Command(other))),
        }
    }
}
