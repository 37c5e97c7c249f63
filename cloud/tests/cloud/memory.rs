//! The memory that all tunnels share: what happens when it is promised away.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use towline_transport::{BoxTransport, Carrier};
use towline_tunnel_proto::{
    CarrierKind, Code, Config, Limits, Resumption,
    driver::{Channel, Mux},
};

use crate::harness::{Device, World, echo, eventually, exchange, open, serve_targets};

/// The window of one channel, at its beginning.
const WINDOW: usize = 256 * 1024;
/// A connection through the cloud is a channel to each side.
const CHANNELS: usize = 2;
/// Two connections, and not quite half of another.
const BUDGET: usize = 2 * CHANNELS * WINDOW + WINDOW / 2;
/// What the cloud may keep of what it sent on each session, even when there is no memory left.
const KEPT: usize = 2 * 64 * 1024;

/// A session that outlives its carriers, as those of the real programs do: what was sent is kept for a while.
async fn session(carrier: Carrier<BoxTransport>) -> Mux {
    let mut config = Config::dialer(CarrierKind::Negotiated);
    config.resumption = Some(Resumption::dialer());
    let (mux, driver) = Mux::new(carrier.into_inner(), config, Limits::default());
    tokio::spawn(driver);
    mux.connected().await.unwrap();
    mux
}

async fn agent(world: &World, device: &Device) -> Mux {
    let proof = world.proof(&device.id, &device.key, &world.nonce().await);
    let mux = session(world.dial("/agent/tunnel", &proof).await.unwrap()).await;
    let path = format!("/devices/{}", device.id);
    eventually(async || world.get(&path).await.body["online"] == true).await;
    mux
}

async fn operator(world: &World) -> Mux {
    session(world.dial("/tunnel", &format!("Bearer {}", world.admin)).await.unwrap()).await
}

async fn held(world: &World) -> usize {
    let stream = tokio::net::TcpStream::connect(world.cloud.metrics_addr().unwrap()).await.unwrap();
    let answer = exchange(stream, "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let line = answer.text.lines().find_map(|line| line.strip_prefix("towline_tunnel_memory_bytes "));
    line.unwrap().parse().unwrap()
}

/// Sends `bytes` there and takes as many back, both at once.
async fn there_and_back(channel: &mut Channel, bytes: usize) {
    let (mut reader, mut writer) = tokio::io::split(channel);
    let send = async {
        for _ in 0..bytes / WINDOW {
            writer.write_all(&[7; WINDOW]).await.unwrap();
        }
    };
    let receive = async {
        let mut piece = vec![0; WINDOW];
        for _ in 0..bytes / WINDOW {
            reader.read_exact(&mut piece).await.unwrap();
        }
    };
    tokio::join!(send, receive);
}

#[tokio::test]
async fn who_finds_no_memory_left_is_refused_and_what_is_open_goes_on() {
    let world = World::with(|config| {
        config.tunnel_memory_bytes = BUDGET;
        config.metrics_listen = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    let device = world.device("pump").await;
    let agent = agent(&world, &device).await;
    serve_targets(&agent);
    let endpoint = world.endpoint(&device.id, echo().await).await;
    let (operator, other) = (operator(&world).await, operator(&world).await);
    let mut channels = [open(&operator, &device.id, &endpoint), open(&operator, &device.id, &endpoint)];
    for channel in &mut channels {
        channel.accepted().await.unwrap();
    }

    let refused = open(&operator, &device.id, &endpoint).accepted().await.unwrap_err();
    assert_eq!(refused.code, Code::BUDGET);
    // Another operator has no part of their own.
    assert_eq!(open(&other, &device.id, &endpoint).accepted().await.unwrap_err().code, Code::BUDGET);

    // Windows cannot grow, little is kept to be sent again, and that is enough to go on.
    for channel in &mut channels {
        there_and_back(channel, 16 * WINDOW).await;
    }
    let held_now = held(&world).await;
    assert!(held_now <= BUDGET + 3 * KEPT, "{held_now} bytes");
    assert!(!agent.is_ended() && !operator.is_ended() && !other.is_ended());

    // What is over makes room.
    for channel in &mut channels {
        channel.shutdown().await.unwrap();
        assert_eq!(channel.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    }
    eventually(async || held(&world).await < WINDOW / 2).await;
    let mut channel = open(&other, &device.id, &endpoint);
    channel.accepted().await.unwrap();
    there_and_back(&mut channel, WINDOW).await;
}

#[tokio::test]
async fn a_connection_for_whose_second_half_no_memory_is_left_is_recorded_as_that() {
    let world = World::with(|config| config.tunnel_memory_bytes = WINDOW + WINDOW / 2).await;
    let device = world.device("pump").await;
    serve_targets(&agent(&world, &device).await);
    let endpoint = world.endpoint(&device.id, echo().await).await;
    let operator = operator(&world).await;

    let refused = open(&operator, &device.id, &endpoint).accepted().await.unwrap_err();

    assert_eq!((refused.code, refused.reason.as_str()), (Code::BUDGET, "the cloud's tunnels"));
    let operation = world.get("/operations?limit=1").await.good().body["items"][0].clone();
    assert_eq!(operation["failure"], "overloaded");
}
