//! The overhead as a picture: CPU of Signalbox in units of the floor's, as horizontal bars.
//!
//! Colours follow the reader's light or dark mode; the ground is left to the page.

use crate::{
    bench::{FLOOR, NAME},
    json::Json,
};
use std::fmt::Write;

const WIDTH: f64 = 640.0;
const BAR_HEIGHT: f64 = 22.0;
const BAR_STEP: f64 = 30.0;
const GROUP_STEP: f64 = 108.0;
const TOP: f64 = 44.0;
/// Where bars begin, and where the longest ends; the rest is for labels.
const LEFT: f64 = 110.0;
const RIGHT: f64 = 560.0;
/// At most this many times the floor.
const GOAL: f64 = 1.25;

const STYLE: &str = "\
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; }
.quiet { fill: #59636e; }
.floor { fill: #8c959f; }
.signalbox { fill: #1f6feb; }
.goal { stroke: #bc4c00; stroke-dasharray: 4 3; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .quiet { fill: #9198a1; }
  .floor { fill: #6e7681; }
  .signalbox { fill: #4493f8; }
  .goal { stroke: #f0883e; }
}";

/// What is drawn: a measure, and where its ratio is found.
const GROUPS: &[(&str, &str)] =
    &[("CPU per request", "cpu_s_per_10k_requests"), ("CPU per streamed chunk", "cpu_s_per_10k_chunks")];

/// The picture. A ratio that was not measured is left out.
pub fn svg(result: &Json) -> String {
    let ratio = |target: &str, key: &str| {
        result
            .at(&["targets", target, "of_floor", key])
            .and_then(Json::as_number)
            .filter(|ratio| *ratio > 0.0)
    };
    let widest = GROUPS.iter().filter_map(|(_, key)| ratio(NAME, key)).fold(GOAL, f64::max);
    let scale = (RIGHT - LEFT) / (widest * 1.05);
    let height = TOP + GROUP_STEP * GROUPS.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\">\n<title>CPU of Signalbox in units of the floor's</title>\n\
         <style>\n{STYLE}\n</style>\n\
         <text class=\"quiet\" x=\"0\" y=\"16\">The floor does the same duties with nothing around them. \
         Shorter is better.</text>\n"
    );
    for (index, (title, key)) in GROUPS.iter().enumerate() {
        let top = TOP + GROUP_STEP * index as f64;
        text(&mut out, "title", 0.0, top, title);
        let bars = [(FLOOR, "floor", ratio(FLOOR, key)), (NAME, "Signalbox", ratio(NAME, key))];
        for (line, (class, label, ratio)) in bars.into_iter().enumerate() {
            let Some(ratio) = ratio else { continue };
            bar(&mut out, class, label, ratio, top + 12.0 + BAR_STEP * line as f64, scale);
        }
        goal(&mut out, LEFT + GOAL * scale, top);
    }
    out.push_str("</svg>\n");
    out
}

fn bar(out: &mut String, class: &str, label: &str, ratio: f64, top: f64, scale: f64) {
    let width = ratio * scale;
    let baseline = top + BAR_HEIGHT - 6.0;
    text(out, "", 12.0, baseline, label);
    // Writing to a string does not fail; so in this file throughout.
    let _ = writeln!(
        out,
        "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{top}\" width=\"{width:.1}\" height=\"{BAR_HEIGHT}\" rx=\"3\"/>"
    );
    text(out, "", LEFT + width + 8.0, baseline, &format!("{ratio:.2} ×"));
}

fn goal(out: &mut String, x: f64, top: f64) {
    let (from, to) = (top + 8.0, top + 12.0 + 2.0 * BAR_STEP);
    let _ = writeln!(out, "<line class=\"goal\" x1=\"{x:.1}\" y1=\"{from}\" x2=\"{x:.1}\" y2=\"{to}\"/>");
    text(out, "quiet", x - 42.0, to + 14.0, &format!("goal ≤ {GOAL} ×"));
}

fn text(out: &mut String, class: &str, x: f64, y: f64, words: &str) {
    let _ = writeln!(out, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(per_request: f64) -> String {
        let text = format!(
            r#"{{"targets":{{"floor":{{"of_floor":{{"cpu_s_per_10k_requests":1}}}},
                "signalbox":{{"of_floor":{{"cpu_s_per_10k_requests":{per_request}}}}}}}}}"#
        );
        svg(&Json::parse(&text).unwrap())
    }

    #[test]
    fn each_measured_ratio_has_a_bar_and_its_number() {
        let picture = drawn(1.2);
        assert_eq!(picture.matches("<rect").count(), 2);
        assert!(picture.contains(">1.00 ×<") && picture.contains(">1.20 ×<"), "{picture}");
    }

    #[test]
    fn the_longest_bar_stays_inside() {
        let picture = drawn(7.0);
        let widths =
            picture.split("width=\"").skip(2).filter_map(|rest| rest.split('"').next()?.parse().ok());
        assert!(widths.fold(0.0, f64::max) <= RIGHT - LEFT, "{picture}");
    }
}
