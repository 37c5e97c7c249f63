//! The machine alone, without I/O: what framing costs beside a copy of the same bytes.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use towline_tunnel_proto::{CarrierKind, ChannelId, Config, Connection, Event, Fields, Frame, Limits, Micros, Open};

const NOW: Micros = Micros(0);
const MIB: usize = 1024 * 1024;

/// Carries bytes one way and back until both sides are silent; returns how many data bytes the far side got.
fn settle(near: &mut Connection, far: &mut Connection) -> usize {
    let mut received = 0;
    loop {
        let mut quiet = true;
        while let Some(piece) = near.poll_transmit(NOW, 64 * 1024) {
            quiet = false;
            far.handle_input(NOW, piece);
            while let Some(event) = far.poll_event().expect("well-behaved") {
                match event {
                    Event::Opened { channel, .. } => far.accept(channel, Fields::new()).expect("offered"),
                    Event::Data { channel, data } => {
                        received += data.len();
                        far.consumed(channel, data.len()).expect("received");
                    }
                    _ => {}
                }
            }
        }
        while let Some(piece) = far.poll_transmit(NOW, 64 * 1024) {
            quiet = false;
            near.handle_input(NOW, piece);
            while near.poll_event().expect("well-behaved").is_some() {}
        }
        if quiet {
            return received;
        }
    }
}

fn pair() -> (Connection, Connection, ChannelId) {
    let mut near = Connection::new(Config::dialer(CarrierKind::Magic), Limits::default(), NOW);
    let mut far = Connection::new(Config::acceptor(CarrierKind::Magic), Limits::default(), NOW);
    let channel = near.open(Open::to("x")).expect("there is room");
    settle(&mut near, &mut far);
    (near, far, channel)
}

fn transfer(near: &mut Connection, far: &mut Connection, channel: ChannelId, chunk: &Bytes, total: usize) {
    let mut received = 0;
    while received < total {
        let mut data = chunk.clone();
        near.send(channel, &mut data).expect("it is open");
        received += settle(near, far);
    }
}

fn machine(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tunnel_frame/1 MiB through two machines");
    group.throughput(Throughput::Bytes(MIB as u64));
    let source = vec![7u8; MIB];
    let mut sink = vec![0u8; MIB];
    group.bench_function("memory copy", |bencher| bencher.iter(|| sink.copy_from_slice(black_box(&source))));
    for chunk_bytes in [32 * 1024, 4096, 64] {
        let (mut near, mut far, channel) = pair();
        let chunk = Bytes::from(vec![7; chunk_bytes]);
        group.bench_function(format!("chunks of {chunk_bytes}"), |bencher| {
            bencher.iter(|| transfer(&mut near, &mut far, channel, &chunk, MIB));
        });
    }
    group.finish();
}

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tunnel_frame/value");
    let frame = Frame::Open { channel: ChannelId(1), credit: 1 << 18, open: Open::to("tcp://127.0.0.1:22") };
    let mut wire = BytesMut::new();
    frame.encode(&mut wire);
    group.bench_function("decode OPEN", |bencher| {
        let limits = Limits::default();
        bencher.iter(|| Frame::decode(&mut black_box(&wire[..]), &limits));
    });
    group.bench_function("encode OPEN", |bencher| {
        bencher.iter(|| {
            let mut out = BytesMut::with_capacity(128);
            black_box(&frame).encode(&mut out);
            out
        });
    });
    group.finish();
}

criterion_group!(benches, machine, frames);
criterion_main!(benches);
