//! One suite for every transport: what [`Transport`](towline_transport::Transport) promises, tested at both ends.

#[path = "conformance/identity.rs"]
mod identity;
#[path = "conformance/pairs.rs"]
mod pairs;
#[path = "conformance/suite.rs"]
mod suite;

macro_rules! conforms {
    ($transport:ident: $($(#[$when:meta])? $sentence:ident),+ $(,)?) => {
        mod $transport {
            $(
                $(#[$when])?
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $sentence() {
                    crate::suite::$sentence(crate::pairs::$transport).await;
                }
            )+
        }
    };
}

macro_rules! conform {
    ($($transport:ident),+ $(,)?) => {
        $(
            conforms! { $transport:
                single_bytes_arrive_in_order,
                shutting_down_gives_the_peer_an_end_of_file,
                the_other_direction_outlives_a_half_close,
                a_cancelled_read_loses_nothing,
                messages_around_64_kib_pass_each_other,
                vectored_writes_arrive_in_order,
                a_writer_waits_once_the_reader_stops,
                losing_one_end_ends_the_other,
                losing_one_end_amid_traffic_ends_the_other,
                #[cfg(feature = "testing")] a_cut_at_a_random_byte_leaves_a_true_beginning,
                ten_mib_pass_each_other_unharmed,
            }
        )+
    };
}

conform!(
    tcp,
    memory,
    tls_over_tcp,
    tls_over_memory,
    quic,
    websocket_over_quic,
    websocket_over_memory,
    websocket_over_tls_over_tcp,
    boxed_carrier_over_memory,
    stdio,
);

#[cfg(unix)]
conform!(unix);

#[cfg(feature = "testing")]
conform!(chopped_over_memory, slow_over_memory, flaky_while_whole_over_memory);

/// Not a test of its own: the child process of [`pairs::stdio`].
#[tokio::test]
async fn the_child_process_joins_its_stdio_to_a_connection() {
    pairs::run_stdio_child().await;
}
