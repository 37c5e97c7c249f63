//! The bad connections of the feature `testing`, and what our own parts make of them.

use std::{collections::BTreeSet, io::ErrorKind, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};
use towline_transport::{
    SpliceError, memory, splice,
    testing::{Chopped, Flaky, Slow},
};

const BUFFER_BYTES: usize = 4096;
const LIVENESS: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_flaky_transport_breaks_at_the_very_byte_both_directions_counted() {
    let (near, mut far) = memory::pair(BUFFER_BYTES);
    let mut near = Flaky::after(near, 10);
    near.write_all(b"123456").await.unwrap();
    far.write_all(b"abcdefgh").await.unwrap();

    let mut read = [0; 8];
    assert_eq!(near.read(&mut read).await.unwrap(), 4);

    assert!(near.is_broken());
    assert_eq!(near.read(&mut read).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(near.write(b"7").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(near.shutdown().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let mut arrived = Vec::new();
    far.read_to_end(&mut arrived).await.unwrap();
    assert_eq!(arrived, b"123456");
}

#[tokio::test]
async fn a_read_that_waits_hears_of_the_break() {
    let (near, _far) = memory::pair(BUFFER_BYTES);
    let (mut reader, mut writer) = tokio::io::split(Flaky::after(near, 3));
    let waiting = tokio::spawn(async move { reader.read_u8().await });
    tokio::task::yield_now().await;

    assert_eq!(writer.write(b"12345").await.unwrap(), 3);

    let heard = tokio::time::timeout(LIVENESS, waiting).await.unwrap().unwrap();
    assert_eq!(heard.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_seed_says_where_it_breaks() {
    let breaks_after = async |seed| {
        let (near, mut far) = memory::pair(BUFFER_BYTES);
        let mut near = Flaky::within(near, 1000, seed);
        near.write_all(&[0; 1000]).await.unwrap_err();
        let mut arrived = Vec::new();
        far.read_to_end(&mut arrived).await.unwrap();
        arrived.len()
    };
    let mut places = BTreeSet::new();
    for seed in 0..100 {
        let place = breaks_after(seed).await;
        assert_eq!(breaks_after(seed).await, place);
        places.insert(place);
    }
    assert!(places.len() > 80 && places.iter().any(|place| *place < 200) && places.iter().any(|place| *place > 800));
}

#[tokio::test]
async fn a_chopped_transport_moves_a_few_bytes_at_a_time_and_all_of_them() {
    let pieces = async |seed| {
        let (near, mut far) = memory::pair(BUFFER_BYTES);
        let mut near = Chopped::new(near, 5, seed);
        let mut sizes = Vec::new();
        for _ in 0..50 {
            sizes.push(near.write(&[7; 100]).await.unwrap());
        }
        far.write_all(&[8; 1000]).await.unwrap();
        for _ in 0..50 {
            sizes.push(near.read(&mut [0; 100]).await.unwrap());
        }
        sizes
    };
    let sizes = pieces(1).await;
    assert_eq!(sizes.iter().collect::<BTreeSet<_>>(), BTreeSet::from([&1, &2, &3, &4, &5]));
    assert_eq!(pieces(1).await, sizes);
    assert_ne!(pieces(2).await, sizes);
}

#[tokio::test(start_paused = true)]
async fn a_slow_transport_pauses_before_each_read_and_write() {
    let (near, mut far) = memory::pair(BUFFER_BYTES);
    let delay = Duration::from_secs(3);
    let mut near = Slow::new(near, delay);
    let began = Instant::now();

    near.write_all(b"one").await.unwrap();
    near.write_all(b"two").await.unwrap();
    far.write_all(b"three").await.unwrap();
    let mut read = [0; 5];
    near.read_exact(&mut read).await.unwrap();

    assert_eq!(&read, b"three");
    assert_eq!(began.elapsed().as_secs(), 3 * delay.as_secs());
}

#[tokio::test]
async fn a_splice_over_a_connection_that_breaks_ends_and_tells_the_other_side() {
    for seed in 0..200 {
        let (client, inner) = memory::pair(BUFFER_BYTES);
        let (target, outer) = memory::pair(BUFFER_BYTES);
        let spliced = tokio::spawn(async move {
            let mut a = Chopped::new(inner, 1 + seed as usize % 40, seed);
            let mut b = Flaky::within(outer, 20_000, seed);
            splice(&mut a, &mut b).await
        });
        let (mut client_reads, mut client_writes) = tokio::io::split(client);
        let (mut target_reads, mut target_writes) = tokio::io::split(target);
        let traffic = async {
            let upwards = async { while client_writes.write_all(&[1; 700]).await.is_ok() {} };
            let downwards = async { while target_writes.write_all(&[2; 300]).await.is_ok() {} };
            let client_hears = async { while matches!(client_reads.read(&mut [0; 512]).await, Ok(1..)) {} };
            let target_hears = async { while matches!(target_reads.read(&mut [0; 512]).await, Ok(1..)) {} };
            tokio::join!(upwards, downwards, client_hears, target_hears);
        };

        tokio::time::timeout(LIVENESS, traffic).await.unwrap_or_else(|_| panic!("seed {seed} hangs"));

        let _: SpliceError = spliced.await.unwrap().unwrap_err();
    }
}
