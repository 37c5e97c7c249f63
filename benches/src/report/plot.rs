//! Bars as SVG.

use std::{fmt::Write as _, fs};

use anyhow::Result;

use crate::{
    arm::Name,
    cell::{Cell, Figure, Load, SLOW},
    paper,
    results::Results,
};

const WIDTH: f64 = 760.0;
/// Where bars begin.
const LEFT: f64 = 215.0;
const BAR: f64 = 13.0;
const COLOURS: [&str; 4] = ["#1f4e79", "#4a90c2", "#9cc5e3", "#e0a13c"];

/// Draws what the section refers to.
pub(crate) fn write(results: &Results) -> Result<()> {
    let folder = paper::folder().join("plots");
    fs::create_dir_all(&folder)?;
    let throughput = results.arms(Cell::Throughput(Load::DOWN));
    if !throughput.is_empty() {
        let cpu = bars(
            "Relay: seconds of processor time per GB, one leg",
            &["1 down", "8 down", "100 down", "1 up"],
            &throughput,
            |arm, series| results.figure(Cell::Throughput(Load::THROUGHPUT[series]), arm, Figure::RelayCpu),
        );
        fs::write(folder.join("relay-cpu.svg"), cpu)?;
    }
    let loads = [Load::NONE, Load::DOWN, Load::BOTH];
    let slow = results.arms(Cell::Echo(Load::NONE, Some(SLOW)));
    if !slow.is_empty() {
        let echo = bars(
            "Key and echo over 25 ms and 12 Mbit/s each way, p99 in milliseconds",
            &["idle", "1 bulk down", "bulk both ways"],
            &slow,
            |arm, series| results.figure(Cell::Echo(loads[series], Some(SLOW)), arm, Figure::EchoP99),
        );
        fs::write(folder.join("slow-link-echo.svg"), echo)?;
    }
    Ok(())
}

/// A group of bars for each arm, a bar for each series.
fn bars(title: &str, series: &[&str], arms: &[Name], value: impl Fn(Name, usize) -> Option<f64>) -> String {
    let group = BAR * series.len() as f64 + 10.0;
    let height = 70.0 + group * arms.len() as f64;
    let values = arms.iter().flat_map(|&arm| (0..series.len()).filter_map(|at| value(arm, at)).collect::<Vec<_>>());
    let scale = (WIDTH - LEFT - 60.0) / values.reduce(f64::max).unwrap_or(1.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"22\" font-size=\"15\">{title}</text>\n"
    );
    for ((at, name), colour) in series.iter().enumerate().zip(COLOURS) {
        let x = LEFT + 120.0 * at as f64;
        let _ = writeln!(svg, "<rect x=\"{x}\" y=\"36\" width=\"11\" height=\"11\" fill=\"{colour}\"/>");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"46\">{name}</text>", x + 16.0);
    }
    for (row, &arm) in arms.iter().enumerate() {
        let top = 60.0 + group * row as f64;
        let weight = if arm.is_ours() { "bold" } else { "normal" };
        let middle = top + (group - 10.0) / 2.0 + 4.0;
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\" font-weight=\"{weight}\">{arm}</text>",
            LEFT - 8.0
        );
        for (at, colour) in (0..series.len()).zip(COLOURS) {
            let y = top + BAR * at as f64;
            let width = value(arm, at).map_or(0.0, |value| value * scale);
            let label = value(arm, at)
                .map_or("–".into(), |value| if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") });
            let _ = writeln!(
                svg,
                "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\" fill=\"{colour}\"/>",
                BAR - 2.0
            );
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{}\" font-size=\"10\">{label}</text>",
                LEFT + width + 4.0,
                y + 9.0
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}
