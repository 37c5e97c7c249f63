//! Full HD frames of a desktop, decoded and encoded, beside a copy of the same pixels.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::{hint::black_box, time::Duration};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use towline_rfb::{
    ClientMessage, Decoder, Encoder, Encoding, Framebuffer, Limits, Paint, PixelFormat, Rectangle, Rgba, ServerInit,
};

const WIDTH: u16 = 1920;
const HEIGHT: u16 = 1080;

fn init() -> ServerInit {
    ServerInit { width: WIDTH, height: HEIGHT, format: PixelFormat::BGRX, name: "desktop".into() }
}

fn hash(value: u32) -> u32 {
    let value = (value ^ value >> 16).wrapping_mul(0x7feb_352d);
    (value ^ value >> 15).wrapping_mul(0x846c_a68b) >> 8
}

/// Windows with bars, text of two colours, and a photograph on an eighth of the screen.
fn desktop() -> Framebuffer {
    let mut picture = Framebuffer::new(WIDTH, HEIGHT, &Limits::default()).expect("it is within the limits");
    let mut fill = |x, y, width, height, rgba| {
        picture.paint(&Paint::Fill { rectangle: Rectangle::new(x, y, width, height), rgba });
    };
    fill(0, 0, WIDTH, HEIGHT, [0x30, 0x50, 0x70, 255]);
    fill(0, 1040, WIDTH, 40, [0x20, 0x20, 0x24, 255]);
    fill(60, 60, 1100, 900, [0xfa, 0xfa, 0xf8, 255]);
    fill(60, 60, 1100, 28, [0x44, 0x66, 0xaa, 255]);
    // Letters: a few strokes in a cell of 9 by 18.
    for (cell, (row, column)) in (0..46u16).flat_map(|row| (0..118u16).map(move |column| (row, column))).enumerate() {
        let letter = hash(u32::try_from(cell).expect("few cells"));
        if !letter.is_multiple_of(6) {
            let (x, y) = (80 + column * 9, 100 + row * 18);
            for stroke in 0..5u32 {
                let bits = u16::try_from(letter >> (stroke * 4) & 15).expect("four bits");
                let size = if stroke % 2 == 0 { (1 + bits % 5, 1) } else { (1, 2 + bits % 8) };
                fill(x + bits % 4, y + bits, size.0, size.1, [0x20, 0x22, 0x28, 255]);
            }
        }
    }
    let photo = Rectangle::new(1220, 200, 600, 432);
    let rgba: Vec<Rgba> = (0..u32::from(photo.width) * u32::from(photo.height))
        .map(|index| {
            let (x, y) = (index % 600, index / 600);
            let byte = |value: u32| u8::try_from(value.min(255)).expect("a byte");
            let noise = hash(index) % 12;
            [byte(x * 200 / 600 + noise), byte(y * 220 / 432 + noise), byte((x + y) * 180 / 1032 + noise), 255]
        })
        .collect();
    picture.paint(&Paint::Pixels { rectangle: photo, rgba: &rgba });
    picture
}

/// An encoder whose viewer has asked for everything.
fn asked(encoding: Encoding) -> Encoder {
    let mut encoder = Encoder::new(&init(), Limits::default()).expect("it is within the limits");
    let mut wire = Vec::new();
    ClientMessage::SetEncodings(vec![encoding]).encode(&mut wire);
    let rectangle = Rectangle::new(0, 0, WIDTH, HEIGHT);
    ClientMessage::FramebufferUpdateRequest { incremental: false, rectangle }.encode(&mut wire);
    encoder.handle_input(wire.into());
    while encoder.poll_event().expect("well-behaved").is_some() {}
    encoder
}

fn encode(mut encoder: Encoder, picture: &Framebuffer) -> Bytes {
    encoder.update(picture);
    encoder.poll_transmit().expect("it was asked")
}

/// Decodes a frame that comes in chunks as from a socket, and paints it.
fn decode(mut decoder: Decoder, wire: &Bytes, picture: &mut Framebuffer) {
    let limits = Limits::default();
    let mut rest = wire.clone();
    while !rest.is_empty() {
        decoder.handle_input(rest.split_to(rest.len().min(64 * 1024)));
        while let Some(event) = decoder.poll_event().expect("well-behaved") {
            picture.apply(&event, &limits).expect("it is within the limits");
        }
    }
}

fn frames(criterion: &mut Criterion) {
    let desktop = desktop();
    let mut seen = Framebuffer::new(WIDTH, HEIGHT, &Limits::default()).expect("it is within the limits");
    let pixels = u64::from(WIDTH) * u64::from(HEIGHT);
    let encodings = [Encoding::RAW, Encoding::HEXTILE, Encoding::ZRLE];

    let mut group = criterion.benchmark_group("rfb/decode a full HD desktop");
    group.throughput(Throughput::Elements(pixels)).sample_size(20).measurement_time(Duration::from_secs(4));
    let mut copy = desktop.pixels().to_vec();
    group.bench_function("memory copy", |bencher| {
        bencher.iter(|| copy.copy_from_slice(black_box(desktop.pixels())));
    });
    for encoding in encodings {
        let wire = encode(asked(encoding), &desktop);
        eprintln!("{encoding}: {} bytes", wire.len());
        let fresh = || Decoder::new(&init(), Limits::default()).expect("it is within the limits");
        group.bench_function(encoding.to_string(), |bencher| {
            bencher.iter_batched(fresh, |decoder| decode(decoder, &wire, &mut seen), BatchSize::LargeInput);
        });
        assert!(seen == desktop, "{encoding}");
    }
    group.finish();

    let mut group = criterion.benchmark_group("rfb/encode a full HD desktop");
    group.throughput(Throughput::Elements(pixels)).sample_size(20).measurement_time(Duration::from_secs(4));
    for encoding in encodings {
        group.bench_function(encoding.to_string(), |bencher| {
            bencher.iter_batched(|| asked(encoding), |encoder| encode(encoder, &desktop), BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, frames);
criterion_main!(benches);
