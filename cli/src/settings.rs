//! The command about what holds for all connections.

use towline_cloud_api::{Problem, Settings, UpdateSettings};

use crate::{
    access::Access,
    args::{Global, Settings as Command},
    output::{Output, yes_or_no},
};

pub(crate) async fn run(global: &Global, command: &Command, output: Output) -> Result<(), Problem> {
    const PATH: [&str; 1] = ["settings"];
    let api = Access::resolve(global).await?.api()?;
    let settings: Settings = match command {
        Command::Show => api.get(&PATH, &[]).await?,
        Command::Set(change) => {
            let update = UpdateSettings {
                save_host_keys: change.save_host_keys,
                allow_telnet: change.allow_telnet,
                idle_limit_seconds: change.idle_limit_seconds,
                total_limit_seconds: change.total_limit_seconds,
            };
            api.patch(&PATH, &update).await?
        }
    };
    output.value(&settings, |settings| {
        vec![
            format!("save host keys  {}", yes_or_no(settings.save_host_keys)),
            format!("allow telnet    {}", yes_or_no(settings.allow_telnet)),
            format!("idle limit      {}", limit(settings.idle_limit_seconds)),
            format!("total limit     {}", limit(settings.total_limit_seconds)),
        ]
    })
}

fn limit(seconds: u64) -> String {
    if seconds == 0 { "none".into() } else { format!("{seconds} s") }
}
