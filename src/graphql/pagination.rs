//! Relay's connections: <https://relay.dev/graphql/connections.htm>.

use crate::graphql::errors::{ApiError, ApiResult};
use crate::graphql::types::event::Event;
use crate::graphql::types::seat::Seat;
use crate::graphql::types::seat_history::SeatHistoryEntry;
use crate::graphql::types::venue::Venue;
use crate::model::page_cursor;
use async_graphql::{OutputType, SimpleObject};

/// Nodes on a page when the client does not say.
pub(super) const DEFAULT_PAGE: usize = 20;

/// A page of a list.
#[derive(SimpleObject)]
#[graphql(
    concrete(name = "VenueConnection", params(Venue)),
    concrete(name = "EventConnection", params(Event)),
    concrete(name = "SeatConnection", params(Seat)),
    concrete(name = "SeatHistoryConnection", params(SeatHistoryEntry))
)]
pub(super) struct Connection<Node: OutputType>
where
    Edge<Node>: OutputType,
{
    /// The objects of this page, each with its place in the list.
    edges: Vec<Edge<Node>>,
    /// The objects of this page.
    nodes: Vec<Node>,
    /// Whether there is more, and where it goes on.
    page_info: PageInfo,
}

/// Where a page is in its list.
#[derive(SimpleObject)]
struct PageInfo {
    /// Whether the list has more before this page.
    has_previous_page: bool,
    /// Whether the list has more after this page.
    has_next_page: bool,
    /// The place of the first object; null on an empty page.
    start_cursor: Option<String>,
    /// The place of the last object: pass it on as `after` for the next page;
    /// null on an empty page.
    end_cursor: Option<String>,
}

/// An object of a list, with its place.
#[derive(SimpleObject)]
#[graphql(
    concrete(name = "VenueEdge", params(Venue)),
    concrete(name = "EventEdge", params(Event)),
    concrete(name = "SeatEdge", params(Seat)),
    concrete(name = "SeatHistoryEdge", params(SeatHistoryEntry))
)]
pub(super) struct Edge<Node: OutputType> {
    /// Its place in the list: pass it on as `after` for what follows.
    cursor: String,
    /// The object.
    node: Node,
}

/// Which page of a list is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageRequest<'list> {
    /// Which list: its cursors are good for no other.
    list: &'list str,
    /// Nodes on the page.
    pub(super) first: usize,
    /// The key after which it starts.
    pub(super) after: Option<i64>,
}

impl<'list> PageRequest<'list> {
    /// Reads the arguments `first` and `after` of a list whose pages have at
    /// most `max` nodes.
    pub(super) fn new(
        list: &'list str,
        first: Option<i32>,
        after: Option<&str>,
        max: usize,
    ) -> ApiResult<Self> {
        let first = first.map_or(Some(DEFAULT_PAGE), |first| usize::try_from(first).ok());
        let first = first
            .filter(|first| *first <= max)
            .ok_or_else(|| ApiError::bad_input("first", format!("must be from 0 to {max}")))?;
        let after = after
            .map(|after| page_cursor::decode(list, after))
            .transpose()
            .map_err(|error| ApiError::bad_input("after", error))?;
        Ok(Self { list, first, after })
    }

    /// How many rows to read: one more than the page has, to know whether
    /// there is a next one.
    pub(super) fn limit(&self) -> i64 {
        i64::try_from(self.first).unwrap_or(i64::MAX - 1) + 1
    }

    /// The page of these rows, of which there may be one more than it has.
    pub(super) fn connection<Row, Node: OutputType + Clone>(
        &self,
        rows: Vec<Row>,
        key: impl Fn(&Row) -> i64,
        node: impl Fn(Row) -> Node,
    ) -> Connection<Node>
    where
        Edge<Node>: OutputType,
    {
        let has_next_page = rows.len() > self.first;
        let edges: Vec<_> = rows
            .into_iter()
            .take(self.first)
            .map(|row| Edge {
                cursor: page_cursor::encode(self.list, key(&row)),
                node: node(row),
            })
            .collect();
        Connection {
            nodes: edges.iter().map(|edge| edge.node.clone()).collect(),
            page_info: PageInfo {
                has_previous_page: self.after.is_some(),
                has_next_page,
                start_cursor: edges.first().map(|edge| edge.cursor.clone()),
                end_cursor: edges.last().map(|edge| edge.cursor.clone()),
            },
            edges,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_bounded_both_ways() {
        assert_eq!(
            PageRequest::new("seats:1", None, None, 100).unwrap().first,
            DEFAULT_PAGE
        );
        let page = PageRequest::new("seats:1", Some(100), None, 100);
        assert_eq!(page.unwrap().first, 100);
        for bad in [-1, 101, i32::MIN, i32::MAX] {
            let page = PageRequest::new("seats:1", Some(bad), None, 100);
            assert!(page.is_err(), "{bad}");
        }
    }

    #[test]
    fn a_cursor_survives_and_a_broken_one_is_refused() {
        let text = page_cursor::encode("seats:1", 42);
        assert_eq!(
            PageRequest::new("seats:1", None, Some(&text), 100)
                .unwrap()
                .after,
            Some(42)
        );
        let of_another_list = page_cursor::encode("seats:2", 42);
        for bad in ["", "42", "!", &text[1..], &of_another_list] {
            let page = PageRequest::new("seats:1", None, Some(bad), 100);
            assert!(page.is_err(), "{bad}");
        }
    }
}
