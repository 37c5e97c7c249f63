//! A cloud with a device, as the page sees it, and what runs on the device.

use std::{fs, path::PathBuf, process::Command};

use serde_json::{Value, json};

use crate::{
    display::Display,
    gate::Gate,
    world::{ADMIN_PASSWORD, Process, World},
};

pub(crate) const DEVICE: &str = "press-line-4";

pub(crate) struct Place {
    pub(crate) world: World,
    agent: Option<Process>,
}

impl Place {
    /// A cloud with one device, which is online.
    pub(crate) fn new() -> Self {
        let world = World::new();
        let agent = Some(world.device(DEVICE));
        Self { world, agent }
    }

    /// The same, but the device comes through a gate.
    pub(crate) fn behind_a_gate() -> (Self, Gate) {
        let world = World::new();
        let gate = Gate::before(&world.url);
        let mut command = world.towline(&["agent", "--cloud", &gate.url(), "--data-dir"]);
        command.arg(world.path("agent")).env("RUST_LOG", "error").env("TOWLINE_ENROL_TOKEN", world.token(DEVICE));
        let agent = Some(Process::spawn(&mut command));
        world.wait_online(DEVICE, true);
        (Self { world, agent }, gate)
    }

    /// What a scenario has to know. Browsers do not know the cloud's certificate: on its own machine it answers plain.
    pub(crate) fn site(&self) -> Value {
        json!({
            "url": self.world.url.replacen("https://", "http://", 1),
            "password": ADMIN_PASSWORD,
            "device": DEVICE,
            "deviceId": self.world.json(&["devices", "show", DEVICE])["id"],
        })
    }

    pub(crate) fn site_with(&self, more: Value) -> Value {
        let mut site = self.site();
        site.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        site
    }

    /// SIGKILL for the agent.
    pub(crate) fn kill_agent(&mut self) {
        self.agent.take().unwrap().kill();
    }

    pub(crate) fn start_agent(&mut self) {
        self.agent = Some(self.world.agent(DEVICE, None));
        self.world.wait_online(DEVICE, true);
    }
}

/// An X display with a terminal on it that writes what is typed into a file, line by line.
pub(crate) struct Terminal {
    pub(crate) display: Display,
    typed: PathBuf,
}

impl Terminal {
    pub(crate) fn start(place: &Place, password: Option<&str>) -> Self {
        let mut display = Display::tigervnc(password, &[]);
        let typed = place.world.path(&format!("typed-{}", display.port));
        let mut xterm = Command::new("xterm");
        xterm.args(["-geometry", "60x20+20+20", "-e", "sh", "-c", "echo ready; exec cat >\"$0\""]).arg(&typed);
        display.start(&mut xterm);
        Self { display, typed }
    }

    /// The lines that were typed so far.
    pub(crate) fn typed(&self) -> String {
        fs::read_to_string(&self.typed).unwrap_or_default()
    }

    /// The same, for a script.
    pub(crate) fn typed_json(&self) -> String {
        json!(self.typed()).to_string()
    }
}
