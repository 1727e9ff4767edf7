"""Coding agents finish a task through the gateway: one tool call that makes a file, then a closing word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

import guides
import programs
import records
from targets import ANTHROPIC_UPSTREAM, GATEWAY_KEY, GATEWAY_URL, OPENAI_UPSTREAM, RESPONSES_UPSTREAM, Upstream, marked

BLOCKS = guides.blocks()
CONTENT = "made by a tool\n"
CLOSING = "The file is made."
# Claude Code sends what only newer models take.
CLAUDE = "up-anthropic/claude-opus-5"


def script(upstream: Upstream, mark: str, *answers: dict[str, Any]) -> None:
    told = {"mark": mark, "answers": list(answers)}
    httpx.post(f"{upstream.url}/__script", json=told, timeout=10).raise_for_status()


def give_task(name: str, upstream: Upstream, model: str, directory: Path, answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Has the agent of a guide do the scripted task; returns the calls that reached the fake."""
    prompt = marked("Make the file")
    script(upstream, prompt, *answers)
    text = BLOCKS[name].set_to(GATEWAY_URL, prompt, {"openai": model, "anthropic": model})
    done = programs.run_block(
        # There is no sandbox within the sandbox of the tests.
        BLOCKS[name].language, text.replace("--sandbox workspace-write", "--sandbox danger-full-access"), directory
    )
    assert done.code == 0 and CLOSING in done.output, done
    assert (directory / "work" / "made.txt").read_text() == CONTENT
    return [call for call in upstream.calls(prompt) if call["body"].get("tools")]


def check(calls: list[dict[str, Any]], model: str) -> None:
    """Two calls, both whole and written down, and the second brings what the tool said."""
    assert [call["outcome"] for call in calls] == ["completed"] * 2, [call["reason"] for call in calls]
    assert GATEWAY_KEY not in json.dumps(calls), "the caller's key reached the provider"
    for record in records.of_calls(calls):
        assert (record["status"], record["model_used"]) == (200, model.split("/")[1]), record
        assert record["input_tokens"] == 100 and float(record["cost"]) > 0, record


@pytest.mark.parametrize("name", ["claude-code", "claude-agent-sdk"])
@pytest.mark.parametrize(
    ("upstream", "model"),
    [(ANTHROPIC_UPSTREAM, CLAUDE), (OPENAI_UPSTREAM, OPENAI_UPSTREAM.model)],
    ids=["on-anthropic", "on-openai"],
)
def test_claude_writes_a_file(name: str, upstream: Upstream, model: str, tmp_path: Path):
    arguments = {"file_path": str(tmp_path / "work" / "made.txt"), "content": CONTENT}
    calls = give_task(name, upstream, model, tmp_path, [{"tool": "Write", "arguments": arguments}, {"text": CLOSING}])
    check(calls, model)
    assert "File created successfully" in json.dumps(calls[1]["body"])
    if upstream is ANTHROPIC_UPSTREAM:
        kinds = [part["type"] for turn in calls[1]["body"]["messages"] for part in turn["content"] if isinstance(part, dict)]
        assert "thinking" in kinds, "the model does not see again what it thought"


@pytest.mark.parametrize(
    ("upstream", "model"),
    [
        (RESPONSES_UPSTREAM, RESPONSES_UPSTREAM.model),
        (OPENAI_UPSTREAM, OPENAI_UPSTREAM.model),
        (ANTHROPIC_UPSTREAM, CLAUDE),
    ],
    ids=["on-responses", "on-chat", "on-anthropic"],
)
def test_codex_runs_a_command(upstream: Upstream, model: str, tmp_path: Path):
    command = "printf 'made by a %s\\n' tool > made.txt && echo the command ran"
    calls = give_task("codex", upstream, model, tmp_path, [{"tool": "exec_command", "arguments": {"cmd": command}}, {"text": CLOSING}])
    check(calls, model)
    assert "the command ran\\n" in json.dumps(calls[1]["body"])
