"""Runs the test suites and counts what passed."""

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
DEFAULT_CLIENTS_VENV = DEFAULT_VENV.with_name("clients-venv")
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


# What a client asks of the outside world ends at a port where nobody listens.
LOOPBACK_ONLY = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9"),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
    "HAYSTACK_TELEMETRY_ENABLED": "False",
}


def install(python: Path, clients_python: Path) -> None:
    """Installs what is pinned: of Python into the environments of `python` and `clients_python` and one beside it, of Node
    into `node_modules`."""
    environments = (
        (python, "requirements.txt"),
        (clients_python, "requirements-clients.txt"),
        (_aider_folder(clients_python) / "python", "requirements-aider.txt"),
    )
    for interpreter, requirements in environments:
        if not interpreter.exists():
            make = [sys.executable, "-m", "venv", str(interpreter.parent.parent)]
            subprocess.run(make, check=True, timeout=INSTALL_SECONDS_MAX)
        pip = [str(interpreter), "-m", "pip", "install", "--quiet", "-r", str(FOLDER / requirements)]
        subprocess.run(pip, check=True, timeout=INSTALL_SECONDS_MAX)
    npm = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
    for folder in ("node", "clients"):
        subprocess.run(npm, cwd=FOLDER / folder, check=True, timeout=INSTALL_SECONDS_MAX)


def run_clients(python: Path, expression: str | None, environment: dict[str, str]) -> Count:
    """Runs the guides and the agents. Needs the gateway."""
    if not (FOLDER / "clients" / "node_modules").exists():
        raise MissingTool("clients/node_modules is missing; run with --install first")
    aider = _aider_folder(python) / "aider"
    if not aider.exists():
        raise MissingTool(f"no aider at {aider}; run with --install first")
    return run_python(python, expression, environment | LOOPBACK_ONLY | {"AIDER_FOLDER": str(aider.parent)}, "clients")


def _aider_folder(clients_python: Path) -> Path:
    """Aider's own environment lies beside that of the other clients."""
    return clients_python.parent.parent.with_name("aider-venv") / "bin"


def run_python(python: Path, expression: str | None, environment: dict[str, str], folder: str = "python") -> Count:
    if not python.exists():
        raise MissingTool(f"no Python at {python}; run with --install first, or name one with --python")
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rfE", "--tb=short"]
    command += ["-k", expression] if expression else []
    output = _run(command + [str(FOLDER / folder)], environment)
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
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(process.pid, signal.SIGKILL))
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
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return "".join(lines)


def _number(pattern: str, text: str) -> int:
    return sum(int(found) for found in re.findall(pattern, text, re.MULTILINE))
