//! People and what they may do.

use serde::{Deserialize, Serialize};

/// `POST /api/v1/login`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Login {
    /// User name.
    pub user: String,
    /// Password, write-only.
    pub password: String,
    /// The code of the second factor, six digits, if the user has one. Without it such a user is answered
    /// `totp-required`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totp_code: Option<String>,
}

/// The answer to a [`Login`].
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LoginGranted {
    /// Bearer token: goes into `Authorization: Bearer …`.
    pub token: String,
    /// When the token ends.
    pub expires_at: String,
    /// Who it stands for.
    pub user: CurrentUser,
}

/// `GET /api/v1/current-user`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CurrentUser {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// What the user may do on at least one device group, or everywhere where it is not about devices.
    pub permissions: Vec<Permission>,
    /// Whether a second factor is asked for; false in the answers of clouds that did not say.
    #[serde(default)]
    pub totp: bool,
}

/// A right that is given to a user group, on a device group.
///
/// Each comes with what it is of no use without: whoever has one of the remote-access permissions on a device sees the
/// device, and connecting and administering come with reading. Administering does not come with connecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// List endpoints, operations and sessions.
    RemoteAccessRead,
    /// Open sessions.
    RemoteAccessConnect,
    /// Create, change and delete endpoints.
    RemoteAccessAdmin,
    /// See devices.
    DeviceControlRead,
    /// Enrol, rename and remove devices.
    DeviceControlAdmin,
    /// Create users, groups and grants; read the whole audit.
    UserAdmin,
}

impl Permission {
    /// Every permission there is.
    pub const ALL: [Self; 6] = [
        Self::RemoteAccessRead,
        Self::RemoteAccessConnect,
        Self::RemoteAccessAdmin,
        Self::DeviceControlRead,
        Self::DeviceControlAdmin,
        Self::UserAdmin,
    ];

    /// The word in JSON, in the store and in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RemoteAccessRead => "remote-access-read",
            Self::RemoteAccessConnect => "remote-access-connect",
            Self::RemoteAccessAdmin => "remote-access-admin",
            Self::DeviceControlRead => "device-control-read",
            Self::DeviceControlAdmin => "device-control-admin",
            Self::UserAdmin => "user-admin",
        }
    }

    /// The permission that a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.as_str() == word)
    }
}

impl std::fmt::Display for Permission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `POST /api/v1/users`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateUser {
    /// Name, 1 to 64 characters.
    pub name: String,
    /// Password, write-only, at least 8 characters.
    pub password: String,
}

/// A person who logs in. A new one is in no group and may do nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct User {
    /// Id.
    pub id: String,
    /// Name, unique in the tenant.
    pub name: String,
    /// Whether logging in is forbidden.
    pub disabled: bool,
    /// Whether a second factor is asked for.
    pub totp: bool,
    /// The user groups the user is in.
    pub groups: Vec<GroupRef>,
    /// When it was made.
    pub created_at: String,
    /// When the user last logged in.
    pub last_login_at: Option<String>,
}

/// `PATCH /api/v1/users/{user}`. Disabling ends the user's tokens and sessions at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateUser {
    /// Whether logging in is forbidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
}

/// `PUT /api/v1/users/{user}/password`, by an administrator. Ends the user's tokens and sessions.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ResetPassword {
    /// The new password, write-only, at least 8 characters.
    pub password: String,
}

/// `PUT /api/v1/current-user/password`. Ends the user's other tokens.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The password until now, write-only.
    pub current_password: String,
    /// The new password, write-only, at least 8 characters.
    pub new_password: String,
}

/// The answer to `POST /api/v1/current-user/totp`: shown this once; in force after it was confirmed.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TotpSetup {
    /// The secret, base32.
    pub secret: String,
    /// The same as `otpauth://` URI, for a QR code.
    pub uri: String,
}

/// `POST /api/v1/current-user/totp/confirm` and `DELETE /api/v1/current-user/totp`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TotpCode {
    /// Six digits.
    pub code: String,
}

/// A group's, or a user's, id and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupRef {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
}

/// `POST /api/v1/user-groups` and `POST /api/v1/device-groups`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateGroup {
    /// Name, 1 to 64 characters, unique among the groups of its kind.
    pub name: String,
}

/// People who have the same rights. Members come and go with `PUT` and `DELETE
/// /api/v1/user-groups/{group}/members/{user}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserGroup {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Who is in it.
    pub members: Vec<GroupRef>,
}

/// Devices that rights are given on. Every device is in the group `all`; others come and go with `PUT` and
/// `DELETE /api/v1/device-groups/{group}/devices/{device}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceGroup {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// How many devices are in it.
    pub device_count: u64,
}

/// `POST /api/v1/grants`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateGrant {
    /// To whom.
    pub user_group_id: String,
    /// On what.
    pub device_group_id: String,
    /// What.
    pub permission: Permission,
}

/// A right of a user group on a device group. Taking it away ends what it allowed within a second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Grant {
    /// Id.
    pub id: String,
    /// To whom.
    pub user_group: GroupRef,
    /// On what.
    pub device_group: GroupRef,
    /// What.
    pub permission: Permission,
}

/// A login that is in force: `GET /api/v1/tokens`, one's own, or with `?user={id}` somebody's by an administrator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccessToken {
    /// Id; not the token.
    pub id: String,
    /// Whose.
    pub user: String,
    /// Whether it is the one this request was made with.
    pub current: bool,
    /// From where it was made.
    pub source: String,
    /// When it was made.
    pub created_at: String,
    /// When it ends by itself.
    pub expires_at: String,
}
