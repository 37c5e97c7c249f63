//! What a form asks about keys that are pasted into it.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::World;

fn ssh_keygen(folder: &std::path::Path, arguments: &[&str]) {
    let made = Command::new("ssh-keygen").arg("-q").args(arguments).current_dir(folder).status().unwrap();
    assert!(made.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pasted_key_is_told_for_what_it_is() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    ssh_keygen(folder.path(), &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "open sesame", "-C", "old", "-f", "rsa"]);
    let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let inspect = async |wish: Value| world.post("/key-inspections", wish).await;

    let closed = inspect(json!({"private_key": text("rsa")})).await.good().body["private_key"].clone();
    assert_eq!((&closed["format"], &closed["encrypted"]), (&"pkcs1".into(), &true.into()), "{closed}");
    assert_eq!(closed["fingerprint"], Value::Null, "{closed}");
    let wish = json!({"private_key": text("rsa"), "passphrase": "open sesame"});
    let opened = inspect(wish).await.good().body["private_key"].clone();
    assert_eq!((&opened["algorithm"], &opened["bits"]), (&"ssh-rsa".into(), &2048.into()), "{opened}");
    assert!(opened["fingerprint"].as_str().unwrap().starts_with("SHA256:"), "{opened}");

    let line = text("rsa.pub");
    let lines = format!("pump-7,10.0.0.7 {line}# a comment\n[pump-7]:2222 {line}");
    let found = inspect(json!({"host_keys": lines})).await.good().body["host_keys"].clone();
    assert_eq!(found.as_array().unwrap().len(), 2, "{found}");
    assert_eq!((&found[0]["fingerprint"], &found[0]["private"]), (&opened["fingerprint"], &false.into()), "{found}");

    // Of the target itself, if it is in the list at all; and never what is revoked.
    ssh_keygen(folder.path(), &["-t", "ed25519", "-N", "", "-f", "other"]);
    let lines = format!("[pump-7]:2222 {line}[valve]:22,valve {0}@revoked * {0}", text("other.pub"));
    let wish = json!({"host_keys": lines, "host": "PUMP-7", "port": 2222});
    let own = inspect(wish).await.good().body["host_keys"].clone();
    assert_eq!((own.as_array().unwrap().len(), &own[0]["algorithm"]), (1, &"ssh-rsa".into()), "{own}");

    for (wish, field) in [
        (json!({"private_key": "no key at all"}), "private_key"),
        (json!({"private_key": line}), "private_key"),
        (json!({"private_key": text("rsa"), "passphrase": "wrong"}), "passphrase"),
        (json!({"host_keys": "pump-7 ssh-rsa AAAA"}), "host_keys"),
    ] {
        let refused = inspect(wish).await;
        assert_eq!(
            (refused.code(), &refused.body["errors"][0]["field"]),
            ("bad-request", &field.into()),
            "{refused:?}"
        );
    }
}
