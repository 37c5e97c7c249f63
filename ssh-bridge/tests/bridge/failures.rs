//! What went wrong, told apart.

use std::{process::Command, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    net::UnixStream,
};
use towline_ssh_bridge::{AlgorithmKind, Config, Error, KeepAlive, Program, Verdict};

use crate::{
    operator::{Operator, command},
    server::Server,
};

/// Another program as the server of a connection, started the way inetd does.
fn inetd(program: &str, arguments: &[&str]) -> (UnixStream, std::process::Child) {
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).stdin(std::os::fd::OwnedFd::from(far.try_clone().unwrap()));
    let child = command.stdout(std::os::fd::OwnedFd::from(far)).spawn();
    let child = child.unwrap_or_else(|error| panic!("{program}: {error}: run .ci/install"));
    near.set_nonblocking(true).unwrap();
    (UnixStream::from_std(near).unwrap(), child)
}

#[tokio::test]
async fn a_server_of_another_protocol_is_quoted() {
    let servers = [("/usr/sbin/telnetd", &[][..], "\\xff"), ("busybox", &["httpd", "-i"], "HTTP/1.1 400")];
    for (program, arguments, said) in servers {
        let (stream, mut child) = inetd(program, arguments);
        let mut operator = Operator::connect(stream, Config::new("root"));
        let error = operator.failure().await;
        assert!(matches!(&error, Error::NotSsh { said: bytes } if bytes.starts_with(said)), "{program}: {error}");
        let _ = child.kill();
        child.wait().unwrap();
    }
}

#[tokio::test]
async fn version_one_alone_is_refused_by_its_name() {
    let (near, mut far) = duplex(1024);
    let mut operator = Operator::connect(near, Config::new("root"));
    far.write_all(b"SSH-1.5-OpenSSH_2.1\n").await.unwrap();

    assert_eq!(operator.failure().await, Error::OnlySsh1 { version: "SSH-1.5-OpenSSH_2.1".into() });
}

#[tokio::test]
async fn a_server_that_says_nothing_or_only_talks_is_not_waited_for_for_ever() {
    let mut config = Config::new("root");
    config.limits.max_step = Duration::from_millis(50);
    let (near, _far) = duplex(1024);
    let mut operator = Operator::connect(near, config.clone());
    assert!(matches!(operator.failure().await, Error::TimedOut { step: "the SSH handshake", .. }));

    let (near, mut far) = duplex(1024);
    far.write_all(b"220 mail.example ready\r\n").await.unwrap();
    let mut operator = Operator::connect(near, config);
    assert_eq!(operator.failure().await, Error::NotSsh { said: "220 mail.example ready\\r\\n".into() });
}

#[tokio::test]
async fn a_connection_that_ends_at_once_is_lost() {
    let (near, far) = duplex(1024);
    drop(far);
    let mut operator = Operator::connect(near, Config::new("root"));

    assert!(matches!(operator.failure().await, Error::ConnectionLost { .. }));
}

#[tokio::test]
async fn an_endless_introduction_is_cut_short() {
    let (near, mut far) = duplex(1024);
    let mut operator = Operator::connect(near, Config::new("root"));
    let talker = tokio::spawn(async move { while far.write_all(b"welcome to the machine\r\n").await.is_ok() {} });

    assert!(matches!(operator.failure().await, Error::NotSsh { .. }));
    talker.await.unwrap();
}

#[tokio::test]
async fn old_algorithms_are_for_legacy_endpoints_only() {
    let old = [
        ("KexAlgorithms diffie-hellman-group14-sha1", AlgorithmKind::KeyExchange),
        ("KexAlgorithms diffie-hellman-group1-sha1", AlgorithmKind::KeyExchange),
        ("KexAlgorithms diffie-hellman-group-exchange-sha1", AlgorithmKind::KeyExchange),
        ("Ciphers aes128-cbc", AlgorithmKind::Cipher),
        ("Ciphers 3des-cbc", AlgorithmKind::Cipher),
        ("MACs hmac-sha1\nCiphers aes128-ctr", AlgorithmKind::Mac),
        ("HostKeyAlgorithms ssh-rsa", AlgorithmKind::HostKey),
        ("HostKeyAlgorithms ssh-dss", AlgorithmKind::HostKey),
    ];
    for (option, kind) in old {
        let server = Server::openssh(&[option]);
        let mut config = command(server.config(), "echo hello", false);
        if kind == AlgorithmKind::HostKey {
            let (kind, bits) = if option.ends_with("dss") { ("dsa", "1024") } else { ("rsa", "2048") };
            config.host_keys = vec![server.other_host_key(kind, bits)];
        }
        let mut operator = Operator::connect(server.dial(), config.clone());
        match operator.failure().await {
            Error::NoCommonAlgorithm { kind: found, legacy_would_help: true, .. } => assert_eq!(found, kind),
            other => panic!("{option}: {other:?}"),
        }

        config.legacy_algorithms = true;
        let mut operator = Operator::connect(server.dial(), config);
        let ready = operator.ready().await;
        assert_eq!(ready.verdict, Verdict::Known, "{option}");
        assert_eq!(operator.rest().await.output, b"hello\n", "{option}: {ready:?}");
    }
}

#[tokio::test]
async fn what_legacy_does_not_help_is_not_said_to_be_helped_by_it() {
    let server = Server::openssh(&["Ciphers aes128-ctr", "MACs umac-64@openssh.com"]);
    let mut operator = Operator::connect(server.dial(), server.config());

    let error = operator.failure().await;
    assert!(error.to_string().contains("umac-64@openssh.com") && !error.to_string().contains("legacy"), "{error}");
}

#[tokio::test]
async fn each_modern_algorithm_works() {
    let modern = [
        "KexAlgorithms curve25519-sha256",
        "KexAlgorithms ecdh-sha2-nistp256",
        "KexAlgorithms ecdh-sha2-nistp521",
        "KexAlgorithms diffie-hellman-group14-sha256",
        "KexAlgorithms diffie-hellman-group16-sha512",
        "KexAlgorithms diffie-hellman-group-exchange-sha256",
        "Ciphers chacha20-poly1305@openssh.com",
        "Ciphers aes256-gcm@openssh.com",
        "Ciphers aes128-gcm@openssh.com",
        "Ciphers aes256-ctr\nMACs hmac-sha2-256-etm@openssh.com",
        "Ciphers aes128-ctr\nMACs hmac-sha2-512",
    ];
    for option in modern {
        let server = Server::openssh(&[option]);
        let mut operator = Operator::connect(server.dial(), command(server.config(), "echo hello", false));
        operator.ready().await;
        assert_eq!(operator.rest().await.output, b"hello\n", "{option}");
    }
}

#[tokio::test]
async fn what_the_server_does_not_allow_is_named() {
    let server = Server::openssh(&["PermitTTY no"]);
    let mut operator = Operator::connect(server.dial(), server.config());
    assert_eq!(operator.failure().await, Error::TerminalRefused);

    let server = Server::openssh(&["MaxSessions 0"]);
    let mut operator = Operator::connect(server.dial(), server.config());
    assert!(matches!(operator.failure().await, Error::SessionRefused { .. }));
}

#[tokio::test]
async fn a_server_that_is_killed_is_a_lost_connection() {
    let server = Server::openssh(&[]);
    let mut operator = Operator::connect(server.dial(), server.config());
    operator.ready().await;

    server.signal("-KILL");

    loop {
        match operator.next().await {
            Ok(Some(_)) => {}
            Err(Error::ConnectionLost { .. }) => break,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_server_that_stands_still_is_found_out() {
    let server = Server::openssh(&[]);
    let mut config = server.config();
    config.program = Program::Command("cat".into());
    config.keep_alive = KeepAlive { interval: Duration::from_secs(1), max_unanswered: 3 };
    let mut operator = Operator::connect(server.dial(), config);
    operator.ready().await;
    operator.send(b"still here\n").await;
    operator.until(b"still here\r\nstill here\r\n").await;

    server.signal("-STOP");

    assert!(matches!(operator.failure().await, Error::KeepAliveLost { .. }));
    server.signal("-CONT");
}

#[tokio::test]
async fn nothing_is_left_of_a_session_that_failed() {
    let (near, mut far) = duplex(1024);
    let mut operator = Operator::connect(near, Config::new("root"));
    far.write_all(b"\xFF\xFB\x01").await.unwrap();
    operator.failure().await;

    // The stream is dropped although `events` is still there.
    let mut rest = Vec::new();
    crate::operator::soon("the stream's end", far.read_to_end(&mut rest)).await.unwrap();
}
