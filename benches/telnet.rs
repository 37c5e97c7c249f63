//! Telnet framing beside a scan that only looks for IAC, and beside libtelnet in C: 16 KiB reads of the same bytes.
//!
//! Processor time, not time on the clock: whatever else runs on the machine counts for less. `Parser` is framing alone.
//! `Parser` with `Negotiator` does what libtelnet does: it frames, negotiates by RFC 1143, gathers the answers, has the program
//! answer the terminal type, and lends out slices of the input. `Connection` does more: newlines, all options with their
//! questions, bounds on what waits, and events that own their bytes.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::{
    fs,
    hint::black_box,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use criterion::{
    BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use rustix::time::{ClockId, clock_gettime};
use towline_telnet::{
    Config, Connection, Event, IAC, Limits, Negotiator, OptionCode, Parser, Subnegotiation, Token,
    option::terminal_type::TerminalType,
};

const MIB: usize = 1024 * 1024;
const READ_BYTES: usize = 16 * 1024;

/// Lines of 72 characters, as a terminal shows them.
fn text(bytes: usize) -> Vec<u8> {
    let line = (b' '..b'z').cycle().take(70).chain(*b"\r\n").collect::<Vec<u8>>();
    line.into_iter().cycle().take(bytes).collect()
}

/// The same with a doubled 0xFF in each KiB.
fn text_with_iac(bytes: usize) -> Vec<u8> {
    let mut text = text(bytes);
    for kib in text.chunks_exact_mut(1024) {
        kib[511..513].fill(IAC);
    }
    text
}

/// Options turned on and off, a type and a size, a word of text between: about eight bytes a token.
fn negotiation(bytes: usize) -> Vec<u8> {
    let round =
        b"\xFF\xFB\x01\xFF\xFB\x03\xFF\xFD\x18\xFF\xFD\x1F$ ls -l\r\n\xFF\xFA\x18\x01\xFF\xF0\xFF\xFC\x01\xFF\xF1\
                  \xFF\xFE\x1F\xFF\xFD\x27password: \xFF\xFA\x1F\0\x84\0\xFF\xFF\xFF\xF0\xFF\xFC\x03\xFF\xFE\x18";
    round.iter().copied().cycle().take(bytes).collect()
}

/// A subnegotiation that never ends.
fn unclosed(bytes: usize) -> Vec<u8> {
    let mut input = vec![b'a'; bytes];
    input[..3].copy_from_slice(b"\xFF\xFA\xC9");
    input
}

/// Everything between IAC and IAC, and nothing understood of it.
fn scan(input: &[u8]) -> usize {
    let mut slices = 0;
    for read in input.chunks(READ_BYTES) {
        let mut rest = read;
        while !rest.is_empty() {
            let end = memchr::memchr(IAC, rest).unwrap_or(rest.len());
            let (slice, after) = rest.split_at(end);
            black_box(slice);
            slices += 1;
            rest = after.get(2..).unwrap_or_default();
        }
    }
    slices
}

fn parser(input: &[u8]) -> usize {
    let mut parser = Parser::new(&Limits::default());
    let mut tokens = 0;
    for mut read in input.chunks(READ_BYTES) {
        while let Some(token) = parser.decode(&mut read) {
            black_box(&token);
            tokens += 1;
        }
    }
    tokens
}

/// How many bytes are answered.
fn negotiator(input: &[u8]) -> usize {
    let mut policy = Config::client("xterm").policy;
    // There is no window here, and libtelnet's table has none either.
    policy.local.remove(OptionCode::NAWS);
    let limits = Limits::default();
    let mut parser = Parser::new(&limits);
    let mut negotiator = Negotiator::new(policy, &limits);
    let mut answers = BytesMut::with_capacity(64 * 1024);
    let answer = Subnegotiation::TerminalType(TerminalType::Is("xterm".into()));
    let (mut data_bytes, mut answered_bytes) = (0, 0);
    for mut read in input.chunks(READ_BYTES) {
        loop {
            match parser.decode(&mut read) {
                Some(Token::Data(data)) => {
                    negotiator.data_passed();
                    data_bytes += black_box(data).len();
                }
                Some(Token::Negotiation { verb, option }) => {
                    let outcome = negotiator.receive(verb, option);
                    if let Some(verb) = outcome.reply {
                        answers.extend_from_slice(&[IAC, verb.byte(), option.0]);
                    }
                    black_box(outcome.change);
                }
                Some(Token::Subnegotiation { option: OptionCode::TERMINAL_TYPE, payload }) => {
                    if TerminalType::decode(black_box(payload)) == Ok(TerminalType::Send) {
                        answer.encode(&mut answers);
                    }
                }
                Some(Token::Command(command)) => {
                    black_box(command);
                }
                Some(Token::Spoilt { error, .. }) => {
                    black_box(error);
                }
                Some(_) => {}
                None => break,
            }
        }
        answered_bytes += black_box(&answers).len();
        answers.clear();
    }
    black_box(data_bytes);
    answered_bytes
}

/// How many bytes are answered.
fn connection(input: &Bytes) -> usize {
    let mut connection = Connection::new(Config::client("xterm"), Limits::default());
    let (mut data_bytes, mut answered_bytes) = (0, 0);
    for at in (0..input.len()).step_by(READ_BYTES) {
        connection.handle_input(input.slice(at..input.len().min(at + READ_BYTES)));
        loop {
            match connection.poll_event() {
                Ok(Some(Event::Data(data))) => data_bytes += black_box(&data[..]).len(),
                Ok(Some(Event::Changed { change, side, option })) => {
                    black_box((change, side, option));
                }
                Ok(Some(_)) => {}
                Ok(None) => {
                    while let Some(piece) = connection.poll_transmit() {
                        answered_bytes += black_box(piece).len();
                    }
                    if connection.wants_input() {
                        break;
                    }
                }
                Err(error) => panic!("no input is an error: {error}"),
            }
        }
    }
    black_box(data_bytes);
    answered_bytes
}

/// libtelnet in a program of its own, which times itself: benches/libtelnet.c.
struct Libtelnet {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Libtelnet {
    fn build() -> PathBuf {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libtelnet-bench");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("libtelnet.c");
        let status = Command::new("cc").args(["-O2", "-o"]).arg(&program).arg(source).arg("-ltelnet").status();
        assert!(status.is_ok_and(|status| status.success()), "libtelnet is missing: run .ci/install");
        program
    }

    fn start(program: &Path, input: &[u8]) -> Self {
        let file = program.with_extension("input");
        fs::write(&file, input).expect("the folder is ours");
        let mut child =
            Command::new(program).arg(file).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it was built");
        let questions = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, questions, answers }
    }

    /// The time it takes, and how many bytes it answers.
    fn run(&mut self, iterations: u64) -> (Duration, usize) {
        writeln!(self.questions, "{iterations}").expect("it listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        let (nanos, answered_bytes) = line.trim().split_once(' ').expect("two numbers");
        (Duration::from_nanos(nanos.parse().expect("a number")), answered_bytes.parse().expect("a number"))
    }
}

impl Drop for Libtelnet {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The processor's time for so many calls.
fn time<T>(iterations: u64, mut call: impl FnMut() -> T) -> Duration {
    let used = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("it is after zero");
    let start = used();
    for _ in 0..iterations {
        black_box(call());
    }
    used() - start
}

fn beside_each_other(group: &mut BenchmarkGroup<'_, WallTime>, libtelnet: &Path, input: Vec<u8>) {
    group.throughput(Throughput::Bytes(input.len() as u64));
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function("memchr scan", |bencher| bencher.iter_custom(|count| time(count, || scan(black_box(&input)))));
    group.bench_function("Parser", |bencher| bencher.iter_custom(|count| time(count, || parser(black_box(&input)))));
    group.bench_function("Parser and Negotiator", |bencher| {
        bencher.iter_custom(|count| time(count, || negotiator(black_box(&input))));
    });
    let shared = Bytes::from(input);
    group.bench_function("Connection", |bencher| {
        bencher.iter_custom(|count| time(count, || connection(black_box(&shared))));
    });
    let mut peer = Libtelnet::start(libtelnet, &shared);
    // Only who says the same has done the same.
    let answered_bytes = peer.run(1).1;
    assert_eq!(negotiator(&shared), answered_bytes, "answers");
    assert_eq!(connection(&shared), answered_bytes, "answers");
    group.bench_function("libtelnet", |bencher| bencher.iter_custom(|iterations| peer.run(iterations).0));
}

fn framing(criterion: &mut Criterion) {
    let libtelnet = Libtelnet::build();
    let mut groups = |name: &str, input: Vec<u8>| {
        let mut group = criterion.benchmark_group(format!("telnet/{name}"));
        group.sample_size(20).measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_millis(500));
        beside_each_other(&mut group, &libtelnet, input);
        group.finish();
    };
    groups("plain text, 16 MiB", text(16 * MIB));
    groups("text with an escaped 0xFF per KiB, 16 MiB", text_with_iac(16 * MIB));
    groups("negotiation, 4 MiB", negotiation(4 * MIB));
    groups("unclosed subnegotiation, 16 MiB", unclosed(16 * MIB));
    groups("unclosed subnegotiation, 64 MiB", unclosed(64 * MIB));
}

criterion_group!(benches, framing);
criterion_main!(benches);
