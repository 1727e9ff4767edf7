"""The figures that the summary derives. Run by `cargo xtask test`."""
import unittest

from .figures import added_ms, cpu_s_per_10k, spread
from .summary import rounded, summarize

OPTIONS = {"rounds": 1, "secs": 1, "warmup": 0, "conns": 1, "smax_conns": 1, "spaced_conns": 1, "body_bytes": 1,
           "api": "openai", "prefer": False}
MEMORY = {"rss": 10.0, "peak": 12.0, "pss": 9.0, "procs": 1}


def run(gateway_cpu_s, p50_us):
    return {"rps": 100.0, "chunks_per_s": 0.0, "total": 1000, "total_chunks": 0, "errors": 1, "backlog": 2,
            "gw_cpu_s": gateway_cpu_s, "foreign": 0.1, "loadavg": 1.0, "steal": 0.0,
            "lat_us": {"p50": p50_us, "p99": 2 * p50_us}}


def result(**targets):
    runs = {name: {"closed": [run(*figures)], "open@500": [run(*figures)]} for name, figures in targets.items()}
    memory = {name: MEMORY for name in targets}
    return {"args": OPTIONS, "runs": runs, "idle": memory, "after": memory, "left_out": {}}


class Summary(unittest.TestCase):
    def test_cpu_is_given_per_work_and_as_a_ratio_to_the_floor(self):
        targets = summarize(result(direct=(0.0, 100), floor=(0.02, 200), ours=(0.03, 260)), "floor")["targets"]
        self.assertEqual(targets["ours"]["cpu_s_per_10k_requests"]["median"], 0.3)
        self.assertEqual(targets["ours"]["of_floor"]["cpu_s_per_10k_requests"], 1.5)
        self.assertNotIn("of_floor", targets["direct"])

    def test_latency_is_what_is_added_to_direct_in_the_same_round(self):
        targets = summarize(result(direct=(0.0, 100), ours=(0.03, 260)), "floor")["targets"]
        self.assertEqual(targets["ours"]["at_rate"]["500"]["added_p50_ms"]["median"], 0.16)
        self.assertEqual(targets["ours"]["at_rate"]["500"]["added_p99_ms"]["median"], 0.32)

    def test_unserved_requests_are_errors(self):
        self.assertEqual(summarize(result(direct=(0.0, 100)), "floor")["targets"]["direct"]["errors"], 6)


class Figures(unittest.TestCase):
    def test_a_spread_shows_median_and_range(self):
        self.assertEqual(spread([3, 1, 2, None]), "2 (1–3)")
        self.assertEqual(spread([2.5], "{:.1f}"), "2.5")
        self.assertEqual(spread([None]), "–")

    def test_runs_without_work_or_latency_are_left_out(self):
        self.assertEqual(cpu_s_per_10k([run(0.1, 1), {**run(0.1, 1), "total": 0}]), [1.0])
        self.assertEqual(added_ms([{**run(0.1, 1), "lat_us": None}], [run(0.0, 1)], "lat_us", "p50"), [])

    def test_figures_have_four_digits(self):
        self.assertEqual((rounded(0.123456), rounded(76543.2), rounded(None)), (0.1235, 76540.0, None))


if __name__ == "__main__":
    unittest.main()
