"""Running the scenarios against the targets, in turns."""
import json
import os
import re
import subprocess
import sys
import time

from . import preference, processes
from .figures import median

DIRECT = "direct"


def port_of(url):
    return int(re.match(r"http://[^/:]+:(\d+)", url).group(1))


class Target:
    """One gateway under test, from `NAME=BASE_URL,API_KEY,MODEL[,pid=N][,api=NAME][,only=SCENARIO+…][,h:Header-Name=value]`."""

    def __init__(self, spec):
        self.name, rest = spec.split("=", 1)
        parts = rest.split(",")
        self.url = parts[0].rstrip("/")
        self.key = parts[1] if len(parts) > 1 else ""
        self.model = parts[2] if len(parts) > 2 and parts[2] else "mock"
        self.headers, self.pid, self.api, self.only = [], None, None, None
        for part in parts[3:]:
            if part.startswith("pid="):
                self.pid = int(part[4:])
            elif part.startswith("api="):
                self.api = part[4:]
            elif part.startswith("only="):
                self.only = part[5:].split("+")
            elif part.startswith("h:"):
                name, value = part[2:].split("=", 1)
                self.headers.append(f"{name}: {value}")
        self.pid = self.pid or processes.listener_pid(port_of(self.url))

    def takes(self, scenario):
        return self.only is None or scenario in self.only

    def arguments(self, api):
        words = ["--url", self.url, "--model", self.model, "--api", self.api or api]
        if self.key:
            words += ["--key", self.key]
        for header in self.headers:
            words += ["--header", header]
        return words


def scenarios(options):
    """Name and load generator arguments of each scenario that was asked for."""
    wanted = options.scenarios.split(",")
    found = []
    if "closed" in wanted:
        found.append(("closed", ["closed", "--conns", str(options.conns)]))
    if "open" in wanted:
        found += [(f"open@{rate}", ["open", "--rate", rate]) for rate in options.rates.split(",")]
    if "smax" in wanted:
        found.append(("smax", ["stream", "--conns", str(options.smax_conns), "--mock", "chunks=100,delay=0"]))
    if "spaced" in wanted:
        found.append(("spaced", ["stream", "--conns", str(options.spaced_conns), "--mock", "chunks=50,delay=20"]))
    return found


class Comparison:
    """The targets of one invocation and what was measured of them."""

    def __init__(self, options, load_generator):
        self.options = options
        self.load_generator = load_generator
        self.direct = Target(f"{DIRECT}={options.upstream},{options.upstream_key},mock")
        self.targets = [self.direct] + [Target(spec) for spec in options.target]
        self.upstream_pids = processes.tree(self.direct.pid)
        self.left_out = {}
        self.runs, self.idle, self.after = {}, {}, {}

    def run(self):
        self._leave_out_the_broken()
        self.idle = self._memory()
        if self.options.prefer:
            for target in self.targets:
                preference.prefer(processes.tree(target.pid), True)
        planned = scenarios(self.options)
        self.runs = {target.name: {name: [] for name, _ in planned if target.takes(name)} for target in self.targets}
        for turn in range(self.options.rounds):
            for name, arguments in planned:
                first = turn % len(self.targets)
                for target in self.targets[first:] + self.targets[:first]:
                    if target.takes(name):
                        self._take_turn(turn, target, name, arguments)
        self.after = self._memory()
        if self.options.prefer:
            for target in self.targets:
                preference.prefer(processes.tree(target.pid), False)

    def result(self):
        """Everything measured, as `--out` writes it."""
        return {"args": vars(self.options), "runs": self.runs, "idle": self.idle, "after": self.after,
                "left_out": self.left_out}

    def _memory(self):
        return {target.name: processes.memory_mib(processes.tree(target.pid)) for target in self.targets}

    def _leave_out_the_broken(self):
        for target in list(self.targets):
            problem = self._problem_of(target)
            if problem:
                print(f"!! {target.name} left out: {problem}", file=sys.stderr)
                self.left_out[target.name] = problem
                self.targets.remove(target)
        if self.direct not in self.targets or (self.options.strict and self.left_out):
            raise SystemExit("a target does not answer as it should")

    def _problem_of(self, target):
        """Why the target cannot take part: what it answers to one request and one stream is wrong."""
        for mode in ("closed", "stream"):
            done = subprocess.run(
                [self.load_generator, mode, *target.arguments(self.options.api), "--sample", "--mock",
                 "chunks=5", "--timeout", "20"], capture_output=True, text=True, timeout=60)
            verdict = done.stdout.split("\n")[0]
            is_right = verdict.startswith("ok") and (
                mode == "closed" or "5 content chunks, end seen: true" in verdict)
            if not is_right:
                return f"{mode}: {verdict} {done.stdout[len(verdict):300].strip()} {done.stderr.strip()}"
        return None

    def _take_turn(self, turn, target, name, arguments):
        if name.startswith("open@"):
            capacity = median([run["rps"] for run in self.runs[target.name].get("closed", [])])
            if capacity and capacity < float(name[5:]) * 1.15:
                return
        best = None
        for _ in range(self.options.retries + 1):
            run = self._measure_preferred(target, name, arguments)
            if best is None or run["foreign"] < best["foreign"]:
                best = run
            if run["foreign"] <= self.options.max_foreign:
                break
            time.sleep(2)
        self.runs[target.name][name].append(best)
        print(progress_line(turn, target.name, name, best), file=sys.stderr, flush=True)

    def _measure_preferred(self, target, name, arguments):
        if not (self.options.prefer and (name.startswith("open@") or name == "spaced")):
            return self._measure(target, arguments)
        everyone = processes.tree(target.pid) + self.upstream_pids + [os.getpid()]
        preference.realtime(everyone, True)
        try:
            return self._measure(target, arguments)
        finally:
            preference.realtime(everyone, False)

    def _measure(self, target, arguments):
        options = self.options
        command = [self.load_generator, *arguments, "--secs", str(options.secs), "--warmup", str(options.warmup),
                   "--body-bytes", str(options.body_bytes), *target.arguments(options.api)]
        pids = processes.tree(target.pid)
        busy, stolen = processes.machine_cpu_s()
        of_gateway, of_upstream = processes.cpu_s(pids), processes.cpu_s(self.upstream_pids)
        started = time.time()
        run = output_as_json(command, options.secs + options.warmup + 60)
        wall = time.time() - started
        busy_after, stolen_after = processes.machine_cpu_s()
        gateway = 0.0 if target is self.direct else processes.cpu_s(pids) - of_gateway
        upstream = processes.cpu_s(self.upstream_pids) - of_upstream
        of_others = busy_after - busy - gateway - upstream - run["self_cpu_s"]
        capacity = wall * os.cpu_count()
        run.update(gw_cpu_s=gateway, up_cpu_s=upstream, wall_s=wall, foreign=max(0.0, of_others) / capacity,
                   steal=(stolen_after - stolen) / capacity, loadavg=os.getloadavg()[0], gw_cores=gateway / wall)
        return run


def output_as_json(command, limit_s):
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip() or f"{command[0]} failed")
    return json.loads(done.stdout)


def progress_line(turn, target, scenario, run):
    latency = run["lat_us"] or {}
    line = (f"round {turn + 1} {scenario:10} {target:16} rps {run['rps']:9.1f}  "
            f"p50 {latency.get('p50', 0) / 1000:8.3f} ms  p99 {latency.get('p99', 0) / 1000:8.3f} ms  "
            f"chunks/s {run['chunks_per_s']:9.0f}  err {run['errors'] + run['backlog']}  "
            f"gw cpu {run['gw_cpu_s']:.2f} s  foreign {run['foreign'] * 100:.0f}%  load {run['loadavg']:.1f}")
    if run["first_error"]:
        line += f"  first error: {run['first_error'][:160]}"
    return line
