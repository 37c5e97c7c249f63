//! RFB, the protocol of VNC: handshakes for the client, the server and the proxy between them, and the session after it.
//!
//! This crate is the protocol alone: machines without I/O, clock, randomness, log or runtime. Bytes go in, events and bytes
//! come out. It is `no_std` without its default feature `std`, which brings a faster zlib.
//!
//! * [`client::Handshake`], [`server::Handshake`] and [`proxy::Handshake`] speak RFB 3.3, 3.7 and 3.8 with security None and
//!   VNC Authentication. What other versions mean is in [`ProtocolVersion::spoken`].
//! * [`Decoder`] is the client's session: Raw, CopyRect, Hextile and ZRLE become [`Event`]s that a [`Framebuffer`] paints.
//! * [`Encoder`] is the server's session: a framebuffer and its damage become Raw, Hextile or ZRLE in the client's format.
//! * [`ClientMessage`], [`ServerMessage`], [`PixelFormat`] and the rest are values with `decode` and `encode`.
//! * What a peer can make this side hold or do is bounded by [`Limits`].
//!
//! # The loop
//!
//! After each call that changes something: drain `poll_event`, then `poll_transmit`.
//!
//! ```
//! use towline_rfb::{
//!     ClientMessage, Decoder, Encoder, Encoding, Event, Framebuffer, Limits, Paint, PixelFormat, Rectangle, ServerInit,
//! };
//!
//! // What a handshake ends with.
//! let init = ServerInit { width: 640, height: 480, format: PixelFormat::BGRX, name: "pump".into() };
//! let limits = Limits::default();
//! let mut server = Encoder::new(&init, limits.clone())?;
//! let mut viewer = Decoder::new(&init, limits.clone())?;
//!
//! let mut shown = Framebuffer::new(init.width, init.height, &limits)?;
//! shown.paint(&Paint::Fill { rectangle: Rectangle::new(10, 10, 100, 50), rgba: [255, 0, 0, 255] });
//! let mut seen = Framebuffer::new(init.width, init.height, &limits)?;
//!
//! viewer.send(&ClientMessage::SetEncodings(Encoding::DECODED.to_vec()))?;
//! viewer.request_update(false)?;
//!
//! // The network: what one side transmits, the other gets as input, in whatever pieces.
//! server.handle_input(viewer.poll_transmit().unwrap());
//! while let Some(message) = server.poll_event()? {
//!     // Keys and pointer are for the application.
//!     assert!(matches!(message, ClientMessage::SetEncodings(_) | ClientMessage::FramebufferUpdateRequest { .. }));
//! }
//! assert!(server.update(&shown));
//! viewer.handle_input(server.poll_transmit().unwrap());
//! while let Some(event) = viewer.poll_event()? {
//!     seen.apply(&event, &limits)?;
//!     if event == Event::FrameEnd {
//!         break; // show it, and ask for the next
//!     }
//! }
//! assert_eq!(seen, shown);
//! # Ok::<(), towline_rfb::Error>(())
//! ```

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod client;
mod client_message;
mod decoder;
mod encoder;
mod encoding;
mod error;
mod framebuffer;
mod init;
mod input;
mod limits;
mod pixel_format;
mod pixels;
pub mod proxy;
mod reader;
mod rectangle;
mod screen;
mod security;
pub mod server;
mod server_message;
mod version;
mod vnc_authentication;
mod zlib;

pub use client_message::ClientMessage;
pub use decoder::{Decoder, Event};
pub use encoder::Encoder;
pub use encoding::Encoding;
pub use error::Error;
pub use framebuffer::{Framebuffer, Paint};
pub use init::{ClientInit, ServerInit};
pub use limits::Limits;
pub use pixel_format::{Channel, Colours, PixelFormat};
pub use pixels::Rgba;
pub use rectangle::Rectangle;
pub use screen::Screen;
pub use security::SecurityType;
pub use server_message::{RectangleHead, ServerMessage};
pub use version::ProtocolVersion;
pub use vnc_authentication::Password;
