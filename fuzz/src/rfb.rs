//! rfb: messages as values; each machine against any bytes, against valid bytes, and against valid bytes with one fault.

mod handshakes;
mod sessions;

use towline_rfb::{ClientMessage, Error, Limits, ServerMessage};

pub use self::{
    handshakes::handshakes,
    sessions::{client_session, decoder, server_session, valid_updates},
};

/// Any bytes as messages of either side: what can be read is written back, and reads as the same again.
///
/// # Panics
///
/// If that does not hold.
pub fn messages(input: &[u8]) {
    values(input, ClientMessage::decode, |message, out| message.encode(out));
    values(input, ServerMessage::decode, |message, out| message.encode(out));
}

type Decode<T> = fn(&mut &[u8], &Limits) -> Result<Option<T>, Error>;

fn values<T: std::fmt::Debug + PartialEq>(input: &[u8], decode: Decode<T>, encode: fn(&T, &mut Vec<u8>)) {
    let limits = Limits::default();
    let mut rest = input;
    loop {
        let before = rest;
        match decode(&mut rest, &limits) {
            Ok(Some(message)) => {
                assert!(rest.len() < before.len(), "a message takes bytes");
                let mut wire = Vec::new();
                encode(&message, &mut wire);
                assert_eq!(decode(&mut &wire[..], &limits), Ok(Some(message)));
            }
            Ok(None) | Err(_) => {
                assert_eq!(rest.len(), before.len(), "nothing is consumed unless all has arrived");
                return;
            }
        }
    }
}
