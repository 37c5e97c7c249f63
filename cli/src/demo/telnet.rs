//! The Telnet server of the demo device: its shell.

use std::{io, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{MissedTickBehavior, interval, timeout},
};
use towline_telnet::{Command, Config, Connection, Event, Limits};

use super::shell::{Shell, Size};

/// How long a terminal may take for what it is sent.
const PATIENCE: Duration = Duration::from_secs(30);
const READ_BYTES: usize = 4096;

/// Serves a connection to its end.
pub(super) async fn serve(stream: TcpStream) {
    if let Err(error) = talk(stream).await {
        tracing::debug!(%error, "a terminal of the demo device is gone");
    }
}

async fn talk(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut connection = Connection::new(Config::server(), Limits::default());
    let mut shell = Shell::new(None);
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut buffer = BytesMut::new();
    loop {
        // What a full output held back comes once it was written.
        loop {
            while let Some(event) = connection.poll_event().map_err(io::Error::other)? {
                obey(event, &mut connection, &mut shell);
            }
            if let Some(window) = connection.peer_window() {
                shell.resize(Size { columns: window.columns.into(), rows: window.rows.into() });
            }
            while let Some(mut text) = shell.poll_transmit() {
                while !text.is_empty() {
                    connection.send(&mut text);
                    flush(&mut stream, &mut connection).await?;
                }
            }
            flush(&mut stream, &mut connection).await?;
            if connection.wants_input() {
                break;
            }
        }
        if shell.is_over() {
            return stream.shutdown().await;
        }
        buffer.reserve(READ_BYTES);
        tokio::select! {
            length = stream.read_buf(&mut buffer) => {
                if length? == 0 {
                    return Ok(());
                }
                connection.handle_input(buffer.split().freeze());
            }
            _ = seconds.tick(), if shell.wants_ticks() => shell.tick(),
        }
    }
}

fn obey(event: Event, connection: &mut Connection, shell: &mut Shell) {
    match event {
        Event::Data(data) => shell.handle_input(&data),
        Event::Command(Command::IP | Command::BRK) => shell.interrupt(),
        Event::Command(Command::AO) => connection.abort_output(),
        Event::Command(Command::AYT) => drop(connection.send(&mut Bytes::from_static(b"\r\n[yes]\r\n"))),
        _ => {}
    }
}

async fn flush(stream: &mut TcpStream, connection: &mut Connection) -> io::Result<()> {
    while let Some(bytes) = connection.poll_transmit() {
        timeout(PATIENCE, stream.write_all(&bytes)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    }
    Ok(())
}
