//! The result as a Markdown table.

use crate::{
    bench::{FLOOR, NAME, RATE, TRANSLATED},
    json::Json,
};

const DIRECT: &str = "direct";
const NONE: &str = "–";

/// One line of the table: a figure of each target.
struct Row {
    measure: &'static str,
    /// Below a target.
    path: &'static [&'static str],
    decimals: usize,
    goal: &'static str,
}

/// The goals are absolute figures taken on an idle machine with two cores; on another one only the ratios hold.
const ROWS: &[Row] = &[
    Row {
        measure: "CPU-s per 10,000 requests",
        path: &["cpu_s_per_10k_requests", "median"],
        decimals: 3,
        goal: "≤ 0.28",
    },
    Row {
        measure: "× the floor",
        path: &["of_floor", "cpu_s_per_10k_requests"],
        decimals: 2,
        goal: "≤ 1.25",
    },
    Row {
        measure: "CPU-s per 10,000 streamed chunks",
        path: &["cpu_s_per_10k_chunks", "median"],
        decimals: 3,
        goal: "≤ 0.095",
    },
    Row {
        measure: "× the floor", path: &["of_floor", "cpu_s_per_10k_chunks"], decimals: 2, goal: "≤ 1.25"
    },
    Row {
        measure: "requests/s at most, sharing the cores with load and upstream",
        path: &["requests_per_s_max", "median"],
        decimals: 0,
        goal: "",
    },
    Row {
        measure: "added p50 at 500 requests/s, ms",
        path: &["at_rate", RATE, "added_p50_ms", "median"],
        decimals: 2,
        goal: "≤ 0.15",
    },
    Row {
        measure: "added p99 at 500 requests/s, ms",
        path: &["at_rate", RATE, "added_p99_ms", "median"],
        decimals: 2,
        goal: "",
    },
    Row {
        measure: "time to first token, added p50, ms",
        path: &["ttft_added_p50_ms", "median"],
        decimals: 2,
        goal: "≤ 0.20",
    },
    Row { measure: "RSS after load, MiB", path: &["rss_after_load_mib"], decimals: 1, goal: "≤ 32" },
    Row { measure: "failed requests", path: &["errors"], decimals: 0, goal: "0" },
];

/// The table with a sentence on how it came about.
pub fn markdown(result: &Json) -> String {
    let mut text = introduction(result);
    text.push_str("\n| | direct | floor | Signalbox | translated | goal |\n| --- | ---: | ---: | ---: | ---: | ---: |\n");
    for row in ROWS {
        let cells = [DIRECT, FLOOR, NAME, TRANSLATED].map(|target| {
            let path: Vec<&str> = ["targets", target].iter().chain(row.path).copied().collect();
            cell(result, &path, row.decimals)
        });
        text.push_str(&format!("| {} | {} | {} |\n", row.measure, cells.join(" | "), row.goal));
    }
    let warm = cell(result, &["time_to_ready", "warm_directory_ms", "median"], 1);
    let fresh = cell(result, &["time_to_ready", "fresh_directory_ms"], 1);
    text.push_str(&format!("| start to ready, ms (median of 5) | {NONE} | {NONE} | {warm} | {NONE} | |\n"));
    text.push_str(&format!(
        "| first start to ready, empty directory, ms | {NONE} | {NONE} | {fresh} | {NONE} | |\n"
    ));
    text
}

fn introduction(result: &Json) -> String {
    let word = |path: &[&str]| result.at(path).and_then(Json::as_str).unwrap_or("unknown").to_owned();
    let number = |path: &[&str], decimals| cell(result, path, decimals);
    let others = result.at(&["surroundings", "others_share_median"]).and_then(Json::as_number);
    format!(
        "Written by `cargo xtask bench` at {}: medians of {} interleaved round(s) of {} s. {} with {} cores, {}; other \
         programs used {:.0} % of the machine meanwhile. The floor does the same duties (keys, routing, usage, \
         logging) with nothing else around them; the ratio to it is the figure to compare across machines.\n",
        word(&["taken_at"]),
        number(&["settings", "rounds"], 0),
        number(&["settings", "secs"], 0),
        word(&["machine", "cpu"]),
        number(&["machine", "cores"], 0),
        word(&["machine", "system"]),
        others.unwrap_or(f64::NAN) * 100.0,
    )
}

fn cell(result: &Json, path: &[&str], decimals: usize) -> String {
    result.at(path).and_then(Json::as_number).map_or(NONE.to_owned(), |number| format!("{number:.decimals$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_in_their_columns_and_gaps_are_dashes() {
        let result = Json::parse(
            r#"{"targets":{"direct":{"errors":0},"floor":{"cpu_s_per_10k_requests":{"median":0.22}},
                "signalbox":{"cpu_s_per_10k_requests":{"median":0.2649},"of_floor":{"cpu_s_per_10k_requests":1.204}},
                "translated":{"of_floor":{"cpu_s_per_10k_requests":1.9}}},
                "time_to_ready":{"warm_directory_ms":{"median":12.34}}}"#,
        );
        let text = markdown(&result.unwrap());
        assert!(text.contains("| CPU-s per 10,000 requests | – | 0.220 | 0.265 | – | ≤ 0.28 |"), "{text}");
        assert!(text.contains("| × the floor | – | – | 1.20 | 1.90 | ≤ 1.25 |"), "{text}");
        assert!(text.contains("| failed requests | 0 | – | – | – | 0 |"), "{text}");
        assert!(text.contains("| start to ready, ms (median of 5) | – | – | 12.3 | – | |"), "{text}");
    }
}
