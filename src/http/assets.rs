//! The pages and their assets, embedded in the binary. Nothing is loaded from
//! another host.

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/web"]
struct Web;

/// The folder of the playground, and the icon in it, which belongs to all pages.
const PLAYGROUND: &str = "graphiql/";
const ICON: &str = "graphiql/favicon.svg";
/// What of the page at `/` is about the playground stands between these.
const ABOUT_PLAYGROUND: (&str, &str) = ("<!--graphiql-->", "<!--/graphiql-->");

/// The page at `/`.
pub async fn home(headers: HeaderMap) -> Response {
    serve("index.html", &headers)
}

/// The page at `/` where there is no playground.
pub async fn home_without_playground(headers: HeaderMap) -> Response {
    match Web::get("index.html") {
        Some(mut page) => {
            page.data = without_playground(&String::from_utf8_lossy(&page.data))
                .into_bytes()
                .into();
            // The page is another one than what its hash is of.
            answer("index.html", "without-", page, &headers)
        }
        None => not_found(),
    }
}

/// What the pages load where there is no playground.
pub async fn asset_without_playground(Path(path): Path<String>, headers: HeaderMap) -> Response {
    if path.starts_with(PLAYGROUND) && path != ICON {
        return not_found();
    }
    serve(&path, &headers)
}

fn without_playground(page: &str) -> String {
    let (begin, end) = ABOUT_PLAYGROUND;
    let mut parts = page.split(begin);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |page, part| {
        page + part.split_once(end).map_or("", |(_, rest)| rest)
    })
}

/// The icon, where browsers look for it when no page names one: they do for `/metrics`.
pub async fn icon(headers: HeaderMap) -> Response {
    serve(ICON, &headers)
}

/// GraphiQL.
pub async fn graphiql(headers: HeaderMap) -> Response {
    serve("graphiql/index.html", &headers)
}

/// Everything that the pages load.
pub async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    serve(&path, &headers)
}

/// What GraphiQL loads.
pub async fn graphiql_asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    serve(&format!("graphiql/{path}"), &headers)
}

fn serve(path: &str, headers: &HeaderMap) -> Response {
    // Only what is listed: a debug build reads the folder itself, and would follow
    // a path out of it to any symbolic link.
    let listed = Web::iter().any(|listed| listed == path);
    match listed.then(|| Web::get(path)).flatten() {
        Some(file) => answer(path, "", file, headers),
        None => not_found(),
    }
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "there is no such page\n").into_response()
}

fn answer(path: &str, variant: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    // Revalidated every time, so that an upgrade of usher is seen at once; the
    // tag is the content's hash, so that an unchanged file is not sent again.
    let tag = format!(
        "\"{variant}{}\"",
        URL_SAFE_NO_PAD.encode(file.metadata.sha256_hash())
    );
    let unchanged = headers
        .get(IF_NONE_MATCH)
        .and_then(|tags| tags.to_str().ok())
        .is_some_and(|tags| tags.contains(&tag));
    let caching = [(ETAG, tag), (CACHE_CONTROL, "no-cache".to_owned())];
    if unchanged {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let content_type = content_type(path, &file);
    (caching, [(CONTENT_TYPE, content_type)], file.data).into_response()
}

fn content_type(path: &str, file: &EmbeddedFile) -> String {
    // Licences and examples have no ending that anybody knows.
    match mime_guess::from_path(path).first() {
        Some(mime) if mime.type_() == "text" => format!("{mime}; charset=utf-8"),
        Some(mime) => mime.to_string(),
        None if std::str::from_utf8(&file.data).is_ok() => "text/plain; charset=utf-8".to_owned(),
        None => "application/octet-stream".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_whole_without_the_playground() {
        let page = "<a><!--graphiql--><b><!--/graphiql--><c><!--graphiql--><d><!--/graphiql-->e";
        assert_eq!(without_playground(page), "<a><c>e");
        let home = Web::get("index.html").unwrap();
        let home = String::from_utf8_lossy(&home.data);
        let cut = without_playground(&home);
        assert!(home.contains("href=\"/graphiql\"") && cut.ends_with("</html>\n"));
        assert!(
            !cut.replace(ICON, "").to_lowercase().contains("graphiql"),
            "{cut}"
        );
    }
}
