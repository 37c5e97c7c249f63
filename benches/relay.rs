//! From the target to the operator: plain copying with the same hops beside the tunnel, in one run.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use towline_benches::{Kind, Path};

const BYTES: u64 = 64 * 1024 * 1024;

fn relay(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let paths = [
        ("tcp copy", Kind::TcpCopy),
        ("tunnel over tcp", Kind::TunnelTcp),
        ("tunnel over websocket and tls", Kind::TunnelWebSocketTls),
    ]
    .map(|(name, kind)| (name, runtime.block_on(Path::open(kind)).expect("a path")));

    let mut group = criterion.benchmark_group("relay/download");
    group.sample_size(10).throughput(Throughput::Bytes(BYTES));
    for (name, path) in &paths {
        group.bench_function(*name, |bencher| {
            bencher.iter(|| assert_eq!(runtime.block_on(path.download(BYTES)).expect("it arrives"), BYTES));
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("relay/connect and echo 64 bytes");
    for (name, path) in &paths {
        group.bench_function(*name, |bencher| {
            bencher.iter(|| assert_eq!(runtime.block_on(path.echo(64)).expect("it comes back"), 64));
        });
    }
    group.finish();
}

criterion_group!(benches, relay);
criterion_main!(benches);
