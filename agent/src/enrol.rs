//! Becoming a device: a token is spent for an identity.

use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use towline_cloud_api::{Challenge, CloudTrust, Enrol, Enrolled, EnrolmentToken};
use towline_transport::tls::{KeyPin, Trust};

use crate::{
    CloudUrl, Error, WayOut, http,
    identity::{self, DeviceKey, Identity},
};

const CHALLENGE_PATH: &str = "/api/v1/agent/challenge";
const ENROL_PATH: &str = "/api/v1/agent/enrol";

/// What enrolment needs.
#[derive(Clone, Debug)]
pub struct Enrolment {
    /// The cloud that gave the token.
    pub cloud: CloudUrl,
    /// The one-time token; it says how to recognise the cloud.
    pub token: EnrolmentToken,
    /// A name for the device, instead of the one the token was made for.
    pub name: Option<String>,
    /// Where the identity is kept.
    pub data_dir: PathBuf,
    /// How to get to the cloud.
    pub way_out: WayOut,
}

/// A one-time nonce to sign, from the cloud.
pub(crate) async fn challenge(
    cloud: &CloudUrl,
    trust: &Trust,
    way_out: &WayOut,
) -> Result<Challenge, towline_cloud_api::Problem> {
    http::get(cloud, trust, way_out, CHALLENGE_PATH).await
}

/// Makes a key, trades the token for an identity with it and keeps both in the data folder.
pub(crate) async fn enrol(enrolment: &Enrolment) -> Result<Identity, Error> {
    // A token is good once: nothing may fail after it is spent that could have been seen before.
    identity::prepare(&enrolment.data_dir)?;
    let key = DeviceKey::generate()?;
    let cloud = &enrolment.cloud;
    let trust = match enrolment.token.trust {
        CloudTrust::WebPki => Trust::WebPki,
        CloudTrust::Pin(pin) => Trust::Pin(KeyPin(pin)),
    };

    let way_out = &enrolment.way_out;
    let Challenge { nonce, .. } = challenge(cloud, &trust, way_out).await?;
    let signature = key.sign(format!("towline enrol v1\n{}\n{nonce}", cloud.authority()).as_bytes());
    let request = Enrol {
        secret: URL_SAFE_NO_PAD.encode(enrolment.token.secret),
        public_key: key.public(),
        nonce,
        signature,
        name: enrolment.name.clone(),
        agent_version: env!("CARGO_PKG_VERSION").into(),
    };
    let Enrolled { device_id, name } = http::post(cloud, &trust, way_out, ENROL_PATH, &request).await?;

    let identity = Identity { device_id, name, cloud: cloud.clone(), trust, key };
    identity.save(&enrolment.data_dir)?;
    Ok(identity)
}
