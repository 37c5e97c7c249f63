//! A full disk: nothing new begins, and the reason is said; what can be read is read; with room again all goes on.

use std::{fs, io::Write as _, process::Command};

use serde_json::json;

use crate::site::{Answer, Site, connect, echo, echoes, eventually, is_root, system};

/// A small file system that is gone with the test.
struct Disk(std::path::PathBuf);

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

#[test]
fn a_full_disk_denies_what_would_have_to_be_recorded_and_nothing_else() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("cloud");
    fs::create_dir(&data).unwrap();
    system(&format!("mount -t tmpfs -o size=8m,mode=0700 tmpfs {}", data.display()));
    let disk = Disk(data.clone());
    let site = Site::in_folder(folder, &[]);
    let (device, _agent) = site.device("pump-7");
    site.endpoint(&device, "echo", echo());
    let (_server, tunnel) = site.server(&device);
    let mut before = connect(&tunnel);
    echoes(&mut before).unwrap();
    let mut ending = connect(&tunnel);
    echoes(&mut ending).unwrap();

    // Fill it to the last byte, and then what was left in the log that is there already.
    let filler = data.join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    while file.write_all(&[0]).is_ok() {}
    let mut number = 0;
    let mut write = || -> Answer {
        number += 1;
        let wish = json!({ "name": format!("e{number}"), "protocol": "PASSTHROUGH", "host": "127.0.0.1", "port": 22 });
        site.api("POST", &format!("/devices/{device}/endpoints"), Some(&wish))
    };
    eventually("the disk is full", || (0..200).any(|_| write().status != 201));

    let denied = write();
    assert_eq!((denied.status, denied.code()), (503, "storage-failed"), "{denied:?}");
    assert!(denied.text.contains("disk"), "{denied:?}");
    assert_eq!(site.api("GET", "/ready", None).code(), "storage-failed");
    assert_eq!(site.api("GET", "/health", None).status, 200);
    assert_eq!(site.api("GET", "/devices", None).status, 200);
    let output =
        site.towline(&["server", "--device", "pump-7", "--endpoint", "echo", "--listen", "-"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("storage-failed (cloud)") && said.contains("disk"), "{said}");
    echoes(&mut before).expect("a session that lives goes on");
    drop(ending);

    fs::remove_file(&filler).unwrap();
    drop(file);
    eventually("it is ready again", || site.api("GET", "/ready", None).status == 200);
    assert_eq!(write().status, 201);
    echoes(&mut connect(&tunnel)).unwrap();
    let open = || site.list("/sessions").iter().filter(|session| session["ended_at"].is_null()).count();
    eventually("the end of a session is recorded late, but is", || open() == 1);
    drop(site);
    drop(disk);
}
