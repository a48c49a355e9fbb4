//! The rows of a plan: who sits beside whom, and where the best of a zone is.
//! All of it follows from the seats of a plan and is nowhere stored.

use crate::model::ids::SeatNo;
use crate::model::seating_plan::PlanSeat;
use std::collections::BTreeMap;

/// A gap more than this many times as wide as is usual in the zone is an aisle.
/// Seats of one row stand about evenly, a place for a wheelchair is half a seat
/// wider, and an aisle is at least a seat wide.
const AISLE: f64 = 1.6;

/// A place in the drawing, in plan units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// From the left.
    pub x: f64,
    /// From the top.
    pub y: f64,
}

/// A row that has seats.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its place among all rows of the plan, as in
    /// [`PlanRow::index`](crate::model::seating_plan::PlanRow::index).
    pub index: usize,
    /// Index into the plan's zones.
    pub zone: usize,
    /// Its seats from one end to the other, cut where an aisle is: those that
    /// follow one another in a block are neighbours.
    pub blocks: Vec<Vec<RowSeat>>,
}

/// What matters of a seat to those who sit beside it. It is here once more
/// because a search reads every seat of a house, and reads these many times as
/// fast as those of the plan with their texts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowSeat {
    /// Which seat it is.
    pub seat_no: SeatNo,
    /// Index into the plan's categories.
    pub category: usize,
    /// Whether it is a place for wheelchair users.
    pub accessible: bool,
    /// Its centre.
    pub at: Point,
}

/// Where the seats of a zone are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ZoneGeometry {
    /// What the zone's best seats are nearest to: the middle of its first row,
    /// which is the mean of that row's seats. A plan names the rows of a zone
    /// from the stage on, so this is where one sees best, whichever way the zone
    /// faces.
    pub focal_point: Point,
    /// From one seat to the next, as it is usual in the zone: the median.
    pub seat_width: f64,
}

impl Point {
    /// How far it is to the other one, in plan units.
    pub fn distance(self, other: Self) -> f64 {
        // Several times as fast as hypot, whose care for huge numbers and tiny
        // ones a drawing does not need.
        let (x, y) = (self.x - other.x, self.y - other.y);
        (x * x + y * y).sqrt()
    }

    /// Halfway to the other one.
    #[must_use]
    pub fn halfway(self, other: Self) -> Self {
        Self {
            x: f64::midpoint(self.x, other.x),
            y: f64::midpoint(self.y, other.y),
        }
    }
}

/// The rows of a plan with these seats, by their index, and the geometry of
/// each zone that has rows.
pub(super) fn arrange(seats: &[PlanSeat]) -> (Vec<Row>, BTreeMap<usize, ZoneGeometry>) {
    let mut rows: BTreeMap<usize, (usize, Vec<RowSeat>)> = BTreeMap::new();
    for (seat_no, seat) in (0..).zip(seats) {
        if let Some(row) = &seat.row {
            let (_, row) = rows
                .entry(row.index)
                .or_insert_with(|| (seat.zone, Vec::new()));
            row.push(RowSeat {
                seat_no,
                category: seat.category,
                accessible: seat.accessible,
                at: Point {
                    x: seat.x.unwrap_or_default(),
                    y: seat.y.unwrap_or_default(),
                },
            });
        }
    }
    for (_, row) in rows.values_mut() {
        sort_along(row);
    }
    let geometries = geometries(rows.values());
    let rows = rows
        .into_iter()
        .map(|(index, (zone, row))| {
            let seat_width = geometries.get(&zone).map(|zone| zone.seat_width);
            let widest = AISLE * seat_width.unwrap_or(f64::INFINITY);
            let blocks = row
                .chunk_by(|a, b| a.at.distance(b.at) <= widest)
                .map(<[RowSeat]>::to_vec)
                .collect();
            Row {
                index,
                zone,
                blocks,
            }
        })
        .collect();
    (rows, geometries)
}

/// Brings the seats of a row into the order in which they stand: along the line
/// between the two that are farthest apart. Where that makes no shorter way from
/// seat to seat than the plan's own order, this one stays: it alone knows how
/// the chairs around a table and a row bent beyond a half circle go on.
fn sort_along(row: &mut Vec<RowSeat>) {
    let farthest_from = |from: Point| {
        let distance = |seat: &&RowSeat| seat.at.distance(from);
        let by_distance = |a: &&RowSeat, b: &&RowSeat| distance(a).total_cmp(&distance(b));
        row.iter().max_by(by_distance).map(|seat| seat.at)
    };
    let start = row.first().and_then(|seat| farthest_from(seat.at));
    let Some((start, end)) = start.and_then(|start| Some((start, farthest_from(start)?))) else {
        return;
    };
    let along = |seat: &RowSeat| {
        (seat.at.x - start.x) * (end.x - start.x) + (seat.at.y - start.y) * (end.y - start.y)
    };
    let mut sorted = row.clone();
    sorted.sort_by(|a, b| along(a).total_cmp(&along(b)));
    // A sum in another order differs by binary dust.
    if way(&sorted) < 0.999 * way(row) {
        *row = sorted;
    }
}

/// How long it is from the first seat to the last, past each in between.
fn way(row: &[RowSeat]) -> f64 {
    gaps(row).sum()
}

fn gaps(row: &[RowSeat]) -> impl Iterator<Item = f64> {
    row.iter()
        .zip(row.iter().skip(1))
        .map(|(a, b)| a.at.distance(b.at))
}

/// The geometry of each zone among these rows, which are (zone, seats).
fn geometries<'rows>(
    rows: impl Iterator<Item = &'rows (usize, Vec<RowSeat>)> + Clone,
) -> BTreeMap<usize, ZoneGeometry> {
    let mut by_zone: BTreeMap<usize, (Point, Vec<f64>)> = BTreeMap::new();
    for (zone, row) in rows.clone() {
        let (_, zone_gaps) = by_zone
            .entry(*zone)
            .or_insert_with(|| (middle(row), Vec::new()));
        zone_gaps.extend(gaps(row));
    }
    // A zone in which nobody has a neighbour is measured as the others are.
    let in_the_plan = median(rows.flat_map(|(_, row)| gaps(row)).collect());
    by_zone
        .into_iter()
        .map(|(zone, (focal_point, gaps))| {
            let geometry = ZoneGeometry {
                focal_point,
                seat_width: median(gaps).or(in_the_plan).unwrap_or(1.0),
            };
            (zone, geometry)
        })
        .collect()
}

fn middle(row: &[RowSeat]) -> Point {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 seats")]
    let count = row.len().max(1) as f64;
    Point {
        x: row.iter().map(|seat| seat.at.x).sum::<f64>() / count,
        y: row.iter().map(|seat| seat.at.y).sum::<f64>() / count,
    }
}

/// `None` without values, and when seats are drawn upon one another.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let median = values.get(values.len() / 2).copied();
    median.filter(|median| *median > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::seating_plan::PlanRow;

    fn seat(row: usize, (x, y): (f64, f64)) -> PlanSeat {
        PlanSeat {
            guid: String::new(),
            zone: 0,
            row: Some(PlanRow {
                index: row,
                label: String::new(),
            }),
            number: None,
            label: String::new(),
            category: 0,
            accessible: false,
            x: Some(x),
            y: Some(y),
        }
    }

    /// The blocks of a single row with seats at these places.
    fn blocks(places: &[(f64, f64)]) -> Vec<Vec<SeatNo>> {
        let seats: Vec<PlanSeat> = places.iter().map(|place| seat(0, *place)).collect();
        let (rows, _) = arrange(&seats);
        let numbers = |block: &Vec<RowSeat>| block.iter().map(|seat| seat.seat_no).collect();
        rows[0].blocks.iter().map(numbers).collect()
    }

    #[test]
    fn an_aisle_cuts_a_row_and_a_wheelchair_does_not() {
        let row = [0.0, 24.0, 48.0, 72.0, 106.0, 140.0, 164.0, 204.0].map(|x| (x, 0.0));
        assert_eq!(blocks(&row), [vec![0, 1, 2, 3, 4, 5, 6], vec![7]]);
    }

    #[test]
    fn neighbours_are_those_who_stand_together_however_the_plan_orders_them() {
        let shuffled = [72.0, 0.0, 48.0, 24.0].map(|x| (x, 0.0));
        assert_eq!(blocks(&shuffled), [vec![1, 3, 2, 0]]);
        let upwards = [72.0, 48.0, 24.0, 0.0].map(|y| (0.0, y));
        assert_eq!(blocks(&upwards), [vec![0, 1, 2, 3]], "reversed is in order");
        let odd_then_even = [(0.0, 0.0), (2.0, 2.0), (1.0, 1.2), (3.0, 2.4)];
        assert_eq!(blocks(&odd_then_even), [vec![3, 1, 2, 0]]);
    }

    #[test]
    fn chairs_around_a_table_keep_the_plans_order() {
        let table = [(0.0, 0.0), (0.0, 51.0), (-51.0, 51.0), (-51.0, 0.0)];
        assert_eq!(blocks(&table), [vec![0, 1, 2, 3]]);
    }

    #[test]
    fn a_curved_row_is_one_block_in_any_order() {
        let arc = |step: i32| (f64::from(step) * 0.15).sin_cos();
        let row: Vec<(f64, f64)> = [3, -5, 0, 4, -1, 2, -3, 1, -2, -4, 5].map(arc).to_vec();
        assert_eq!(blocks(&row), [vec![1, 9, 6, 8, 4, 2, 7, 5, 0, 3, 10]]);
        let horseshoe: Vec<(f64, f64)> = (-14..=14).map(arc).collect();
        assert_eq!(blocks(&horseshoe), [(0..29).collect::<Vec<_>>()]);
    }

    #[test]
    fn seats_upon_one_another_are_neighbours() {
        assert_eq!(blocks(&[(5.0, 5.0); 3]), [vec![0, 1, 2]]);
        assert_eq!(blocks(&[(5.0, 5.0)]), [vec![0]]);
    }

    #[test]
    fn a_zone_is_measured_from_the_middle_of_its_first_row() {
        let mut seats: Vec<PlanSeat> = [10.0, 12.0, 14.0].map(|x| seat(1, (x, 3.0))).to_vec();
        seats.extend([0.0, 2.0, 4.0, 6.0].map(|x| seat(4, (x, 9.0))));
        let mut alone = seat(7, (50.0, 50.0));
        alone.zone = 2;
        let mut standing = seat(0, (0.0, 0.0));
        (standing.row, standing.zone) = (None, 1);
        seats.extend([alone, standing]);
        let (rows, geometries) = arrange(&seats);
        let indexes: Vec<usize> = rows.iter().map(|row| row.index).collect();
        assert_eq!(indexes, [1, 4, 7]);
        let geometry = |x, y| ZoneGeometry {
            focal_point: Point { x, y },
            seat_width: 2.0,
        };
        let expected = [(0, geometry(12.0, 3.0)), (2, geometry(50.0, 50.0))];
        assert_eq!(geometries, BTreeMap::from(expected));
    }
}
