//! known_hosts: each verdict, each way to write a host, and ssh-keygen's own opinion.

use towline_ssh_bridge::keys::{Algorithm, Curve, Error, KnownHosts, Limits, PublicKey, Verdict};

use crate::tools::Folder;

struct Hosts {
    folder: Folder,
    ed25519: PublicKey,
    other: PublicKey,
    ecdsa: PublicKey,
}

impl Hosts {
    fn new() -> Self {
        let folder = Folder::with_keys(&["ed25519", "ecdsa256"]);
        folder.run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", "other"]);
        let read = |name: &str| PublicKey::decode(&folder.read(name), &Limits::default()).unwrap();
        let (ed25519, other, ecdsa) = (read("ed25519.pub"), read("other.pub"), read("ecdsa256.pub"));
        Self { folder, ed25519, other, ecdsa }
    }
}

fn known(text: &str) -> KnownHosts {
    KnownHosts::decode(text.as_bytes(), &Limits::default()).unwrap()
}

#[test]
fn each_verdict_has_its_cause() {
    let Hosts { ed25519, other, ecdsa, .. } = &Hosts::new();
    let text = format!(
        "# comment\n\
         pump,192.0.2.7 {ed25519}\n\
         \n\
         [pump]:2222 {ecdsa}\n\
         @revoked * {other}\n\
         valve {ecdsa}\n\
         valve {ed25519}\n\
         \ttank\t{0} trailing words\n\
         !secret.example.com,*.example.com {ed25519}\n\
         ?.example.org {ed25519}\n\
         @unheard-of gauge {ed25519}\n\
         gauge ssh-ed25519 not-base64\n\
         gauge ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIJ0TBZ0Dw4/mMxcbzJFBJUzXqXEbpJjVHMvEzUWnI7fM\n",
        ed25519.to_string().replace(' ', "\t"),
    );
    let hosts = known(&text);
    assert_eq!(hosts.as_bytes(), text.as_bytes());
    assert_eq!(hosts.keys("Pump", 22), std::slice::from_ref(ed25519));
    assert_eq!(hosts.keys("valve", 22), [ecdsa.clone(), ed25519.clone()]);
    assert_eq!((hosts.keys("gauge", 22), hosts.keys("nobody", 22)), (vec![], vec![]), "what is revoked is nobody's");
    let at = |line| Verdict::Known { line };
    let ecdsa_known = || Verdict::OtherAlgorithmKnown { algorithms: vec![Algorithm::Ecdsa(Curve::P256)] };
    for (host, port, key, expected) in [
        ("pump", 22, ed25519, at(2)),
        ("PUMP", 22, ed25519, at(2)),
        ("192.0.2.7", 22, ed25519, at(2)),
        ("192.0.2.8", 22, ed25519, Verdict::Unknown),
        ("pump", 22, ecdsa, Verdict::OtherAlgorithmKnown { algorithms: vec![Algorithm::Ed25519] }),
        ("pump", 2222, ecdsa, at(4)),
        ("pump", 2222, ed25519, ecdsa_known()),
        ("pump", 2223, ed25519, Verdict::Unknown),
        ("pump", 22, other, Verdict::Revoked { line: 5 }),
        ("anything", 1, other, Verdict::Unknown),
        ("valve", 22, ed25519, at(7)),
        ("valve", 22, ecdsa, at(6)),
        ("tank", 22, ed25519, at(8)),
        ("a.example.com", 22, ed25519, at(9)),
        ("secret.example.com", 22, ed25519, Verdict::Unknown),
        ("a.example.org", 22, ed25519, at(10)),
        ("aa.example.org", 22, ed25519, Verdict::Unknown),
        ("gauge", 22, ed25519, Verdict::Unknown),
    ] {
        // The mark for all hosts has no port; OpenSSH's `*` matches `[anything]:1` too.
        let expected = if (host, port) == ("anything", 1) { Verdict::Revoked { line: 5 } } else { expected };
        assert_eq!(hosts.check(host, port, key), expected, "{host} {port} {key}");
    }
    assert_eq!(hosts.algorithms("valve", 22), [Algorithm::Ecdsa(Curve::P256), Algorithm::Ed25519]);
    let entry = |number| hosts.entries().find(|(line, _)| *line == number).unwrap().1;
    let (revoked, tank) = (entry(5).unwrap(), entry(8).unwrap());
    assert!(revoked.is_revoked() && !revoked.is_authority() && !tank.is_revoked());
    assert_eq!((revoked.hosts(), revoked.public_key()), ("*", other));
    assert_eq!((tank.hosts(), tank.public_key().comment()), ("tank", "ed25519 of a test trailing words"));
    assert_eq!(hosts.entries().count(), 11, "neither the comment nor the empty line");
    let unread: Vec<usize> = hosts.entries().filter(|(_, entry)| entry.is_err()).map(|(line, _)| line).collect();
    assert_eq!(unread, [11, 12, 13]);

    let hosts = known(&format!("pump {ed25519}\n"));
    assert_eq!(hosts.check("pump", 22, other), Verdict::Changed { line: 1, known: ed25519.clone() });
    // A second key of the same algorithm is a second key.
    let hosts = known(&format!("pump {ed25519}\npump {other}\n"));
    assert_eq!(hosts.check("pump", 22, other), Verdict::Known { line: 2 });
}

#[test]
fn a_comment_makes_no_other_key() {
    let Hosts { ed25519, .. } = &Hosts::new();
    let hosts = known(&format!("pump {}\n", ed25519.clone().with_comment("another")));
    assert_eq!(hosts.check("pump", 22, ed25519), Verdict::Known { line: 1 });
}

#[test]
fn what_ssh_keygen_hashes_is_found_and_what_is_hashed_here_ssh_keygen_finds() {
    let Hosts { folder, ed25519, ecdsa, .. } = &Hosts::new();
    folder.write("known_hosts", format!("pump,192.0.2.7 {ed25519}\n[pump]:2222 {ecdsa}\n"));
    folder.run("ssh-keygen", &["-q", "-H", "-f", "known_hosts"]);
    let text = String::from_utf8(folder.read("known_hosts")).unwrap();
    assert!(!text.contains("pump"));
    let hosts = known(&text);
    assert_eq!(hosts.check("pump", 22, ed25519), Verdict::Known { line: 1 });
    assert_eq!(hosts.check("192.0.2.7", 22, ed25519), Verdict::Known { line: 2 });
    assert_eq!(hosts.check("Pump", 2222, ecdsa), Verdict::Known { line: 3 });
    assert_eq!(hosts.check("valve", 22, ed25519), Verdict::Unknown);

    let mut hosts = known("# mine");
    hosts.add("Valve", 22, ed25519, Some([7; 20])).unwrap();
    hosts.add("valve", 2222, ecdsa, None).unwrap();
    folder.write("known_hosts", hosts.as_bytes());
    assert!(folder.run("ssh-keygen", &["-F", "valve", "-f", "known_hosts"]).contains("found: line 2"));
    assert!(folder.run("ssh-keygen", &["-F", "[valve]:2222", "-f", "known_hosts"]).contains("found: line 3"));
    assert_eq!(hosts.check("valve", 22, ed25519), Verdict::Known { line: 2 });

    assert!(hosts.remove(2) && !hosts.remove(3) && !hosts.remove(0));
    assert_eq!(hosts.as_bytes(), format!("# mine\n[valve]:2222 {ecdsa}\n").as_bytes());
}

#[test]
fn a_host_that_is_a_pattern_is_not_learned() {
    let Hosts { ed25519, .. } = &Hosts::new();
    let mut hosts = KnownHosts::default();
    for host in ["", "*", "a,b", "a b", "a\nb", "!a", "|1|a", "#a", "@revoked", "a?"] {
        assert!(matches!(hosts.add(host, 22, ed25519, None), Err(Error::Corrupt { .. })), "{host:?}");
    }
    assert_eq!(hosts.as_bytes(), b"");
}

#[test]
fn a_file_that_is_too_big_is_not_taken() {
    let mut limits = Limits::default();
    (limits.max_list_bytes, limits.max_list_lines) = (100, 10);
    let too_costly = |input: &[u8]| matches!(KnownHosts::decode(input, &limits), Err(Error::TooCostly { .. }));
    assert!(
        too_costly(&[b'a'; 101]) && too_costly(&[b'\n'; 11]) && !too_costly(&[b'a'; 100]) && !too_costly(&[b'\n'; 10])
    );
}
