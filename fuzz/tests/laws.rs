//! The oracles under proptest, and over every input that was ever saved.

use std::{fs, path::Path};

use proptest::prelude::*;
use towline_fuzz::tunnel;

type Oracle = fn(&[u8]);

/// Each fuzz target and the oracle behind it.
const ORACLES: [(&str, Oracle); 3] = [
    ("tunnel_frame", tunnel::frame),
    ("tunnel_connection", tunnel::connection),
    ("tunnel_two_connections", tunnel::two_connections),
];

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
}
