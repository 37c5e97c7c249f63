//! The oracles under proptest, and over every input that was ever saved.

use std::{fs, path::Path};

use proptest::prelude::*;
use towline_fuzz::{keys, rfb, telnet, tunnel};

type Oracle = fn(&[u8]);

/// Each fuzz target and the oracle behind it.
const ORACLES: [(&str, Oracle); 27] = [
    ("keys_openssh_key_v1", keys::openssh_key_v1),
    ("keys_pem", keys::pem),
    ("keys_der", keys::der),
    ("keys_putty", keys::putty),
    ("keys_rfc4716", keys::rfc4716),
    ("keys_ssh_com", keys::ssh_com),
    ("keys_ssh1", keys::ssh1),
    ("keys_dropbear", keys::dropbear),
    ("keys_one_line", keys::one_line),
    ("keys_certificate", keys::certificate),
    ("keys_known_hosts", keys::known_hosts),
    ("keys_authorized_keys", keys::authorized_keys),
    ("rfb_messages", rfb::messages),
    ("rfb_handshakes", rfb::handshakes),
    ("rfb_decoder", rfb::decoder),
    ("rfb_server_session", rfb::server_session),
    ("rfb_client_session", rfb::client_session),
    ("telnet_parse", telnet::parse),
    ("telnet_round_trip", telnet::round_trip),
    ("telnet_subnegotiation", telnet::subnegotiation),
    ("telnet_connection", telnet::connection),
    ("telnet_negotiate", telnet::negotiate),
    ("telnet_compression", telnet::compression),
    ("tunnel_frame", tunnel::frame),
    ("tunnel_connection", tunnel::connection),
    ("tunnel_two_connections", two_connections),
    ("tunnel_three_connections", three_connections),
];

fn two_connections(script: &[u8]) {
    tunnel::two_connections(script);
}

fn three_connections(script: &[u8]) {
    tunnel::three_connections(script);
}

/// 10,000, or as many as `TOWLINE_CARRIER_LOSSES` says.
#[test]
fn thousands_of_carriers_are_lost_and_no_byte_with_them() {
    let wanted = std::env::var("TOWLINE_CARRIER_LOSSES").map_or(10_000, |number| number.parse().unwrap());
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let (mut losses, mut runs) = (0, 0u64);
    while losses < wanted {
        let length = 500 + random() % 6000;
        let script: Vec<u8> = (0..length).map(|_| random() as u8).collect();
        losses += match runs % 2 {
            0 => tunnel::two_connections(&script),
            _ => tunnel::three_connections(&script),
        };
        runs += 1;
    }
    println!("{losses} carriers were lost in {runs} runs");
}

#[test]
fn every_saved_input_still_holds() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (target, oracle) in ORACLES {
        let mut count = 0;
        for folder in ["corpus", "regressions"] {
            let Ok(files) = fs::read_dir(here.join(folder).join(target)) else { continue };
            for file in files {
                let path = file.unwrap().path();
                eprintln!("{}", path.display());
                oracle(&fs::read(path).unwrap());
                count += 1;
            }
        }
        assert!(count > 0, "{target} has no corpus");
    }
}

#[test]
fn every_target_has_an_oracle_here() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in fs::read_dir(here.join("fuzz_targets")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(ORACLES.iter().any(|(target, _)| *target == name), "{name} is not replayed");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_frames_or_refused(input in proptest::collection::vec(any::<u8>(), 0..600)) {
        tunnel::frame(&input);
    }

    #[test]
    fn frames_of_a_valid_session_survive_the_wire(script in proptest::collection::vec(any::<u8>(), 0..1000)) {
        tunnel::frame(&tunnel::valid_session(&script));
    }

    #[test]
    fn a_machine_does_not_care_how_its_input_is_cut(input in proptest::collection::vec(any::<u8>(), 0..1500)) {
        tunnel::connection(&input);
    }

    #[test]
    fn two_machines_lose_and_double_nothing(script in proptest::collection::vec(any::<u8>(), 0..4000)) {
        tunnel::two_connections(&script);
    }

    #[test]
    fn three_machines_lose_and_double_nothing(script in proptest::collection::vec(any::<u8>(), 0..4000)) {
        tunnel::three_connections(&script);
    }

    #[test]
    fn a_parser_does_not_care_how_its_input_is_cut(input in proptest::collection::vec(any::<u8>(), 0..400)) {
        telnet::parse(&input);
    }

    #[test]
    fn a_parser_finds_in_telnets_own_bytes_what_the_reference_finds(
        input in proptest::collection::vec(prop_oneof![Just(255u8), 236u8..=255, Just(1), Just(b'x')], 0..200),
    ) {
        telnet::parse(&input);
    }

    #[test]
    fn telnet_tokens_survive_the_wire(script in proptest::collection::vec(any::<u8>(), 0..1000)) {
        telnet::round_trip(&script);
    }

    #[test]
    fn telnet_payloads_that_can_be_read_can_be_written(input in proptest::collection::vec(any::<u8>(), 0..60)) {
        telnet::subnegotiation(&input);
    }

    #[test]
    fn a_telnet_connection_does_not_care_how_its_input_is_cut(input in proptest::collection::vec(any::<u8>(), 0..800)) {
        telnet::connection(&input);
    }

    #[test]
    fn compressed_telnet_is_what_it_is_without(input in proptest::collection::vec(any::<u8>(), 0..800)) {
        telnet::compression(&input);
    }

    #[test]
    fn two_telnet_connections_fall_silent(script in proptest::collection::vec(any::<u8>(), 0..1500)) {
        telnet::negotiate(&script);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_rfb_messages_or_refused(input in proptest::collection::vec(any::<u8>(), 0..600)) {
        rfb::messages(&input);
    }

    #[test]
    fn rfb_handshakes_do_not_care_how_their_input_is_cut(input in proptest::collection::vec(any::<u8>(), 0..300)) {
        rfb::handshakes(&input);
    }

    #[test]
    fn an_rfb_decoder_does_not_care_how_its_input_is_cut(input in proptest::collection::vec(any::<u8>(), 0..400)) {
        rfb::decoder(&input);
    }

    #[test]
    fn an_rfb_viewer_sees_what_is_painted(input in proptest::collection::vec(any::<u8>(), 0..400)) {
        rfb::server_session(&input);
    }

    #[test]
    fn an_rfb_server_does_not_care_how_its_input_is_cut(input in proptest::collection::vec(any::<u8>(), 0..600)) {
        rfb::client_session(&input);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_keys_or_refused(input in proptest::collection::vec(any::<u8>(), 0..400)) {
        for (target, oracle) in ORACLES {
            if target.starts_with("keys_") {
                oracle(&input);
            }
        }
    }

    #[test]
    fn saved_keys_with_one_fault_are_keys_or_refused(choice: prop::sample::Index, at: prop::sample::Index, bit in 0u8..8) {
        let inputs = KEYS.get_or_init(saved_keys);
        let (oracle, mut input) = inputs[choice.index(inputs.len())].clone();
        if !input.is_empty() {
            let at = at.index(input.len());
            input[at] ^= 1 << bit;
        }
        oracle(&input);
    }
}

static KEYS: std::sync::OnceLock<Vec<(Oracle, Vec<u8>)>> = std::sync::OnceLock::new();

fn saved_keys() -> Vec<(Oracle, Vec<u8>)> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut found = Vec::new();
    for (target, oracle) in ORACLES.into_iter().filter(|(target, _)| target.starts_with("keys_")) {
        for file in fs::read_dir(corpus.join(target)).unwrap() {
            found.push((oracle, fs::read(file.unwrap().path()).unwrap()));
        }
    }
    found
}
