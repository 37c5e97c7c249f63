//! Is it the right server?

use towline_ssh_bridge::{Error, Event, KeyOwner, Verdict};

use crate::{
    operator::{Operator, command},
    server::Server,
};

#[tokio::test]
async fn an_unknown_key_is_asked_about_and_known_the_next_time() {
    let server = Server::openssh(&[]);
    let mut config = command(server.config(), "true", false);
    config.host_keys = Vec::new();
    let mut operator = Operator::connect(server.dial(), config.clone());

    match operator.next().await {
        Ok(Some(Event::HostKey(question))) => {
            assert_eq!((question.verdict, &question.offered), (Verdict::Unknown, &server.host_key()));
            assert!(question.offered.fingerprint().to_string().starts_with("SHA256:"));
            question.accept();
        }
        other => panic!("{other:?}"),
    }
    let ready = operator.ready().await;
    assert_eq!(ready.verdict, Verdict::Unknown);
    operator.rest().await;

    config.host_keys = vec![ready.host_key];
    let mut operator = Operator::connect(server.dial(), config);
    assert_eq!(operator.ready().await.verdict, Verdict::Known);
}

#[tokio::test]
async fn a_key_that_is_not_accepted_ends_the_session_before_anybody_signs_in() {
    let server = Server::openssh(&[]);
    let mut config = server.config();
    config.host_keys = Vec::new();
    let mut operator = Operator::connect(server.dial(), config);

    match operator.next().await {
        Ok(Some(Event::HostKey(question))) => question.reject(),
        other => panic!("{other:?}"),
    }
    let offered = server.host_key().fingerprint();
    let error = operator.failure().await;
    assert_eq!(error, Error::HostKey { verdict: Verdict::Unknown, offered, known: Vec::new() });
    assert!(error.to_string().contains(&offered.to_string()), "{error}");
}

#[tokio::test]
async fn a_changed_key_shows_both_fingerprints() {
    let (server, before) = (Server::openssh(&[]), Server::openssh(&[]));
    let mut config = server.config();
    config.host_keys = vec![before.host_key()];
    let mut operator = Operator::connect(server.dial(), config);

    match operator.next().await {
        Ok(Some(Event::HostKey(question))) => {
            assert_eq!(question.verdict, Verdict::Changed);
            assert_eq!(question.known, [before.host_key()]);
        }
        other => panic!("{other:?}"),
    }
    let text = operator.failure().await.to_string();
    for key in [server.host_key(), before.host_key()] {
        assert!(text.contains(&key.fingerprint().to_string()), "{text}");
    }
}

#[tokio::test]
async fn a_key_of_another_type_than_the_known_one_is_no_first_connection() {
    let server = Server::openssh(&[]);
    let config = server.config();
    let offered = server.other_host_key("ecdsa", "256");
    let mut operator = Operator::connect(server.dial(), config.clone());

    match operator.next().await {
        Ok(Some(Event::HostKey(question))) => {
            assert_eq!((question.verdict, &question.offered), (Verdict::OtherTypeKnown, &offered));
            assert_eq!(question.known, config.host_keys);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(operator.failure().await, Error::HostKey { verdict: Verdict::OtherTypeKnown, .. }));
}

#[tokio::test]
async fn a_server_with_several_keys_is_asked_for_the_one_that_is_known() {
    let server = Server::openssh(&[]);
    let other = server.other_host_key("rsa", "2048");
    server.show_both_host_keys();
    let mut config = command(server.config(), "true", false);
    config.host_keys = vec![other.clone()];
    let mut operator = Operator::connect(server.dial(), config);

    let ready = operator.ready().await;
    assert_eq!((ready.host_key, ready.verdict), (other, Verdict::Known));
}

#[tokio::test]
async fn a_short_rsa_host_key_is_taken_for_a_legacy_endpoint_only() {
    let server = Server::openssh(&["RequiredRSASize 1024"]);
    let key = server.other_host_key("rsa", "1024");
    let mut config = command(server.config(), "true", false);
    config.host_keys = vec![key];

    let mut operator = Operator::connect(server.dial(), config.clone());
    assert_eq!(operator.failure().await, Error::WeakKey { whose: KeyOwner::Host, bits: 1024 });

    config.legacy_algorithms = true;
    let mut operator = Operator::connect(server.dial(), config);
    assert_eq!(operator.ready().await.verdict, Verdict::Known);
}
