//! The chunking law: any split of the input gives the same events, adjacent data joined.

use std::fmt::Debug;

use bytes::Bytes;

/// What the law needs of a machine: its own three calls.
pub trait Machine {
    /// What it reports.
    type Event: Debug + PartialEq;
    /// How it fails.
    type Error: Debug + PartialEq;

    /// `handle_input`.
    fn handle_input(&mut self, input: Bytes);

    /// `poll_event`, and whatever an application answers to it.
    ///
    /// # Errors
    ///
    /// The machine's own.
    fn poll_event(&mut self) -> Result<Option<Self::Event>, Self::Error>;

    /// Joins `next` to `last` if both are data of the same stream; gives it back otherwise.
    fn join(last: &mut Self::Event, next: Self::Event) -> Option<Self::Event>;
}

/// All events of a machine for an input that arrives in `chunks`, and the error it ends with, if it does.
pub fn run<M: Machine>(mut machine: M, chunks: impl IntoIterator<Item = Bytes>) -> (Vec<M::Event>, Option<M::Error>) {
    let mut events: Vec<M::Event> = Vec::new();
    for chunk in chunks {
        machine.handle_input(chunk);
        loop {
            match machine.poll_event() {
                Ok(None) => break,
                Ok(Some(event)) => {
                    let rest = match events.last_mut() {
                        Some(last) => M::join(last, event),
                        None => Some(event),
                    };
                    events.extend(rest);
                }
                Err(error) => {
                    assert_eq!(machine.poll_event(), Err(error), "the first error is final and repeats");
                    return (events, machine.poll_event().err());
                }
            }
        }
    }
    (events, None)
}

/// Holds a machine to the law: the whole input at once, byte by byte, and cut at `cuts` give the same.
///
/// # Panics
///
/// If they do not.
pub fn chunking<M: Machine>(make: impl Fn() -> M, input: &[u8], cuts: &[usize]) {
    let whole = run(make(), [Bytes::copy_from_slice(input)]);
    let bytewise = run(make(), input.iter().map(|byte| Bytes::copy_from_slice(&[*byte])));
    assert_eq!(whole, bytewise, "byte by byte differs from all at once");

    let mut rest = Bytes::copy_from_slice(input);
    let mut chunks = Vec::new();
    for cut in cuts {
        chunks.push(rest.split_to((*cut).min(rest.len())));
    }
    chunks.push(rest);
    assert_eq!(whole, run(make(), chunks), "cut at {cuts:?} differs from all at once");
}
