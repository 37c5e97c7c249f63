//! Between a target's character set and UTF-8, which is what pages speak. A character that is cut waits for its rest.

use bytes::{BufMut, Bytes, BytesMut};
use encoding_rs::{CoderResult, Decoder, Encoder, EncoderResult, Encoding, UTF_8};

/// Whether a name is one of the Encoding Standard, of a set that can be written too.
pub fn is_charset(name: &str) -> bool {
    Encoding::for_label(name.as_bytes()).is_some_and(|encoding| encoding.output_encoding() == encoding)
}

/// Room for what one step makes of a part of its input.
const STEP_BYTES: usize = 1024;

pub(super) struct Charset(Option<Coders>);

struct Coders {
    /// Of the target's bytes.
    decoder: Decoder,
    /// Of the page's bytes.
    typed: Decoder,
    encoder: Encoder,
}

impl Charset {
    /// UTF-8 passes as it is, and so does what nobody knows.
    pub(super) fn new(name: &str) -> Self {
        let encoding = Encoding::for_label(name.as_bytes()).filter(|encoding| *encoding != UTF_8);
        Self(encoding.map(|encoding| Coders {
            decoder: encoding.new_decoder_without_bom_handling(),
            typed: UTF_8.new_decoder_without_bom_handling(),
            encoder: encoding.new_encoder(),
        }))
    }

    /// What the target's bytes are in UTF-8.
    pub(super) fn decode(&mut self, bytes: &[u8], out: &mut BytesMut) {
        match &mut self.0 {
            None => out.extend_from_slice(bytes),
            Some(coders) => decode(&mut coders.decoder, bytes, out),
        }
    }

    /// What the page's bytes are in the target's character set; a question mark for what it does not have.
    pub(super) fn encode(&mut self, bytes: Bytes) -> Bytes {
        let Some(Coders { typed, encoder, .. }) = &mut self.0 else { return bytes };
        let mut text = BytesMut::new();
        decode(typed, &bytes, &mut text);
        let text = String::from_utf8_lossy(&text);
        let mut out = BytesMut::new();
        let mut rest = text.as_ref();
        let mut step = [0; STEP_BYTES];
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
}
