//! The pages and their assets, embedded in the binary. Nothing is loaded from
//! another host.

use crate::http::execution::run_to_the_end;
use crate::http::representation::{Encoding, Kept, Representation, Unmade};
use crate::model::causes::in_full;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tokio_util::task::TaskTracker;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/web"]
struct Web;

/// The folder of the playground, and the icon in it, which belongs to all pages.
const PLAYGROUND: &str = "graphiql/";
const ICON: &str = "graphiql/favicon.svg";
/// What of the page at `/` is about the playground stands between these.
const ABOUT_PLAYGROUND: (&str, &str) = ("<!--graphiql-->", "<!--/graphiql-->");

/// Revalidated every time, so that an upgrade of usher is seen at once; the tag is a hash of
/// the content, so that an unchanged file is not sent again.
const REVALIDATED: &str = "no-cache";

/// What is sent of the files, by the hash of what is in them; a clone is the same.
#[derive(Clone)]
pub struct Files {
    kept: Kept<[u8; 32]>,
    /// Counts what the server waits for before it exits.
    tracker: TaskTracker,
}

impl Files {
    /// Nothing has been sent yet.
    pub fn new(tracker: TaskTracker) -> Self {
        let kept = Kept::new();
        Self { kept, tracker }
    }

    /// Goes on to the end even if the client leaves: others may wait for the same, and who
    /// asks and leaves again and again makes no work again.
    async fn make(
        &self,
        hash: [u8; 32],
        encoding: Encoding,
        file: EmbeddedFile,
    ) -> Result<Arc<Representation>, Unmade> {
        let kept = self.kept.clone();
        let work = async move {
            let plain = Representation::of(move || Ok(file.data.into_owned()));
            kept.make(hash, encoding, plain).await
        };
        let made = run_to_the_end(&self.tracker, work).await;
        made.unwrap_or(Err(Unmade::Lost))
    }
}

/// The page at `/`.
pub async fn home(State(files): State<Files>, headers: HeaderMap) -> Response {
    serve(&files, "index.html", headers).await
}

/// The page at `/` where there is no playground.
pub async fn home_without_playground(State(files): State<Files>, headers: HeaderMap) -> Response {
    match Web::get("index.html") {
        Some(mut page) => {
            let cut = without_playground(&String::from_utf8_lossy(&page.data));
            // It is another one than what its hash is of.
            let hash = Sha256::digest(&cut).into();
            page.data = cut.into_bytes().into();
            answer(&files, "index.html", hash, page, headers).await
        }
        None => not_found(),
    }
}

/// What the pages load where there is no playground.
pub async fn asset_without_playground(
    State(files): State<Files>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Response {
    if path.starts_with(PLAYGROUND) && path != ICON {
        return not_found();
    }
    serve(&files, &path, headers).await
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
pub async fn icon(State(files): State<Files>, headers: HeaderMap) -> Response {
    serve(&files, ICON, headers).await
}

/// GraphiQL.
pub async fn graphiql(State(files): State<Files>, headers: HeaderMap) -> Response {
    serve(&files, "graphiql/index.html", headers).await
}

/// Everything that the pages load.
pub async fn asset(
    State(files): State<Files>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Response {
    serve(&files, &path, headers).await
}

/// What GraphiQL loads.
pub async fn graphiql_asset(
    State(files): State<Files>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Response {
    serve(&files, &format!("graphiql/{path}"), headers).await
}

async fn serve(files: &Files, path: &str, headers: HeaderMap) -> Response {
    // Only what is listed: a debug build reads the folder itself, and would follow
    // a path out of it to any symbolic link.
    let listed = Web::iter().any(|listed| listed == path);
    match listed.then(|| Web::get(path)).flatten() {
        Some(file) => answer(files, path, file.metadata.sha256_hash(), file, headers).await,
        None => not_found(),
    }
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "there is no such page\n").into_response()
}

async fn answer(
    files: &Files,
    path: &str,
    hash: [u8; 32],
    file: EmbeddedFile,
    headers: HeaderMap,
) -> Response {
    let content_type = content_type(path, &file);
    let encoding = if is_worth_compressing(&content_type) {
        // Whoever takes nothing that there is gets it as it is.
        Encoding::negotiate(&headers).unwrap_or(Encoding::Identity)
    } else {
        Encoding::Identity
    };
    let found = match files.kept.get(&hash, encoding) {
        Some(found) => Ok(found),
        None => files.make(hash, encoding, file).await,
    };
    match found {
        Ok(found) => found.answer(&headers, &content_type, REVALIDATED),
        Err(failure) => {
            tracing::error!(error = in_full(&failure), path, "a file cannot be sent");
            let message = "something went wrong on the server; it has been logged\n";
            (StatusCode::INTERNAL_SERVER_ERROR, message).into_response()
        }
    }
}

fn is_worth_compressing(content_type: &str) -> bool {
    let is_text = content_type.starts_with("text/");
    is_text
        || ["javascript", "json", "svg+xml"]
            .iter()
            .any(|kind| content_type.contains(kind))
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
