//! Servers that a device offers, each in threads of the test.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::mpsc,
    thread,
};

use tokio::{io::copy_bidirectional, runtime::Runtime};

use crate::server::Server;

/// Serves each connection with `serve` in a thread of its own; returns the port.
pub(crate) fn listen(serve: impl Fn(TcpStream) -> std::io::Result<()> + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || drop(serve(stream)));
        }
    });
    port
}

/// Sends everything back, and the end after the end.
pub(crate) fn echo() -> u16 {
    listen(|mut stream| {
        std::io::copy(&mut stream.try_clone()?, &mut stream)?;
        stream.shutdown(Shutdown::Write)
    })
}

/// Says nothing before it has read everything up to the end of file; then says how much that was.
pub(crate) fn answers_after_the_end() -> u16 {
    listen(|mut stream| {
        let mut data = Vec::new();
        stream.read_to_end(&mut data)?;
        let sum = data.iter().fold(0u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        write!(stream, "{} bytes, {sum:x}", data.len())
    })
}

/// What [`answers_after_the_end`] says of `data`.
pub(crate) fn answer_to(data: &[u8]) -> String {
    let sum = data.iter().fold(0u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    format!("{} bytes, {sum:x}", data.len())
}

/// Says all it has to say at once and closes that direction, then passes what it still hears to `heard`.
pub(crate) fn speaks_first(heard: mpsc::Sender<Vec<u8>>) -> u16 {
    listen(move |mut stream| {
        stream.write_all(b"that is all")?;
        stream.shutdown(Shutdown::Write)?;
        let mut data = Vec::new();
        stream.read_to_end(&mut data)?;
        drop(heard.send(data));
        Ok(())
    })
}

/// A port that nothing listens on.
pub(crate) fn nobody() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Bytes that a mistake in their order or number would show in.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut data = Vec::with_capacity(length + 8);
    while data.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        data.extend_from_slice(&state.to_le_bytes());
    }
    data.truncate(length);
    data
}

/// Serves each connection with a process of a real SSH server; returns the port.
pub(crate) fn ssh_with_passwords(server: Server) -> u16 {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        Runtime::new().unwrap().block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap().port()).unwrap();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut far = server.dial();
                tokio::spawn(async move { copy_bidirectional(&mut stream, &mut far).await });
            }
        });
    });
    told.recv().unwrap()
}
