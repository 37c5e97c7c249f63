//! Debian's nginx in front, which ends TLS with a certificate of an authority that the machines trust.

use std::{
    fs,
    net::TcpListener,
    process::{Command, Stdio},
};

use serde_json::json;

use crate::site::{ADMIN_PASSWORD, Process, Site, assert_success, echo, eventually, request};

/// nginx on a free port in front of a cloud; its configuration is what the documentation recommends.
fn nginx(site: &Site) -> (Process, u16) {
    nginx_with(site, "")
}

/// The same, for clients only that show a certificate of the authority; one of these is in `client.pem`.
pub(crate) fn nginx_that_asks_for_certificates(site: &Site) -> (Process, u16) {
    let folder = site.folder.path().display();
    nginx_with(site, &format!("ssl_verify_client on; ssl_client_certificate {folder}/ca.pem;"))
}

fn nginx_with(site: &Site, more: &str) -> (Process, u16) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "authority of the test");
    let certificate = authority.self_signed(&authority_key).unwrap();
    fs::write(site.path("ca.pem"), certificate.pem()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut leaf = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let authority = rcgen::Issuer::new(authority, &authority_key);
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    let client_key = rcgen::KeyPair::generate().unwrap();
    let mut client = rcgen::CertificateParams::new(["client".to_owned()]).unwrap();
    client.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let client = client.signed_by(&client_key, &authority).unwrap();
    fs::write(site.path("client.pem"), client.pem() + &client_key.serialize_pem()).unwrap();
    fs::write(site.path("proxy.pem"), leaf.pem()).unwrap();
    fs::write(site.path("proxy.key"), key.serialize_pem()).unwrap();

    let folder = site.folder.path().display();
    let user = if crate::site::is_root() { "user root;" } else { "" };
    let cloud = site.address;
    // One process alone, or its workers would live on when it is killed.
    let configuration = format!(
        "daemon off; master_process off; {user} pid {folder}/nginx.pid; error_log stderr; events {{}}
        http {{
            access_log off;
            client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
            uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
            map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
            server {{
                listen 127.0.0.1:{port} ssl;
                ssl_certificate {folder}/proxy.pem;
                ssl_certificate_key {folder}/proxy.key; {more}
                location / {{
                    proxy_pass http://{cloud};
                    proxy_http_version 1.1;
                    proxy_set_header Host $http_host;
                    proxy_set_header Upgrade $http_upgrade;
                    proxy_set_header Connection $connection_upgrade;
                    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                    proxy_buffering off;
                    proxy_request_buffering off;
                    proxy_read_timeout 1h;
                    proxy_send_timeout 1h;
                }}
            }}
        }}"
    );
    fs::write(site.path("nginx.conf"), configuration).unwrap();
    let program = if std::path::Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
    let mut command = Command::new(program);
    command.arg("-p").arg(site.folder.path()).arg("-c").arg(site.path("nginx.conf"));
    let process = Process::spawn(command.stdin(Stdio::null()).stderr(site.log("nginx")));
    eventually("nginx listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    (process, port)
}

/// Whom the audit names as the source of the last login that failed.
fn source_of_failed_login(site: &Site, forwarded_for: &str) -> String {
    let login = json!({ "user": "admin", "password": "wrong" });
    let headers = [("X-Forwarded-For", forwarded_for)];
    let answer = request(site.address, "", "POST", "/api/v1/login", &headers, Some(&login)).unwrap();
    assert_eq!(answer.code(), "auth-failed");
    let audit = site.list("/audit");
    let record = audit.iter().find(|record| record["action"] == "login" && record["outcome"] == "auth-failed").unwrap();
    record["source"].as_str().unwrap().to_owned()
}

#[test]
fn agent_and_operator_work_through_a_proxy_that_ends_tls() {
    let site = Site::with(&["--web-pki", "--trusted-proxy", "127.0.0.0/8"]);
    assert_eq!(site.pin, None, "there is nothing to pin");
    let (mut nginx, port) = nginx(&site);
    let url = format!("https://localhost:{port}");

    let (token, device) = site.ticket("pump-7");
    let mut agent = site.towline(&["agent", "--cloud", &url, "--data-dir"]);
    agent.arg(site.path("agent")).env("TOWLINE_ENROL_TOKEN", &token).env("SSL_CERT_FILE", site.path("ca.pem"));
    let _agent = Process::spawn(agent.stderr(site.log("agent")));
    site.wait_online(&device, true);
    site.endpoint(&device, "echo", echo());

    let login = site
        .towline(&["login", &url, "--user", "admin"])
        .env("TOWLINE_PASSWORD", ADMIN_PASSWORD)
        .env("SSL_CERT_FILE", site.path("ca.pem"))
        .output()
        .unwrap();
    assert_success(&login);
    let mut server = site.towline(&["server", "--device", "pump-7", "--listen", "-"]);
    server.env_remove("TOWLINE_TOKEN").env_remove("TOWLINE_HOST").env("SSL_CERT_FILE", site.path("ca.pem"));
    let mut child = server.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(site.log("server")).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"through nginx").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"through nginx", "{}", site.read_log("server"));

    // nginx is restarted: the agent finds it again.
    nginx.signal("TERM");
    nginx.wait();
    site.wait_online(&device, false);
    let mut command = Command::new("/usr/sbin/nginx");
    command.arg("-p").arg(site.folder.path()).arg("-c").arg(site.path("nginx.conf"));
    let _nginx = Process::spawn(command.stdin(Stdio::null()).stderr(site.log("nginx")));
    site.wait_online(&device, true);
}

#[test]
fn what_a_client_says_of_its_address_counts_only_through_a_trusted_proxy() {
    let behind = Site::with(&["--trusted-proxy", "127.0.0.1"]);
    assert!(source_of_failed_login(&behind, "192.0.2.200, 203.0.113.9").starts_with("203.0.113.9"));

    let alone = Site::new();
    assert!(source_of_failed_login(&alone, "203.0.113.9").starts_with("127.0.0.1:"));
}
