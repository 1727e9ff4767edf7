"""Every block of the guides that is marked to be run does what its guide says."""

from __future__ import annotations

import re
from pathlib import Path

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
# Claude Code sends what only newer models take.
MODELS = {"openai": OPENAI_UPSTREAM.model, "anthropic": "up-anthropic/claude-opus-5", "google": GOOGLE_UPSTREAM.model}

OPENAI, ANTHROPIC = [OPENAI_UPSTREAM], [ANTHROPIC_UPSTREAM]
# Which provider each block reaches, in order.
REACHES: dict[str, list[Upstream]] = {
    "aider": ANTHROPIC,
    "anthropic-sdk": OPENAI,
    "anthropic-sdk-js": ANTHROPIC,
    "axios": ANTHROPIC,
    "boto3": ANTHROPIC,
    "claude-agent-sdk": ANTHROPIC,
    "claude-agent-sdk-js": ANTHROPIC,
    "claude-code": ANTHROPIC,
    "codex": [RESPONSES_UPSTREAM],
    "gemini-cli": [GOOGLE_UPSTREAM],
    "haystack": ANTHROPIC,
    "langchain": OPENAI + ANTHROPIC,
    "llamaindex": ANTHROPIC,
    "llamaindex-js": ANTHROPIC,
    "openai-sdk": ANTHROPIC,
    "openai-sdk-js": OPENAI,
    "opencode": ANTHROPIC,
    "pydantic-ai": ANTHROPIC,
    "requests": ANTHROPIC,
    "requesty-ai-sdk": ANTHROPIC,
    "vercel-ai-sdk": OPENAI + ANTHROPIC,
}


def test_every_marked_block_is_tested():
    assert sorted(BLOCKS) == sorted(REACHES)


def test_the_index_lists_every_guide():
    listed = re.findall(r"\]\(([a-z0-9-]+\.md)\)", (guides.GUIDES / "README.md").read_text())
    assert sorted(set(listed)) == sorted(file.name for file in guides.GUIDES.glob("*.md") if file.name != "README.md")


@pytest.mark.parametrize("name", sorted(REACHES))
def test_the_block_works_as_it_stands(name: str, tmp_path: Path):
    programs.skip_where_not_installed(name)
    block, prompt = BLOCKS[name], marked("Say hello")
    models = MODELS | ({"openai": RESPONSES_UPSTREAM.model} if name == "codex" else {})
    text = block.set_to(GATEWAY_URL, prompt, models).replace("--sandbox workspace-write", "--sandbox danger-full-access")
    if name == "aider":
        # It takes its own words for an edit, were they repeated.
        scripts.tell(ANTHROPIC_UPSTREAM, prompt, {"text": f"You said: {prompt}"}, for_all=True)

    done = programs.run_block(block.language, text, tmp_path)

    assert done.code == 0, done
    assert done.output.count("You said: ") >= len(REACHES[name]) and prompt in done.output, done
    for upstream in REACHES[name]:
        calls = upstream.calls(prompt)
        if name == "opencode":
            # The title is asked for beside the conversation, without tools.
            calls = [call for call in calls if call["body"].get("tools")]
        assert [call["outcome"] for call in calls] == ["completed"], [call["reason"] for call in calls]
        assert GATEWAY_KEY not in str(calls), "the caller's key reached the provider"
        (record,) = records.of_calls(calls)
        assert record["status"] == 200 and record["model_used"] == records.model_asked(calls[0]), record
