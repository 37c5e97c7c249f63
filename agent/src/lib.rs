//! Towline's device side.
//!
//! An [`Agent`] enrols once with a one-time token, dials out to the cloud, proves at each connect who it is, and
//! connects the targets that the cloud asks for, as far as the device's own [`policy`] allows. It opens no port.
//!
//! ```no_run
//! use towline_agent::{Agent, Enrolment, WayOut};
//!
//! # async fn device() -> Result<(), Box<dyn std::error::Error>> {
//! let data_dir = std::path::Path::new("/var/lib/towline");
//! let agent = match Agent::load(data_dir) {
//!     Ok(agent) => agent,
//!     Err(_) => {
//!         let token = std::env::var("TOWLINE_ENROL_TOKEN")?.parse()?;
//!         let cloud = "https://cloud.example.com".parse()?;
//!         let data_dir = data_dir.to_owned();
//!         Agent::enrol(&Enrolment { cloud, token, name: None, data_dir, way_out: WayOut::default() }).await?
//!     }
//! };
//! agent.run(std::future::pending()).await;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod args;
mod backoff;
mod binding;
mod carrier;
mod cloud_url;
mod configuration;
mod connect;
mod enrol;
mod error;
mod http;
mod identity;
mod log;
pub mod policy;
pub mod pump;
mod reach;
mod serve;
pub mod target;
mod text;
mod way_out;

pub use args::{Args, default_data_dir};
pub use backoff::Backoff;
pub use binding::{binding, exporter};
pub use carrier::CarrierChoice;
pub use cloud_url::{CloudUrl, CloudUrlError};
pub use configuration::configured;
pub use connect::{Agent, DEFAULT_MAX_CHANNELS, DEFAULT_TUNNEL_MEMORY_BYTES};
pub use enrol::Enrolment;
pub use error::Error;
pub use identity::{DeviceKey, Identity, write_atomically};
pub use log::{Log, LogFormat, LogLevel};
pub use reach::{answer_problem, dial_problem};
pub use text::single_line;
pub use way_out::{ProxyText, WayOut, WayOutArgs};

/// What this program calls itself to the cloud.
const IMPLEMENTATION: &str = concat!("towline-agent/", env!("CARGO_PKG_VERSION"));
