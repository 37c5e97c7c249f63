//! A slow, long link, made in user space: a rate and a delay each way, in front of the agent.
//!
//! Every connection has a queue of its own, in order, of a bounded size; all queues of a direction share its rate, a packet
//! each in turn, as a router with fair queueing does it. All bytes of a connection wait in its one queue: a session's
//! keystrokes behind its bulk, a connection of its own behind nothing.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Result;
use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpSocket, UdpSocket},
    sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, sleep_until},
};

use crate::process::say;

/// A TCP segment's payload on a link of 1,500 bytes.
const PACKET_BYTES: usize = 1448;
/// What waits in front of the link for each connection and direction, in bytes.
const QUEUE_BYTES: usize = 128 * 1024;
/// The kernel's buffer in front of that, in bytes. Half of it is for data, as Linux counts.
const KERNEL_BYTES: u32 = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Shape {
    pub(crate) bits_per_second: u64,
    /// One way.
    pub(crate) delay: Duration,
}

/// One direction of the link.
struct Direction {
    shape: Shape,
    /// When the last byte that was let go will have left. It holds while the byte leaves; who waits for it is served in turn.
    free: Mutex<Instant>,
}

impl Direction {
    fn new(shape: Shape) -> Arc<Self> {
        Arc::new(Self { shape, free: Mutex::new(Instant::now()) })
    }

    /// A queue into this direction and what comes out at its far end, when it is due.
    fn queue(self: &Arc<Self>) -> (Queue, mpsc::Receiver<(Instant, Bytes)>) {
        let (packets, mut queued) = mpsc::unbounded_channel::<Packet>();
        let under_way = self.shape.bits_per_second as f64 / 8.0 * self.shape.delay.as_secs_f64();
        let (sender, arriving) = mpsc::channel(64 + under_way as usize / PACKET_BYTES);
        let direction = self.clone();
        tokio::spawn(async move {
            while let Some(packet) = queued.recv().await {
                let left = direction.pass(packet.arrived, packet.data.len()).await;
                drop(packet.room);
                if sender.send((left + direction.shape.delay, packet.data)).await.is_err() {
                    return;
                }
            }
        });
        (Queue { room: Arc::new(Semaphore::new(QUEUE_BYTES)), packets }, arriving)
    }

    /// Waits until `bytes` that came at `arrived` have left; when that was. Timers are a millisecond late, the link is not.
    async fn pass(&self, arrived: Instant, bytes: usize) -> Instant {
        let mut free = self.free.lock().await;
        let seconds = bytes as f64 * 8.0 / self.shape.bits_per_second as f64;
        *free = (*free).max(arrived) + Duration::from_secs_f64(seconds);
        sleep_until(*free).await;
        *free
    }
}

struct Packet {
    data: Bytes,
    arrived: Instant,
    room: Option<OwnedSemaphorePermit>,
}

struct Queue {
    room: Arc<Semaphore>,
    packets: mpsc::UnboundedSender<Packet>,
}

impl Queue {
    fn push(&self, data: Bytes, room: Option<OwnedSemaphorePermit>) {
        // Whoever does not take it any more has ended the connection, which the reader sees for itself.
        let _ = self.packets.send(Packet { data, arrived: Instant::now(), room });
    }
}

/// Carries one direction of a TCP connection: reading waits while the queue is full.
async fn carry(
    direction: Arc<Direction>,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) -> Result<()> {
    let (queue, mut arriving) = direction.queue();
    let read = async move {
        loop {
            let mut room = queue.room.clone().acquire_many_owned(PACKET_BYTES.try_into()?).await?;
            let mut data = BytesMut::with_capacity(PACKET_BYTES);
            if (&mut from).take(PACKET_BYTES as u64).read_buf(&mut data).await? == 0 {
                return anyhow::Ok(());
            }
            let packet_room = room.split(data.len());
            queue.push(data.freeze(), packet_room);
        }
    };
    let write = async move {
        while let Some((due, data)) = arriving.recv().await {
            sleep_until(due).await;
            to.write_all(&data).await?;
        }
        Ok(to.shutdown().await?)
    };
    tokio::try_join!(read, write)?;
    Ok(())
}

pub(crate) async fn run_tcp(agent: SocketAddr, shape: Shape) -> Result<()> {
    let socket = || {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(KERNEL_BYTES)?;
        SockRef::from(&socket).set_tcp_mss(PACKET_BYTES.try_into()?)?;
        anyhow::Ok(socket)
    };
    let listening = socket()?;
    listening.bind("127.0.0.1:0".parse()?)?;
    let listener = listening.listen(1024)?;
    say(&listener.local_addr()?)?;
    let (up, down) = (Direction::new(shape), Direction::new(shape));
    loop {
        let (near, _) = listener.accept().await?;
        let far = socket()?.connect(agent).await?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let ((near_reader, near_writer), (far_reader, far_writer)) = (near.into_split(), far.into_split());
        tokio::spawn(carry(up.clone(), near_reader, far_writer));
        tokio::spawn(carry(down.clone(), far_reader, near_writer));
    }
}

/// Carries the datagrams of one client: what does not fit into the queue is lost.
pub(crate) async fn run_udp(agent: SocketAddr, shape: Shape) -> Result<()> {
    let near = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
    say(&near.local_addr()?)?;
    let far = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
    far.connect(agent).await?;
    let client = near.peek_sender().await?;
    near.connect(client).await?;
    tokio::try_join!(
        carry_datagrams(Direction::new(shape), near.clone(), far.clone()),
        carry_datagrams(Direction::new(shape), far, near),
    )?;
    Ok(())
}

async fn carry_datagrams(direction: Arc<Direction>, from: Arc<UdpSocket>, to: Arc<UdpSocket>) -> Result<()> {
    let (queue, mut arriving) = direction.queue();
    let read = async move || -> Result<()> {
        loop {
            let mut data = BytesMut::with_capacity(2 * PACKET_BYTES);
            from.recv_buf(&mut data).await?;
            if let Ok(room) = queue.room.clone().try_acquire_many_owned(data.len().try_into()?) {
                queue.push(data.freeze(), Some(room));
            }
        }
    };
    let write = async move {
        while let Some((due, data)) = arriving.recv().await {
            sleep_until(due).await;
            to.send(&data).await?;
        }
        anyhow::Ok(())
    };
    tokio::try_join!(read(), write)?;
    Ok(())
}
