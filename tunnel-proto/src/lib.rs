//! A tunnel for machines behind NAT: many channels of bytes over one connection, with credit end to end.
//!
//! This crate is the protocol alone. [`Connection`] is a machine without I/O, clock, randomness or runtime: bytes and
//! time go in, events and bytes come out. The crate is `no_std`; feature `tokio` adds `driver`,
//! which runs a session over any `AsyncRead + AsyncWrite`. `PROTOCOL.md` has every byte.
//!
//! * A **carrier** is one transport connection, a **session** the conversation over it, a **channel** one stream of bytes.
//! * Credit is absolute, per channel and per session; a channel that stalls never stops another.
//! * Data is passed on as it arrives, in slices of the input; it is cut into frames only when the carrier can take it.
//! * What a peer can make this side hold or do is bounded by [`Limits`].
//!
//! # The loop
//!
//! After each call that changes something: drain [`Connection::poll_event`], then [`Connection::poll_transmit`].
//!
//! ```
//! use bytes::Bytes;
//! use towline_tunnel_proto::{CarrierKind, Config, Connection, Event, Fields, Limits, Micros, Open};
//!
//! let now = Micros(0); // the caller's clock
//! let mut near = Connection::new(Config::dialer(CarrierKind::Magic), Limits::default(), now);
//! let mut far = Connection::new(Config::acceptor(CarrierKind::Magic), Limits::default(), now);
//!
//! let channel = near.open(Open::to("echo"))?;
//! near.send(channel, &mut Bytes::from_static(b"over the tunnel"))?;
//! near.finish(channel)?;
//!
//! let mut answer = Vec::new();
//! loop {
//!     // The network: what one side transmits, the other gets as input, in whatever pieces.
//!     let (forth, back) = (near.poll_transmit(now, 64 * 1024), far.poll_transmit(now, 64 * 1024));
//!     if forth.is_none() && back.is_none() {
//!         break;
//!     }
//!     far.handle_input(now, forth.unwrap_or_default());
//!     near.handle_input(now, back.unwrap_or_default());
//!
//!     while let Some(event) = far.poll_event()? {
//!         match event {
//!             Event::Opened { channel, .. } => far.accept(channel, Fields::new())?,
//!             Event::Data { channel, mut data } => {
//!                 far.consumed(channel, data.len())?;
//!                 far.send(channel, &mut data)?; // may take less than all: see `Event::Writable`
//!             }
//!             Event::Finished { channel } => far.finish(channel)?,
//!             _ => {}
//!         }
//!     }
//!     while let Some(event) = near.poll_event()? {
//!         if let Event::Data { channel, data } = event {
//!             near.consumed(channel, data.len())?;
//!             answer.extend_from_slice(&data);
//!         }
//!     }
//! }
//! assert_eq!(answer, b"over the tunnel");
//! # Ok::<(), towline_tunnel_proto::Error>(())
//! ```

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "tokio")]
extern crate std;

mod code;
mod connection;
#[cfg(feature = "tokio")]
pub mod driver;
mod error;
mod fields;
mod frame;
mod limits;
mod reader;
mod resume;

pub use code::Code;
pub use connection::{CarrierKind, Config, Connection, Event, Micros, Role};
pub use error::Error;
pub use fields::{FieldKey, Fields};
pub use frame::{ChannelId, Frame, FrameHeader, FrameType, HEADER_BYTES, Hello, MAGIC, Open, Urgency, VERSION};
pub use limits::Limits;
pub use resume::{Binding, Resume, Resumption, Secret, SessionId};
