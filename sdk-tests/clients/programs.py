"""Runs a client as its user would, in an empty home folder, and ends all that it started."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from targets import GATEWAY_KEY

FOLDER = Path(__file__).resolve().parent
PROGRAM_SECONDS_MAX = 60
# The package `opencode-ai` only chooses among such binaries, and names some that not every registry has.
OPENCODE_FOLDER = FOLDER / "node_modules" / "opencode-linux-x64-baseline" / "bin"
# The rest of the environment stays outside: it may hold keys, addresses and settings of the machine's owner.
KEPT = ("PATH", "LANG", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "NO_PROXY", "no_proxy")
# Clients ask their makers for updates, flags and news unless told not to.
QUIET = {
    "AIDER_CHECK_UPDATE": "false",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_MAX_RETRIES": "0",
    "DISABLE_AUTOUPDATER": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    # Claude Code works unattended as root only where it is told that nothing can be harmed.
    "IS_SANDBOX": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "NO_COLOR": "1",
    "OPENCODE_DISABLE_AUTOUPDATE": "true",
    "OPENCODE_DISABLE_MODELS_FETCH": "true",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True)
class Done:
    code: int
    output: str
    errors: str

    def __str__(self) -> str:
        return f"exit code {self.code}\n--- output ---\n{self.output}\n--- errors ---\n{self.errors}"


def skip_where_not_installed(name: str) -> None:
    """Skips the test of a client that this machine cannot have."""
    if name == "opencode" and (sys.platform, platform.machine()) != ("linux", "x86_64"):
        pytest.skip("the binary for Linux on x64 is installed")


def run_block(language: str, text: str, directory: Path, key: str = GATEWAY_KEY) -> Done:
    """Runs a block of a guide with this key of the gateway; its working folder is `directory/work`."""
    work = directory / "work"
    for folder in (work, directory / "home"):
        folder.mkdir()
    (directory / "node_modules").symlink_to(FOLDER / "node_modules")
    if language == "python":
        command = [sys.executable, str(_write(directory / "block.py", text))]
    elif language == "js":
        command = ["node", str(_write(directory / "block.mjs", text))]
    elif language == "sh":
        command = ["bash", "-euo", "pipefail", str(_write(directory / "block.sh", text))]
    else:
        raise ValueError(f"no way to run {language}")
    return _run(command, work, directory / "home", key)


def run_script(name: str, arguments: list[str], directory: Path) -> Done:
    """Runs a script of this folder with Node."""
    return _run(["node", str(FOLDER / name), *arguments], directory, directory, GATEWAY_KEY)


def _write(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


def _run(command: list[str], work: Path, home: Path, key: str) -> Done:
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment |= QUIET | {"HOME": str(home), "SIGNALBOX_KEY": key}
    # Aider's folder has a Python of its own, so it comes last.
    folders = (FOLDER / "node_modules" / ".bin", OPENCODE_FOLDER, environment["PATH"], os.environ["AIDER_FOLDER"])
    environment["PATH"] = ":".join(map(str, folders))
    process = subprocess.Popen(
        [*_outliving_the_tests(), *command],
        cwd=work,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=PROGRAM_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        _end(process)
        output, errors = process.communicate()
        raise AssertionError(f"no end after {PROGRAM_SECONDS_MAX} s\n{Done(-1, output, errors)}") from None
    finally:
        _end(process)
    return Done(process.returncode, output, errors)


def _outliving_the_tests() -> list[str]:
    """A limit that holds even when the tests themselves are killed, where the system has the command for it."""
    timeout = shutil.which("timeout")
    return [timeout, "--signal=KILL", str(PROGRAM_SECONDS_MAX + 10)] if timeout else []


def _end(process: subprocess.Popen[str]) -> None:
    """Ends the whole group: what a client left running in the background, too."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
