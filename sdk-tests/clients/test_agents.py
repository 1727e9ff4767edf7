"""Coding agents finish a task through the gateway: one tool call that makes a file, then a closing word."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

import guides
import programs
import records
import scripts
from targets import (
    ANTHROPIC_UPSTREAM,
    GATEWAY_KEY,
    GATEWAY_URL,
    GOOGLE_UPSTREAM,
    OPENAI_UPSTREAM,
    RESPONSES_UPSTREAM,
    Upstream,
    marked,
)

BLOCKS = guides.blocks()
# What the fake of Google signs with; the gateway has a stand-in where a signature got lost.
SIGNATURE = base64.b64encode(b"signed-by-the-fake").decode()
WRONG_KEY = "sk-signalbox-made-up-wrong-key-0002"
CONTENT = "made by a tool\n"
CLOSING = "The file is made."
# Claude Code sends what only newer models take.
CLAUDE = "up-anthropic/claude-opus-5"
ON_ANTHROPIC = pytest.param(ANTHROPIC_UPSTREAM, CLAUDE, id="on-anthropic")
ON_CHAT = pytest.param(OPENAI_UPSTREAM, OPENAI_UPSTREAM.model, id="on-chat")
ON_RESPONSES = pytest.param(RESPONSES_UPSTREAM, RESPONSES_UPSTREAM.model, id="on-responses")
ON_GEMINI = pytest.param(GOOGLE_UPSTREAM, GOOGLE_UPSTREAM.model, id="on-gemini")


def run(name: str, prompt: str, model: str, directory: Path, key: str = GATEWAY_KEY) -> programs.Done:
    """Runs the block of a guide with this prompt, and this model whichever vendor's the guide names."""
    programs.skip_where_not_installed(name)
    text = BLOCKS[name].set_to(GATEWAY_URL, prompt, dict.fromkeys(("openai", "anthropic", "google"), model))
    # There is no sandbox within the sandbox of the tests.
    text = text.replace("--sandbox workspace-write", "--sandbox danger-full-access")
    return programs.run_block(BLOCKS[name].language, text, directory, key)


def give_task(
    name: str, upstream: Upstream, model: str, directory: Path, tool: str, arguments: dict[str, Any]
) -> list[dict[str, Any]]:
    """Has the agent of a guide make the file with this tool; returns the calls that reached the fake."""
    prompt = marked("Make the file")
    scripts.tell(upstream, prompt, {"tool": tool, "arguments": arguments}, {"text": CLOSING})
    done = run(name, prompt, model, directory)
    assert done.code == 0 and CLOSING in done.output, done
    assert (directory / "work" / "made.txt").read_text() == CONTENT
    return [call for call in upstream.calls(prompt) if call["body"].get("tools")]


def check(calls: list[dict[str, Any]], model: str) -> None:
    """Two calls, both whole and written down."""
    assert [call["outcome"] for call in calls] == ["completed"] * 2, [call["reason"] for call in calls]
    assert GATEWAY_KEY not in json.dumps(calls), "the caller's key reached the provider"
    for record in records.of_calls(calls):
        assert (record["status"], record["model_used"]) == (200, model.split("/")[1]), record
        assert record["input_tokens"] == 100 and float(record["cost"]) > 0, record
    if "contents" in calls[1]["body"]:
        (called,) = [part for turn in calls[1]["body"]["contents"] for part in turn["parts"] if "functionCall" in part]
        assert called["thoughtSignature"] == SIGNATURE, "the model does not see again what it signed"


@pytest.mark.parametrize("name", ["claude-code", "claude-agent-sdk", "claude-agent-sdk-js"])
@pytest.mark.parametrize(("upstream", "model"), [ON_ANTHROPIC, ON_CHAT, ON_GEMINI])
def test_claude_writes_a_file(name: str, upstream: Upstream, model: str, tmp_path: Path):
    arguments = {"file_path": str(tmp_path / "work" / "made.txt"), "content": CONTENT}
    calls = give_task(name, upstream, model, tmp_path, "Write", arguments)
    check(calls, model)
    assert "File created successfully" in json.dumps(calls[1]["body"])
    if upstream is ANTHROPIC_UPSTREAM:
        kinds = [part["type"] for turn in calls[1]["body"]["messages"] for part in turn["content"] if isinstance(part, dict)]
        assert "thinking" in kinds, "the model does not see again what it thought"


@pytest.mark.parametrize(("upstream", "model"), [ON_RESPONSES, ON_CHAT, ON_ANTHROPIC, ON_GEMINI])
def test_codex_runs_a_command(upstream: Upstream, model: str, tmp_path: Path):
    command = "printf 'made by a %s\\n' tool > made.txt && echo the command ran"
    calls = give_task("codex", upstream, model, tmp_path, "exec_command", {"cmd": command})
    check(calls, model)
    assert "the command ran\\n" in json.dumps(calls[1]["body"])


@pytest.mark.parametrize(("upstream", "model"), [ON_GEMINI, ON_CHAT, ON_ANTHROPIC])
def test_gemini_cli_writes_a_file(upstream: Upstream, model: str, tmp_path: Path):
    arguments = {"file_path": str(tmp_path / "work" / "made.txt"), "content": CONTENT}
    calls = give_task("gemini-cli", upstream, model, tmp_path, "write_file", arguments)
    check(calls, model)
    assert "Successfully created" in json.dumps(calls[1]["body"])


def test_the_helpers_of_gemini_cli_ask_for_models_of_the_gateway(tmp_path: Path):
    prompt = marked("Search for red pandas")
    search = {"tool": "google_web_search", "arguments": {"query": prompt}}
    scripts.tell(GOOGLE_UPSTREAM, prompt, search, {"text": CLOSING})

    done = run("gemini-cli", prompt, GOOGLE_UPSTREAM.model, tmp_path)

    assert done.code == 0 and CLOSING in done.output, done
    asking, searching, told = GOOGLE_UPSTREAM.calls(prompt)
    assert searching["body"]["tools"] == [{"googleSearch": {}}]
    # The fake repeats what it was asked, and that is what the search found.
    assert f"You said: {prompt}" in json.dumps(told["body"])
    assert {call["outcome"] for call in (asking, searching, told)} == {"completed"}


@pytest.mark.parametrize(("upstream", "model"), [ON_CHAT, ON_ANTHROPIC])
def test_opencode_writes_a_file(upstream: Upstream, model: str, tmp_path: Path):
    arguments = {"filePath": str(tmp_path / "work" / "made.txt"), "content": CONTENT}
    calls = give_task("opencode", upstream, model, tmp_path, "write", arguments)
    check(calls, model)
    assert "Wrote file successfully" in json.dumps(calls[1]["body"])


@pytest.mark.parametrize(("upstream", "model"), [ON_CHAT, ON_ANTHROPIC])
def test_aider_writes_a_file_and_commits_it(upstream: Upstream, model: str, tmp_path: Path):
    prompt, subject = marked("Make the file"), "feat: add what was asked for"
    edit = f"{CLOSING}\n\nmade.txt\n```\n{CONTENT}```\n"
    scripts.tell(upstream, prompt, {"text": edit}, {"text": subject}, for_all=True)

    done = run("aider", prompt, model, tmp_path)

    assert (tmp_path / "work" / "made.txt").read_text() == CONTENT, done
    git = ["git", "-C", str(tmp_path / "work"), "log", "--format=%s", "--", "made.txt"]
    assert subprocess.run(git, capture_output=True, text=True, timeout=10).stdout == f"{subject}\n", done
    check(upstream.calls(prompt), model)


@pytest.mark.parametrize("name", ["aider", "claude-code", "codex", "gemini-cli", "opencode"])
def test_an_agent_with_a_wrong_key_says_so_and_ends(name: str, tmp_path: Path):
    prompt = marked("Make the file")

    done = run(name, prompt, OPENAI_UPSTREAM.model, tmp_path, key=WRONG_KEY)

    assert "Invalid authorization token" in done.output + done.errors, done
    # aider ends a chat that failed as it ends any other.
    assert done.code != 0 or name == "aider", done
    assert not OPENAI_UPSTREAM.calls(prompt)
