//! What browsers load: the pages, every file that they name, and the headers
//! that keep them to this host. Its folder has what machines ask: health,
//! readiness and metrics.

mod health;
mod metrics;

use crate::support::encoded::decoded;
use crate::support::{House, PATIENCE};
use reqwest::{Client, Method, Response};
use std::collections::BTreeSet;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// All that a page may do.
const CONTENT_SECURITY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGES: [&str; 2] = ["/", "/graphiql"];

async fn get(house: &House, path: &str) -> Response {
    ask(house, Method::GET, path).await
}

async fn ask(house: &House, method: Method, path: &str) -> Response {
    let request = Client::new().request(method, format!("{}{path}", house.url));
    request.send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

/// The paths of this host that a page or a file names: in attributes, and in
/// strings of its scripts and styles.
fn paths_in(text: &str) -> BTreeSet<String> {
    let is_part_of_path = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let quoted = text.split(['"', '\'', '`', '(', ')']);
    quoted
        .filter(|part| part.starts_with('/') && part.chars().all(is_part_of_path))
        .filter(|part| Path::new(part).extension().is_some())
        .map(ToOwned::to_owned)
        .collect()
}

/// Every file that the pages load, and what the files themselves name.
async fn files_of_pages(house: &House) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut to_read: Vec<String> = PAGES.map(ToOwned::to_owned).into();
    while let Some(path) = to_read.pop() {
        if path.contains("/vendor/") {
            continue;
        }
        let text = get(house, &path).await.text().await.unwrap();
        for path in paths_in(&text) {
            if found.insert(path.clone()) {
                to_read.push(path);
            }
        }
    }
    // The script of GraphiQL makes these names itself.
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/graphiql/examples");
    for example in std::fs::read_dir(examples).unwrap() {
        let name = example.unwrap().file_name();
        found.insert(format!("/graphiql/examples/{}", name.to_str().unwrap()));
    }
    found
}

#[tokio::test]
async fn the_pages_are_served_under_their_policy() {
    let house = House::open().await;
    for path in PAGES {
        let page = get(&house, path).await;
        assert_eq!(page.status(), 200);
        assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
        assert_eq!(header(&page, "content-security-policy"), CONTENT_SECURITY);
        assert_eq!(header(&page, "x-content-type-options"), "nosniff");
        assert_eq!(header(&page, "x-frame-options"), "DENY");
        assert_eq!(header(&page, "referrer-policy"), "no-referrer");
        let text = page.text().await.unwrap();
        assert!(text.to_lowercase().starts_with("<!doctype html>"), "{text}");
    }
}

#[tokio::test]
async fn every_file_that_a_page_names_is_there() {
    let house = House::open().await;
    let files = files_of_pages(&house).await;
    for known in [
        "/home.js",
        "/home.css",
        "/graphiql/graphiql-page.js",
        "/graphiql/graphiql-page.css",
        "/graphiql/vendor/graphiql.min.js",
        "/graphiql/favicon.svg",
        "/graphiql/examples/subscribe.graphql",
    ] {
        assert!(files.contains(known), "{known} is not among {files:#?}");
    }
    for path in files {
        let file = get(&house, &path).await;
        assert_eq!(file.status(), 200, "{path}");
        let content_type = match path.rsplit_once('.').unwrap().1 {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            "png" => "image/png",
            "graphql" => "text/plain; charset=utf-8",
            other => panic!("which content type has {other}?"),
        };
        assert_eq!(header(&file, "content-type"), content_type, "{path}");
        assert_eq!(header(&file, "x-content-type-options"), "nosniff");
        assert_eq!(header(&file, "content-security-policy"), CONTENT_SECURITY);
        assert!(!file.bytes().await.unwrap().is_empty(), "{path} is empty");
    }
}

#[tokio::test]
async fn both_pages_have_the_icon_and_so_has_what_is_no_page() {
    let house = House::open().await;
    for path in PAGES {
        let page = get(&house, path).await.text().await.unwrap();
        let link = r#"<link rel="icon" href="/graphiql/favicon.svg" type="image/svg+xml">"#;
        assert!(page.contains(link), "{path}");
    }
    // What browsers ask for when they show `/healthz` or `/metrics`.
    let icon = get(&house, "/favicon.ico").await;
    assert_eq!(icon.status(), 200);
    assert_eq!(header(&icon, "content-type"), "image/svg+xml");
}

/// At 1280 pixels, GraphiQL cuts off what is longer, and people read comments.
#[test]
fn comments_of_the_examples_are_short() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/graphiql/examples");
    for example in std::fs::read_dir(examples).unwrap() {
        let path = example.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# "), "{} says nothing", path.display());
        for line in text.lines().filter(|line| line.starts_with('#')) {
            let length = line.chars().count();
            assert!(length <= 46, "{length}: {line:?} in {}", path.display());
        }
    }
}

#[tokio::test]
async fn what_a_browser_has_already_is_not_sent_again() {
    let house = House::open().await;
    for path in ["/", "/graphiql", "/graphiql/graphiql-page.js"] {
        let first = get(&house, path).await;
        let tag = header(&first, "etag").to_owned();
        assert!(tag.starts_with('"') && tag.len() > 20, "{tag}");
        assert_eq!(header(&first, "cache-control"), "no-cache");
        let again = async |known: String| {
            let request = Client::new()
                .get(format!("{}{path}", house.url))
                .header("if-none-match", known);
            request.send().await.unwrap()
        };
        for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}")] {
            let unchanged = again(known).await;
            assert_eq!(unchanged.status(), 304);
            assert_eq!(header(&unchanged, "etag"), tag);
            assert_eq!(unchanged.bytes().await.unwrap().len(), 0);
        }
        let changed = again("\"of-an-older-usher\"".to_owned()).await;
        assert_eq!(changed.status(), 200);
    }
}

/// What is compressed as it goes out has no length yet.
#[tokio::test]
async fn pages_are_compressed_once_and_each_encoding_has_its_tag() {
    let house = House::open().await;
    let path = "/graphiql/vendor/graphiql.min.js";
    let plain = get(&house, path).await;
    let mut tags = vec![header(&plain, "etag").to_owned()];
    let plain = plain.bytes().await.unwrap();
    for encoding in ["gzip", "br", "zstd"] {
        let request = Client::new()
            .get(format!("{}{path}", house.url))
            .header("accept-encoding", encoding);
        let encoded = request.send().await.unwrap();
        assert_eq!(header(&encoded, "content-encoding"), encoding);
        assert_eq!(header(&encoded, "vary"), "accept-encoding");
        tags.push(header(&encoded, "etag").to_owned());
        let length: usize = header(&encoded, "content-length").parse().unwrap();
        let body = encoded.bytes().await.unwrap();
        assert_eq!(body.len(), length);
        assert!(length < plain.len() / 2, "{length}");
        assert_eq!(decoded(encoding, &body).await, plain);
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 4, "{tags:?}");
}

/// The policy would stop it in a browser; but nothing should try.
#[test]
fn no_file_of_ours_loads_anything_from_another_host() {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
    let mut folders = vec![web];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let ending = path.extension().and_then(|ending| ending.to_str());
            if path.is_dir() && !path.ends_with("vendor") {
                folders.push(path);
            } else if matches!(ending, Some("html" | "js" | "css")) {
                let text = std::fs::read_to_string(&path).unwrap();
                // What is only shown, such as a command line, stands after a space.
                for (start, address) in ["http://", "https://", "ws://", "wss://", "//"]
                    .iter()
                    .flat_map(|address| ['"', '\'', '`', '(', '='].map(|start| (start, address)))
                {
                    let load = format!("{start}{address}");
                    assert!(!text.contains(&load), "{load} in {}", path.display());
                }
                seen += 1;
            }
        }
    }
    assert!(seen >= 4, "only {seen} files were looked at");
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let house = House::open().await;
    for path in [
        "/nothing",
        "/graphiql/nothing.js",
        "/graphiql/",
        "/index.html/",
        "/graphql/",
        "/graphiql/vendor",
    ] {
        let missing = get(&house, path).await;
        assert_eq!(missing.status(), 404, "{path}");
        assert_eq!(
            header(&missing, "content-security-policy"),
            CONTENT_SECURITY
        );
    }
}

/// Every spelling that has led out of some server's folder: what lies there is a
/// file, and a symbolic link, which is the harder one to notice.
#[tokio::test]
async fn no_path_leads_out_of_the_folder() {
    let house = House::open().await;
    for path in [
        "/../Cargo.toml",
        "/..%2fCargo.toml",
        "/..%2f..%2fCargo.toml",
        "/%2e%2e/Cargo.toml",
        "/%2e%2e%2fCargo.toml",
        "/graphiql/../../Cargo.toml",
        "/graphiql/..%2f..%2fCargo.toml",
        "/graphiql/%2e%2e/%2e%2e/Cargo.toml",
        "/..%5cCargo.toml",
        "/graphiql/..%5c..%5cCargo.toml",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/%2fproc%2fself%2fexe",
        "//proc/self/exe",
        "/graphiql/%2fproc%2fself%2fexe",
        "/index.html%00",
    ] {
        let address = house.running.address;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = [0; 12];
        let reading = stream.read_exact(&mut head);
        timeout(PATIENCE, reading).await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&head), "HTTP/1.1 404", "{path}");
    }
}

#[tokio::test]
async fn a_page_is_only_read() {
    let house = House::open().await;
    let brew = Method::from_bytes(b"BREW").unwrap();
    for path in ["/", "/graphiql", "/graphiql/favicon.svg", "/healthz"] {
        for method in [Method::POST, Method::PUT, Method::DELETE, brew.clone()] {
            let refused = ask(&house, method, path).await;
            assert_eq!(refused.status(), 405, "{path}");
            assert_eq!(header(&refused, "allow"), "GET,HEAD");
        }
        let whole = get(&house, path).await;
        let head = ask(&house, Method::HEAD, path).await;
        assert_eq!(head.status(), 200);
        for name in ["content-type", "etag"] {
            assert_eq!(header(&head, name), header(&whole, name), "{path}");
        }
        assert_eq!(head.bytes().await.unwrap().len(), 0);
        assert!(!whole.bytes().await.unwrap().is_empty());
    }
}
