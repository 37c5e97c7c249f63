//! A VNC server that shows a clock on its way across the screen: `vnc-server-demo [ADDRESS:PORT]`.
//!
//! It asks for no password and listens on this machine only, unless told otherwise. A click leaves a mark.

use std::{
    env,
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use towline_rfb::{
    ClientMessage, Encoder, Framebuffer, Limits, Paint, PixelFormat, Rectangle, Rgba, ServerInit,
    server::{Event, Handshake, Security},
};

type Failure = Box<dyn std::error::Error>;

const WIDTH: u16 = 640;
const HEIGHT: u16 = 480;
const BACKGROUND: Rgba = [0x18, 0x28, 0x38, 255];
const DIGITS: Rgba = [0xf0, 0xc0, 0x40, 255];
const MARK: Rgba = [0xe0, 0x50, 0x50, 255];
/// How often the picture may change.
const FRAME: Duration = Duration::from_millis(40);

fn main() -> Result<(), Failure> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5900".into());
    let listener = TcpListener::bind(&address)?;
    println!("listening on {}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || {
            if let Err(error) = serve(stream) {
                eprintln!("vnc-server-demo: {error}");
            }
        });
    }
    Ok(())
}

/// What has arrived, or nothing within a frame's time.
fn receive(stream: &mut TcpStream) -> Result<Bytes, Failure> {
    let mut buffer = vec![0; 4096];
    match stream.read(&mut buffer) {
        Ok(0) => Err("the viewer closed the connection".into()),
        Ok(length) => {
            buffer.truncate(length);
            Ok(buffer.into())
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(Bytes::new()),
        Err(error) => Err(error.into()),
    }
}

fn serve(mut stream: TcpStream) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(FRAME))?;
    let limits = Limits::default();
    let init = ServerInit { width: WIDTH, height: HEIGHT, format: PixelFormat::BGRX, name: "Towline demo".into() };
    let unread = handshake(&mut stream, &init, &limits)?;

    let mut encoder = Encoder::new(&init, limits.clone())?;
    let mut picture = Framebuffer::new(WIDTH, HEIGHT, &limits)?;
    picture.paint(&Paint::Fill { rectangle: picture.rectangle(), rgba: BACKGROUND });
    let mut clock = Rectangle::default();
    let mut input = unread;
    loop {
        encoder.handle_input(input);
        while let Some(message) = encoder.poll_event()? {
            if let ClientMessage::PointerEvent { buttons: 1.., x, y } = message {
                let mark = Rectangle::new(x.saturating_sub(4), y.saturating_sub(4), 9, 9);
                paint(&mut picture, &mut encoder, mark, MARK);
            }
        }
        if encoder.wants_update() {
            clock = draw_clock(&mut picture, &mut encoder, clock);
            encoder.update(&picture);
        }
        while let Some(bytes) = encoder.poll_transmit() {
            stream.write_all(&bytes)?;
        }
        input = receive(&mut stream)?;
    }
}

fn handshake(stream: &mut TcpStream, init: &ServerInit, limits: &Limits) -> Result<Bytes, Failure> {
    let mut handshake = Handshake::new(limits.clone());
    handshake.offer(Security::None)?;
    let mut done = false;
    // A viewer that says nothing for ten seconds is gone.
    for _ in 0..250 {
        while let Some(bytes) = handshake.poll_transmit() {
            stream.write_all(&bytes)?;
        }
        if done {
            return Ok(handshake.finish()?);
        }
        handshake.handle_input(receive(stream)?);
        while let Some(event) = handshake.poll_event()? {
            if matches!(event, Event::Asked(_)) {
                handshake.initialise(init)?;
                done = true;
            }
        }
    }
    Err("the viewer does not finish the handshake".into())
}

fn paint(picture: &mut Framebuffer, encoder: &mut Encoder, rectangle: Rectangle, rgba: Rgba) {
    picture.paint(&Paint::Fill { rectangle, rgba });
    encoder.damage(rectangle);
}

/// Draws the time, in a place that moves with it; returns where.
fn draw_clock(picture: &mut Framebuffer, encoder: &mut Encoder, previous: Rectangle) -> Rectangle {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = now.as_secs() % 86_400;
    let step = u16::try_from(now.as_millis() / 40 % 680).unwrap_or_default();
    let place = Rectangle::new(if step < 340 { step } else { 679 - step }, 180, 300, 70);

    paint(picture, encoder, previous, BACKGROUND);
    let pairs = [seconds / 3600, seconds / 60 % 60, seconds % 60];
    let digits = pairs.iter().flat_map(|pair| [pair / 10, pair % 10]);
    for (x, digit) in [0, 46, 104, 150, 208, 254].into_iter().zip(digits) {
        for segment in segments(digit) {
            let rectangle = Rectangle { x: place.x + x + segment.x, y: place.y + segment.y, ..segment };
            paint(picture, encoder, rectangle, DIGITS);
        }
    }
    for x in [94, 198] {
        for y in [20, 44] {
            paint(picture, encoder, Rectangle::new(place.x + x, place.y + y, 6, 6), DIGITS);
        }
    }
    place
}

/// The lit ones of the seven segments of a digit.
fn segments(digit: u64) -> impl Iterator<Item = Rectangle> {
    const SEGMENTS: [Rectangle; 7] = [
        Rectangle::new(4, 0, 30, 6),
        Rectangle::new(34, 4, 6, 28),
        Rectangle::new(34, 38, 6, 28),
        Rectangle::new(4, 64, 30, 6),
        Rectangle::new(0, 38, 6, 28),
        Rectangle::new(0, 4, 6, 28),
        Rectangle::new(4, 32, 30, 6),
    ];
    let lit = match digit {
        0 => 0b011_1111,
        1 => 0b000_0110,
        2 => 0b101_1011,
        3 => 0b100_1111,
        4 => 0b110_0110,
        5 => 0b110_1101,
        6 => 0b111_1101,
        7 => 0b000_0111,
        8 => 0b111_1111,
        _ => 0b110_1111,
    };
    SEGMENTS.into_iter().enumerate().filter(move |(index, _)| lit >> index & 1 == 1).map(|(_, segment)| segment)
}
