//! Takes a picture of a VNC server's screen: `vnc-screenshot HOST:PORT [--password-file FILE] OUT.png`.

use std::{
    env, fs,
    io::{Read, Write},
    net::TcpStream,
    process::ExitCode,
    time::Duration,
};

use bytes::Bytes;
use towline_rfb::{
    ClientMessage, Decoder, Encoding, Event, Framebuffer, Limits, Password, PixelFormat, SecurityType, ServerInit,
    client::{self, Handshake},
};

type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "usage: vnc-screenshot HOST:PORT [--password-file FILE] OUT.png";

fn main() -> ExitCode {
    match run(&env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vnc-screenshot: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the arguments say.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (address, password_file, out) = match arguments[..] {
        [address, "--password-file", file, out] => (address, Some(file), out),
        [address, out] => (address, None, out),
        _ => return Err(USAGE.into()),
    };
    let password = match password_file {
        Some(file) => Some(Password::new(fs::read_to_string(file)?.trim_end_matches('\n'))),
        None => None,
    };

    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let limits = Limits::default();
    let (init, unread) = handshake(&mut stream, password.as_ref(), &limits)?;
    eprintln!("{:?}, {} x {}", init.name, init.width, init.height);
    let picture = picture(&mut stream, &init, unread, &limits)?;

    let mut encoder = png::Encoder::new(fs::File::create(out)?, picture.width().into(), picture.height().into());
    encoder.set_color(png::ColorType::Rgba);
    encoder.write_header()?.write_image_data(picture.rgba())?;
    Ok(())
}

fn receive(stream: &mut TcpStream) -> Result<Bytes, Failure> {
    let mut buffer = vec![0; 64 * 1024];
    let length = stream.read(&mut buffer)?;
    if length == 0 {
        return Err("the server closed the connection".into());
    }
    buffer.truncate(length);
    Ok(buffer.into())
}

fn handshake(
    stream: &mut TcpStream,
    password: Option<&Password>,
    limits: &Limits,
) -> Result<(ServerInit, Bytes), Failure> {
    let mut handshake = Handshake::new(limits.clone());
    let mut done = false;
    while !done {
        handshake.handle_input(receive(stream)?);
        while let Some(event) = handshake.poll_event()? {
            match event {
                client::Event::SecurityOffered(types) => {
                    let possible = |security: &&SecurityType| match **security {
                        SecurityType::NONE => true,
                        SecurityType::VNC_AUTHENTICATION => password.is_some(),
                        _ => false,
                    };
                    let Some(security) = types.iter().find(possible) else {
                        let types: Vec<String> = types.iter().map(ToString::to_string).collect();
                        return Err(format!("the server wants one of these: {}", types.join(", ")).into());
                    };
                    handshake.choose_security(*security)?;
                }
                client::Event::PasswordNeeded => {
                    handshake.answer_password(password.ok_or("the server wants a password")?)?;
                }
                client::Event::Authenticated => handshake.initialise(true)?,
                client::Event::Initialised(_) => done = true,
                _ => {}
            }
        }
        while let Some(bytes) = handshake.poll_transmit() {
            stream.write_all(&bytes)?;
        }
    }
    Ok(handshake.finish()?)
}

fn picture(stream: &mut TcpStream, init: &ServerInit, unread: Bytes, limits: &Limits) -> Result<Framebuffer, Failure> {
    let mut decoder = Decoder::new(init, limits.clone())?;
    let mut framebuffer = Framebuffer::new(init.width, init.height, limits)?;
    decoder.send(&ClientMessage::SetPixelFormat(PixelFormat::RGBX))?;
    decoder.send(&ClientMessage::SetEncodings(Encoding::DECODED.to_vec()))?;
    decoder.request_update(false)?;

    let mut input = unread;
    loop {
        decoder.handle_input(input);
        let (mut painted, mut ended) = (false, false);
        while let Some(event) = decoder.poll_event()? {
            framebuffer.apply(&event, limits)?;
            painted |= matches!(event, Event::Paint(_));
            if event == Event::FrameEnd {
                // An update may be about something else, the size or the cursor; what was asked for is still to come.
                if painted {
                    return Ok(framebuffer);
                }
                ended = true;
            }
        }
        if ended {
            decoder.request_update(true)?;
        }
        while let Some(bytes) = decoder.poll_transmit() {
            stream.write_all(&bytes)?;
        }
        input = receive(stream)?;
    }
}
