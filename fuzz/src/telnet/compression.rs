//! Compressed streams: of any bytes, and of a session that keeps the rules.

use bytes::Bytes;
use miniz_oxide::deflate::compress_to_vec_zlib;
use towline_telnet::{Event, OptionCode, Subnegotiation};

use super::{
    Piece, Victim, agreeable,
    session::{pieces, wire},
};
use crate::{law, script::Script};

/// WILL MCCP2.
const OFFER: &[u8] = b"\xFF\xFB\x56";
/// From here on it is compressed.
const START: &[u8] = b"\xFF\xFA\x56\xFF\xF0";

/// A stream of any bytes; and a session of which the script compresses parts: cut in two places each they give the same for every
/// cut, and the session gives what it gives as it is.
///
/// # Panics
///
/// If that does not hold.
pub fn compression(input: &[u8]) {
    let mut script = Script::new(input);
    let cuts = [script.below(1024), script.below(1024)];
    let newlines = script.byte();
    let make = || Victim::new(agreeable(newlines));
    let any = [OFFER, START, script.clone().rest()].concat();
    law::chunking(make, &any, &cuts);

    let mut decisions = script.clone();
    let is_about_compression = |option: &OptionCode| (OptionCode::MCCP1..=OptionCode::MCCP3).contains(option);
    let mut session = pieces(script.rest());
    session.retain(|piece| !matches!(piece, Piece::Negotiation(_, option) if is_about_compression(option)));
    let (mut plain, mut compressed) = (OFFER.to_vec(), OFFER.to_vec());
    let mut left = &session[..];
    while !left.is_empty() {
        let (part, after) = left.split_at((1 + decisions.below(12)).min(left.len()));
        left = after;
        let bytes = wire(part);
        plain.extend_from_slice(&bytes);
        match decisions.byte() {
            choice if choice & 1 == 0 => {
                compressed.extend_from_slice(START);
                compressed.extend(compress_to_vec_zlib(&bytes, choice % 10));
            }
            _ => compressed.extend(bytes),
        }
    }
    law::chunking(make, &compressed, &cuts);
    assert_eq!(events(make(), compressed), events(make(), plain));
}

/// All events but those of the compression itself, data joined.
fn events(victim: Victim, input: Vec<u8>) -> Vec<Event> {
    let (all, error) = law::run(victim, [Bytes::from(input)]);
    assert_eq!(error, None);
    let mut events: Vec<Event> = Vec::new();
    for event in all {
        let is_about_compression = match &event {
            Event::CompressionEnded => true,
            Event::Subnegotiation(Subnegotiation::Other { option, .. }) => *option == OptionCode::MCCP2,
            _ => false,
        };
        if !is_about_compression {
            let rest = match events.last_mut() {
                Some(last) => <Victim as law::Machine>::join(last, event),
                None => Some(event),
            };
            events.extend(rest);
        }
    }
    events
}
