//! Our parser beside libtelnet, the one other that is right about framing: the same tokens for the same bytes, in the same cuts.
//!
//! Left out is where the two differ on purpose: a 0xFF in a payload that is not doubled (libtelnet takes what follows for a
//! command and what comes after that for text), payloads beyond 16 KiB (libtelnet lets the rest out as text), option 255.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use towline_fuzz::{script::Script, telnet::valid_session};
use towline_telnet::{Limits, Parser, Token, Verb};

const SESSIONS: usize = 20_000;

/// Numbers that look random, and are the same each time.
fn noise(seed: usize, length: usize) -> Vec<u8> {
    let mut state = seed as u64 ^ 0x9E37_79B9_7F4A_7C15;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// A session that keeps the rules, now and then with a payload that another command cuts off.
fn session(seed: usize) -> Vec<u8> {
    let decisions = noise(seed, 40 + seed % 160);
    let mut script = Script::new(&decisions);
    let mut bytes = Vec::new();
    while !script.is_empty() {
        let part: Vec<u8> = (0..30).map(|_| script.byte()).collect();
        bytes.extend(valid_session(&part));
        if script.byte().is_multiple_of(4) {
            bytes.extend([255, 250, 24]);
            bytes.extend((0..script.below(20)).map(|_| script.byte() & 0x7F));
            bytes.extend([255, 241]);
        }
    }
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Adds a line; data joins the data before it.
fn push(lines: &mut Vec<String>, line: String) {
    match (lines.last_mut(), line.strip_prefix("data ")) {
        (Some(last), Some(more)) if last.starts_with("data ") => last.push_str(more),
        _ => lines.push(line),
    }
}

fn ours(input: &[u8], cut: usize) -> Vec<String> {
    let mut parser = Parser::new(&Limits::default());
    let mut lines = Vec::new();
    for mut part in [&input[..cut], &input[cut..]] {
        while let Some(token) = parser.decode(&mut part) {
            let line = match token {
                Token::Data(data) => format!("data {}", hex(data)),
                Token::Command(command) => format!("command {}", command.0),
                Token::Negotiation { verb: Verb::Will, option } => format!("will {}", option.0),
                Token::Negotiation { verb: Verb::Wont, option } => format!("wont {}", option.0),
                Token::Negotiation { verb: Verb::Do, option } => format!("do {}", option.0),
                Token::Negotiation { verb: Verb::Dont, option } => format!("dont {}", option.0),
                Token::Subnegotiation { option, payload } => format!("payload {} {}", option.0, hex(payload)),
                Token::Spoilt { .. } => "cut off".into(),
                other => panic!("{other:?}"),
            };
            push(&mut lines, line);
        }
    }
    lines
}

#[test]
fn libtelnet_finds_the_same_tokens() {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libtelnet-tokens");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/libtelnet.c");
    let status = Command::new("cc").args(["-O2", "-o"]).arg(&program).arg(source).arg("-ltelnet").status();
    assert!(status.is_ok_and(|status| status.success()), "libtelnet is missing: run .ci/install");
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut questions = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let inputs = || {
        (0..SESSIONS).map(|seed| {
            let input = session(seed);
            let cut = seed * 31 % (input.len() + 1);
            (input, cut)
        })
    };
    let asks = thread::spawn(move || {
        for (input, cut) in inputs() {
            for number in [input.len(), cut] {
                questions.write_all(&u32::try_from(number).unwrap().to_ne_bytes()).unwrap();
            }
            questions.write_all(&input).unwrap();
        }
    });
    let (mut tokens, mut cut_off) = (0, 0);
    for (input, cut) in inputs() {
        let mut theirs = Vec::new();
        loop {
            match answers.next().expect("it answers").unwrap() {
                end if end == "." => break,
                line => push(&mut theirs, line),
            }
        }
        let ours = ours(&input, cut);
        tokens += ours.len();
        // Of a payload that is cut off it hands out the part that there is, and does not say so.
        for (theirs, _) in theirs.iter_mut().zip(&ours).filter(|(_, ours)| *ours == "cut off") {
            assert!(theirs.starts_with("payload 24 "), "{theirs}");
            *theirs = "cut off".into();
            cut_off += 1;
        }
        assert_eq!(ours, theirs, "{}", hex(&input));
    }
    asks.join().unwrap();
    drop(child.wait());
    assert!(tokens > SESSIONS * 10 && cut_off > SESSIONS / 10, "{tokens} tokens, {cut_off} cut off");
}
