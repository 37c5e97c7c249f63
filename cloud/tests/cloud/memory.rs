//! The memory that all tunnels share: what happens when it is promised away.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use towline_tunnel_proto::{Code, driver::Channel};

use crate::harness::{World, echo, eventually, exchange, open, serve_targets};

/// The window of one channel, at its beginning.
const WINDOW: usize = 256 * 1024;
/// A connection through the cloud is a channel to each side.
const CHANNELS: usize = 2;

async fn promised(world: &World) -> usize {
    let stream = tokio::net::TcpStream::connect(world.cloud.metrics_addr().unwrap()).await.unwrap();
    let answer = exchange(stream, "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let line = answer.text.lines().find_map(|line| line.strip_prefix("towline_tunnel_memory_promised_bytes "));
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
        config.tunnel_memory_bytes = 2 * CHANNELS * WINDOW;
        config.metrics_listen = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    let device = world.device("pump").await;
    let agent = world.connect(&device).await;
    serve_targets(&agent);
    let endpoint = world.endpoint(&device.id, echo().await).await;
    let operator = world.operator(&world.admin).await;
    let mut channels = [open(&operator, &device.id, &endpoint), open(&operator, &device.id, &endpoint)];
    for channel in &mut channels {
        channel.accepted().await.unwrap();
    }

    let refused = open(&operator, &device.id, &endpoint).accepted().await.unwrap_err();
    assert_eq!(refused.code, Code::BUDGET);
    // Another operator has no part of their own.
    let other = world.operator(&world.admin).await;
    assert_eq!(open(&other, &device.id, &endpoint).accepted().await.unwrap_err().code, Code::BUDGET);

    // Windows cannot grow, and are big enough to go on.
    for channel in &mut channels {
        there_and_back(channel, 16 * WINDOW).await;
    }
    assert!(promised(&world).await <= 2 * CHANNELS * WINDOW);
    assert!(!agent.is_ended() && !operator.is_ended() && !other.is_ended());

    // What is over makes room.
    for channel in &mut channels {
        channel.shutdown().await.unwrap();
        assert_eq!(channel.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    }
    eventually(async || promised(&world).await == 0).await;
    let mut channel = open(&other, &device.id, &endpoint);
    channel.accepted().await.unwrap();
    there_and_back(&mut channel, WINDOW).await;
}

#[tokio::test]
async fn a_connection_for_whose_second_half_no_memory_is_left_is_recorded_as_that() {
    let world = World::with(|config| config.tunnel_memory_bytes = WINDOW).await;
    let device = world.device("pump").await;
    serve_targets(&world.connect(&device).await);
    let endpoint = world.endpoint(&device.id, echo().await).await;
    let operator = world.operator(&world.admin).await;

    let refused = open(&operator, &device.id, &endpoint).accepted().await.unwrap_err();

    assert_eq!((refused.code, refused.reason.as_str()), (Code::BUDGET, "the cloud's tunnels"));
    let operation = world.get("/operations?limit=1").await.good().body["items"][0].clone();
    assert_eq!(operation["failure"], "overloaded");
}
