//! Arguments of the commands about people and what they may do.

use clap::{
    Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use towline_agent::CloudUrl;
use towline_cloud_api::Permission;

use super::DeviceName;

#[derive(clap::Args)]
pub(crate) struct Login {
    /// The cloud's address.
    #[arg(value_name = "URL")]
    pub(crate) url: Option<CloudUrl>,
    /// User name [default: $TOWLINE_USER, or a prompt].
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Read the password from standard input.
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// The six digits of the second factor, for users who have one [default: a prompt].
    #[arg(long, value_name = "CODE")]
    pub(crate) totp_code: Option<String>,
}

/// A new password comes from TOWLINE_NEW_PASSWORD, standard input or a prompt: never from the command line, which
/// others see.
#[derive(clap::Args)]
pub(crate) struct NewPassword {
    /// Read the new password from standard input.
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

#[derive(Subcommand)]
pub(crate) enum Totp {
    /// Get a secret for an authenticator; it counts once it is confirmed.
    Setup,
    /// Confirm that the authenticator has the secret; from then on logging in needs a code.
    Confirm(Code),
    /// Do without a second factor again.
    Remove(Code),
}

#[derive(clap::Args)]
pub(crate) struct Code {
    /// The six digits that the authenticator shows now [default: a prompt].
    pub(crate) code: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum Users {
    /// List them.
    #[command(visible_alias = "ls")]
    List,
    /// Create one, who is in no group and may do nothing yet. The password comes from TOWLINE_NEW_PASSWORD or a prompt.
    #[command(alias = "add")]
    Create {
        /// The user's name.
        name: String,
        #[command(flatten)]
        password: NewPassword,
    },
    /// Show one.
    #[command(alias = "get")]
    Show(UserName),
    /// Forbid one to log in; tokens and sessions end at once.
    Disable(UserName),
    /// Let one log in again.
    Enable(UserName),
    /// Remove one; tokens and sessions end at once.
    #[command(visible_alias = "delete")]
    Remove(UserName),
    /// Give one another password; tokens and sessions end at once.
    ResetPassword {
        #[command(flatten)]
        user: UserName,
        #[command(flatten)]
        password: NewPassword,
    },
    /// Take the second factor of one away who has lost it.
    RemoveTotp(UserName),
}

#[derive(clap::Args)]
pub(crate) struct UserName {
    /// Name or id.
    pub(crate) user: String,
}

#[derive(Subcommand)]
pub(crate) enum Groups {
    /// List them and who is in them.
    #[command(visible_alias = "ls")]
    List,
    /// Create one.
    #[command(alias = "add")]
    Create {
        /// The group's name.
        name: String,
    },
    /// Remove one; what it allowed ends at once.
    #[command(visible_alias = "delete")]
    Remove(GroupName),
    /// Put a user into a group.
    AddMember {
        #[command(flatten)]
        group: GroupName,
        #[command(flatten)]
        user: UserName,
    },
    /// Take a user out of a group; what it allowed ends at once.
    RemoveMember {
        #[command(flatten)]
        group: GroupName,
        #[command(flatten)]
        user: UserName,
    },
}

#[derive(clap::Args)]
pub(crate) struct GroupName {
    /// Name or id.
    pub(crate) group: String,
}

#[derive(Subcommand)]
pub(crate) enum DeviceGroups {
    /// List them.
    #[command(visible_alias = "ls")]
    List,
    /// Create one.
    #[command(alias = "add")]
    Create {
        /// The group's name.
        name: String,
    },
    /// Remove one; what was allowed on it ends at once.
    #[command(visible_alias = "delete")]
    Remove(GroupName),
    /// Put a device into a group.
    AddDevice {
        #[command(flatten)]
        group: GroupName,
        #[command(flatten)]
        device: DeviceName,
    },
    /// Take a device out of a group; what was allowed through it ends at once.
    RemoveDevice {
        #[command(flatten)]
        group: GroupName,
        #[command(flatten)]
        device: DeviceName,
    },
}

#[derive(Subcommand)]
pub(crate) enum Grants {
    /// List them.
    #[command(visible_alias = "ls")]
    List {
        /// Only those of this user group: name or id.
        #[arg(long, value_name = "GROUP")]
        to: Option<String>,
        /// Only those on this device group: name or id.
        #[arg(long, value_name = "DEVICE-GROUP")]
        on: Option<String>,
    },
    /// Give a user group a permission on a device group.
    #[command(alias = "create")]
    Add(Right),
    /// Take a permission away again; what it allowed ends at once.
    #[command(visible_alias = "delete")]
    Remove(WhichGrant),
}

#[derive(clap::Args)]
pub(crate) struct WhichGrant {
    /// The grant's id; or name it by --to, --on and --permission.
    #[arg(required_unless_present = "to", conflicts_with_all = ["to", "on", "permission"])]
    pub(crate) grant: Option<String>,
    /// To which user group: name or id.
    #[arg(long, value_name = "GROUP", requires_all = ["on", "permission"])]
    pub(crate) to: Option<String>,
    /// On which device group: name or id.
    #[arg(long, value_name = "DEVICE-GROUP", requires = "to")]
    pub(crate) on: Option<String>,
    /// What is allowed.
    #[arg(long, value_name = "PERMISSION", value_parser = permission(), requires = "to")]
    pub(crate) permission: Option<Permission>,
}

#[derive(clap::Args)]
pub(crate) struct Right {
    /// To which user group: name or id.
    #[arg(long, value_name = "GROUP")]
    pub(crate) to: String,
    /// On which device group: name or id; `all` has every device.
    #[arg(long, value_name = "DEVICE-GROUP")]
    pub(crate) on: String,
    /// What is allowed.
    #[arg(long, value_name = "PERMISSION", value_parser = permission())]
    pub(crate) permission: Permission,
}

fn permission() -> impl TypedValueParser<Value = Permission> {
    PossibleValuesParser::new(Permission::ALL.map(Permission::as_str))
        .try_map(|word| Permission::from_word(&word).ok_or("no such permission"))
}

#[derive(Subcommand)]
pub(crate) enum Tokens {
    /// List them: one's own, or somebody's.
    #[command(visible_alias = "ls")]
    List {
        /// Somebody else's: name or id.
        #[arg(long, value_name = "USER")]
        user: Option<String>,
    },
    /// End one; sessions that were opened with it end at once.
    #[command(alias = "remove")]
    Revoke {
        /// The token's id, as the list shows it.
        token: String,
    },
}
