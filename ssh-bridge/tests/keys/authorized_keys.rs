//! authorized_keys: each option, and files that come back as they were.

use towline_ssh_bridge::keys::{AuthorizedKey, AuthorizedKeys, Error, Limits, Permissions};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0TBZ0Dw4/mMxcbzJFBJUzXqXEbpJjVHMvEzUWnI7fM";

fn parse(options: &str) -> Result<AuthorizedKey, Error> {
    AuthorizedKey::parse(&format!("{options} {KEY} me@here"), &Limits::default())
}

fn permissions(options: &str) -> Permissions {
    parse(options).unwrap_or_else(|error| panic!("{options}: {error}")).permissions().clone()
}

#[test]
fn each_option_does_what_it_says() {
    let none = AuthorizedKey::parse(KEY, &Limits::default()).unwrap().permissions().clone();
    assert_eq!(none, Permissions::default());
    assert!(none.pty && none.port_forwarding && none.agent_forwarding && none.user_rc && none.x11_forwarding);

    let some = permissions(r#"restrict,pty,command="echo \"hi, there\"",environment="A=b c""#);
    assert_eq!(some.command.as_deref(), Some(r#"echo "hi, there""#));
    assert_eq!(some.environment, [("A".to_owned(), "b c".to_owned())]);
    assert!(some.pty && !some.port_forwarding && !some.agent_forwarding && !some.user_rc && !some.x11_forwarding);

    // From the left to the right.
    assert!(!permissions("pty,restrict").pty);
    assert!(permissions("NO-PTY,Pty").pty);

    let some = permissions(r#"cert-authority,principals="alice,bob""#);
    assert!(some.is_authority);
    assert_eq!(some.principals, Some(vec!["alice".to_owned(), "bob".to_owned()]));

    let some = permissions(r#"permitopen="db:5432",permitopen="[::1]:80",permitlisten="8080",tunnel="0""#);
    assert_eq!(
        (some.permit_open, some.permit_listen),
        (vec!["db:5432".to_owned(), "[::1]:80".to_owned()], vec!["8080".to_owned()])
    );
    assert_eq!(some.tunnel.as_deref(), Some("0"));

    let some = permissions(
        "no-touch-required,verify-required,no-agent-forwarding,no-port-forwarding,no-user-rc,no-X11-forwarding,no-pty",
    );
    assert!(!some.touch_required && some.verify_required && !some.agent_forwarding && !some.port_forwarding);
    assert!(!some.user_rc && !some.x11_forwarding && !some.pty);
    let some = permissions("restrict,agent-forwarding,port-forwarding,user-rc,X11-forwarding,pty");
    assert!(some.agent_forwarding && some.port_forwarding && some.user_rc && some.x11_forwarding && some.pty);
}

#[test]
fn a_key_expires_to_the_second() {
    for (time, seconds) in [
        ("19700102", 86_400),
        ("20240229Z", 1_709_164_800),
        ("202402291234", 1_709_210_040),
        ("20240229123456Z", 1_709_210_096),
        ("20380119031408Z", 2_147_483_648),
    ] {
        let some = permissions(&format!("expiry-time=\"{time}\""));
        assert_eq!(some.expires_at, Some(seconds), "{time}");
        assert!(some.permits_at(seconds - 1) && !some.permits_at(seconds));
    }
    for time in
        ["", "2024", "20230229", "20241301", "20240100", "202401012460", "2024010112345", "tomorrow", "19691231"]
    {
        assert!(parse(&format!("expiry-time=\"{time}\"")).is_err(), "{time}");
    }
    // The earlier counts.
    assert_eq!(permissions("expiry-time=\"20240229\",expiry-time=\"19700102\"").expires_at, Some(86_400));
}

#[test]
fn from_is_a_list_of_names_addresses_and_networks() {
    let some = permissions(r#"from="!10.9.*,10.0.0.0/8,*.example.com,2001:db8::/32""#);
    let permits = |address: &str, host| some.permits_from(address.parse().unwrap(), host);
    assert!(permits("10.1.2.3", None) && permits("::ffff:10.1.2.3", None) && permits("2001:db8::7", None));
    assert!(!permits("10.9.2.3", None) && !permits("192.0.2.1", None) && !permits("192.0.2.1", Some("example.org")));
    assert!(permits("192.0.2.1", Some("Pump.Example.com")));
    assert!(Permissions::default().permits_from("192.0.2.1".parse().unwrap(), None));
}

#[test]
fn what_is_not_understood_lets_nobody_in() {
    for options in [
        "unheard-of",
        "no-unheard-of=\"x\"",
        "pty=\"yes\"",
        "command",
        "command=x",
        "command=\"x",
        "from=\"a\",from=\"b\"",
        "environment=\"A\"",
        "command=\"a\",command=\"b\"",
        "principals",
        ",pty",
    ] {
        assert!(parse(options).is_err(), "{options}");
    }
    for line in [
        "",
        "#",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "hello world",
        "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIJ0TBZ0Dw4/mMxcbzJFBJUzXqXEbpJjVHMvEzUWnI7fM",
    ] {
        assert!(AuthorizedKey::parse(line, &Limits::default()).is_err(), "{line}");
    }
}

#[test]
fn a_file_comes_back_as_it_was_and_says_who_is_let_in() {
    let text =
        format!("# mine\n\n  \t{KEY} first\r\nrestrict {KEY} second\nunheard-of {KEY}\n\u{fffd}\ncert-authority {KEY}");
    let mut keys = AuthorizedKeys::decode(text.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(keys.as_bytes(), text.as_bytes());
    let lines: Vec<(usize, bool)> = keys.entries().map(|(line, entry)| (line, entry.is_ok())).collect();
    assert_eq!(lines, [(3, true), (4, true), (5, false), (6, false), (7, true)]);
    let key = AuthorizedKey::parse(KEY, &Limits::default()).unwrap().public_key().clone();
    assert_eq!(keys.find(&key).unwrap().public_key().comment(), "first");
    keys.add(&key.with_comment("third")).unwrap();
    assert_eq!(keys.as_bytes(), format!("{text}\n{KEY} third\n").as_bytes());
}
