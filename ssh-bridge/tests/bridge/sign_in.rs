//! Who may come in, with what, and what they are told.

use towline_ssh_bridge::{Credential, Error, Event, Exit, KeyOwner, Prompt, Secret, keys};

use crate::{
    operator::{Operator, command},
    server::{PASSWORD, Server, USER},
};

fn opened(text: &str) -> keys::PrivateKey {
    keys::PrivateKey::decode(text.as_bytes(), None, &keys::Limits::default()).unwrap()
}

#[tokio::test]
async fn a_stored_password_opens_a_shell() {
    let server = Server::openssh(&[]);
    let mut operator = Operator::connect(server.dial(), server.config());

    let ready = operator.ready().await;
    operator.send(b"echo user=$USER; exit 7\n").await;
    let rest = operator.rest().await;

    assert!(ready.server_version.starts_with("SSH-2.0-OpenSSH"), "{ready:?}");
    assert_eq!(ready.signed_in_with, ["password"]);
    assert_eq!(ready.host_key, server.host_key());
    assert!(String::from_utf8_lossy(&rest.output).contains(&format!("user={USER}\r\n")));
    assert_eq!(rest.exit, Some(Exit::Status(7)));
}

#[tokio::test]
async fn a_wrong_stored_password_is_asked_for_until_it_is_right() {
    let server = Server::openssh(&[]);
    let mut config = command(server.config(), "true", true);
    config.credentials = vec![Credential::Password("wrong".into())];
    let mut operator = Operator::connect(server.dial(), config);

    for answer in ["wrong again", PASSWORD] {
        match operator.next().await {
            Ok(Some(Event::Password(question))) => {
                assert_eq!((question.user.as_str(), question.wrong_before), (USER, true));
                question.answer(answer.into());
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(operator.ready().await.signed_in_with, ["password"]);
    assert_eq!(operator.rest().await.exit, Some(Exit::Status(0)));
}

#[tokio::test]
async fn a_question_that_nobody_answers_ends_the_sign_in_with_what_the_server_takes() {
    let server = Server::openssh(&[]);
    let mut config = server.config();
    config.credentials = Vec::new();
    let mut operator = Operator::connect(server.dial(), config);

    match operator.next().await {
        Ok(Some(Event::Password(question))) => assert!(!question.wrong_before),
        other => panic!("{other:?}"),
    }
    let refused = Error::AuthenticationRefused { methods: vec!["publickey".into(), "password".into()], partial: false };
    assert_eq!(operator.failure().await, refused);
    assert_eq!(operator.failure().await, refused, "the end comes again when asked again");
}

#[tokio::test]
async fn a_server_that_has_had_enough_is_quoted() {
    let server = Server::openssh(&["MaxAuthTries 2"]);
    let mut config = server.config();
    config.credentials = ["one", "two", "three"].map(|wrong| Credential::Password(wrong.into())).to_vec();
    let mut operator = Operator::connect(server.dial(), config);

    match operator.failure().await {
        Error::Disconnected { code: 2, reason } => {
            assert!(reason.contains("Too many authentication failures"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_kind_of_key_opens_the_door() {
    for kind in [&["-t", "ed25519"][..], &["-t", "ecdsa", "-b", "256"], &["-t", "ecdsa", "-b", "521"], &["-t", "rsa"]] {
        let server = Server::openssh(&["PasswordAuthentication no"]);
        let text = server.authorize(&[kind, &["-N", ""]].concat());
        let mut config = command(server.config(), "true", false);
        config.credentials = vec![Credential::Key(opened(&text).into())];
        let mut operator = Operator::connect(server.dial(), config);

        assert_eq!(operator.ready().await.signed_in_with, ["publickey"], "{kind:?}");
        assert_eq!(operator.rest().await.exit, Some(Exit::Status(0)));
    }
}

#[tokio::test]
async fn a_key_that_is_refused_gives_way_to_the_password() {
    let server = Server::openssh(&[]);
    let mut config = command(server.config(), "true", false);
    let stranger = Server::openssh(&[]).user_key();
    config.credentials.insert(0, Credential::KeyText(stranger.into()));
    let mut operator = Operator::connect(server.dial(), config);

    assert_eq!(operator.ready().await.signed_in_with, ["password"]);
}

#[tokio::test]
async fn the_passphrase_of_a_stored_key_is_asked_for_until_it_is_right() {
    let server = Server::openssh(&["PasswordAuthentication no"]);
    let text = server.authorize(&["-t", "ed25519", "-a", "1", "-N", "open sesame"]);
    let mut config = command(server.config(), "true", false);
    config.credentials = vec![Credential::KeyText(text.into())];
    let mut operator = Operator::connect(server.dial(), config);

    for (wrong_before, answer) in [(false, "open barley"), (true, "open sesame")] {
        match operator.next().await {
            Ok(Some(Event::Passphrase(question))) => {
                assert_eq!(question.wrong_before, wrong_before);
                question.answer(answer.into());
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(operator.ready().await.signed_in_with, ["publickey"]);
}

#[tokio::test]
async fn a_passphrase_that_nobody_knows_is_the_reason() {
    let server = Server::openssh(&[]);
    let text = Secret::from(server.authorize(&["-t", "ed25519", "-a", "1", "-N", "open sesame"]));
    for (answers, error) in [(&[][..], keys::Error::NeedsPassphrase), (&["wrong"], keys::Error::WrongPassphrase)] {
        let mut config = server.config();
        config.credentials = vec![Credential::KeyText(text.clone())];
        let mut operator = Operator::connect(server.dial(), config);
        for answer in answers {
            match operator.next().await {
                Ok(Some(Event::Passphrase(question))) => question.answer((*answer).into()),
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(operator.next().await, Ok(Some(Event::Passphrase(_)))));
        assert_eq!(operator.failure().await, Error::Key(error));
    }
}

#[tokio::test]
async fn a_key_and_a_password_are_given_to_a_server_that_wants_both() {
    let server = Server::openssh(&["AuthenticationMethods publickey,password"]);
    let mut config = command(server.config(), "true", false);
    config.credentials.push(Credential::KeyText(server.user_key().into()));
    let mut operator = Operator::connect(server.dial(), config);

    assert_eq!(operator.ready().await.signed_in_with, ["publickey", "password"]);
    assert_eq!(operator.rest().await.exit, Some(Exit::Status(0)));
}

#[tokio::test]
async fn half_a_sign_in_is_said_to_be_half() {
    let server = Server::openssh(&["AuthenticationMethods publickey,password"]);
    let mut config = server.config();
    config.credentials = vec![Credential::KeyText(server.user_key().into())];
    let mut operator = Operator::connect(server.dial(), config);

    assert!(matches!(operator.next().await, Ok(Some(Event::Password(question))) if !question.wrong_before));
    let half = Error::AuthenticationRefused { methods: vec!["password".into()], partial: true };
    assert_eq!(operator.failure().await, half);
}

#[tokio::test]
async fn the_questions_of_the_server_go_to_the_person() {
    let server = Server::openssh_with_pam(&[], &["required $PASSWORD", "required pam_oath.so usersfile=$FOLDER/oath"]);
    server.write("oath", &format!("HOTP {USER} - 3132333435363738393031323334353637383930\n"));
    let mut config = command(server.config(), "true", false);
    config.credentials = Vec::new();
    let mut operator = Operator::connect(server.dial(), config);

    // The code is the first of RFC 4226, appendix D.
    for (about, answer) in [("Password", PASSWORD), ("One-time password", "755224")] {
        match operator.next().await {
            Ok(Some(Event::Prompts(question))) => {
                let [Prompt { text, .. }] = question.prompts.as_slice() else { panic!("{question:?}") };
                assert!(text.contains(about), "{question:?}");
                assert!(!question.wrong_before);
                question.answer(vec![answer.into()]);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(operator.ready().await.signed_in_with, ["keyboard-interactive"]);
    assert_eq!(operator.rest().await.exit, Some(Exit::Status(0)));
}

#[tokio::test]
async fn a_stored_password_answers_the_one_question_for_it_and_no_other() {
    let server = Server::openssh_with_pam(&[], &["required $PASSWORD"]);
    let mut operator = Operator::connect(server.dial(), command(server.config(), "true", false));
    assert_eq!(operator.ready().await.signed_in_with, ["keyboard-interactive"]);

    let mut config = command(server.config(), "true", false);
    config.credentials = vec![Credential::Password("wrong".into())];
    let mut operator = Operator::connect(server.dial(), config);
    match operator.next().await {
        Ok(Some(Event::Prompts(question))) => {
            assert!(question.wrong_before && !question.prompts[0].echo, "{question:?}");
            question.answer(vec![PASSWORD.into()]);
        }
        other => panic!("{other:?}"),
    }
    operator.ready().await;
}

#[tokio::test]
async fn a_short_rsa_key_is_taken_for_a_legacy_endpoint_only() {
    let server = Server::openssh(&["RequiredRSASize 1024"]);
    let text = server.authorize(&["-t", "rsa", "-b", "1024", "-N", ""]);
    let mut config = command(server.config(), "true", false);
    config.credentials = vec![Credential::KeyText(text.into())];

    let mut operator = Operator::connect(server.dial(), config.clone());
    assert_eq!(operator.failure().await, Error::WeakKey { whose: KeyOwner::User, bits: 1024 });

    config.legacy_algorithms = true;
    let mut operator = Operator::connect(server.dial(), config);
    assert_eq!(operator.ready().await.signed_in_with, ["publickey"]);
}

#[tokio::test]
async fn dropbear_lets_the_right_password_in_after_a_wrong_one() {
    let server = Server::dropbear();
    let mut config = command(server.config(), "echo in", false);
    config.credentials = vec![Credential::Password("wrong".into())];
    let mut operator = Operator::connect(server.dial(), config);

    match operator.next().await {
        Ok(Some(Event::HostKey(question))) => question.accept(),
        other => panic!("{other:?}"),
    }
    match operator.next().await {
        Ok(Some(Event::Password(question))) => question.answer(PASSWORD.into()),
        other => panic!("{other:?}"),
    }
    let ready = operator.ready().await;
    assert!(ready.server_version.starts_with("SSH-2.0-dropbear"), "{ready:?}");
    let rest = operator.rest().await;
    assert_eq!((rest.output.as_slice(), rest.exit), (&b"in\n"[..], Some(Exit::Status(0))));
}

#[tokio::test]
async fn no_secret_shows_in_debug_output() {
    let server = Server::openssh(&[]);
    let mut config = server.config();
    config.credentials.push(Credential::KeyText(server.user_key().into()));
    config.credentials.push(Credential::Key(opened(&server.user_key()).into()));

    let shown = format!("{config:?}");
    assert!(!shown.contains(PASSWORD) && !shown.contains("PRIVATE KEY"), "{shown}");
}
