//! Frames as a tokio-util `Decoder` and `Encoder`: for tools that look at a session or play a part of it.

use bytes::{Buf as _, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::{CarrierKind, Error, Frame, Limits, frame};

/// How a framed stream fails.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The carrier failed.
    #[error("tunnel: {0}")]
    Io(#[from] std::io::Error),
    /// The peer broke the protocol.
    #[error("tunnel: {0}")]
    Protocol(#[from] Error),
}

/// Both directions of a carrier, for `tokio_util::codec::Framed`. It knows frames, no session: no credit, no order, no HELLO.
///
/// ```
/// use bytes::BytesMut;
/// use tokio_util::codec::{Decoder, Encoder};
/// use towline_tunnel_proto::{CarrierKind, Codec, Frame, Limits};
///
/// let mut codec = Codec::new(CarrierKind::Magic, Limits::default());
/// let mut wire = BytesMut::new();
/// codec.encode(Frame::Ping { id: 7, pong: false }, &mut wire)?;
/// assert!(wire.starts_with(b"TOWL"));
/// assert_eq!(codec.decode(&mut wire)?, Some(Frame::Ping { id: 7, pong: false }));
/// # Ok::<(), towline_tunnel_proto::CodecError>(())
/// ```
#[derive(Debug)]
pub struct Codec {
    limits: Limits,
    preamble_unread: bool,
    preamble_unsaid: bool,
}

impl Codec {
    /// A codec at the beginning of a carrier.
    pub fn new(carrier: CarrierKind, limits: Limits) -> Self {
        let with_preamble = carrier == CarrierKind::Magic;
        Self { limits, preamble_unread: with_preamble, preamble_unsaid: with_preamble }
    }
}

impl Decoder for Codec {
    type Item = Frame;
    type Error = CodecError;

    fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, CodecError> {
        if self.preamble_unread {
            if input.len() < frame::PREAMBLE_BYTES {
                return Ok(None);
            }
            frame::check_preamble(input.split_to(frame::PREAMBLE_BYTES).freeze())?;
            self.preamble_unread = false;
        }
        let mut rest = &input[..];
        let frame = Frame::decode(&mut rest, &self.limits)?;
        let used = input.len() - rest.len();
        input.advance(used);
        Ok(frame)
    }
}

impl Encoder<Frame> for Codec {
    type Error = CodecError;

    fn encode(&mut self, frame: Frame, out: &mut BytesMut) -> Result<(), CodecError> {
        if core::mem::take(&mut self.preamble_unsaid) {
            out.extend_from_slice(&frame::preamble());
        }
        frame.encode(out);
        Ok(())
    }
}
