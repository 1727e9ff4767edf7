"""The comparison as one small JSON object: for each target its key figures, and their ratio to the floor's."""
import datetime

from . import processes
from .figures import added_ms, cpu_s_per_10k, failed, median, quantile_ms
from .runs import DIRECT


def summarize(result, floor):
    """Medians over the rounds with their range. `floor` names the target that ratios refer to."""
    options, runs = result["args"], result["runs"]
    targets = {name: _figures(result, name) for name in runs}
    for name, figures in targets.items():
        if floor in targets and name != DIRECT:
            figures["of_floor"] = {
                key: rounded(figures[key]["median"] / targets[floor][key]["median"])
                for key in ("cpu_s_per_10k_requests", "cpu_s_per_10k_chunks")
                if figures.get(key) and targets[floor].get(key) and targets[floor][key]["median"]}
    every = [run for of_target in runs.values() for taken in of_target.values() for run in taken]
    return {
        "taken_at": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": processes.machine(),
        "settings": {key: options[key] for key in ("rounds", "secs", "warmup", "conns", "smax_conns", "spaced_conns",
                                                   "body_bytes", "api", "prefer")},
        "surroundings": {
            "others_share_median": rounded(median([run["foreign"] for run in every])),
            "others_share_max": rounded(max((run["foreign"] for run in every), default=None)),
            "load_average_max": rounded(max((run["loadavg"] for run in every), default=None))},
        "floor": floor,
        "targets": targets,
        "left_out": result["left_out"],
    }


def _figures(result, name):
    runs, direct = result["runs"][name], result["runs"][DIRECT]
    is_direct = name == DIRECT
    figures = {
        "errors": sum(failed(taken) for taken in runs.values()),
        "rss_idle_mib": rounded(result["idle"][name]["rss"]),
        "rss_after_load_mib": rounded(result["after"][name]["rss"]),
        "rss_peak_mib": rounded(result["after"][name]["peak"]),
    }
    if "closed" in runs:
        figures["requests_per_s_max"] = _range([run["rps"] for run in runs["closed"]])
        if not is_direct:
            figures["cpu_s_per_10k_requests"] = _range(cpu_s_per_10k(runs["closed"]))
    if "smax" in runs:
        figures["chunks_per_s_max"] = _range([run["chunks_per_s"] for run in runs["smax"]])
        if not is_direct:
            figures["cpu_s_per_10k_chunks"] = _range(cpu_s_per_10k(runs["smax"], "total_chunks"))
    for scenario in (key for key in runs if key.startswith("open@")):
        rate = figures.setdefault("at_rate", {}).setdefault(scenario[5:], {})
        for quantile in ("p50", "p99"):
            rate[f"{quantile}_ms"] = _range(quantile_ms(runs[scenario], "lat_us", quantile))
            if not is_direct:
                rate[f"added_{quantile}_ms"] = _range(
                    added_ms(runs[scenario], direct[scenario], "lat_us", quantile))
    if "spaced" in runs:
        figures["ttft_p50_ms"] = _range(quantile_ms(runs["spaced"], "ttft_us", "p50"))
        if not is_direct:
            figures["ttft_added_p50_ms"] = _range(added_ms(runs["spaced"], direct["spaced"], "transit_us", "p50"))
    return figures


def _range(values):
    values = [value for value in values if value is not None]
    if not values:
        return None
    return {"median": rounded(median(values)), "low": rounded(min(values)), "high": rounded(max(values))}


def rounded(value):
    """Four significant digits: more than any of these figures repeats to."""
    return None if value is None else float(f"{value:.4g}")
