//! What the server side encodes, decoded by libvncclient: the client library behind Remmina, Guacamole and others.
//!
//! The small C program beside this file is built with the system's compiler; `.ci/install` installs what it needs.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::Command,
    thread,
    time::Duration,
};

use bytes::Bytes;
use towline_rfb::{
    Encoder, Framebuffer, Limits, Paint, PixelFormat, Rectangle, Rgba, ServerInit,
    server::{Event, Handshake, Security},
};

/// Flat areas, a gradient, few colours and noise, in a size that no tile divides.
fn picture() -> Framebuffer {
    let mut picture = Framebuffer::new(333, 217, &Limits::default()).unwrap();
    let mut draw = |x: u16, y: u16, colour: fn(u32, u32) -> [u32; 3]| {
        let rectangle = Rectangle::new(x, y, 150, 100);
        let byte = |value: u32| u8::try_from(value & 0xff).unwrap();
        let pixel = |index: u32| colour(index % 150, index / 150).map(byte);
        let rgba: Vec<Rgba> = (0..150 * 100).map(pixel).map(|[r, g, b]| [r, g, b, 255]).collect();
        picture.paint(&Paint::Pixels { rectangle, rgba: &rgba });
    };
    draw(5, 3, |x, y| [x, y * 2, 200]);
    draw(170, 3, |x, y| if x * y % 7 < 2 { [255, 255, 255] } else { [x / 40 * 50, 30, 60] });
    draw(5, 110, |x, y| {
        let noise = (x * 977 + y * 7919).wrapping_mul(0x9e37_79b1);
        [noise >> 8, noise >> 16, noise >> 24]
    });
    draw(170, 110, |x, y| if (x / 9 + y / 5).is_multiple_of(3) { [10, 200, 10] } else { [200, 10, 10] });
    picture
}

fn receive(stream: &mut TcpStream) -> Option<Bytes> {
    let mut buffer = vec![0; 4096];
    let length = stream.read(&mut buffer).unwrap_or(0);
    buffer.truncate(length);
    (length > 0).then(|| buffer.into())
}

/// Serves one client until it is gone.
fn serve(mut stream: TcpStream, picture: &Framebuffer) {
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let (width, height) = (picture.width(), picture.height());
    let init = ServerInit { width, height, format: PixelFormat::RGBX, name: "pump".into() };
    let mut handshake = Handshake::new(Limits::default());
    handshake.offer(Security::None).unwrap();
    let mut done = false;
    while !done {
        stream.write_all(&handshake.poll_transmit().unwrap_or_default()).unwrap();
        handshake.handle_input(receive(&mut stream).expect("the client goes on"));
        while let Some(event) = handshake.poll_event().unwrap() {
            if matches!(event, Event::Asked(_)) {
                handshake.initialise(&init).unwrap();
                done = true;
            }
        }
    }
    stream.write_all(&handshake.poll_transmit().unwrap()).unwrap();

    let mut encoder = Encoder::new(&init, Limits::default()).unwrap();
    let mut input = Some(handshake.finish().unwrap());
    while let Some(bytes) = input {
        encoder.handle_input(bytes);
        while encoder.poll_event().unwrap().is_some() {}
        encoder.update(picture);
        if stream.write_all(&encoder.poll_transmit().unwrap_or_default()).is_err() {
            return;
        }
        input = receive(&mut stream);
    }
}

/// What libvncclient sees in one encoding, with pixels of so many bytes.
fn seen(program: &Path, picture: &Framebuffer, encoding: &str, bytes: usize) -> Vec<u8> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::scope(|scope| {
        scope.spawn(|| serve(listener.accept().unwrap().0, picture));
        let output = Command::new(program).args([&port.to_string(), &bytes.to_string(), encoding]).output().unwrap();
        assert!(output.status.success(), "{encoding}, {bytes} bytes: {}", output.status);
        let mut pixels = output.stdout;
        if bytes == 4 {
            // ZRLE leaves the byte out that means nothing, and libvncclient leaves in it what comes next.
            pixels.iter_mut().skip(3).step_by(4).for_each(|byte| *byte = 0);
        }
        pixels
    })
}

#[test]
fn libvncclient_sees_what_is_painted_in_every_encoding_and_size_of_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("libvncclient");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real_clients/libvncclient.c");
    let compiled = Command::new("cc").args(["-O1", "-o"]).arg(&program).args([source, "-lvncclient"]).output().unwrap();
    let complaints = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "`.ci/install` installs libvncserver-dev: {complaints}");

    let picture = picture();
    for bytes in [4, 2, 1] {
        let raw = seen(&program, &picture, "raw", bytes);
        assert_eq!(raw.len(), picture.pixels().len() * bytes);
        for encoding in ["hextile", "zrle"] {
            assert!(seen(&program, &picture, encoding, bytes) == raw, "{encoding} and raw differ, {bytes} bytes");
        }
        // Its pixels are little-endian: red, green, blue and nothing.
        if bytes == 4 {
            let colours = raw.chunks_exact(4).zip(picture.pixels());
            assert_eq!(colours.filter(|(seen, shown)| seen[..3] != shown[..3]).count(), 0);
        }
    }
}
