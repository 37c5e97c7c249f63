//! Endpoints as URLs.

use towline_transport::{Endpoint, Error, MAX_HOST_BYTES, MAX_PATH_BYTES, MAX_SOCKET_PATH_BYTES, Scheme};

fn parse(text: &str) -> Endpoint {
    text.parse().unwrap()
}

fn reason(text: &str) -> &'static str {
    match text.parse::<Endpoint>() {
        Err(Error::InvalidEndpoint { reason }) => reason,
        other => panic!("{text:?} gives {other:?}"),
    }
}

#[test]
fn an_endpoint_is_displayed_as_it_is_parsed() {
    for text in [
        "tcp://127.0.0.1:22",
        "tcp://[2001:db8::1]:5900",
        "tls://cloud.example:8443",
        "ws://cloud.example/",
        "ws://[::1]/api/v1/tunnel",
        "wss://cloud.example:8443/api/v1/tunnel?device=7",
        "wss://under_score.example/",
        "quic://cloud.example:8443",
        "unix:/run/towline/pump 7.sock",
    ] {
        assert_eq!(parse(text).to_string(), text);
        assert_eq!(parse(&parse(text).to_string()), parse(text));
    }
}

#[test]
fn the_same_place_written_in_other_ways_is_the_same_endpoint() {
    assert_eq!(parse("WSS://Cloud.Example:443"), parse("wss://cloud.example/"));
    assert_eq!(parse("ws://cloud.example:80?x=1"), parse("ws://cloud.example/?x=1"));
    assert_eq!(parse("tcp://[0:0::1]:22"), parse("tcp://[::1]:22"));
    assert_eq!(parse("unix:///run/x.sock"), parse("UNIX:/run/x.sock"));
}

#[test]
fn the_parts_are_told_apart() {
    let endpoint = parse("wss://cloud.example/tunnel?a=b:c@d/e");
    assert_eq!(endpoint.scheme(), Scheme::Wss);
    assert_eq!((endpoint.host(), endpoint.port()), ("cloud.example", 443));
    assert_eq!(endpoint.path(), "/tunnel?a=b:c@d/e");

    let endpoint = parse("tcp://[::1]:22");
    assert_eq!((endpoint.host(), endpoint.port(), endpoint.path()), ("::1", 22, ""));

    let endpoint = parse("unix:/run/a?b#c@d:e");
    assert_eq!((endpoint.scheme(), endpoint.path()), (Scheme::Unix, "/run/a?b#c@d:e"));
    assert_eq!((endpoint.host(), endpoint.port(), endpoint.authority()), ("", 0, String::new()));
}

#[test]
fn the_authority_leaves_the_default_port_out() {
    assert_eq!(parse("ws://cloud.example:80/").authority(), "cloud.example");
    assert_eq!(parse("ws://cloud.example:443/").authority(), "cloud.example:443");
    assert_eq!(parse("wss://[::1]:443/").authority(), "[::1]");
    assert_eq!(parse("tls://cloud.example:443").authority(), "cloud.example:443");
}

#[test]
fn only_what_is_this_machine_for_certain_is_loopback() {
    for text in ["tcp://127.0.0.1:1", "tcp://127.9.9.9:1", "ws://[::1]/", "wss://LOCALHOST/", "unix:/x"] {
        assert!(parse(text).is_loopback(), "{text}");
    }
    for text in
        ["tcp://128.0.0.1:1", "tcp://[::2]:1", "ws://localhost.example/", "ws://127.0.0.1.example/", "tcp://127.1:1"]
    {
        assert!(!parse(text).is_loopback(), "{text}");
    }
}

#[test]
fn what_is_not_an_endpoint_is_refused_with_the_rule_it_breaks() {
    for text in ["", "cloud.example", "cloud.example:443", "//cloud.example"] {
        assert!(reason(text).contains("scheme"), "{text}");
    }
    assert!(reason("tcp:host:1").contains("//"));
    for text in ["tcp://host", "tls://host", "tcp://[::1]"] {
        assert!(reason(text).contains("port is missing"), "{text}");
    }
    for text in ["tcp://host:", "tcp://host:0", "tcp://host:65536", "tcp://host:+1", "tcp://host:1:2", "tcp://::1:22"] {
        assert!(reason(text).contains("65535"), "{text}");
    }
    for text in ["wss:///path", "tcp://:22", "ws://?x"] {
        assert!(reason(text).contains("host is missing"), "{text}");
    }
    for text in ["ws://[::1/", "ws://[]/", "ws://[::1%eth0]/", "ws://[1.2.3.4]/", "ws://a[::1]/"] {
        reason(text);
    }
    assert!(reason("ws://[::1]x/").contains("after the ]"));
    assert!(reason("wss://user:secret@cloud.example/").contains("password"));
    assert!(reason("wss://münchen.example/").contains("xn--"));
    for text in ["wss://a b/", "wss://a\r\nb/", "wss://a%41/", "wss://a\\b/"] {
        assert!(reason(text).contains("character"), "{text}");
    }
    for text in ["wss://a/b c", "wss://a/\r\nX: y", "wss://a/\u{7f}", "wss://a/ü", "wss://a/\""] {
        assert!(reason(text).contains("percent-encoded"), "{text}");
    }
    assert!(reason("wss://a/b#c").contains("fragment"));
    for text in ["tcp://a:1/", "tls://a:1?x"] {
        assert!(reason(text).contains("no path"), "{text}");
    }
    for text in ["unix:", "unix:x.sock", "unix://run/x.sock", "unix:///", "unix:/run/"] {
        assert!(reason(text).contains("starts with /"), "{text}");
    }
    assert!(reason("unix:/a\0b").contains("control"));
}

#[test]
fn a_host_or_a_path_beyond_its_limit_is_refused() {
    let host = |bytes| format!("wss://{}/", "a".repeat(bytes));
    assert_eq!(parse(&host(MAX_HOST_BYTES)).host().len(), MAX_HOST_BYTES);
    assert!(reason(&host(MAX_HOST_BYTES + 1)).contains("255"));

    let path = |bytes: usize| format!("wss://a/{}", "b".repeat(bytes - 1));
    assert_eq!(parse(&path(MAX_PATH_BYTES)).path().len(), MAX_PATH_BYTES);
    assert!(reason(&path(MAX_PATH_BYTES + 1)).contains("2048"));

    let socket = |bytes: usize| format!("unix:/{}", "s".repeat(bytes - 1));
    assert_eq!(parse(&socket(MAX_SOCKET_PATH_BYTES)).path().len(), MAX_SOCKET_PATH_BYTES);
    assert!(reason(&socket(MAX_SOCKET_PATH_BYTES + 1)).contains("103"));
}

#[test]
fn a_scheme_we_do_not_speak_is_unsupported() {
    for (text, scheme) in [("http://a/", "http"), ("ftp://a/", "ftp")] {
        match text.parse::<Endpoint>() {
            Err(Error::Unsupported { what: "scheme", value }) => assert_eq!(value, scheme),
            other => panic!("{text} gives {other:?}"),
        }
    }
}
