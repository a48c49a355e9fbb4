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

/// The page at `/`.
pub async fn home(headers: HeaderMap) -> Response {
    serve("index.html", &headers)
}

/// The icon, where browsers look for it when no page names one: they do for `/metrics`.
pub async fn icon(headers: HeaderMap) -> Response {
    serve("graphiql/favicon.svg", &headers)
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
    let Some(file) = listed.then(|| Web::get(path)).flatten() else {
        return (StatusCode::NOT_FOUND, "there is no such page\n").into_response();
    };
    // Revalidated every time, so that an upgrade of usher is seen at once; the
    // tag is the content's hash, so that an unchanged file is not sent again.
    let tag = format!(
        "\"{}\"",
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
