//! The page as the cloud serves it: built, embedded, cached for as long as it may be.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{LIVENESS, World};

struct Served {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Served {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

async fn ask(world: &World, method: &str, path: &str, headers: &[(&str, &str)]) -> Served {
    let host = world.cloud.local_addr();
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    let exchange = async {
        let mut stream = TcpStream::connect(host).await.unwrap();
        stream.write_all(format!("{request}\r\n").as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        bytes
    };
    let bytes = tokio::time::timeout(LIVENESS, exchange).await.unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    Served { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head, body: bytes[end + 4..].to_vec() }
}

/// What the page names between `before` and a quotation mark.
fn named<'a>(page: &'a str, before: &str) -> &'a str {
    let (_, rest) = page.split_once(before).unwrap_or_else(|| panic!("no {before} in {page}"));
    rest.split('"').next().unwrap()
}

#[tokio::test]
async fn every_path_that_is_not_the_apis_is_the_page() {
    let world = World::new().await;
    for path in ["/", "/devices/42/control?op=7", "/connect/1/2", "/nowhere/at/all"] {
        let page = ask(&world, "GET", path, &[]).await;
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")), "{path}");
        assert!(page.text().contains("<script type=\"module\""), "{path}");
        assert_eq!(page.header("cache-control"), Some("no-cache"));
    }
    assert!(ask(&world, "HEAD", "/", &[]).await.body.is_empty());

    for (method, path) in
        [("GET", "/api/v1/nowhere"), ("GET", "/api/"), ("POST", "/devices"), ("GET", "/assets/main-OLD.js")]
    {
        let refused = ask(&world, method, path, &[]).await;
        assert_eq!(refused.status, 404, "{method} {path}");
        assert!(refused.text().contains("\"not-found\""), "{method} {path}");
    }
}

#[tokio::test]
async fn what_the_page_names_is_there_and_may_be_kept_for_ever() {
    let world = World::new().await;
    let page = ask(&world, "GET", "/", &[]).await;
    let script = named(page.text(), "<script type=\"module\" src=\"");
    let style = named(page.text(), "<link rel=\"stylesheet\" href=\"");
    for (path, kind) in [(script, "text/javascript; charset=utf-8"), (style, "text/css; charset=utf-8")] {
        let plain = ask(&world, "GET", path, &[]).await;
        assert_eq!((plain.status, plain.header("content-type")), (200, Some(kind)), "{path}");
        assert_eq!(plain.header("cache-control"), Some("public, max-age=31536000, immutable"));
        assert_eq!(plain.header("content-encoding"), None);
        for (accepted, encoding) in [("gzip, deflate, br", "br"), ("gzip", "gzip"), ("br;q=0, gzip", "gzip")] {
            let packed = ask(&world, "GET", path, &[("accept-encoding", accepted)]).await;
            assert_eq!(packed.header("content-encoding"), Some(encoding), "{path}");
            assert_eq!(packed.header("vary"), Some("accept-encoding"));
            assert!(packed.body.len() < plain.body.len() / 2, "{path}: {encoding}");
        }
    }
}

#[tokio::test]
async fn a_page_that_has_not_changed_is_not_sent_again() {
    let world = World::new().await;
    let first = ask(&world, "GET", "/", &[]).await;
    let tag = first.header("etag").unwrap();

    let again = ask(&world, "GET", "/devices", &[("if-none-match", tag)]).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(again.header("etag"), Some(tag));
    assert_eq!(ask(&world, "GET", "/", &[("if-none-match", "W/\"other\"")]).await.status, 200);
}

#[tokio::test]
async fn the_page_runs_nothing_from_elsewhere_and_stands_in_nobodys_frame() {
    let world = World::new().await;
    let page = ask(&world, "GET", "/", &[]).await;
    let policy = page.header("content-security-policy").unwrap();
    for part in
        ["default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "object-src 'none'"]
    {
        assert!(policy.split("; ").any(|found| found == part), "{policy}");
    }
    assert!(!policy.contains("script-src") && !policy.contains("unsafe-eval"), "{policy}");
    for (name, value) in
        [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("referrer-policy", "no-referrer")]
    {
        assert_eq!(page.header(name), Some(value));
    }
    assert!(!page.text().contains("<script>") && !page.text().contains("//"), "{}", page.text());
}
