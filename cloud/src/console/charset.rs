//! Between a target's character set and UTF-8, which is what pages speak. A character that is cut waits for its rest.

use std::sync::LazyLock;

use bytes::{BufMut, Bytes, BytesMut};
use encoding_rs::{CoderResult, Decoder, Encoder, EncoderResult, Encoding, UTF_8};

/// Whether a name is one of the Encoding Standard, of a set that can be written too, or `cp437`.
pub fn is_charset(name: &str) -> bool {
    is_cp437(name)
        || Encoding::for_label(name.as_bytes()).is_some_and(|encoding| encoding.output_encoding() == encoding)
}

/// Code page 437 from 0x80 on: what PCs and their firmware draw with. The Encoding Standard, which is that of the web, does not
/// have it.
static CP437: LazyLock<Vec<char>> = LazyLock::new(|| {
    "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{A0}".chars().collect()
});

fn is_cp437(name: &str) -> bool {
    ["cp437", "ibm437"].iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Room for what one step makes of a part of its input.
const STEP_BYTES: usize = 1024;

pub(super) enum Charset {
    /// UTF-8, or what nobody knows.
    AsIs,
    Standard(Coders),
    /// With the decoder of the page's bytes.
    Cp437(Decoder),
}

pub(super) struct Coders {
    /// Of the target's bytes.
    decoder: Decoder,
    /// Of the page's bytes.
    typed: Decoder,
    encoder: Encoder,
}

impl Charset {
    /// UTF-8 passes as it is, and so does what nobody knows.
    pub(super) fn new(name: &str) -> Self {
        let typed = UTF_8.new_decoder_without_bom_handling();
        if is_cp437(name) {
            return Self::Cp437(typed);
        }
        match Encoding::for_label(name.as_bytes()).filter(|encoding| *encoding != UTF_8) {
            None => Self::AsIs,
            Some(encoding) => Self::Standard(Coders {
                decoder: encoding.new_decoder_without_bom_handling(),
                typed,
                encoder: encoding.new_encoder(),
            }),
        }
    }

    /// What the target's bytes are in UTF-8.
    pub(super) fn decode(&mut self, bytes: &[u8], out: &mut BytesMut) {
        match self {
            Self::AsIs => out.extend_from_slice(bytes),
            Self::Standard(coders) => decode(&mut coders.decoder, bytes, out),
            Self::Cp437(_) => bytes.iter().for_each(|byte| {
                let upper = byte.checked_sub(0x80).and_then(|at| CP437.get(usize::from(at)).copied());
                let character = upper.unwrap_or(char::from(*byte));
                out.put_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }),
        }
    }

    /// What the page's bytes are in the target's character set; a question mark for what it does not have.
    pub(super) fn encode(&mut self, bytes: Bytes) -> Bytes {
        match self {
            Self::AsIs => bytes,
            Self::Standard(Coders { typed, encoder, .. }) => encode(encoder, &text(typed, &bytes)),
            Self::Cp437(typed) => text(typed, &bytes).chars().map(cp437_byte).collect(),
        }
    }
}

fn cp437_byte(character: char) -> u8 {
    let upper = || CP437.iter().position(|other| *other == character).and_then(|at| u8::try_from(at + 0x80).ok());
    u8::try_from(character).ok().filter(u8::is_ascii).or_else(upper).unwrap_or(b'?')
}

/// The page's bytes as text, as far as its characters are whole.
fn text(typed: &mut Decoder, bytes: &[u8]) -> String {
    let mut text = BytesMut::new();
    decode(typed, bytes, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn encode(encoder: &mut Encoder, text: &str) -> Bytes {
    let (mut rest, mut out, mut step) = (text, BytesMut::new(), [0; STEP_BYTES]);
    loop {
        let (result, read, written) = encoder.encode_from_utf8_without_replacement(rest, &mut step, false);
        out.put_slice(step.get(..written).unwrap_or_default());
        rest = rest.get(read..).unwrap_or_default();
        match result {
            EncoderResult::InputEmpty => return out.freeze(),
            EncoderResult::OutputFull => {}
            EncoderResult::Unmappable(_) => out.put_u8(b'?'),
        }
    }
}

fn decode(decoder: &mut Decoder, mut bytes: &[u8], out: &mut BytesMut) {
    let mut step = [0; STEP_BYTES];
    loop {
        let (result, read, written, _) = decoder.decode_to_utf8(bytes, &mut step, false);
        out.put_slice(step.get(..written).unwrap_or_default());
        bytes = bytes.get(read..).unwrap_or_default();
        if result == CoderResult::InputEmpty {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_survives_every_cut_in_both_directions() {
        for (name, wire) in [
            ("shift_jis", &b"\x93\xfa\x96\x7b\x8c\xea abc"[..]),
            ("euc-jp", b"\xc6\xfc\xcb\xdc\xb8\xec abc"),
            ("utf-8", "日本語 abc".as_bytes()),
        ] {
            for cut in 0..=wire.len() {
                let mut charset = Charset::new(name);
                let mut page = BytesMut::new();
                charset.decode(&wire[..cut], &mut page);
                charset.decode(&wire[cut..], &mut page);
                assert_eq!(page, "日本語 abc", "{name} cut at {cut}");
            }
            let typed = "日本語 abc".as_bytes();
            for cut in 0..=typed.len() {
                let mut charset = Charset::new(name);
                let mut sent = charset.encode(Bytes::copy_from_slice(&typed[..cut])).to_vec();
                sent.extend(charset.encode(Bytes::copy_from_slice(&typed[cut..])));
                assert_eq!(sent, wire, "{name} cut at {cut}");
            }
        }
        assert_eq!(Charset::new("iso-8859-1").encode(Bytes::from_static("a→b".as_bytes())), "a?b");
        assert!(is_charset("koi8-r") && !is_charset("klingon") && !is_charset("utf-16"));
    }

    #[test]
    fn every_byte_of_code_page_437_is_a_character_and_comes_back_as_it_was() {
        let wire: Vec<u8> = (0..=255).collect();
        let (mut charset, mut page) = (Charset::new("CP437"), BytesMut::new());
        charset.decode(&wire, &mut page);
        let text = String::from_utf8(page.to_vec()).unwrap();
        assert_eq!(text.chars().count(), 256);
        assert!(text.contains("ÇüéâäàåçêëèïîìÄÅ") && text.contains("░▒▓│┤╡╢╖╕╣║╗╝╜╛┐"), "{text}");
        for cut in 0..=page.len() {
            let mut charset = Charset::new("ibm437");
            let (first, second) = page.split_at(cut);
            let sent = [first, second].map(|part| charset.encode(Bytes::copy_from_slice(part)));
            assert_eq!(sent.concat(), wire, "cut at {cut}");
        }
        assert_eq!(charset.encode(Bytes::from_static("a日b".as_bytes())), "a?b");
    }
}
