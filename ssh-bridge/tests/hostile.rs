//! What refusing hostile files costs in memory and time. Alone in its process, so that nothing else is measured.

use std::{
    fs,
    time::{Duration, Instant},
};

use towline_ssh_bridge::keys::{AuthorizedKeys, Certificate, Error, KeyFile, KnownHosts, Limits};

/// Most memory that this process ever held, in KiB.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

#[test]
fn hostile_files_are_refused_within_16_mib_and_at_once() {
    let body = |rest: &[u8]| [b"openssh-key-v1\0", rest].concat();
    let bcrypt = |rounds: u32| {
        let options = string(&[string(&[1; 16]), rounds.to_be_bytes().to_vec()].concat());
        let head = [string(b"aes256-ctr"), string(b"bcrypt"), options, 1u32.to_be_bytes().to_vec()].concat();
        body(&[head, string(b"public"), string(&[0; 160])].concat())
    };
    let ppk = |memory: &str, passes: &str| {
        format!(
            "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: aes256-cbc\nComment: x\nPublic-Lines: 2\n\
             AAAAC3NzaC1lZDI1NTE5AAAAIJ0TBZ0Dw4/mMxcbzJFBJUzXqXEbpJjVHMvEzUWnI7fM\nKey-Derivation: Argon2id\n\
             Argon2-Memory: {memory}\nArgon2-Passes: {passes}\nArgon2-Parallelism: 1\nArgon2-Salt: 00\n\
             Private-Lines: 1\nAAAA\nPrivate-MAC: 00\n"
        )
        .into_bytes()
    };
    let mut nested = [string(b"ssh-ed25519"), string(&[3; 32])].concat();
    for _ in 0..3500 {
        let name = string(b"ssh-ed25519-cert-v01@openssh.com");
        let middle = [
            &[0; 8][..],
            &[0, 0, 0, 1],
            &string(b""),
            &string(b""),
            &[0; 16],
            &string(b""),
            &string(b""),
            &string(b""),
        ];
        nested =
            [name, string(&[7; 32]), string(&[9; 32]), middle.concat(), string(&nested), string(b"signature")].concat();
    }
    let files = [
        bcrypt(u32::MAX),
        bcrypt(257),
        ppk("4194304", "1"),
        ppk("8192", "4294967295"),
        ppk("99999999999999999999", "1"),
        body(&[0xff; 64]),
        [vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff], vec![0x02; 64]].concat(),
        [0x30, 0x82, 0x40, 0x00].repeat(4096),
        vec![b'-'; 64 * 1024],
        b"-----BEGIN ".repeat(5900),
        b"-----BEGIN X-----\n-----END X-----\n".repeat(1800),
        b"---- BEGIN SSH2 PUBLIC KEY ----\nComment: \\\n".to_vec(),
        [&b"---- BEGIN SSH2 PUBLIC KEY ----\n"[..], &b"a:\\\n".repeat(16_000), b"---- END SSH2 PUBLIC KEY ----"]
            .concat(),
        b"\\n".repeat(32 * 1024),
        [&[0xff, 0xfe][..], &[b'a'; 64 * 1024 - 2]].concat(),
        format!("16384 65537 {}", "9".repeat(5400)).into_bytes(),
        string(b"ssh-rsa").repeat(5900),
        nested.clone(),
    ];
    let megabytes = vec![b'a'; 100 * 1024 * 1024];
    let lines = b"*a*a*a*a*a*a*a*a*a*a*a ssh-ed25519 AAAA\n".repeat(1000);
    let limits = Limits::default();

    let (before, started) = (peak_kib(), Instant::now());
    for file in &files {
        let begun = Instant::now();
        let refused = KeyFile::decode(file, &limits);
        println!("{:?} {}", begun.elapsed(), String::from_utf8_lossy(&file[..24]).escape_debug());
        assert!(refused.is_err(), "{refused:?}: {}", String::from_utf8_lossy(&file[..64]));
    }
    assert!(matches!(KeyFile::decode(&megabytes, &limits), Err(Error::TooCostly { .. })));
    assert!(matches!(KnownHosts::decode(&megabytes, &limits), Err(Error::TooCostly { .. })));
    assert!(matches!(AuthorizedKeys::decode(&megabytes, &limits), Err(Error::TooCostly { .. })));
    assert!(matches!(Certificate::from_blob(&nested, &limits), Err(Error::TooCostly { .. })));
    let hosts = KnownHosts::decode(&lines, &limits).unwrap();
    assert!(hosts.algorithms(&"a".repeat(200), 22).is_empty());
    let (grown, took) = (peak_kib() - before, started.elapsed());

    println!("{grown} KiB, {took:?}");
    assert!(grown < 16 * 1024, "{grown} KiB");
    // A hundred times what it takes: nothing was derived.
    assert!(took < Duration::from_secs(60), "{took:?}");
}
