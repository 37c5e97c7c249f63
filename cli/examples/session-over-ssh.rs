//! A tunnel session over an SSH channel: any pipe of bytes carries one.
//!
//! `session-over-ssh PORT USER@HOST [SSH OPTION …] -- PROGRAM` listens on the local PORT and starts PROGRAM, which is this
//! very program on the other machine, by the system's `ssh`. Each line that a local client begins with, `HOST:PORT`, is
//! connected there, many at a time over the one SSH channel. Without arguments it is that other end.
#![forbid(unsafe_code)]

use std::{io, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::{TcpListener, TcpStream},
    process::Command,
};
use towline_transport::{splice, stdio::stdio};
use towline_tunnel_proto::{CarrierKind, Code, Config, Fields, Limits, Open, driver::Mux};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((port, ssh)) => near(port.parse()?, ssh).await,
        None => {
            far().await;
            // A read of standard input that waits cannot be ended.
            std::process::exit(0);
        }
    }
}

/// Here: `ssh` makes the carrier; each local connection is a channel.
async fn near(port: u16, ssh: &[String]) -> Result<(), Failure> {
    let mut child =
        Command::new("ssh").args(ssh).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let (Some(output), Some(input)) = (child.stdout.take(), child.stdin.take()) else { return Err("no pipes".into()) };
    // Neither SSH nor a pipe can agree on a protocol, so the session begins with its magic.
    let carrier = tokio::io::join(output, input);
    let (mux, driver) = Mux::new(carrier, Config::dialer(CarrierKind::Magic), Limits::default());
    let driver = tokio::spawn(driver);
    mux.connected().await?;

    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted?.0,
            ended = mux.ended() => {
                driver.await?;
                return Err(ended.into());
            }
        };
        let mux = mux.clone();
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            let mut target = String::new();
            stream.read_line(&mut target).await?;
            let mut channel = mux.open(Open::to(format!("tcp://{}", target.trim())))?;
            splice(&mut stream, &mut channel).await?;
            Ok::<(), Failure>(())
        });
    }
}

/// There: standard input and output are the carrier; each channel is a connection.
async fn far() {
    let (mux, driver) = Mux::new(stdio(), Config::acceptor(CarrierKind::Magic), Limits::default());
    let driver = tokio::spawn(driver);
    while let Some(incoming) = mux.accept().await {
        tokio::spawn(async move {
            let target = incoming.open().target.clone();
            match connect(&target).await {
                Ok(mut stream) => {
                    let mut channel = incoming.accept(Fields::new());
                    drop(splice(&mut channel, &mut stream).await);
                }
                Err(error) => incoming.refuse(Code::CONNECT_REFUSED, &error.to_string()),
            }
        });
    }
    drop(driver.await);
}

async fn connect(target: &str) -> io::Result<TcpStream> {
    let address = target.strip_prefix("tcp://").ok_or(io::ErrorKind::InvalidInput)?;
    TcpStream::connect(address).await
}
