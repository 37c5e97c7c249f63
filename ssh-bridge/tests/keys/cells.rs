//! Each cell of container, passphrase and algorithm: files of the real tools, read as the keys that the tools say they are.
//!
//! What the table leaves out: sizes, ciphers and key derivations are in `reading`, what pasting does to files in `pasted`,
//! what has to be refused in `refused` and `certificates`.

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use towline_ssh_bridge::keys::{Error, Format, KeyFile, Limits};

use crate::tools::{Cell, Folder, PASSPHRASE, security_key_file};

/// What is expected of a cell.
#[derive(Clone, Copy)]
enum Expected {
    Read,
    /// What the error says, and how the documentation puts the reason.
    Refused(&'static str, &'static str),
    /// The container has no place for such a key.
    Nothing,
}

const R: Expected = Expected::Read;
const N: Expected = Expected::Nothing;
/// Ed448 without its public half.
const H: Expected = Expected::Refused("the file has no public half", "Ed448 in PKCS#8 without its public half");
/// JSON Web Keys.
const J: Expected = Expected::Refused("JSON Web Key", "JSON Web Keys");

const PLAIN: bool = false;
const ENCRYPTED: bool = true;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Rsa,
    Dsa,
    Ecdsa,
    Ed25519,
    Ed448,
    SkEcdsa,
    SkEd25519,
    Rsa1,
}

const COLUMNS: [Column; 8] = [
    Column::Rsa,
    Column::Dsa,
    Column::Ecdsa,
    Column::Ed25519,
    Column::Ed448,
    Column::SkEcdsa,
    Column::SkEd25519,
    Column::Rsa1,
];

const PUBLIC: [Format; 6] =
    [Format::OneLine, Format::Certificate, Format::Rfc4716, Format::Spki, Format::Pkcs1Public, Format::Ssh1Public];

type Row = (&'static str, Format, bool, [Expected; 8]);

#[rustfmt::skip]
const TABLE: [Row; 27] = [
    //                                                        RSA DSA ECDSA Ed25519 Ed448 SK-ECDSA SK-Ed25519 SSH1
    ("openssh-key-v1",      Format::OpensshKeyV1, PLAIN,     [R,  R,  R,    R,      R,    R,       R,         N]),
    ("openssh-key-v1",      Format::OpensshKeyV1, ENCRYPTED, [R,  R,  R,    R,      R,    R,       R,         N]),
    ("openssh-public",      Format::OneLine,      PLAIN,     [R,  R,  R,    R,      R,    R,       R,         N]),
    ("openssh-certificate", Format::Certificate,  PLAIN,     [R,  R,  R,    R,      N,    R,       R,         N]),
    ("pem-pkcs1",           Format::Pkcs1,        PLAIN,     [R,  N,  N,    N,      N,    N,       N,         N]),
    ("pem-pkcs1",           Format::Pkcs1,        ENCRYPTED, [R,  N,  N,    N,      N,    N,       N,         N]),
    ("pem-pkcs1-public",    Format::Pkcs1Public,  PLAIN,     [R,  N,  N,    N,      N,    N,       N,         N]),
    ("pem-dsa",             Format::PemDsa,       PLAIN,     [N,  R,  N,    N,      N,    N,       N,         N]),
    ("pem-dsa",             Format::PemDsa,       ENCRYPTED, [N,  R,  N,    N,      N,    N,       N,         N]),
    ("pem-sec1",            Format::Sec1,         PLAIN,     [N,  N,  R,    N,      N,    N,       N,         N]),
    ("pem-sec1",            Format::Sec1,         ENCRYPTED, [N,  N,  R,    N,      N,    N,       N,         N]),
    ("pkcs8-pem",           Format::Pkcs8,        PLAIN,     [R,  R,  R,    R,      H,    N,       N,         N]),
    ("pkcs8-pem",           Format::Pkcs8,        ENCRYPTED, [R,  R,  R,    R,      H,    N,       N,         N]),
    ("pkcs8-der",           Format::Pkcs8,        PLAIN,     [R,  R,  R,    R,      H,    N,       N,         N]),
    ("spki-pem-public",     Format::Spki,         PLAIN,     [R,  R,  R,    R,      R,    N,       N,         N]),
    ("rfc4716-public",      Format::Rfc4716,      PLAIN,     [R,  R,  R,    R,      R,    R,       R,         N]),
    ("ppk-v2",              Format::Ppk2,         PLAIN,     [R,  R,  R,    R,      R,    N,       N,         N]),
    ("ppk-v2",              Format::Ppk2,         ENCRYPTED, [R,  R,  R,    R,      R,    N,       N,         N]),
    ("ppk-v3",              Format::Ppk3,         PLAIN,     [R,  R,  R,    R,      R,    N,       N,         N]),
    ("ppk-v3",              Format::Ppk3,         ENCRYPTED, [R,  R,  R,    R,      R,    N,       N,         N]),
    ("ssh.com-private",     Format::SshCom,       PLAIN,     [R,  R,  N,    N,      N,    N,       N,         N]),
    ("ssh.com-private",     Format::SshCom,       ENCRYPTED, [R,  R,  N,    N,      N,    N,       N,         N]),
    ("dropbear",            Format::Dropbear,     PLAIN,     [R,  R,  R,    R,      N,    N,       N,         N]),
    ("ssh1-rsa1",           Format::Ssh1,         PLAIN,     [N,  N,  N,    N,      N,    N,       N,         R]),
    ("ssh1-rsa1",           Format::Ssh1,         ENCRYPTED, [N,  N,  N,    N,      N,    N,       N,         R]),
    ("ssh1-public",         Format::Ssh1Public,   PLAIN,     [N,  N,  N,    N,      N,    N,       N,         R]),
    ("jwk",                 Format::OneLine,      PLAIN,     [J,  N,  J,    J,      N,    N,       N,         N]),
];

#[test]
fn each_cell_is_read_as_the_key_that_its_tool_says_it_is_or_refused_for_a_documented_reason() {
    let workshop = Workshop::new();
    let mut faults = Vec::new();
    for (container, format, encrypted, row) in TABLE {
        for (column, expected) in COLUMNS.into_iter().zip(row) {
            let what = format!("{container} {} {column:?}", if encrypted { "encrypted" } else { "plain" });
            let files = match expected {
                Expected::Nothing => continue,
                _ => workshop.files(container, encrypted, column),
            };
            assert!(!files.is_empty(), "{what}: no tool has made a file");
            let count = files.len();
            let found: Vec<String> = files
                .into_iter()
                .filter_map(|File { name, file, fingerprint }| match expected {
                    Expected::Refused(error, reason) => refusal_fault(&file, error, reason),
                    _ => {
                        let name = format!("{what}: {name}");
                        let private = !PUBLIC.contains(&format);
                        let cell = Cell { name, file, format, private, encrypted, fingerprint, comment: None };
                        cell.fault().or_else(|| passphrase_fault(&cell))
                    }
                })
                .collect();
            let how = if matches!(expected, Expected::Read) { "read" } else { "refused" };
            eprintln!("{what}: {} of {count} {how}", count - found.len());
            faults.extend(found);
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What is wrong with how a file is refused.
fn refusal_fault(file: &[u8], error: &str, reason: &str) -> Option<String> {
    assert!(include_str!("../../src/keys.rs").contains(reason), "{reason:?} is not in the documentation");
    let refused =
        KeyFile::decode(file, &Limits::default()).and_then(|file| file.private_key(Some(PASSPHRASE.as_bytes())));
    match refused {
        Err(refused @ Error::Unsupported { .. }) if refused.to_string().contains(error) => None,
        other => Some(format!("{error}: {other:?}")),
    }
}

/// What is wrong with how a file takes no passphrase and a wrong one.
fn passphrase_fault(cell: &Cell) -> Option<String> {
    let file = KeyFile::decode(&cell.file, &Limits::default()).ok()?;
    let expected = match (cell.private, cell.encrypted) {
        (false, _) => [Some(Error::IsPublic), Some(Error::IsPublic)],
        (true, false) => [None, None],
        (true, true) => [Some(Error::NeedsPassphrase), Some(Error::WrongPassphrase)],
    };
    let got = [file.private_key(None).err(), file.private_key(Some(b"wrong")).err()];
    (got != expected).then(|| format!("{}: {got:?}", cell.name))
}

/// A file that a tool has made, and the fingerprint that a tool gives to its key.
struct File {
    name: String,
    file: Vec<u8>,
    fingerprint: String,
}

/// Keys of each algorithm in the containers that the tools make the others from: `NAME` is openssh-key-v1, `NAME.pub` a
/// line, `NAME.ppk` PuTTY's, `NAME.pem` OpenSSL's.
struct Workshop(Folder);

impl Workshop {
    fn new() -> Self {
        let folder = Folder::with_keys(&["rsa1024", "rsa2048", "dsa", "ecdsa256", "ecdsa384", "ecdsa521", "ed25519"]);
        for name in ["rsa1024", "rsa2048", "dsa", "ecdsa256", "ecdsa384", "ecdsa521"] {
            let pem = format!("{name}.pem");
            folder.copy(name, &pem);
            folder.run("ssh-keygen", &["-q", "-p", "-P", "", "-N", "", "-m", "PEM", "-f", &pem]);
        }
        for name in ["ed25519", "ed448"] {
            folder.run("openssl", &["genpkey", "-algorithm", name, "-out", &format!("{name}.pem")]);
        }
        let puttygen = |args: &[&str]| folder.run("puttygen", &[args, &["--new-passphrase", "nopass"]].concat());
        puttygen(&["-t", "ed448", "-q", "-C", "goldilocks", "-o", "ed448.ppk"]);
        puttygen(&["ed448.ppk", "-O", "private-openssh-new", "-o", "ed448"]);
        folder.write("ed448.pub", folder.run("puttygen", &["-L", "ed448.ppk"]));
        for name in ["rsa1024", "rsa2048", "dsa", "ecdsa256", "ecdsa384", "ecdsa521", "ed25519"] {
            puttygen(&[name, "-O", "private", "-o", &format!("{name}.ppk")]);
        }
        for (name, of) in [("sk-ecdsa", "ecdsa256"), ("sk-ed25519", "ed25519")] {
            let body = security_key_file(&blob(&folder.read(&format!("{of}.pub"))));
            let lines = Base64::encode_string(&body);
            let lines = lines.as_bytes().chunks(70).map(|line| str::from_utf8(line).unwrap()).collect::<Vec<_>>();
            let label = "OPENSSH PRIVATE KEY";
            folder.write(name, format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")));
            folder.write(&format!("{name}.pub"), folder.run("ssh-keygen", &["-y", "-f", name]));
        }
        Self(folder)
    }

    fn names(column: Column) -> &'static [&'static str] {
        match column {
            Column::Rsa => &["rsa1024", "rsa2048"],
            Column::Dsa => &["dsa"],
            Column::Ecdsa => &["ecdsa256", "ecdsa384", "ecdsa521"],
            Column::Ed25519 => &["ed25519"],
            Column::Ed448 => &["ed448"],
            Column::SkEcdsa => &["sk-ecdsa"],
            Column::SkEd25519 => &["sk-ed25519"],
            Column::Rsa1 => &[],
        }
    }

    /// Everything that the tools make of a cell.
    fn files(&self, container: &str, encrypted: bool, column: Column) -> Vec<File> {
        if column == Column::Rsa1 {
            return self.version1(container, encrypted);
        }
        let mut files = Vec::new();
        for name in Self::names(column) {
            let mut add = |tool: &str, file: Vec<u8>, fingerprint: String| {
                files.push(File { name: format!("{name} by {tool}"), file, fingerprint });
            };
            let own = || self.fingerprint(&format!("{name}.pub"));
            let (pem, public) = (format!("{name}.pem"), format!("{name}.pub"));
            match container {
                "openssh-key-v1" if *name != "ed448" => {
                    add("ssh-keygen", self.again(name, &["-a", "2"], encrypted), own());
                    if !name.starts_with("sk-") {
                        add("puttygen", self.puttygen(name, "private-openssh-new", encrypted, &[]), own());
                    }
                }
                "openssh-key-v1" => add("puttygen", self.puttygen(name, "private-openssh-new", encrypted, &[]), own()),
                "openssh-public" => {
                    add("ssh-keygen", self.0.read(&public), own());
                    if !name.starts_with("sk-") {
                        add("puttygen", self.puttygen(name, "public-openssh", false, &[]), own());
                    }
                }
                "openssh-certificate" => {
                    for (tool, host) in [("ssh-keygen for users", &[][..]), ("ssh-keygen for hosts", &["-h"])] {
                        self.0.copy(&public, "it.pub");
                        let sign = ["-q", "-s", "ed25519", "-I", "a test", "-n", "mia"];
                        self.0.run("ssh-keygen", &[&sign[..], host, &["it.pub"]].concat());
                        add(tool, self.0.read("it-cert.pub"), self.fingerprint("it-cert.pub"));
                    }
                }
                "pem-pkcs1" | "pem-dsa" | "pem-sec1" => {
                    add("ssh-keygen", self.again(name, &["-m", "PEM"], encrypted), own());
                    add("puttygen", self.puttygen(name, "private-openssh", encrypted, &[]), own());
                }
                "pem-pkcs1-public" => {
                    add("ssh-keygen", self.0.run("ssh-keygen", &["-e", "-m", "PEM", "-f", name]).into(), own());
                    self.openssl(&["rsa", "-in", &pem, "-RSAPublicKey_out"]);
                    add("openssl", self.0.read("it"), own());
                }
                "pkcs8-pem" | "pkcs8-der" => {
                    let pass = format!("pass:{PASSPHRASE}");
                    let how = if encrypted { ["-passout", &pass] } else { ["-nocrypt", "-nocrypt"] };
                    let form = if container == "pkcs8-der" { "DER" } else { "PEM" };
                    self.openssl(&[&["pkcs8", "-topk8", "-in", &pem, "-outform", form], &how[..]].concat());
                    add("openssl", self.0.read("it"), self.fingerprint_by_openssl(&pem));
                }
                "spki-pem-public" => {
                    self.openssl(&["pkey", "-in", &pem, "-pubout"]);
                    add("openssl", self.0.read("it"), self.fingerprint_by_openssl(&pem));
                }
                "rfc4716-public" => {
                    if *name != "ed448" {
                        let file = self.0.run("ssh-keygen", &["-e", "-m", "RFC4716", "-f", &public]);
                        add("ssh-keygen", file.into(), own());
                    }
                    if !name.starts_with("sk-") {
                        add("puttygen", self.puttygen(name, "public", false, &[]), own());
                    }
                }
                "ppk-v2" => {
                    let file = self.puttygen(name, "private", encrypted, &["--ppk-param", "version=2"]);
                    add("puttygen", file, own());
                }
                "ppk-v3" => {
                    let file =
                        self.puttygen(name, "private", encrypted, &["--ppk-param", "version=3,memory=512,passes=2"]);
                    add("puttygen", file, own());
                }
                "ssh.com-private" => {
                    add("puttygen", self.puttygen(name, "private-sshcom", encrypted, &[]), own());
                }
                "dropbear" => {
                    // dropbearconvert of Debian 12 has no DSA any more.
                    if column != Column::Dsa {
                        self.0.run("dropbearconvert", &["openssh", "dropbear", name, "it"]);
                        add("dropbearconvert", self.0.read("it"), own());
                    }
                    let (file, fingerprint) = self.dropbearkey(name);
                    add("dropbearkey", file, fingerprint);
                }
                "jwk" => add("hand", json_web_key(&blob(&self.0.read(&public))).into(), own()),
                other => panic!("{other}"),
            }
        }
        files
    }

    /// ssh-keygen's file of a key, written anew.
    fn again(&self, name: &str, how: &[&str], encrypted: bool) -> Vec<u8> {
        self.0.copy(name, "it");
        let passphrase = if encrypted { PASSPHRASE } else { "" };
        self.0.run("ssh-keygen", &[&["-q", "-p", "-P", "", "-N", passphrase, "-f", "it"], how].concat());
        self.0.read("it")
    }

    /// puttygen refuses to write what it has read as it was: all is made from a file of another kind.
    fn puttygen(&self, name: &str, kind: &str, encrypted: bool, how: &[&str]) -> Vec<u8> {
        let ppk = format!("{name}.ppk");
        let from = if kind == "private" { name } else { &ppk };
        let passphrase = if encrypted { "pass" } else { "nopass" };
        self.0.run("puttygen", &[&[from, "-O", kind, "-o", "it", "--new-passphrase", passphrase], how].concat());
        self.0.read("it")
    }

    fn openssl(&self, args: &[&str]) {
        self.0.run("openssl", &[args, &["-out", "it"]].concat());
    }

    fn dropbearkey(&self, name: &str) -> (Vec<u8>, String) {
        let kind = match name {
            "dsa" => &["dss"][..],
            "rsa1024" => &["rsa", "-s", "1024"],
            "rsa2048" => &["rsa", "-s", "2048"],
            "ecdsa256" => &["ecdsa", "-s", "256"],
            "ecdsa384" => &["ecdsa", "-s", "384"],
            "ecdsa521" => &["ecdsa", "-s", "521"],
            other => &[other],
        };
        drop(std::fs::remove_file(self.0.path("dropbear")));
        self.0.run("dropbearkey", &[&["-f", "dropbear", "-t"], kind].concat());
        let said = self.0.run("dropbearkey", &["-y", "-f", "dropbear"]);
        let line = said.lines().find(|line| line.starts_with("ssh-") || line.starts_with("ecdsa-")).unwrap();
        self.0.write("line", line);
        (self.0.read("dropbear"), self.fingerprint("line"))
    }

    /// Keys of SSH version 1. puttygen's fingerprint for them is not a hash of what SSH sends now: openssl brings its numbers
    /// into a form that ssh-keygen reads.
    fn version1(&self, container: &str, encrypted: bool) -> Vec<File> {
        let made = |bits: &&str| {
            let passphrase = if encrypted { "pass" } else { "nopass" };
            self.0.run("puttygen", &["-t", "rsa1", "-b", bits, "-q", "-o", "it", "--new-passphrase", passphrase]);
            let line = self.0.run("puttygen", &["-L", "it"]);
            let numbers: Vec<&str> = line.split_whitespace().collect();
            let key = format!("asn1=SEQUENCE:key\n[key]\nn=INTEGER:{}\ne=INTEGER:{}\n", numbers[2], numbers[1]);
            self.0.write("numbers", key);
            self.0.run("openssl", &["asn1parse", "-genconf", "numbers", "-noout", "-out", "der"]);
            let spki = ["rsa", "-RSAPublicKey_in", "-inform", "DER", "-in", "der", "-pubout", "-out", "spki"];
            self.0.run("openssl", &spki);
            self.0.write("line", self.0.run("ssh-keygen", &["-i", "-m", "PKCS8", "-f", "spki"]));
            let file = if container == "ssh1-public" { line.into() } else { self.0.read("it") };
            File { name: format!("rsa1 {bits} by puttygen"), file, fingerprint: self.fingerprint("line") }
        };
        ["1024", "2048"].iter().map(made).collect()
    }

    /// What ssh-keygen says, or of Ed448, which it does not know, puttygen.
    fn fingerprint(&self, name: &str) -> String {
        if name.contains("ed448") {
            let said = self.0.run("puttygen", &["-l", "-E", "sha256", name]);
            return said.split_whitespace().find(|word| word.starts_with("SHA256:")).unwrap().to_owned();
        }
        self.0.fingerprint(name)
    }

    /// As [`Workshop::fingerprint`], of a file that only openssl reads: an Edwards curve's public half is the end of its SPKI.
    fn fingerprint_by_openssl(&self, pem: &str) -> String {
        let (algorithm, length) = match pem {
            "ed25519.pem" => ("ssh-ed25519", 32),
            "ed448.pem" => ("ssh-ed448", 57),
            _ => return self.fingerprint(&pem.replace(".pem", ".pub")),
        };
        self.0.run("openssl", &["pkey", "-in", pem, "-pubout", "-outform", "DER", "-out", "der"]);
        let der = self.0.read("der");
        let blob = [string(algorithm.as_bytes()), string(&der[der.len() - length..])].concat();
        let name = format!("{algorithm}.line");
        self.0.write(&name, format!("{algorithm} {} openssl\n", Base64::encode_string(&blob)));
        self.fingerprint(&name)
    }
}

/// What a line with a key has in base64.
fn blob(line: &[u8]) -> Vec<u8> {
    let line = str::from_utf8(line).unwrap();
    Base64::decode_vec(line.split_whitespace().nth(1).unwrap()).unwrap()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// The public key of a blob as RFC 7517 has it.
fn json_web_key(mut blob: &[u8]) -> String {
    let mut next = || {
        let (length, rest) = blob.split_first_chunk().unwrap();
        let (string, rest) = rest.split_at(usize::try_from(u32::from_be_bytes(*length)).unwrap());
        blob = rest;
        string
    };
    let digits = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
    match next() {
        b"ssh-rsa" => {
            let (e, n) = (next(), next());
            format!(r#"{{"kty":"RSA","n":"{}","e":"{}"}}"#, digits(&n[1..]), digits(e))
        }
        b"ssh-ed25519" => format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, digits(next())),
        _ => {
            let (curve, point) = (next(), next());
            let (x, y) = point[1..].split_at(point.len() / 2);
            let curve = str::from_utf8(curve).unwrap().replace("nistp", "P-");
            format!(r#"{{"kty":"EC","crv":"{curve}","x":"{}","y":"{}"}}"#, digits(x), digits(y))
        }
    }
}
