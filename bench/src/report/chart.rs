//! Line charts: one or two beside each other in an SVG, with their legends below.

use anyhow::{Context, Result, anyhow, ensure};
use plotters::coord::Shift;
use plotters::prelude::*;
use std::fs;
use std::path::Path;

const WIDTH: u32 = 480;
const HEIGHT: u32 = 430;
const LEGEND_LINE: i32 = 20;
const TEXT: &str = "sans-serif";
const INK: RGBColor = RGBColor(31, 35, 40);
const SOFT: RGBColor = RGBColor(89, 99, 110);
const GRID: RGBColor = RGBColor(209, 217, 224);

pub(super) struct Line {
    pub(super) name: String,
    pub(super) color: RGBColor,
    pub(super) points: Vec<(f64, f64)>,
}

pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    pub(super) x: &'a str,
    pub(super) lines: Vec<Line>,
    /// Where the axis upwards begins and ends, with all points between. Both axes are logarithmic.
    pub(super) y_range: (f64, f64),
}

/// Colours that are told apart by those who don't see all of them, too.
pub(super) const BLUE: RGBColor = RGBColor(0, 114, 178);
pub(super) const SKY: RGBColor = RGBColor(86, 180, 233);
pub(super) const GREEN: RGBColor = RGBColor(0, 158, 115);
pub(super) const ORANGE: RGBColor = RGBColor(230, 159, 0);
pub(super) const RED: RGBColor = RGBColor(213, 94, 0);
pub(super) const PINK: RGBColor = RGBColor(204, 121, 167);
pub(super) const PURPLE: RGBColor = RGBColor(120, 94, 240);
pub(super) const BLACK: RGBColor = RGBColor(60, 60, 60);

/// Draws charts beside each other.
pub(super) fn draw(path: &Path, charts: &[Chart]) -> Result<()> {
    let mut svg = String::new();
    {
        let width = WIDTH * u32::try_from(charts.len())?;
        let root = SVGBackend::with_string(&mut svg, (width, HEIGHT)).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        for (area, chart) in root.split_evenly((1, charts.len())).iter().zip(charts) {
            draw_one(area, chart)?;
        }
        root.present().map_err(failed)?;
    }
    // Its size is that of the page it is on.
    fs::write(path, svg).with_context(|| format!("can't write {}", path.display()))
}

fn draw_one(area: &DrawingArea<SVGBackend, Shift>, chart: &Chart) -> Result<()> {
    let legend_lines = i32::try_from(chart.lines.len().div_ceil(2))?;
    let (plot, legend) = area.split_vertically(i32::try_from(HEIGHT)? - legend_lines * LEGEND_LINE - 12);
    let (lowest, highest) = chart.y_range;
    for Line { name, points, .. } in &chart.lines {
        // What is drawn past the end of an axis looks as if it were at its end.
        let outside = points.iter().find(|(_, y)| !(lowest..=highest).contains(y));
        ensure!(outside.is_none(), "{}: {name} has {outside:?}: expected {lowest} to {highest}", chart.title);
    }
    let xs = || chart.lines.iter().flat_map(|line| line.points.iter().map(|(x, _)| *x));
    let (first, last) = (xs().fold(f64::INFINITY, f64::min), xs().fold(0.0, f64::max));
    let mut context = ChartBuilder::on(&plot)
        .caption(chart.title, (TEXT, 16).into_font().style(FontStyle::Bold).color(&INK))
        .margin(12)
        .margin_right(24)
        .x_label_area_size(42)
        .y_label_area_size(58)
        .build_cartesian_2d((first..last).log_scale(), (lowest..highest).log_scale())
        .map_err(failed)?;
    context
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(SOFT)
        .label_style((TEXT, 13).into_font().color(&SOFT))
        .x_desc(chart.x)
        .x_label_formatter(&|number| count(*number))
        .y_label_formatter(&f64::to_string)
        .x_labels(8)
        .y_labels(16)
        .draw()
        .map_err(failed)?;
    for line in &chart.lines {
        context
            .draw_series(LineSeries::new(line.points.clone(), line.color.stroke_width(2)))
            .map_err(failed)?;
        let points = line.points.iter().map(|point| Circle::new(*point, 3, line.color.filled()));
        context.draw_series(points).map_err(failed)?;
    }
    for (place, line) in chart.lines.iter().enumerate() {
        let (column, row) = (i32::try_from(place % 2)?, i32::try_from(place / 2)?);
        let (x, y) = (70 + column * 205, 6 + row * LEGEND_LINE);
        legend
            .draw(&PathElement::new([(x, y + 7), (x + 22, y + 7)], line.color.stroke_width(2)))
            .map_err(failed)?;
        legend.draw(&Circle::new((x + 11, y + 7), 3, line.color.filled())).map_err(failed)?;
        let style = (TEXT, 13).into_font().color(&INK);
        legend.draw(&Text::new(line.name.clone(), (x + 29, y), style)).map_err(failed)?;
    }
    Ok(())
}

/// A number of rows or transactions, in few characters.
fn count(number: f64) -> String {
    if number >= 1e6 {
        format!("{} M", number / 1e6)
    } else if number >= 1e4 {
        format!("{},000", number / 1e3)
    } else {
        number.to_string()
    }
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("can't draw: {error}")
}
