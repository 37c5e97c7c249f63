//! The parser as a tokio-util `Decoder` and `Encoder`: frames that own their bytes, no negotiation.

use bytes::{Buf, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::{Command, Error, Limits, OptionCode, Parser, Subnegotiation, Token, Verb, parser::SB};

/// How a framed stream fails: by its transport, since no bytes of a peer are an error, or by a frame that cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("telnet: {0}")]
pub struct CodecError(#[from] pub std::io::Error);

/// One piece of the stream, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame {
    /// Bytes for the application. Never empty when it was decoded.
    Data(Bytes),
    /// A command that stands alone.
    Command(Command),
    /// WILL, WONT, DO or DONT.
    Negotiation {
        /// What is said.
        verb: Verb,
        /// About what.
        option: OptionCode,
    },
    /// The payload of an option.
    Subnegotiation(Subnegotiation),
    /// A subnegotiation that cannot be used. Encodes to nothing.
    Faulty {
        /// Whose, unless it ended before that was said.
        option: Option<OptionCode>,
        /// What is wrong with it.
        error: Error,
    },
}

/// Both directions of a stream, for `tokio_util::codec::Framed`.
///
/// ```
/// use bytes::BytesMut;
/// use tokio_util::codec::Decoder;
/// use towline_telnet::{Limits, codec::{Codec, Frame}};
///
/// let mut codec = Codec::new(Limits::default());
/// let mut input = BytesMut::from(&b"\xFF\xF6hello"[..]);
/// assert!(matches!(codec.decode(&mut input)?, Some(Frame::Command(_))));
/// assert_eq!(codec.decode(&mut input)?, Some(Frame::Data("hello".into())));
/// # Ok::<(), towline_telnet::codec::CodecError>(())
/// ```
#[derive(Debug)]
pub struct Codec {
    parser: Parser,
    limits: Limits,
}

impl Codec {
    /// A codec at the beginning of a stream.
    pub fn new(limits: Limits) -> Self {
        Self { parser: Parser::new(&limits), limits }
    }
}

impl Decoder for Codec {
    type Item = Frame;
    type Error = CodecError;

    fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, CodecError> {
        let mut rest = &input[..];
        let token = self.parser.decode(&mut rest);
        let used = input.len() - rest.len();
        let frame = match token {
            Some(Token::Data(data)) => {
                let data_bytes = data.len();
                input.advance(used - data_bytes);
                return Ok(Some(Frame::Data(input.split_to(data_bytes).freeze())));
            }
            None => None,
            Some(Token::Command(command)) => Some(Frame::Command(command)),
            Some(Token::Negotiation { verb, option }) => Some(Frame::Negotiation { verb, option }),
            Some(Token::Subnegotiation { option, payload }) => {
                Some(match Subnegotiation::decode(option, payload, &self.limits) {
                    Ok(subnegotiation) => Frame::Subnegotiation(subnegotiation),
                    Err(error) => Frame::Faulty { option: Some(option), error },
                })
            }
            Some(Token::Spoilt { option, error }) => Some(Frame::Faulty { option, error }),
        };
        input.advance(used);
        Ok(frame)
    }

    /// A stream that ends within a sequence ends: what was begun is nothing.
    fn decode_eof(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, CodecError> {
        self.decode(input)
    }
}

impl Encoder<Frame> for Codec {
    type Error = CodecError;

    /// Fails with [`InvalidInput`](std::io::ErrorKind::InvalidInput) for a command that is the beginning of something else:
    /// SB, a verb, IAC.
    fn encode(&mut self, frame: Frame, out: &mut BytesMut) -> Result<(), CodecError> {
        match frame {
            Frame::Data(data) => Token::Data(&data).encode(out),
            Frame::Command(Command(SB..)) => {
                let error =
                    std::io::Error::new(std::io::ErrorKind::InvalidInput, "a command that does not stand alone");
                return Err(error.into());
            }
            Frame::Command(command) => Token::Command(command).encode(out),
            Frame::Negotiation { verb, option } => Token::Negotiation { verb, option }.encode(out),
            Frame::Subnegotiation(subnegotiation) => subnegotiation.encode(out),
            Frame::Faulty { .. } => {}
        }
        Ok(())
    }
}
