//! Through Debian's proxies, tinyproxy (CONNECT) and microsocks (SOCKS5), to a server of ours; and what is said when
//! it does not work.

#[path = "conformance/identity.rs"]
mod identity;

use std::{
    io,
    process::{Child, Command, Stdio},
    time::Duration,
};

use identity::Identity;
use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::{sleep, timeout},
};
use towline_transport::{
    Endpoint, Error, Incoming, Listener, Options, Timeouts, dial,
    proxy::{Proxies, Proxy, ProxyError},
    tcp,
    tls::{self, PIN_NAME, TlsListener, Trust},
};

const LIMIT: Duration = Duration::from_secs(30);
const USER: &str = "mia";
const PASSWORD: &str = "Secret-7.2";
/// As a URL may have it.
const ESCAPED: &str = "%53ecret-7.2";

/// A proxy's process, killed with its guard.
struct Running {
    child: Child,
    port: u16,
    _configuration: Option<NamedTempFile>,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn started(mut command: Command, port: u16, configuration: Option<NamedTempFile>) -> Running {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("`bash .ci/install` installs it");
    let running = Running { child, port, _configuration: configuration };
    let listens = async {
        while tcp::connect_addr(([127, 0, 0, 1], port).into(), LIMIT).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, listens).await.expect("the proxy listens");
    running
}

/// CONNECT, with a user name and a password, to ports from 1024 on.
async fn tinyproxy() -> Running {
    let port = free_port();
    let mut file = NamedTempFile::new().unwrap();
    let text = format!(
        "Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nLogLevel Critical\nBasicAuth {USER} {PASSWORD}\n"
    );
    io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    let mut command = Command::new("tinyproxy");
    command.arg("-d").arg("-c").arg(file.path());
    started(command, port, Some(file)).await
}

async fn microsocks(credentials: Option<(&str, &str)>) -> Running {
    let port = free_port();
    let mut command = Command::new("microsocks");
    command.args(["-i", "127.0.0.1", "-p", &port.to_string()]).stderr(Stdio::null());
    if let Some((user, password)) = credentials {
        command.args(["-u", user, "-P", password]);
    }
    started(command, port, None).await
}

/// Greets whoever connects and sends back what comes.
async fn echo() -> Endpoint {
    let mut listener = tcp::TcpListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok(incoming) = listener.accept().await {
            tokio::spawn(async move {
                let mut carrier = incoming.handshake().await.unwrap();
                carrier.write_all(b"hello ").await.unwrap();
                let (mut input, mut output) = tokio::io::split(carrier);
                tokio::io::copy(&mut input, &mut output).await
            });
        }
    });
    format!("tcp://localhost:{port}").parse().unwrap()
}

fn through(proxy: &str) -> Options {
    Options { proxies: Proxies::always(proxy.parse().unwrap()), ..Options::default() }
}

async fn check(to: &Endpoint, options: &Options) {
    let mut carrier = dial(to, options).await.unwrap();
    carrier.write_all(b"ahoy").await.unwrap();
    let mut answer = [0; 10];
    carrier.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"hello ahoy");
}

/// What the proxy did, and that neither the error nor its causes say the password.
async fn failure(to: &Endpoint, options: &Options) -> ProxyError {
    let error = dial(to, options).await.unwrap_err();
    let said = format!("{error} {error:?} {options:?}");
    assert!(!said.contains(PASSWORD) && !said.contains(ESCAPED) && !said.contains("wrong"), "{said}");
    match error {
        Error::Proxy { proxy, source } => {
            assert!(proxy.contains("://") && !proxy.contains('@'), "{proxy}");
            source
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_peer_is_reached_through_connect_and_socks_with_user_name_and_password() {
    let (http, socks) = (tinyproxy().await, microsocks(Some((USER, PASSWORD))).await);
    let to = echo().await;
    for proxy in [
        format!("http://{USER}:{ESCAPED}@127.0.0.1:{}", http.port),
        format!("socks5://{USER}:{ESCAPED}@localhost:{}", socks.port),
        format!("socks5h://{USER}:{ESCAPED}@127.0.0.1:{}", socks.port),
    ] {
        let options = through(&proxy);
        check(&to, &options).await;
        let info = dial(&to, &options).await.unwrap().into_parts().1;
        let shown = info.proxy.unwrap();
        assert!(!shown.contains(USER) && proxy.starts_with(shown.split(':').next().unwrap()), "{shown}");
    }
}

#[tokio::test]
async fn a_socks_proxy_without_authentication_is_used_and_told_no_password_it_does_not_ask_for() {
    let socks = microsocks(None).await;
    let to = echo().await;
    check(&to, &through(&format!("socks5h://127.0.0.1:{}", socks.port))).await;
    check(&to, &through(&format!("socks5h://{USER}:{ESCAPED}@127.0.0.1:{}", socks.port))).await;
}

#[tokio::test]
async fn tls_reaches_through_the_proxy_to_the_peer() {
    let http = tinyproxy().await;
    let identity = Identity::new();
    let (leaf, key) = identity.leaf(PIN_NAME);
    let config = tls::server_config(vec![leaf, identity.certificate.clone()], key, &[]).unwrap();
    let inner = tcp::TcpListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let to = format!("tls://localhost:{}", inner.local_addr().unwrap().port()).parse().unwrap();
    let mut listener = TlsListener { inner, config, handshake_timeout: LIMIT };
    let mut options = through(&format!("http://{USER}:{ESCAPED}@127.0.0.1:{}", http.port));
    options.trust = Trust::Pin(identity.pin());

    let accepted = async { listener.accept().await?.handshake().await };
    let (near, far) = tokio::try_join!(dial(&to, &options), accepted).unwrap();
    assert_eq!(near.info().tls.as_ref().unwrap().exporter, far.info().tls.as_ref().unwrap().exporter);
}

/// TLS in front of tinyproxy, with a certificate for `localhost`; its URL and the root that vouches for it.
async fn encrypted(http: &Running) -> (String, Trust) {
    let identity = Identity::new();
    let (leaf, key) = identity.leaf("localhost");
    let config = tls::server_config(vec![leaf], key, &[]).unwrap();
    let inner = tcp::TcpListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (port, behind) = (inner.local_addr().unwrap().port(), http.port);
    let mut listener = TlsListener { inner, config, handshake_timeout: LIMIT };
    tokio::spawn(async move {
        while let Ok(incoming) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut near) = incoming.handshake().await else { return };
                let mut far = tcp::connect_addr(([127, 0, 0, 1], behind).into(), LIMIT).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    (format!("https://{USER}:{ESCAPED}@localhost:{port}"), Trust::Roots(vec![identity.certificate]))
}

#[tokio::test]
async fn the_pin_of_the_peer_is_not_asked_of_an_encrypted_proxy_and_the_proxys_roots_not_of_the_peer() {
    let http = tinyproxy().await;
    let (proxy, proxy_trust) = encrypted(&http).await;
    let identity = Identity::new();
    let (leaf, key) = identity.leaf(PIN_NAME);
    let config = tls::server_config(vec![leaf, identity.certificate.clone()], key, &[]).unwrap();
    let inner = tcp::TcpListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let to: Endpoint = format!("tls://localhost:{}", inner.local_addr().unwrap().port()).parse().unwrap();
    let mut listener = TlsListener { inner, config, handshake_timeout: LIMIT };
    tokio::spawn(async move {
        while let Ok(incoming) = listener.accept().await {
            let _ = incoming.handshake().await;
        }
    });
    let options = |trust, proxy_trust| Options { trust, proxy_trust, ..through(&proxy) };

    dial(&to, &options(Trust::Pin(identity.pin()), proxy_trust.clone())).await.unwrap();

    let of_proxy = dial(&to, &options(Trust::Pin(identity.pin()), Trust::WebPki)).await.unwrap_err();
    assert!(matches!(of_proxy, Error::Proxy { source: ProxyError::Unreachable(_), .. }), "{of_proxy:?}");
    let of_peer = dial(&to, &options(proxy_trust.clone(), proxy_trust)).await.unwrap_err();
    assert!(matches!(of_peer, Error::Tls { .. }), "{of_peer:?}");
}

#[tokio::test]
async fn a_wrong_password_or_none_is_said_to_be_that() {
    let (http, socks) = (tinyproxy().await, microsocks(Some((USER, PASSWORD))).await);
    let to = echo().await;
    for proxy in [
        format!("http://{USER}:wrong@127.0.0.1:{}", http.port),
        format!("http://127.0.0.1:{}", http.port),
        format!("socks5h://{USER}:wrong@127.0.0.1:{}", socks.port),
        format!("socks5h://127.0.0.1:{}", socks.port),
    ] {
        let failure = failure(&to, &through(&proxy)).await;
        assert!(matches!(failure, ProxyError::Unauthorized), "{proxy}: {failure:?}");
    }
}

#[tokio::test]
async fn a_peer_that_the_proxy_cannot_reach_is_not_the_proxys_fault() {
    let (http, socks) = (tinyproxy().await, microsocks(Some((USER, PASSWORD))).await);
    let to: Endpoint = format!("tcp://127.0.0.1:{}", free_port()).parse().unwrap();
    for proxy in [
        format!("http://{USER}:{ESCAPED}@127.0.0.1:{}", http.port),
        format!("socks5h://{USER}:{ESCAPED}@127.0.0.1:{}", socks.port),
    ] {
        let failure = failure(&to, &through(&proxy)).await;
        assert!(
            matches!(&failure, ProxyError::Refused { to: told, .. } if to.to_string().ends_with(told)),
            "{failure:?}"
        );
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_or_silent_or_something_else_is_named() {
    let to = echo().await;
    for scheme in ["http", "socks5h"] {
        let nobody = failure(&to, &through(&format!("{scheme}://127.0.0.1:{}", free_port()))).await;
        assert!(matches!(nobody, ProxyError::Unreachable(_)), "{nobody:?}");

        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut options = through(&format!("{scheme}://{}", silent.local_addr().unwrap()));
        options.timeouts = Timeouts { proxy: Duration::from_millis(100), ..Timeouts::default() };
        let failure = failure(&to, &options).await;
        assert!(matches!(failure, ProxyError::TimedOut { .. }), "{failure:?}");
    }
}

/// What comes of a proxy that answers this to everything, then ends.
async fn answer(scheme: &str, answer: &'static [u8]) -> ProxyError {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("{scheme}://{}", listener.local_addr().unwrap());
    let other = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap();
        // Whoever has heard enough closes.
        let _ = stream.write_all(answer).await;
        let _ = stream.shutdown().await;
        while let Ok(1..) = stream.read(&mut [0; 64]).await {}
    });
    let failure = failure(&"tcp://target.invalid:22".parse().unwrap(), &through(&proxy)).await;
    other.await.unwrap();
    failure
}

#[tokio::test]
async fn an_answer_that_is_no_proxys_is_bounded_and_said_to_be_that() {
    static ENDLESS: &[u8] = &[b'x'; 1 << 20];
    for (scheme, text) in [
        ("http", &b"SSH-2.0-OpenSSH\r\n\r\n"[..]),
        ("http", b"HTTP/1.1 2\r\n\r\n"),
        ("http", b"HTTP/1.1 200 OK\r\n"),
        ("http", ENDLESS),
        ("socks5h", b"SSH-2.0-OpenSSH\r\n"),
        ("socks5h", b"\x05"),
        ("socks5h", b"\x05\x02"),
        ("socks5h", b"\x05\x00\x05\x00\x00\x03\xff"),
        ("socks5h", b"\x05\x00\x05\x00\x00\x09"),
        ("socks5h", b"\x05\x00\x04\x00\x00\x01\x00\x00\x00\x00\x00\x00"),
    ] {
        let failure = answer(scheme, text).await;
        assert!(matches!(failure, ProxyError::Malformed { .. }), "{failure:?}");
    }
    let refused = answer("http", b"HTTP/1.0 403 Filtered\r\nX: y\r\n\r\n").await;
    assert!(matches!(refused, ProxyError::Refused { answer, .. } if answer.contains("403")));
    let refused = answer("socks5h", b"\x05\x00\x05\x02\x00\x01").await;
    assert!(matches!(refused, ProxyError::Refused { answer, .. } if answer.contains("rules")));
    let wants_a_password = answer("socks5h", b"\x05\xff").await;
    assert!(matches!(wants_a_password, ProxyError::Unauthorized));
}

#[tokio::test]
async fn a_user_name_that_socks_cannot_say_is_not_sent() {
    let socks = microsocks(Some((USER, PASSWORD))).await;
    let proxy = format!("socks5h://{}:x@127.0.0.1:{}", "u".repeat(256), socks.port);
    let failure = failure(&"tcp://target.invalid:22".parse().unwrap(), &through(&proxy)).await;
    assert!(matches!(failure, ProxyError::Credentials), "{failure:?}");
}

#[test]
fn a_proxy_is_written_as_a_url_and_shown_without_its_secrets() {
    for (text, shown) in [
        ("http://proxy.example", "http://proxy.example:80"),
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("https://mia:secret@proxy.example", "https://proxy.example:443"),
        ("socks5://mia:secret@[::1]", "socks5://[::1]:1080"),
        ("socks5h://10.0.0.1:9050/", "socks5h://10.0.0.1:9050"),
    ] {
        let proxy: Proxy = text.parse().unwrap();
        assert_eq!(proxy.to_string(), shown);
        assert_eq!(format!("{proxy:?}"), format!("Proxy({shown})"));
    }
    for text in ["", "socks4://a:1", "ftp://a", "http://", "http://mia:secret@", "http://a b"] {
        let error = text.parse::<Proxy>().unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }
}

const CHILD_VARIABLE: &str = "TOWLINE_TEST_PROXIES";
const CHILD_TEST: &str = "the_child_process_says_which_proxies_its_environment_names";

#[test]
fn the_environment_says_which_proxy_leads_where() {
    let expected = [
        ("https_proxy=http://a:1", ["http://a:1", "http://a:1", "-", "-", "-", "-"]),
        ("HTTP_PROXY=http://mia:secret@a:1", ["-", "-", "http://a:1", "-", "-", "-"]),
        ("ALL_PROXY=socks5h://a:1", ["socks5h://a:1", "socks5h://a:1", "socks5h://a:1", "-", "-", "-"]),
        ("ALL_PROXY=http://a:1 NO_PROXY=example.com,10.0.0.0/8", ["-", "-", "-", "-", "-", "-"]),
        ("ALL_PROXY=socks4://a:1", ["!", "!", "!", "-", "-", "-"]),
        ("ALL_PROXY=", ["-", "-", "-", "-", "-", "-"]),
    ];
    for (environment, proxies) in expected {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", CHILD_TEST, "--nocapture", "--quiet"]).env_clear().env(CHILD_VARIABLE, "1");
        command.envs(environment.split(' ').filter_map(|pair| pair.split_once('=')));
        let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
        assert!(output.contains(&format!("<{}>", proxies.join(" "))), "{environment}: {output}");
    }
}

/// Not a test of its own: the child process of the one above.
#[test]
fn the_child_process_says_which_proxies_its_environment_names() {
    if std::env::var_os(CHILD_VARIABLE).is_none() {
        return;
    }
    let proxies = Proxies::from_environment();
    let endpoints = [
        "wss://cloud.example.com/",
        "quic://cloud.example.com:443",
        "tcp://10.1.2.3:80",
        "tls://localhost:443",
        "wss://[::1]:8443/",
        "unix:/run/x.sock",
    ];
    let named = endpoints.map(|to| match proxies.for_endpoint(&to.parse().unwrap()) {
        Ok(proxy) => proxy.map_or_else(|| "-".to_owned(), |proxy| proxy.to_string()),
        Err(_) => "!".to_owned(),
    });
    println!("<{}>", named.join(" "));
}
