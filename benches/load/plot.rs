//! The curves of `growth` as a picture: rate and 99th percentile against clients, a line for
//! each size of the database.

use crate::Outcome;
use crate::report::{Report, Row};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use std::collections::BTreeSet;
use std::path::PathBuf;

const SIZE: (u32, u32) = (1200, 520);
const FONT: &str = "sans-serif";
/// Told apart by everybody, also in grey: from the smallest database to the largest.
const COLORS: [RGBColor; 4] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(148, 84, 140),
];

/// What to draw, and where to.
#[derive(clap::Args)]
pub struct Plot {
    /// What `growth --json` wrote.
    from: PathBuf,
    /// An SVG file.
    to: PathBuf,
}

/// What is drawn of a row.
struct Panel {
    title: &'static str,
    of: fn(&Row) -> f64,
    is_logarithmic: bool,
}

const PANELS: [Panel; 2] = [
    Panel {
        title: "holds a second",
        of: |row| row.rate,
        is_logarithmic: false,
    },
    Panel {
        title: "99th percentile, ms",
        of: |row| row.milliseconds.p99,
        is_logarithmic: true,
    },
];

pub fn run(plot: &Plot) -> Outcome<()> {
    let report: Report = serde_json::from_str(&std::fs::read_to_string(&plot.from)?)?;
    let picture = SVGBackend::new(&plot.to, SIZE).into_drawing_area();
    // Opaque, so that it can be read on a dark page, too.
    picture.fill(&WHITE)?;
    for (area, panel) in picture.split_evenly((1, PANELS.len())).iter().zip(&PANELS) {
        if panel.is_logarithmic {
            let most = most(&report.rows, panel.of);
            draw(area, panel, &report.rows, (0.5..most * 1.5).log_scale())?;
        } else {
            let most = most(&report.rows, panel.of);
            draw(area, panel, &report.rows, 0.0..most * 1.1)?;
        }
    }
    picture.present()?;
    Ok(())
}

type Area<'picture> = DrawingArea<SVGBackend<'picture>, Shift>;

/// Draws one panel, whose height is measured by `heights`.
fn draw<Heights>(area: &Area<'_>, panel: &Panel, rows: &[Row], heights: Heights) -> Outcome<()>
where
    Heights: AsRangedCoord<Value = f64>,
    Heights::CoordDescType: ValueFormatter<f64>,
{
    let clients: BTreeSet<usize> = rows.iter().map(|row| row.clients).collect();
    let most = clients.last().map_or(1.0, |most| precise(*most));
    let mut chart = ChartBuilder::on(area)
        .margin(16)
        .caption(panel.title, (FONT, 20))
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d((0.9..most * 1.2).log_scale(), heights)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(222, 222, 222))
        .label_style((FONT, 14))
        .x_desc("clients")
        .x_label_formatter(&|clients| format!("{clients:.0}"))
        .y_label_formatter(&|value| format!("{value:.0}"))
        .draw()?;
    let sizes: BTreeSet<u64> = rows.iter().map(|row| row.seats).collect();
    for (size, color) in sizes.into_iter().zip(COLORS.into_iter().cycle()) {
        for (who, is_usher) in [("usher", true), ("pgbench", false)] {
            let mut points: Vec<(f64, f64)> = rows
                .iter()
                .filter(|row| row.seats == size && row.name.starts_with(who))
                .map(|row| (precise(row.clients), (panel.of)(row)))
                .collect();
            // Where the database took no more connections, there is one point for all.
            points.dedup_by(|next, point| next.0 <= point.0);
            let label = format!("{who}, {} seats", short(size));
            let line = color.stroke_width(2);
            let drawn = if is_usher {
                chart.draw_series(LineSeries::new(points.clone(), line))?
            } else {
                chart.draw_series(DashedLineSeries::new(points.clone(), 6, 5, line))?
            };
            // A dash for pgbench, as its line has.
            let width = if is_usher { 20 } else { 8 };
            drawn
                .label(label)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + width, y)], line));
            chart.draw_series(
                points
                    .into_iter()
                    .map(|point| Circle::new(point, 3, color.filled())),
            )?;
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(RGBColor(200, 200, 200))
        .label_font((FONT, 13))
        .draw()?;
    Ok(())
}

fn most(rows: &[Row], of: fn(&Row) -> f64) -> f64 {
    rows.iter().map(of).fold(1.0, f64::max)
}

#[allow(clippy::cast_precision_loss, reason = "thousands of clients")]
fn precise(clients: usize) -> f64 {
    clients as f64
}

/// 10k, 1M.
fn short(seats: u64) -> String {
    match seats {
        0..1_000 => seats.to_string(),
        1_000..1_000_000 => format!("{}k", seats / 1_000),
        _ => format!("{}M", seats / 1_000_000),
    }
}
