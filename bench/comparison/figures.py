"""Figures derived from runs: medians over rounds, what a target adds to direct, CPU per unit of work."""
import statistics


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def spread(values, form="{:.0f}"):
    """The median and, in brackets, the range."""
    values = [value for value in values if value is not None]
    if not values:
        return "–"
    middle = form.format(statistics.median(values))
    return middle if len(values) < 2 else f"{middle} ({form.format(min(values))}–{form.format(max(values))})"


def cpu_s_per_10k(runs, unit="total"):
    """CPU-seconds per 10,000 requests (or `total_chunks`) over whole runs, warm-up and drain included."""
    return [run["gw_cpu_s"] / run[unit] * 10000 for run in runs if run[unit]]


def quantile_ms(runs, key, quantile):
    return [run[key][quantile] / 1000 if run[key] else None for run in runs]


def added_ms(runs, direct_runs, key, quantile):
    """The target's quantile less that of direct in the same round."""
    return [(run[key][quantile] - direct[key][quantile]) / 1000
            for run, direct in zip(runs, direct_runs) if run[key] and direct[key]]


def failed(runs):
    """Requests that went wrong or were never served."""
    return sum(run["errors"] + run["backlog"] for run in runs)
