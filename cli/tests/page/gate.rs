//! A way to the cloud that can be shut: what goes through it is cut, and nothing new comes through.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// The streams that go through, or nothing while it is shut.
type Through = Arc<Mutex<Option<Vec<TcpStream>>>>;

pub(crate) struct Gate {
    port: u16,
    through: Through,
}

impl Gate {
    pub(crate) fn before(cloud: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let cloud = cloud.strip_prefix("https://").unwrap().to_owned();
        let through: Through = Arc::new(Mutex::new(Some(Vec::new())));
        let held = through.clone();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let mut held = held.lock().unwrap();
                let Some(held) = &mut *held else { continue };
                let far = TcpStream::connect(&cloud).unwrap();
                for (from, to) in [(&near, &far), (&far, &near)] {
                    held.push(from.try_clone().unwrap());
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || pass_on(from, to));
                }
            }
        });
        Self { port, through }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    pub(crate) fn shut(&self) {
        for stream in self.through.lock().unwrap().take().unwrap_or_default() {
            // One that has ended is gone already.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    pub(crate) fn open(&self) {
        *self.through.lock().unwrap() = Some(Vec::new());
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length) = from.read(&mut buffer)
        && length > 0
        && to.write_all(&buffer[..length]).is_ok()
    {}
    drop(from.shutdown(Shutdown::Both));
    drop(to.shutdown(Shutdown::Both));
}
