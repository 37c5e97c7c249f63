//! Bytes, sizes, signals, variables: what a terminal is made of.

use bytes::Bytes;
use towline_ssh_bridge::{Event, Exit, Signal, Terminal, WindowSize};

use crate::{
    operator::{Operator, command, soon},
    server::Server,
};

#[tokio::test]
async fn the_terminal_has_its_size_and_follows_it() {
    for server in [Server::openssh(&[]), Server::dropbear()] {
        let mut config = server.config();
        config.terminal = Some(Terminal { kind: "vt220".into(), size: WindowSize { columns: 132, rows: 43 } });
        // Tells each change of size as soon as the kernel tells it.
        let script = "trap 'echo now $(stty size).' WINCH; echo at first $(stty size) $TERM.; while [ -t 0 ]; do read line; done";
        let mut operator = Operator::connect(server.dial(), command(config, script, true));
        operator.ready_anywhere().await;

        operator.until(b"at first 43 132 vt220.\r\n").await;
        for (columns, rows) in [(90, 30), (91, 31)] {
            operator.bridge.resize(WindowSize { columns, rows });
            operator.until(format!("now {rows} {columns}.\r\n").as_bytes()).await;
        }
        // Of many, the last one arrives.
        for columns in 100..=200 {
            operator.bridge.resize(WindowSize { columns, rows: 50 });
        }
        operator.until(b"now 50 200.\r\n").await;
    }
}

#[tokio::test]
async fn each_byte_of_input_arrives_as_it_is() {
    let server = Server::openssh(&[]);
    // A terminal in raw mode changes nothing, so that what is counted here is what the bridge sent.
    let script = "stty raw -echo; echo go; head -c 256 | od -An -v -tx1; stty sane; echo done";
    let mut operator = Operator::connect(server.dial(), command(server.config(), script, true));
    operator.ready().await;
    operator.until(b"go").await;

    for byte in 0..=u8::MAX {
        operator.send(&[byte]).await;
    }

    let dump = operator.until(b"done").await;
    let dump = String::from_utf8(dump).unwrap();
    let bytes = dump.split_whitespace().filter_map(|word| u8::from_str_radix(word, 16).ok());
    assert_eq!(bytes.collect::<Vec<_>>(), (0..=u8::MAX).collect::<Vec<_>>(), "{dump}");
}

#[tokio::test]
async fn control_characters_do_what_they_do_on_a_terminal() {
    for server in [Server::openssh(&[]), Server::dropbear()] {
        let mut operator = Operator::connect(server.dial(), command(server.config(), "exec /bin/sh -i", true));
        operator.ready_anywhere().await;

        // What runs in the foreground says so itself: before, the interrupt would hit the shell.
        for (key, code) in [(b"\x03", 130), (b"\x1C", 131)] {
            operator.send(b"sh -c 'echo in fore''ground; exec sleep 1000'\n").await;
            operator.until(b"in foreground\r\n").await;
            operator.send(key).await;
            operator.send(b"echo code $?.\n").await;
            operator.until(format!("code {code}.\r\n").as_bytes()).await;
        }
        operator.send(b"cat\n\x04echo code $?.\n").await;
        operator.until(b"code 0.\r\n").await;
        operator.send(b"exit 3\n").await;
        assert_eq!(operator.rest().await.exit, Some(Exit::Status(3)));
    }
}

#[tokio::test]
async fn text_arrives_in_both_directions_however_it_is_cut() {
    let server = Server::openssh(&[]);
    let text = "süß 日本語 🦀 Ελλάδα";
    let script = "stty -echo; echo go; cat";
    let mut operator = Operator::connect(server.dial(), command(server.config(), script, true));
    operator.ready().await;
    operator.until(b"go\r\n").await;

    for at in 0..=text.len() {
        let (head, tail) = text.as_bytes().split_at(at);
        operator.send(head).await;
        operator.send(tail).await;
        operator.send(b"\n").await;
        let back = operator.until(b"\r\n").await;
        assert_eq!(String::from_utf8_lossy(&back), format!("{text}\r\n"), "cut at {at}");
    }
}

#[tokio::test]
async fn erasing_on_the_line_takes_a_whole_character() {
    let server = Server::openssh(&[]);
    let script = "stty -echo; echo go; read line; echo \"[$line]\"";
    let mut operator = Operator::connect(server.dial(), command(server.config(), script, true));
    operator.ready().await;
    operator.until(b"go\r\n").await;

    operator.send("aü日\x7f\x7fb\n".as_bytes()).await;

    operator.until(b"[ab]\r\n").await;
}

#[tokio::test]
async fn variables_that_the_server_takes_are_set_and_others_are_no_error() {
    let server = Server::openssh(&[]);
    let mut config = command(server.config(), "echo $TOWLINE_X/$REFUSED/$LANG", false);
    config.environment =
        [("TOWLINE_X", "a b"), ("REFUSED", "c"), ("LANG", "C.UTF-8")].map(|(n, v)| (n.into(), v.into())).to_vec();
    let mut operator = Operator::connect(server.dial(), config);
    operator.ready().await;

    assert_eq!(operator.rest().await.output, b"a b//C.UTF-8\n");
}

#[tokio::test]
async fn without_a_terminal_the_two_outputs_are_apart_and_the_input_ends() {
    for server in [Server::openssh(&[]), Server::dropbear()] {
        let script = "cat; echo problem >&2; exit 42";
        let mut operator = Operator::connect(server.dial(), command(server.config(), script, false));
        operator.ready_anywhere().await;

        operator.send(b"\0\xFFbytes").await;
        soon("the end of the input", operator.bridge.finish()).await.unwrap();

        let rest = operator.rest().await;
        assert_eq!(rest.output, b"\0\xFFbytes");
        assert_eq!(rest.errors, b"problem\n");
        assert_eq!(rest.exit, Some(Exit::Status(42)));
    }
}

#[tokio::test]
async fn signals_reach_the_program_and_its_end_is_told() {
    // OpenSSH passes signals on to users other than its own only, and here they are the same.
    let server = Server::dropbear();
    let script = "trap 'echo term; kill -KILL $$' TERM; echo go; while kill -0 $PPID; do sleep 0.01; done";
    let mut operator = Operator::connect(server.dial(), command(server.config(), script, false));
    operator.ready_anywhere().await;
    operator.until(b"go\n").await;

    operator.bridge.signal(Signal::TERM).await.unwrap();

    let rest = operator.rest().await;
    assert_eq!(rest.output, b"term\n");
    let Some(Exit::Signal { signal, .. }) = rest.exit else { panic!("{rest:?}") };
    assert_eq!(signal, Signal::KILL);
}

#[tokio::test]
async fn a_large_input_waits_for_the_program_and_arrives_whole() {
    let server = Server::openssh(&[]);
    let mut operator = Operator::connect(server.dial(), command(server.config(), "read go; cksum", false));
    operator.ready().await;

    // More than the server's window of two megabytes: the rest has to wait for the program.
    let large: Vec<u8> = (0..8_000_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let mut input = Bytes::from([b"go\n", large.as_slice()].concat());
    soon("the input", operator.bridge.send(&mut input)).await.unwrap();
    operator.bridge.finish().await.unwrap();

    let rest = operator.rest().await;
    assert_eq!(String::from_utf8(rest.output).unwrap(), cksum(&large));
}

#[tokio::test]
async fn large_input_and_large_output_pass_each_other() {
    for server in [Server::openssh(&[]), Server::dropbear()] {
        let mut operator = Operator::connect(server.dial(), command(server.config(), "cat", false));
        operator.ready_anywhere().await;
        let large: Vec<u8> = (0..4_000_000_u32).map(|n| u8::try_from(n % 253).unwrap()).collect();

        let bridge = operator.bridge.clone();
        let mut input = Bytes::from(large.clone());
        let sending = tokio::spawn(async move {
            bridge.send(&mut input).await.unwrap();
            bridge.finish().await.unwrap();
        });
        let rest = operator.rest().await;

        sending.await.unwrap();
        assert!(rest.output == large, "{} bytes came back", rest.output.len());
    }
}

/// The machine's own `cksum`, for comparison.
fn cksum(bytes: &[u8]) -> String {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };
    let mut child = Command::new("cksum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[tokio::test]
async fn disconnecting_ends_the_program_and_the_session_ends_well() {
    let server = Server::openssh(&[]);
    let gone = server.path("gone");
    let script =
        format!("trap 'echo yes > {}; exit' HUP; echo go; while kill -0 $PPID; do sleep 0.01; done", gone.display());
    let mut operator = Operator::connect(server.dial(), command(server.config(), &script, true));
    operator.ready().await;
    operator.until(b"go\r\n").await;

    operator.bridge.disconnect();

    assert!(matches!(operator.next().await, Ok(None)));
    assert!(operator.bridge.send(&mut Bytes::from_static(b"x")).await.is_err());
    server.eventually("the program is hung up", || gone.exists()).await;
}

#[tokio::test]
async fn leaving_while_a_question_is_open_ends_the_connection() {
    let server = Server::openssh(&[]);
    let mut config = server.config();
    config.host_keys = Vec::new();
    let mut operator = Operator::connect(server.dial(), config);
    let Ok(Some(Event::HostKey(question))) = operator.next().await else { panic!("no question") };

    drop(operator);

    server.eventually("the server process ends", || server.has_ended()).await;
    drop(question);
}
