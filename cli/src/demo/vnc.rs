//! The VNC server of the demo device: any number of viewers of one screen, up to a bound.

use std::{io, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use embedded_graphics::geometry::{Point, Size};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::broadcast::error::RecvError,
    time::timeout,
};
use towline_rfb::{
    ClientMessage, Encoder, Error, Limits, Rectangle,
    server::{Event, Handshake, Security},
};

use super::screen::Screen;

/// How long a viewer may take for the handshake, and to take an update that it has asked for.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is read before the answer to it is sent, in bytes: it bounds the answer.
const READ_BYTES: usize = 4096;
/// What a viewer may put on the clipboard, in bytes.
const MAX_CUT_TEXT_BYTES: u32 = 64 * 1024;

/// Serves a viewer to its end.
pub(super) async fn serve(mut stream: TcpStream, screen: Arc<Screen>) {
    let outcome = async {
        stream.set_nodelay(true)?;
        let mut limits = Limits::default();
        limits.max_cut_text_bytes = MAX_CUT_TEXT_BYTES;
        let (encoder, unread) = in_time(handshake(&mut stream, &screen, limits)).await?;
        show(&mut stream, &screen, encoder, unread).await
    };
    if let Err(error) = outcome.await {
        tracing::debug!(%error, "a viewer of the demo device's screen is gone");
    }
}

async fn handshake(stream: &mut TcpStream, screen: &Screen, limits: Limits) -> io::Result<(Encoder, Bytes)> {
    let mut handshake = Handshake::new(limits.clone());
    handshake.offer(Security::None).map_err(broken)?;
    let mut encoder = None;
    loop {
        while let Some(bytes) = handshake.poll_transmit() {
            stream.write_all(&bytes).await?;
        }
        if let Some(encoder) = encoder {
            return Ok((encoder, handshake.finish().map_err(broken)?));
        }
        handshake.handle_input(receive(stream).await?);
        while let Some(event) = handshake.poll_event().map_err(broken)? {
            if matches!(event, Event::Asked(_)) {
                let init = screen.init();
                handshake.initialise(&init).map_err(broken)?;
                encoder = Some(Encoder::new(&init, limits.clone()).map_err(broken)?);
            }
        }
    }
}

async fn show(stream: &mut TcpStream, screen: &Screen, mut encoder: Encoder, unread: Bytes) -> io::Result<()> {
    let mut changes = screen.changes();
    let everything = Rectangle::new(0, 0, u16::MAX, u16::MAX);
    encoder.damage(everything);
    let mut buttons = 0;
    let mut input = unread;
    loop {
        encoder.handle_input(input);
        while let Some(message) = encoder.poll_event().map_err(broken)? {
            obey(&message, &mut buttons, screen).map_err(broken)?;
        }
        if encoder.wants_update() {
            screen.update(&mut encoder);
        }
        while let Some(bytes) = encoder.poll_transmit() {
            in_time(stream.write_all(&bytes)).await?;
        }
        input = tokio::select! {
            input = receive(stream) => input?,
            change = changes.recv() => {
                match change {
                    Ok(part) => encoder.damage(part),
                    Err(RecvError::Lagged(_)) => encoder.damage(everything),
                    Err(RecvError::Closed) => return Ok(()),
                }
                Bytes::new()
            }
        };
    }
}

/// Does what a viewer says to the panel.
fn obey(message: &ClientMessage, buttons: &mut u8, screen: &Screen) -> Result<(), Error> {
    match message {
        ClientMessage::PointerEvent { buttons: now, x, y } => {
            let before = std::mem::replace(buttons, *now);
            screen.change(|panel| panel.point(Point::new((*x).into(), (*y).into()), before, *now))
        }
        ClientMessage::KeyEvent { down: true, keysym } => screen.change(|panel| panel.press(*keysym)),
        ClientMessage::SetDesktopSize { width, height, .. } => {
            screen.change(|panel| panel.resize(Size::new((*width).into(), (*height).into())))
        }
        _ => Ok(()),
    }
}

/// What has arrived. Cancel safe.
async fn receive(stream: &mut TcpStream) -> io::Result<Bytes> {
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    if stream.read_buf(&mut buffer).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(buffer.freeze())
}

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn broken(error: Error) -> io::Error {
    io::Error::other(error)
}
