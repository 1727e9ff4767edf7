"""Runs the two test suites and counts what passed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent
DEFAULT_VENV = FOLDER.parent / "target" / "sdk-tests" / "venv"
SUITE_SECONDS_MAX = 900
INSTALL_SECONDS_MAX = 900


@dataclass(frozen=True)
class Count:
    passed: int = 0
    failed: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.passed + other.passed, self.failed + other.failed)


class MissingTool(Exception):
    """Something that the suites need is not installed."""


def install(python: Path) -> None:
    """Installs the pinned SDKs: Python ones beside `python`, Node ones into `node/node_modules`."""
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parent.parent)], check=True, timeout=INSTALL_SECONDS_MAX)
    pip = [str(python), "-m", "pip", "install", "--quiet", "-r", str(FOLDER / "requirements.txt")]
    subprocess.run(pip, check=True, timeout=INSTALL_SECONDS_MAX)
    npm = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(npm, cwd=FOLDER / "node", check=True, timeout=INSTALL_SECONDS_MAX)


def run_python(python: Path, expression: str | None, environment: dict[str, str]) -> Count:
    if not python.exists():
        raise MissingTool(f"no Python at {python}; run with --install first, or name one with --python")
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rfE", "--tb=short"]
    command += ["-k", expression] if expression else []
    output = _run(command + [str(FOLDER / "python")], environment)
    summary = output.splitlines()[-1] if output else ""
    failed = _number(r"(\d+) failed", summary) + _number(r"(\d+) errors?", summary)
    return Count(_number(r"(\d+) passed", summary), failed or ("passed" not in summary and "deselected" not in summary))


def run_node(expression: str | None, environment: dict[str, str]) -> Count:
    node = shutil.which("node")
    if node is None:
        raise MissingTool("no node on the PATH")
    if not (FOLDER / "node" / "node_modules").exists():
        raise MissingTool("node_modules is missing; run with --install first")
    command = [node, "--test", "--test-reporter=spec", "--test-concurrency=2"]
    command += [f"--test-name-pattern={expression}"] if expression else []
    command += sorted(str(path) for path in (FOLDER / "node").glob("*.test.mjs"))
    output = _run(command, environment)
    failed = _number(r"^ℹ fail (\d+)", output) + _number(r"^ℹ cancelled (\d+)", output)
    return Count(_number(r"^ℹ pass (\d+)", output), failed)


def _run(command: list[str], environment: dict[str, str]) -> str:
    """Runs a command, shows its output as it comes, and returns it. Ends it when it takes too long."""
    process = subprocess.Popen(
        command,
        cwd=FOLDER,
        env={**os.environ, **environment, "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    signal.signal(signal.SIGALRM, lambda *_: process.kill())
    signal.alarm(SUITE_SECONDS_MAX)
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            sys.stdout.write(line)
            sys.stdout.flush()
    finally:
        signal.alarm(0)
        if process.poll() is None:
            process.kill()
        process.wait()
    return "".join(lines)


def _number(pattern: str, text: str) -> int:
    return sum(int(found) for found in re.findall(pattern, text, re.MULTILINE))
