//! Joining two pipes.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use towline_transport::{Side, Totals, memory, splice};

#[tokio::test]
async fn a_half_close_passes_through_and_the_answer_comes_back() {
    let (mut client, mut a) = memory::pair(1000);
    let (mut b, mut server) = memory::pair(1000);
    let relay = tokio::spawn(async move { splice(&mut a, &mut b).await });

    let asking = async {
        client.write_all(&[1; 100_000]).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        answer
    };
    let answering = async {
        let mut question = Vec::new();
        server.read_to_end(&mut question).await.unwrap();
        server.write_all(&[2; 50_000]).await.unwrap();
        server.shutdown().await.unwrap();
        question
    };
    let (answer, question) = tokio::join!(asking, answering);

    assert!(answer == [2; 50_000] && question == [1; 100_000]);
    assert_eq!(relay.await.unwrap().unwrap(), Totals { a_to_b_bytes: 100_000, b_to_a_bytes: 50_000 });
}

#[tokio::test]
async fn a_failure_names_the_end_and_keeps_the_counts() {
    let (mut client, mut a) = memory::pair(1000);
    let (mut b, mut server) = memory::pair(1000);
    let relay = tokio::spawn(async move { splice(&mut a, &mut b).await });

    server.write_all(&[2; 300]).await.unwrap();
    client.read_exact(&mut [0; 300]).await.unwrap();
    client.write_all(&[1; 700]).await.unwrap();
    server.read_exact(&mut [0; 700]).await.unwrap();
    drop(server);
    client.write_all(&[1; 700]).await.unwrap();

    let error = relay.await.unwrap().unwrap_err();
    assert_eq!(error.side, Side::B);
    assert_eq!(error.totals, Totals { a_to_b_bytes: 700, b_to_a_bytes: 300 });
    assert_eq!(error.source.kind(), std::io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn a_splice_that_is_stopped_still_tells_its_counts() {
    let (mut client, mut a) = memory::pair(1000);
    let (mut b, mut server) = memory::pair(1000);
    let mut relay = splice(&mut a, &mut b);
    let traffic = async {
        client.write_all(b"sixteen bytes!!!").await.unwrap();
        server.read_exact(&mut [0; 16]).await.unwrap();
    };
    tokio::select! {
        _ = &mut relay => panic!("nobody has ended"),
        () = traffic => {}
    }
    assert_eq!(relay.totals(), Totals { a_to_b_bytes: 16, b_to_a_bytes: 0 });
}

#[tokio::test]
async fn what_was_read_is_flushed_before_waiting_for_more() {
    let (mut client, mut a) = memory::pair(1000);
    let (b, mut server) = memory::pair(1000);
    let mut b = tokio::io::BufWriter::new(b);
    tokio::spawn(async move { splice(&mut a, &mut b).await });

    client.write_all(b"k").await.unwrap();
    let mut key = [0; 1];
    let arrived = tokio::time::timeout(Duration::from_secs(30), server.read_exact(&mut key)).await;
    assert!(arrived.is_ok() && key == *b"k");
}
