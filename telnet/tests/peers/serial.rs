//! RFC 2217 over pseudo-terminals, which have a speed and stop bits like a serial port: our client at ser2net, pyserial at our
//! server. A pseudo-terminal is always of 8 bits without parity.

use std::{
    fs::File,
    io::Read,
    net::TcpListener,
    os::fd::OwnedFd,
    process::{Command as Process, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    io::{read, write},
    termios::{ControlModes, OptionalActions, tcgetattr, tcsetattr},
};
use towline_telnet::{
    Config, Event, OptionCode, Side, Subnegotiation,
    newline::{Incoming, Outgoing},
    option::com_port::{ComPort, ComPortCommand, Control, LineState, ModemState, Parity, Sender, StopSize},
};

use crate::{
    PATIENCE,
    end::{End, terminal},
    file, found, pty,
};

const EVERY_BYTE: [u8; 8] = *b"\0\xFF\r\n\xFF\xFF\x11\xF0";

/// A port's two ends: what the device is on, and what the access server opens.
fn port() -> (OwnedFd, String) {
    let (device, name) = pty::open();
    let mut modes = tcgetattr(&device).unwrap();
    modes.make_raw();
    tcsetattr(&device, OptionalActions::Now, &modes).unwrap();
    (device, name)
}

/// What the device hears, until it is so many bytes.
fn heard(device: &OwnedFd, length: usize, mut turn: impl FnMut()) -> Vec<u8> {
    let (mut all, mut buffer, start) = (Vec::new(), [0; 256], Instant::now());
    while all.len() < length {
        if let Ok(length) = read(device, &mut buffer) {
            all.extend_from_slice(&buffer[..length]);
        }
        turn();
        assert!(start.elapsed() < PATIENCE, "the device hears {}", all.escape_ascii());
    }
    all
}

/// Says it, and waits for the server's answer.
fn asks(end: &mut End, command: ComPortCommand) -> ComPortCommand {
    end.events.clear();
    end.connection.subnegotiate(&Subnegotiation::ComPort(ComPort::from_client(command.clone()))).unwrap();
    let answer = |event: &Event| match event {
        Event::Subnegotiation(Subnegotiation::ComPort(ComPort { sender: Sender::Server, command: answer }))
            if std::mem::discriminant(answer) == std::mem::discriminant(&command) =>
        {
            Some(answer.clone())
        }
        _ => None,
    };
    end.until("an answer about the port", |end| end.events.iter().any(|event| answer(event).is_some()));
    end.events.iter().find_map(answer).unwrap()
}

#[test]
fn our_client_sets_a_port_of_ser2net() {
    let (device, name) = port();
    let configuration = |port: &str| {
        let text = format!(
            "%YAML 1.1\n---\nconnection: &port\n  accepter: telnet(rfc2217),tcp,127.0.0.1,{port}\n  connector: \
             serialdev,{name},9600n81,local\n"
        );
        let path = file("ser2net.yaml", text.as_bytes());
        ["-u", "-n", "-d", "-c", path.to_str().unwrap()].map(String::from).to_vec()
    };
    let mut config = terminal();
    config.policy.local.insert(OptionCode::COM_PORT);
    config.policy.remote.insert(OptionCode::COM_PORT);
    (config.incoming, config.outgoing) = (Incoming::Raw, Outgoing::Raw);
    let mut end = End::listener("ser2net", configuration, config);
    end.connection.enable(Side::Local, OptionCode::COM_PORT);
    end.connection.enable(Side::Local, OptionCode::BINARY);
    end.connection.enable(Side::Remote, OptionCode::BINARY);
    end.until("COM-PORT", |end| end.connection.is_on(Side::Local, OptionCode::COM_PORT));
    end.until("BINARY", |end| Side::ALL.iter().all(|side| end.connection.is_on(*side, OptionCode::BINARY)));

    assert_eq!(asks(&mut end, ComPortCommand::BaudRate(0)), ComPortCommand::BaudRate(9600));
    assert_eq!(asks(&mut end, ComPortCommand::BaudRate(19_200)), ComPortCommand::BaudRate(19_200));
    assert_eq!(tcgetattr(&device).unwrap().output_speed(), 19_200);
    assert_eq!(asks(&mut end, ComPortCommand::StopSize(StopSize::TWO)), ComPortCommand::StopSize(StopSize::TWO));
    assert!(tcgetattr(&device).unwrap().control_modes.contains(ControlModes::CSTOPB));
    assert_eq!(asks(&mut end, ComPortCommand::DataSize(8)), ComPortCommand::DataSize(8));
    assert_eq!(asks(&mut end, ComPortCommand::Parity(Parity::NONE)), ComPortCommand::Parity(Parity::NONE));
    assert!(matches!(asks(&mut end, ComPortCommand::Signature("".into())), ComPortCommand::Signature(_)));

    end.types_bytes(&EVERY_BYTE);
    assert_eq!(heard(&device, EVERY_BYTE.len(), || end.turn()), EVERY_BYTE);
    write(&device, &EVERY_BYTE).unwrap();
    end.until("what the device says", |end| end.screen.len() >= EVERY_BYTE.len());
    assert_eq!(end.screen, EVERY_BYTE);
}

/// The port as pyserial sets it: applies what can be, and returns what holds.
fn apply(port: &File, command: ComPortCommand) -> Option<ComPortCommand> {
    let mut modes = tcgetattr(port).unwrap();
    let answer = match command {
        ComPortCommand::BaudRate(rate) => {
            modes.set_speed(rate).unwrap();
            command
        }
        ComPortCommand::StopSize(size) => {
            modes.control_modes.set(ControlModes::CSTOPB, size == StopSize::TWO);
            command
        }
        ComPortCommand::Control(Control(_))
        | ComPortCommand::DataSize(_)
        | ComPortCommand::Parity(_)
        | ComPortCommand::LineStateMask(LineState(_))
        | ComPortCommand::ModemStateMask(ModemState(_))
        | ComPortCommand::Purge(_) => command,
        _ => return None,
    };
    tcsetattr(port, OptionalActions::Now, &modes).unwrap();
    Some(answer)
}

const PYSERIAL: &str = "
import serial, sys
every = bytes([0, 255, 13, 10, 255, 255, 17, 240])
port = serial.serial_for_url('rfc2217://127.0.0.1:' + sys.argv[1], baudrate=19200, stopbits=2, timeout=60)
port.write(every)
assert port.read(len(every)) == every, 'not what the device said'
port.baudrate = 57600
port.reset_input_buffer()
port.dtr = False
port.write(b'end')
print('done')
";

#[test]
fn pyserial_sets_a_port_of_our_server() {
    let (device, name) = port();
    let opened = File::options().read(true).write(true).open(name).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let number = listener.local_addr().unwrap().port().to_string();
    let client = Process::new(found("python"))
        .args(["-c", PYSERIAL, &number])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut config = Config::server();
    for set in [&mut config.policy.local, &mut config.policy.remote] {
        set.insert(OptionCode::COM_PORT);
        set.insert(OptionCode::BINARY);
        set.insert(OptionCode::ECHO);
    }
    (config.incoming, config.outgoing) = (Incoming::Raw, Outgoing::Raw);
    let mut end = End::new(listener.accept().unwrap().0, config, None);
    let (mut got, mut buffer, mut said, start) = (Vec::new(), [0; 256], Vec::new(), Instant::now());
    while !end.is_over {
        assert!(start.elapsed() < PATIENCE, "the device has heard {}", got.escape_ascii());
        end.turn();
        for event in std::mem::take(&mut end.events) {
            if let Event::Subnegotiation(Subnegotiation::ComPort(ComPort { sender: Sender::Client, command })) = event
                && let Some(answer) = apply(&opened, command)
            {
                end.connection.subnegotiate(&Subnegotiation::ComPort(ComPort::from_server(answer))).unwrap();
            }
        }
        let written = write(&opened, &end.screen).unwrap();
        end.screen.drain(..written);
        // The device says back what it hears.
        if let Ok(length) = read(&device, &mut buffer) {
            said.extend_from_slice(&buffer[..length]);
            got.extend_from_slice(&buffer[..length]);
            if said.len() == EVERY_BYTE.len() {
                assert_eq!(tcgetattr(&device).unwrap().output_speed(), 19_200);
                end.types_bytes(&said);
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
    let output = client.wait_with_output().unwrap();
    let mut errors = String::new();
    output.stderr.as_slice().read_to_string(&mut errors).unwrap();
    assert_eq!(output.stdout, b"done\n", "{errors}");
    assert_eq!(got, [&EVERY_BYTE[..], b"end"].concat());
    let modes = tcgetattr(&device).unwrap();
    assert_eq!(modes.output_speed(), 57_600);
    assert!(modes.control_modes.contains(ControlModes::CSTOPB));
}
