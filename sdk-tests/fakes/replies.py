"""What a fake model answers, independent of the wire format.

A test writes a marker such as `@script{tools}` or `@script{error:429}` into its user message. Without a marker the model
repeats what reached it (text, system prompt, pictures, documents, tool results), so a test can assert from the client's
side that nothing got lost on the way up.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import Any

MARKER = re.compile(r"@script\{([a-z0-9-]+)(?::([^}]*))?\}")

TOOL_SCRIPTS = ("tools", "text-and-tool", "parallel-tools", "thinking-tools", "tool-without-arguments")
THINKING_TEXT = "The user wants an answer. I weigh the options."
REFUSAL_TEXT = "I can't help with that."
# Characters of two, three and four bytes, a joined emoji and a line separator that is no line end in SSE.
CRUMBS_TEXT = "Grüße, 世界 👋🏽\u2028done"


@dataclass(frozen=True)
class Usage:
    """Token counts in disjoint classes, except that `reasoning` is a part of `output`."""

    uncached: int = 100
    cache_read: int = 0
    cache_write: int = 0
    output: int = 20
    reasoning: int = 0


@dataclass(frozen=True)
class ToolCall:
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Reply:
    text: str | None = None
    thinking: str | None = None
    is_thinking_redacted: bool = False
    tool_calls: tuple[ToolCall, ...] = ()
    # One of: end, length, stop-sequence, tools, refusal.
    stop: str = "end"
    stop_sequence: str | None = None
    usage: Usage = Usage()


@dataclass
class Conversation:
    """A validated request, reduced to what a model would see."""

    user_text: str = ""
    system: str = ""
    turns: int = 0
    images: list[str] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    tool_results: list[str] = field(default_factory=list)
    ends_with_tool_result: bool = False
    # Offered tools: name to JSON schema of the arguments.
    tools: dict[str, dict[str, Any]] = field(default_factory=dict)
    # "auto", "none", "required", or the name of the one forced tool.
    tool_choice: str = "auto"
    allows_parallel_tools: bool = True
    # The schema the answer must match, if structured output was asked for.
    answer_schema: dict[str, Any] | None = None
    stop_sequences: list[str] = field(default_factory=list)
    is_thinking_on: bool = False
    # Whether a turn that waits for tool results must begin with its thought.
    begins_with_thinking: bool = False
    # Which of its vendor's APIs was called, where it has several.
    api: str = "chat"
    # What a script written beforehand says to this request.
    scripted: Reply | None = None

    @property
    def script(self) -> tuple[str, str]:
        """The marker's name and argument; two empty strings without a marker."""
        found = MARKER.search(self.user_text)
        return (found.group(1), found.group(2) or "") if found else ("", "")


class ScriptError(Exception):
    """The test asked for something its own request made impossible."""


def reply_to(conversation: Conversation) -> Reply:
    """Decides the answer to one request."""
    if conversation.scripted:
        return conversation.scripted
    if conversation.ends_with_tool_result:
        return Reply(text=_describe(conversation))
    name, argument = conversation.script
    if name in TOOL_SCRIPTS:
        return _tool_reply(name, conversation)
    if forced := _forced_tool(conversation):
        schema = conversation.tools[forced]
        return Reply(tool_calls=(ToolCall(forced, example_of(schema)),), stop="tools")
    if conversation.answer_schema is not None:
        return Reply(text=json.dumps(example_of(conversation.answer_schema)))
    scripted = _scripted(name, argument, conversation)
    return _cut_at_stop_sequence(scripted, conversation.stop_sequences)


def _scripted(name: str, argument: str, conversation: Conversation) -> Reply:
    if name == "thinking":
        return with_thinking(Reply(text="The answer is 42."), conversation)
    if name == "redacted-thinking":
        reply = with_thinking(Reply(text="The answer is 42."), conversation)
        return replace(reply, is_thinking_redacted=True)
    if name == "length":
        return Reply(text="This answer is cut", stop="length")
    if name == "refusal":
        return Reply(text=REFUSAL_TEXT, stop="refusal")
    if name == "cache":
        return Reply(text="cached", usage=Usage(uncached=200, cache_read=1000, cache_write=300, output=50))
    if name == "cache-read":
        return Reply(text="cached", usage=Usage(uncached=200, cache_read=1000, output=50))
    if name == "json-object":
        return Reply(text='{"ok": true}')
    if name == "say":
        return Reply(text=argument)
    if name == "crumbs":
        return Reply(text=CRUMBS_TEXT)
    return Reply(text=_describe(conversation))


def _tool_reply(name: str, conversation: Conversation) -> Reply:
    if name == "tool-without-arguments":
        _require_tool(conversation, "get_time")
        return Reply(tool_calls=(ToolCall("get_time", {}),), stop="tools")
    _require_tool(conversation, "get_weather")
    paris = ToolCall("get_weather", {"city": "Paris", "unit": "celsius"})
    tokyo = ToolCall("get_weather", {"city": "Tōkyō", "unit": "celsius"})
    calls = (paris, tokyo) if name == "parallel-tools" and conversation.allows_parallel_tools else (paris,)
    reply = Reply(tool_calls=calls, stop="tools")
    if name == "text-and-tool":
        return replace(reply, text="Let me look.")
    if name == "thinking-tools":
        return with_thinking(reply, conversation)
    return reply


def _require_tool(conversation: Conversation, name: str) -> None:
    if conversation.tool_choice == "none":
        raise ScriptError("the script calls a tool, but tool_choice is none")
    if name not in conversation.tools:
        raise ScriptError(f"the script calls {name}, but the request offers {sorted(conversation.tools)}")


def with_thinking(reply: Reply, conversation: Conversation) -> Reply:
    if not conversation.is_thinking_on:
        return reply
    return replace(reply, thinking=THINKING_TEXT, usage=Usage(output=60, reasoning=40))


def _forced_tool(conversation: Conversation) -> str | None:
    if conversation.tool_choice in conversation.tools:
        return conversation.tool_choice
    if conversation.tool_choice == "required":
        return next(iter(conversation.tools), None)
    return None


def _cut_at_stop_sequence(reply: Reply, stop_sequences: list[str]) -> Reply:
    for sequence in stop_sequences:
        if reply.text and sequence in reply.text:
            cut = reply.text.split(sequence, 1)[0]
            return replace(reply, text=cut, stop="stop-sequence", stop_sequence=sequence)
    return reply


def _describe(conversation: Conversation) -> str:
    facts = [f"You said: {conversation.user_text}", f"turns: {conversation.turns}"]
    if conversation.system:
        facts.append(f"system: {conversation.system}")
    for label, found in (
        ("image", conversation.images),
        ("document", conversation.documents),
        ("tool result", conversation.tool_results),
    ):
        facts += [f"{label}: {one}" for one in found]
    return " | ".join(facts)


def example_of(schema: dict[str, Any], root: dict[str, Any] | None = None) -> Any:
    """Builds the smallest value that fits a JSON schema."""
    root = root or schema
    if "$ref" in schema:
        target: Any = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return example_of(target, root)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            options = [one for one in schema[key] if one.get("type") != "null"]
            return example_of(options[0], root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    kind = next((one for one in kind if one != "null"), "null") if isinstance(kind, list) else kind
    if kind == "object" or "properties" in schema:
        return {name: example_of(part, root) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [example_of(schema.get("items", {"type": "string"}), root)]
    return {"string": "sample", "integer": 7, "number": 1.5, "boolean": True}.get(kind)
