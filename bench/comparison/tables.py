"""The comparison as Markdown tables."""
import argparse

from .figures import added_ms, cpu_s_per_10k, failed, median, quantile_ms, spread
from .runs import DIRECT

NONE = "–"


def print_tables(result):
    """Prints every table. `result` is what `--out` writes."""
    options, runs = argparse.Namespace(**result["args"]), result["runs"]
    print(f"\nRounds {options.rounds}, {options.secs:g} s a run, request body {options.body_bytes} B, "
          f"api {options.api}. Median (lowest–highest).")
    _print_surroundings(runs)
    for scenario in runs[DIRECT]:
        if scenario == "closed":
            _print_closed(runs, options)
        elif scenario.startswith("open@"):
            _print_open(runs, scenario)
        elif scenario == "smax":
            _print_streaming_max(runs, options)
        elif scenario == "spaced":
            _print_paced(runs, options)
    _print_memory(result)
    if "closed" in runs[DIRECT]:
        _print_ratios(runs)


def _print_surroundings(runs):
    every = [run for of_target in runs.values() for taken in of_target.values() for run in taken]
    if not every:
        return
    foreign = [run["foreign"] for run in every]
    loads = [run["loadavg"] for run in every]
    print(f"Other programs' share of the machine during the runs: median {100 * median(foreign):.0f}%, "
          f"worst {100 * max(foreign):.0f}%; steal worst {100 * max(run['steal'] for run in every):.0f}%; "
          f"load average {min(loads):.1f}–{max(loads):.1f} (the test itself counts in it).")


def _measured(runs, scenario):
    """The targets that took part in a scenario."""
    return [name for name in runs if scenario in runs[name]]


def _head(*columns):
    print("\n| " + " | ".join(columns) + " |")
    print("| --- |" + " ---: |" * (len(columns) - 1))


def _row(*cells):
    print("| " + " | ".join(cells) + " |")


def _load(taken):
    return f"{median([run['loadavg'] for run in taken]):.1f}"


def _share(values, direct_values):
    return f"{median(values) / median(direct_values) * 100:.1f}%"


def _errors(taken):
    return str(sum(run["errors"] for run in taken))


def _print_closed(runs, options):
    _head("target", f"max req/s ({options.conns} conns)", "of direct", "CPU-s per 10k req",
          "req/s per core of its own", "p50 ms at max", "errors", "load avg")
    direct = [run["rps"] for run in runs[DIRECT]["closed"]]
    for name in _measured(runs, "closed"):
        taken = runs[name]["closed"]
        rates, costs = [run["rps"] for run in taken], cpu_s_per_10k(taken)
        cost = None if name == DIRECT else median(costs)
        _row(name, spread(rates), _share(rates, direct), spread(costs, "{:.2f}") if cost else NONE,
             f"{10000 / cost:.0f}" if cost else NONE, spread(quantile_ms(taken, "lat_us", "p50"), "{:.2f}"),
             _errors(taken), _load(taken))


def _print_open(runs, scenario):
    _head(f"target at {scenario[5:]} req/s", "p50 ms", "p95 ms", "p99 ms", "added p50", "added p95", "added p99",
          "CPU-s per 10k", "errors + unserved", "load avg")
    quantiles = ("p50", "p95", "p99")
    for name in _measured(runs, scenario):
        taken = runs[name][scenario]
        if not taken:
            _row(name, "over its capacity", *[""] * 8)
            continue
        is_direct = name == DIRECT
        _row(name, *[spread(quantile_ms(taken, "lat_us", q), "{:.2f}") for q in quantiles],
             *[NONE if is_direct else spread(added_ms(taken, runs[DIRECT][scenario], "lat_us", q), "{:.2f}")
               for q in quantiles],
             NONE if is_direct else spread(cpu_s_per_10k(taken), "{:.2f}"), str(failed(taken)), _load(taken))


def _print_streaming_max(runs, options):
    _head("target", f"streaming max, chunks/s ({options.smax_conns} streams)", "of direct", "CPU-s per 10k chunks",
          "errors", "load avg")
    direct = [run["chunks_per_s"] for run in runs[DIRECT]["smax"]]
    for name in _measured(runs, "smax"):
        taken = runs[name]["smax"]
        rates = [run["chunks_per_s"] for run in taken]
        _row(name, spread(rates), _share(rates, direct),
             NONE if name == DIRECT else spread(cpu_s_per_10k(taken, "total_chunks"), "{:.3f}"),
             _errors(taken), _load(taken))


def _print_paced(runs, options):
    _head(f"target, {options.spaced_conns} streams at 20 ms", "chunks/s", "TTFT p50 ms", "TTFT p99", "TTFT added p50",
          "TTFT added p99", "chunk delay added p50", "chunk delay added p99", "gap growth p99",
          "CPU-s per 10k chunks", "errors", "load avg")
    direct = runs[DIRECT]["spaced"]
    for name in _measured(runs, "spaced"):
        taken, is_direct = runs[name]["spaced"], name == DIRECT
        added = [NONE if is_direct else spread(added_ms(taken, direct, key, quantile), "{:.2f}")
                 for key in ("transit_us", "chunk_us") for quantile in ("p50", "p99")]
        _row(name, spread([run["chunks_per_s"] for run in taken]),
             spread(quantile_ms(taken, "ttft_us", "p50"), "{:.2f}"),
             spread(quantile_ms(taken, "ttft_us", "p99"), "{:.2f}"), *added,
             spread(quantile_ms(taken, "gap_add_us", "p99"), "{:.2f}"),
             NONE if is_direct else spread(cpu_s_per_10k(taken, "total_chunks"), "{:.3f}"),
             _errors(taken), _load(taken))


def _print_memory(result):
    _head("target", "RSS before, MiB", "RSS after", "peak RSS", "PSS after", "processes")
    for name in result["runs"]:
        idle, after = result["idle"][name], result["after"][name]
        _row(name, f"{idle['rss']:.1f}", f"{after['rss']:.1f}", f"{after['peak']:.1f}", f"{after['pss']:.1f}",
             str(after["procs"]))


def _print_ratios(runs):
    """CPU cost of each target to each other: the figure that a busy machine disturbs least."""
    costs = {name: median(cpu_s_per_10k(of["closed"])) for name, of in runs.items() if name != DIRECT}
    if len(costs) < 2:
        return
    print("\nCPU per request, row ÷ column:")
    _head("", *costs)
    for name, cost in costs.items():
        _row(name, *[f"{cost / other:.3g}" if cost and other else NONE for other in costs.values()])
