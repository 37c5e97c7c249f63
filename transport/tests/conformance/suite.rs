use std::{future::Future, io::IoSlice, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};
use towline_transport::BoxTransport;

use crate::pairs::{Abilities, Pair};

/// A liveness limit, not a goal.
const LIMIT: Duration = Duration::from_secs(60);

/// How long a writer must have been held for us to believe it.
const HELD: Duration = Duration::from_millis(300);

/// Runs `check` on a fresh pair, then on another with the ends exchanged.
async fn both_ways<P, C>(pair: impl Fn() -> P, check: impl Fn(BoxTransport, BoxTransport, Abilities) -> C)
where
    P: Future<Output = Pair>,
    C: Future<Output = ()>,
{
    let run = async {
        let Pair { near, far, abilities } = pair().await;
        check(near, far, abilities).await;
        let Pair { near, far, abilities } = pair().await;
        check(far, near, abilities).await;
    };
    timeout(LIMIT, run).await.expect("it hangs");
}

/// A stream of bytes in which any loss, doubling or exchange shows.
#[derive(Clone)]
struct Pattern {
    seed: u64,
    position: u64,
}

impl Pattern {
    fn new(seed: u64) -> Self {
        Self { seed, position: 0 }
    }

    fn next_bytes(&mut self, count: usize) -> Vec<u8> {
        let bytes = (self.position..).take(count).map(|position| self.at(position)).collect();
        self.position += count as u64;
        bytes
    }

    fn at(&self, position: u64) -> u8 {
        ((position ^ self.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
    }

    fn check(&mut self, bytes: &[u8]) {
        let expected = self.next_bytes(bytes.len());
        assert!(bytes == expected, "bytes differ before position {}", self.position);
    }
}

async fn send(to: &mut (impl AsyncWrite + Unpin), mut pattern: Pattern, count: usize, piece: usize) {
    let mut left = count;
    while left > 0 {
        let bytes = pattern.next_bytes(left.min(piece));
        to.write_all(&bytes).await.unwrap();
        left -= bytes.len();
    }
    to.flush().await.unwrap();
}

async fn receive(from: &mut (impl AsyncRead + Unpin), mut pattern: Pattern, count: usize, piece: usize) {
    let mut buffer = vec![0; piece];
    let mut left = count;
    while left > 0 {
        let room = left.min(piece);
        let read = from.read(&mut buffer[..room]).await.unwrap();
        assert_ne!(read, 0, "end of file {left} bytes early");
        pattern.check(&buffer[..read]);
        left -= read;
    }
}

/// Sends from both ends at once and checks what arrives; each direction of each end has a task of its own.
async fn exchange(a: BoxTransport, b: BoxTransport, count: usize, piece: usize) {
    let (mut a_read, mut a_write) = tokio::io::split(a);
    let (mut b_read, mut b_write) = tokio::io::split(b);
    let tasks = [
        tokio::spawn(async move { send(&mut a_write, Pattern::new(1), count, piece).await }),
        tokio::spawn(async move { send(&mut b_write, Pattern::new(2), count, piece).await }),
        tokio::spawn(async move { receive(&mut a_read, Pattern::new(2), count, piece).await }),
        tokio::spawn(async move { receive(&mut b_read, Pattern::new(1), count, piece).await }),
    ];
    for task in tasks {
        task.await.unwrap();
    }
}

pub(crate) async fn single_bytes_arrive_in_order<P: Future<Output = Pair>>(pair: impl Fn() -> P) {
    both_ways(pair, async |mut a, mut b, _| {
        let count = 1000;
        let sender = async {
            for byte in Pattern::new(7).next_bytes(count) {
                a.write_all(&[byte]).await.unwrap();
                a.flush().await.unwrap();
            }
        };
        tokio::join!(sender, receive(&mut b, Pattern::new(7), count, 1));
    })
    .await;
}

/// The same for checks in which the second end must see what became of the first.
async fn as_far_as_ends_show<P, C>(pair: impl Fn() -> P, check: impl Fn(BoxTransport, BoxTransport) -> C)
where
    P: Future<Output = Pair>,
    C: Future<Output = ()>,
{
    let run = async {
        let Pair { near, far, .. } = pair().await;
        check(near, far).await;
        let Pair { near, far, abilities } = pair().await;
        if abilities.far_end_shows {
            check(far, near).await;
        }
    };
    timeout(LIMIT, run).await.expect("it hangs");
}

pub(crate) async fn shutting_down_gives_the_peer_an_end_of_file<P: Future<Output = Pair>>(pair: impl Fn() -> P) {
    as_far_as_ends_show(pair, async |mut a, mut b| {
        send(&mut a, Pattern::new(3), 5000, 700).await;
        a.shutdown().await.unwrap();
        receive(&mut b, Pattern::new(3), 5000, 700).await;
        for _ in 0..3 {
            assert_eq!(b.read(&mut [0; 16]).await.unwrap(), 0, "an end of file stays one");
        }
    })
    .await;
}

pub(crate) async fn the_other_direction_outlives_a_half_close<P: Future<Output = Pair>>(pair: impl Fn() -> P) {
    both_ways(pair, async |mut a, mut b, abilities| {
        if !abilities.half_close {
            return;
        }
        a.shutdown().await.unwrap();
        assert_eq!(b.read(&mut [0; 16]).await.unwrap(), 0);
        let answer = async {
            send(&mut b, Pattern::new(4), 200_000, 3000).await;
            b.shutdown().await.unwrap();
        };
        let reader = async {
            receive(&mut a, Pattern::new(4), 200_000, 5000).await;
            assert_eq!(a.read(&mut [0; 16]).await.unwrap(), 0);
        };
        tokio::join!(answer, reader);
    })
    .await;
}

pub(crate) async fn a_cancelled_read_loses_nothing<P: Future<Output = Pair>>(pair: impl Fn() -> P) {
    both_ways(pair, async |mut a, mut b, _| {
        let count = 20_000;
        let sender = async {
            let mut pattern = Pattern::new(5);
            for _ in 0..count / 100 {
                a.write_all(&pattern.next_bytes(100)).await.unwrap();
                a.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let receiver = async {
            let mut pattern = Pattern::new(5);
            let mut left = count;
            let mut buffer = [0; 37];
            while left > 0 {
                tokio::select! {
                    biased;
                    read = b.read(&mut buffer) => {
                        let read = read.unwrap();
                        assert_ne!(read, 0);
                        pattern.check(&buffer[..read]);
                        left -= read;
                    }
                    () = tokio::task::yield_now() => {}
                }
            }
        };
        tokio::join!(sender, receiver);
    })
    .await;
}

pub(crate) async fn messages_around_64_kib_pass_each_other<P: Future<Output = Pair>>(pair: impl Fn() -> P) {
    for piece in [65_535, 65_536, 65_537] {
        both_ways(&pair, async |a, b, _| exchange(a, b, piece * 6, piece).await).await;
    }
}

pub(crate) async fn vectored_writes_arrive_in_order<P: Future<Output = Pair>>(pair: impl Fn() -> P) {
    both_ways(pair, async |mut a, mut b, _| {
        let count = 300_000;
        let sender = async {
            let bytes = Pattern::new(6).next_bytes(count);
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let slices: Vec<IoSlice<'_>> = rest.chunks(9001).take(12).map(IoSlice::new).collect();
                let written = a.write_vectored(&slices).await.unwrap();
                assert_ne!(written, 0);
                rest = &rest[written..];
            }
            a.flush().await.unwrap();
        };
        tokio::join!(sender, receive(&mut b, Pattern::new(6), count, 8192));
    })
    .await;
}

pub(crate) async fn a_writer_waits_once_the_reader_stops<P: Future<Output = Pair>>(pair: impl Fn() -> P) {
    both_ways(pair, async |mut a, mut b, abilities| {
        let mut ahead = 0;
        let mut pattern = Pattern::new(8);
        loop {
            let piece = pattern.clone().next_bytes(8192);
            let Ok(written) = timeout(HELD, a.write(&piece)).await else { break };
            let written = written.unwrap();
            pattern.next_bytes(written);
            ahead += written;
            assert!(ahead <= abilities.max_ahead_bytes, "{ahead} bytes ahead and still not held");
        }
        // What was taken arrives, once the reader goes on.
        let flush = async { a.flush().await.unwrap() };
        tokio::join!(flush, receive(&mut b, Pattern::new(8), ahead, 64 * 1024));
    })
    .await;
}

pub(crate) async fn losing_one_end_ends_the_other<P: Future<Output = Pair>>(pair: impl Fn() -> P) {
    as_far_as_ends_show(pair, async |a, mut b| {
        let waiting = tokio::spawn(async move { b.read(&mut [0; 16]).await });
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(a);
        assert!(matches!(waiting.await.unwrap(), Ok(0) | Err(_)));
    })
    .await;
}

pub(crate) async fn losing_one_end_amid_traffic_ends_the_other<P: Future<Output = Pair>>(pair: impl Fn() -> P) {
    both_ways(pair, async |mut a, b, _| {
        let (mut b_read, mut b_write) = tokio::io::split(b);
        let writer = tokio::spawn(async move { while b_write.write_all(&[0; 4096]).await.is_ok() {} });
        let reader = tokio::spawn(async move { while let Ok(1..) = b_read.read(&mut [0; 4096]).await {} });
        let mut some = vec![0; 10_000];
        a.read_exact(&mut some).await.unwrap();
        a.write_all(&some).await.unwrap();
        drop(a);
        reader.await.unwrap();
        writer.await.unwrap();
    })
    .await;
}

/// The reader has seen how the stream began, and no more, when it learns of the end.
#[cfg(feature = "testing")]
pub(crate) async fn a_cut_at_a_random_byte_leaves_a_true_beginning<P: Future<Output = Pair>>(pair: impl Fn() -> P) {
    use towline_transport::testing::Flaky;

    for seed in 0..8 {
        as_far_as_ends_show(&pair, async |a, mut b| {
            let mut a = Flaky::within(a, 100_000, seed);
            let writer = async {
                let mut pattern = Pattern::new(seed);
                let broken = loop {
                    if let Err(error) = a.write_all(&pattern.next_bytes(997)).await {
                        break error;
                    }
                };
                assert_eq!(broken.kind(), std::io::ErrorKind::ConnectionReset);
            };
            let reader = async {
                let mut pattern = Pattern::new(seed);
                let mut buffer = [0; 4096];
                while let Ok(read @ 1..) = b.read(&mut buffer).await {
                    pattern.check(&buffer[..read]);
                }
                assert!(pattern.position < 100_000);
            };
            tokio::join!(writer, reader);
        })
        .await;
    }
}

pub(crate) async fn ten_mib_pass_each_other_unharmed<P: Future<Output = Pair>>(pair: impl Fn() -> P) {
    both_ways(pair, async |a, b, _| exchange(a, b, 10 << 20, 50_000).await).await;
}
