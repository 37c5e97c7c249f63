//! Keys beside ssh-key as russh has it, and known_hosts beside a scan that does nothing else.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use getrandom::{SysRng, rand_core::UnwrapErr};
use russh::keys::ssh_key;
use towline_ssh_bridge::keys::{Curve, Format, KnownHosts, Limits, NewKey, PrivateKey, PublicKey, Verdict};

const LINES: usize = 100_000;

fn read(criterion: &mut Criterion) {
    let limits = Limits::default();
    for (name, kind) in [
        ("Ed25519", NewKey::Ed25519),
        ("ECDSA P-256", NewKey::Ecdsa(Curve::P256)),
        ("RSA 2048", NewKey::Rsa { bits: 2048 }),
    ] {
        let key = PrivateKey::generate(kind, "me@here", &mut UnwrapErr(SysRng)).expect("it can be made");
        let file = key.encode(Format::OpensshKeyV1, None, &mut UnwrapErr(SysRng)).expect("it can be written");
        let line = key.public_key().encode(Format::OneLine).expect("it can be written");
        let mut group = criterion.benchmark_group(format!("keys/read {name}"));
        group.bench_function("private, towline", |bencher| {
            bencher.iter(|| PrivateKey::decode(black_box(file.as_bytes()), None, &limits).expect("it is one"));
        });
        group.bench_function("private, ssh-key", |bencher| {
            bencher.iter(|| ssh_key::PrivateKey::from_openssh(black_box(file.as_bytes())).expect("it is one"));
        });
        group.bench_function("public, towline", |bencher| {
            bencher.iter(|| PublicKey::decode(black_box(line.as_bytes()), &limits).expect("it is one"));
        });
        group.bench_function("public, ssh-key", |bencher| {
            bencher.iter(|| ssh_key::PublicKey::from_openssh(black_box(line.trim_end())).expect("it is one"));
        });
        group.finish();
    }
}

/// The least that a look-up in a file without an index does: each line's first word is compared with a name.
fn scan(text: &[u8], name: &[u8]) -> usize {
    let first = |line: &[u8]| line.split(|byte| *byte == b' ').next() == Some(name);
    text.split(|byte| *byte == b'\n').filter(|line| first(line)).count()
}

fn known_hosts(criterion: &mut Criterion) {
    let key = PrivateKey::generate(NewKey::Ed25519, "", &mut UnwrapErr(SysRng)).expect("it can be made");
    let key = key.public_key();
    let file = |salted: bool| {
        let mut hosts = KnownHosts::default();
        for number in 0..LINES {
            let mut salt = [0; 20];
            salt[..8].copy_from_slice(&number.to_le_bytes());
            let host = format!("host-{number}.example.com");
            hosts.add(&host, 22, key, salted.then_some(salt)).expect("there is room");
        }
        hosts
    };
    let (limits, last) = (Limits::default(), format!("host-{}.example.com", LINES - 1));
    let plain = file(false);
    let mut group = criterion.benchmark_group("keys/known_hosts of 100,000 lines");
    group.sample_size(20);
    group.bench_function("linear scan", |bencher| bencher.iter(|| scan(black_box(plain.as_bytes()), last.as_bytes())));
    group.bench_function("look up", |bencher| {
        bencher.iter(|| assert_eq!(plain.check(black_box(&last), 22, key), Verdict::Known { line: LINES }));
    });
    group.bench_function("take the file and look up", |bencher| {
        bencher.iter(|| {
            let hosts = KnownHosts::decode(black_box(plain.as_bytes()), &limits).expect("it is short");
            assert_eq!(hosts.check(&last, 22, key), Verdict::Known { line: LINES });
        });
    });
    let hashed = file(true);
    group.bench_function("look up, hashed", |bencher| {
        bencher.iter(|| assert_eq!(hashed.check(black_box(&last), 22, key), Verdict::Known { line: LINES }));
    });
    group.finish();
}

criterion_group!(benches, read, known_hosts);
criterion_main!(benches);
