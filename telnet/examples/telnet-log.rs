//! `telnet-log [FILE …]`: what was said in a captured dialogue, a line for each token. A file has the bytes of one side, as
//! `tcpflow` writes them. Without a file it reads its standard input, as in `nc HOST 23 | telnet-log`.

use std::{
    env, fs, io,
    io::{Read, Write},
    process::ExitCode,
};

use towline_telnet::{Limits, Parser, Subnegotiation, Token};

fn main() -> ExitCode {
    let files: Vec<String> = env::args().skip(1).collect();
    let outcome = match files.iter().find(|file| file.starts_with('-')) {
        Some(_) => Err("usage: telnet-log [FILE …]".into()),
        None => logs(&files),
    };
    if let Err(error) = outcome {
        eprintln!("telnet-log: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn logs(files: &[String]) -> Result<(), String> {
    if files.is_empty() {
        return log(&mut io::stdin().lock()).map_err(|error| error.to_string());
    }
    for file in files {
        let named = |error| format!("{file}: {error}");
        let mut input = fs::File::open(file).map_err(named)?;
        println!("== {file}");
        log(&mut input).map_err(named)?;
    }
    Ok(())
}

fn log(input: &mut impl Read) -> io::Result<()> {
    let limits = Limits::default();
    let mut parser = Parser::new(&limits);
    let mut buffer = vec![0; 64 * 1024];
    let mut out = io::stdout().lock();
    loop {
        let length = input.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        let mut rest = &buffer[..length];
        while let Some(token) = parser.decode(&mut rest) {
            writeln!(out, "{}", line(&token, &limits))?;
        }
        out.flush()?;
    }
    if !parser.is_between_tokens() {
        writeln!(out, "(it ends within a sequence)")?;
    }
    Ok(())
}

fn line(token: &Token<'_>, limits: &Limits) -> String {
    match token {
        Token::Data(data) => format!("\"{}\"", data.escape_ascii()),
        Token::Command(command) => format!("IAC {command}"),
        Token::Negotiation { verb, option } => format!("IAC {verb} {option}"),
        Token::Subnegotiation { option, payload } => match Subnegotiation::decode(*option, payload, limits) {
            Ok(Subnegotiation::Other { .. }) => format!("IAC SB {option} {}", payload.escape_ascii()),
            Ok(value) => format!("IAC SB {option} {value:?}"),
            Err(error) => format!("IAC SB {option} {} ({error})", payload.escape_ascii()),
        },
        Token::Spoilt { option: Some(option), error } => format!("IAC SB {option} ({error})"),
        Token::Spoilt { error, .. } => format!("IAC SB ({error})"),
        other => format!("{other:?}"),
    }
}
