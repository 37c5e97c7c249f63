//! What PROTOCOL.md and the vectors say is what the code does.

use bytes::{Bytes, BytesMut};
use towline_tunnel_proto::{
    Binding, ChannelId, Code, FieldKey, Fields, Frame, Hello, Limits, Micros, Open, Resume, Resumption, Secret,
    SessionId, Urgency,
};

fn session_id() -> SessionId {
    SessionId(std::array::from_fn(|n| n as u8))
}

/// The RESUME of the vectors, with its proof.
fn resume() -> Resume {
    let resume = Resume { session: session_id(), epoch: 3, received: 4711, proof: [0; 32] };
    let binding = Binding { offered: SessionId([0xaa; 16]), exporter: Some([0xee; 32]) };
    let secret = Secret::new([0x0b; 32]);
    let proved = secret.prove(resume, &binding);
    assert!(secret.is_proved_by(&proved, &binding));
    proved
}

#[test]
fn the_table_of_codes_is_the_list() {
    let document = include_str!("../../PROTOCOL.md");
    for code in Code::ALL {
        let row = format!("| {:#04x} | {} |", code.0, code.name().unwrap());
        assert!(document.contains(&row), "PROTOCOL.md has no row {row}");
    }
    let section = document.split("## 9. Codes").nth(1).unwrap().split("## 10").next().unwrap();
    assert_eq!(section.matches("| 0x").count(), Code::ALL.len(), "PROTOCOL.md has rows that the code has not");
}

/// Each vector and what it stands for.
fn vectors() -> Vec<(&'static str, Frame)> {
    let session = ChannelId(1);
    vec![
        (
            include_str!("../../vectors/hello.hex"),
            Frame::Hello(Hello {
                version_min: 1,
                version_max: 1,
                max_frame_bytes: 65_535,
                capabilities: 0,
                channel_credit: 262_144,
                connection_credit: 262_144,
                max_channels: 1024,
                keepalive_millis: 10_000,
                resumption: None,
                fields: Fields::new().with(FieldKey::IMPLEMENTATION, "towline/0.1.0"),
            }),
        ),
        (
            include_str!("../../vectors/hello-resumption.hex"),
            Frame::Hello(Hello {
                version_min: 1,
                version_max: 1,
                max_frame_bytes: 65_535,
                capabilities: 0,
                channel_credit: 262_144,
                connection_credit: 262_144,
                max_channels: 1024,
                keepalive_millis: 10_000,
                resumption: Some(Resumption::acceptor(session_id(), Secret::new([0x0b; 32]))),
                fields: Fields::new(),
            }),
        ),
        (include_str!("../../vectors/ack.hex"), Frame::Ack { received: 1 << 20, arrived_at: Micros(2_500_000) }),
        (include_str!("../../vectors/resume.hex"), Frame::Resume(resume())),
        (
            include_str!("../../vectors/resumed.hex"),
            Frame::Resumed { epoch: 3, received: 815, next: Secret::new([0x0c; 32]) },
        ),
        (
            include_str!("../../vectors/open.hex"),
            Frame::Open {
                channel: session,
                credit: 262_144,
                open: Open {
                    target: "tcp://127.0.0.1:22".into(),
                    urgency: Urgency::NORMAL,
                    idle_millis: 0,
                    deadline_millis: 30_000,
                    fields: Fields::new().with(FieldKey::SESSION_ID, "4711").with(FieldKey::USER, "admin"),
                },
            },
        ),
        (
            include_str!("../../vectors/accept.hex"),
            Frame::Accept {
                channel: session,
                credit: 262_144,
                fields: Fields::new().with(FieldKey::PEER_ADDRESS, "127.0.0.1:22"),
            },
        ),
        (
            include_str!("../../vectors/data-last.hex"),
            Frame::Data { channel: session, data: Bytes::from_static(b"SSH-2.0-"), fin: true },
        ),
        (
            include_str!("../../vectors/reset-refused.hex"),
            Frame::Reset {
                channel: session,
                code: Code::CONNECT_REFUSED,
                reason: "nothing listens on 127.0.0.1:22".into(),
            },
        ),
        (
            include_str!("../../vectors/stop.hex"),
            Frame::Stop { channel: ChannelId(2), code: Code::CANCEL, reason: String::new() },
        ),
        (
            include_str!("../../vectors/credit-session.hex"),
            Frame::Credit { channel: ChannelId::SESSION, limit: 1 << 40 },
        ),
        (include_str!("../../vectors/pong.hex"), Frame::Ping { id: 0x0102_0304_0506_0708, pong: true }),
        (
            include_str!("../../vectors/drain.hex"),
            Frame::Drain { retry_after_millis: 20_000, reason: "an update".into() },
        ),
        (
            include_str!("../../vectors/close.hex"),
            Frame::Close { code: Code::REPLACED, reason: "the same device connected again".into() },
        ),
    ]
}

fn bytes_of(text: &str) -> Vec<u8> {
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace).collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn every_vector_reads_as_what_it_says_and_is_written_back_the_same() {
    for (text, frame) in vectors() {
        let mut written = BytesMut::new();
        frame.encode(&mut written);
        let hex: String = written.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(bytes_of(text), written, "{frame:?} is {hex}");
        assert_eq!(Frame::decode(&mut &written[..], &Limits::default()), Ok(Some(frame)));
    }
}

#[test]
fn a_frame_is_not_read_before_all_of_it_is_there() {
    for (text, frame) in vectors() {
        let bytes = bytes_of(text);
        for end in 0..bytes.len() {
            let mut input = &bytes[..end];
            assert_eq!(Frame::decode(&mut input, &Limits::default()), Ok(None), "{frame:?} cut at {end}");
            assert_eq!(input.len(), end, "nothing is consumed");
        }
    }
}

#[cfg(feature = "codec")]
#[test]
fn a_codec_reads_what_it_writes_however_it_is_cut() {
    use tokio_util::codec::{Decoder, Encoder};
    use towline_tunnel_proto::{CarrierKind, Codec};

    let frames: Vec<Frame> = vectors().into_iter().map(|(_, frame)| frame).collect();
    let (mut writer, mut wire) = (Codec::new(CarrierKind::Magic, Limits::default()), BytesMut::new());
    for frame in &frames {
        writer.encode(frame.clone(), &mut wire).unwrap();
    }
    let (mut reader, mut input) = (Codec::new(CarrierKind::Magic, Limits::default()), BytesMut::new());
    let mut read = Vec::new();
    for byte in wire {
        input.extend_from_slice(&[byte]);
        read.extend(reader.decode(&mut input).unwrap());
    }
    assert_eq!(read, frames);
}
