//! Headers that list several things.

use axum::http::{HeaderMap, HeaderName};

/// What a header lists, separated by commas, in one line or in several. A line that is no
/// text is as if it were not there.
pub fn listed(headers: &HeaderMap, header: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}
