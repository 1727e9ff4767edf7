"""Checks Messages requests the way Anthropic does, and reads what a model would see.

Field lists follow the request types of the official Python SDK 2.12 (types/*_param.py), plus the sampling fields
(`temperature`, `top_p`, `top_k`) that newer SDKs no longer type but the API still takes. Messages are worded like
Anthropic's.

Models differ: from Opus 4.7 and Sonnet 5 on, sampling fields and manual thinking budgets are refused, and from Opus 4.8 on
a `system` message may follow a user message (platform.claude.com, "What's new in Claude 4.8", read 2026-11).
"""

from __future__ import annotations

import re
from typing import Any

from . import anthropic_blocks
from .anthropic_blocks import refuse
from .replies import Conversation

TOP_LEVEL = set(
    "model messages max_tokens cache_control container diagnostics inference_geo metadata output_config service_tier"
    " speed stop_sequences stream system temperature thinking tool_choice tools top_k top_p user_profile_id".split()
)
# A tool that the provider runs: https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool, read 2026-11-26.
WEB_SEARCH = "web_search_20250305"
WEB_SEARCH_FIELDS = set("type name max_uses allowed_domains blocked_domains user_location cache_control".split())
COUNT_TOP_LEVEL = set("model messages cache_control output_config speed system thinking tool_choice tools".split())
# Fields that Anthropic takes from those who ask for the preview by its name in `anthropic-beta`
# (platform.claude.com, "Context editing", read 2026-11).
BETA_FIELDS = {"context-management-2025-06-27": {"context_management"}}
TOOL_FIELDS = set(
    "name description input_schema type cache_control strict input_examples defer_loading allowed_callers"
    " eager_input_streaming".split()
)
CHOICE_FIELDS = {
    "auto": {"type", "disable_parallel_tool_use"},
    "any": {"type", "disable_parallel_tool_use"},
    "tool": {"type", "name", "disable_parallel_tool_use"},
    "none": {"type"},
}
THINKING_FIELDS = {
    "enabled": {"type", "budget_tokens", "display"},
    "disabled": {"type"},
    "adaptive": {"type", "display"},
    "between_tools": {"type"},
}
TOOL_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,128}$")
ADAPTIVE_ONLY = re.compile(r"^claude-(opus-(4-[78]|[5-9])|sonnet-[5-9]|haiku-[5-9]|fable|mythos)")
SYSTEM_MESSAGES = re.compile(r"^claude-(opus-(4-8|[5-9])|sonnet-[5-9]|haiku-[5-9]|fable|mythos)")
THINKING_BUDGET_MIN = 1024
CACHE_BREAKPOINTS_MAX = 4


def read(body: dict[str, Any], *, is_count: bool = False, betas: str = "") -> Conversation:
    """Raises `Rejected` for what Anthropic rejects. `betas` is the header of that name."""
    previews = [fields for name, fields in BETA_FIELDS.items() if name in betas]
    known = (COUNT_TOP_LEVEL if is_count else TOP_LEVEL).union(*previews)
    for name in body:
        if name not in known:
            raise refuse(f"{name}: Extra inputs are not permitted")
    for name in ("model", "messages") + (() if is_count else ("max_tokens",)):
        if name not in body:
            raise refuse(f"{name}: Field required")
    conversation = Conversation()
    _read_tools(body, conversation)
    _check_thinking(body, conversation, is_count)
    _check_numbers(body, conversation)
    conversation.system = _read_system(body.get("system"))
    _read_messages(body["messages"], conversation, bool(SYSTEM_MESSAGES.match(body["model"])))
    _read_output(body.get("output_config") or {}, conversation)
    conversation.stop_sequences = body.get("stop_sequences") or []
    if any(not sequence.strip() for sequence in conversation.stop_sequences):
        raise refuse("stop_sequences: each stop sequence must contain non-whitespace")
    if str(body).count("'cache_control': {") > CACHE_BREAKPOINTS_MAX:
        raise refuse("A maximum of 4 blocks with cache_control may be provided.")
    for name in set(body.get("metadata") or {}) - {"user_id"}:
        raise refuse(f"metadata.{name}: Extra inputs are not permitted")
    return conversation


def _check_numbers(body: dict[str, Any], conversation: Conversation) -> None:
    limit = body.get("max_tokens", 1)
    if not isinstance(limit, int) or limit < 0:
        raise refuse("max_tokens: Input should be greater than or equal to 0")
    for name, high in (("temperature", 1), ("top_p", 1), ("top_k", 500)):
        value = body.get(name)
        if value is not None and ADAPTIVE_ONLY.match(body["model"]):
            raise refuse(f"`{name}` is deprecated for this model.")
        if value is not None and not 0 <= value <= high:
            raise refuse(f"{name}: range: 0..{high}")
    if conversation.is_thinking_on and body.get("temperature") not in (None, 1, 1.0):
        raise refuse("`temperature` may only be set to 1 when thinking is enabled.")


def _check_thinking(body: dict[str, Any], conversation: Conversation, is_count: bool) -> None:
    thinking = body.get("thinking") or {"type": "disabled"}
    kind = thinking.get("type")
    if kind not in THINKING_FIELDS:
        raise refuse(f"thinking: Input tag '{kind}' found using 'type' does not match any of the expected tags")
    for name in set(thinking) - THINKING_FIELDS[kind]:
        raise refuse(f"thinking.{kind}.{name}: Extra inputs are not permitted")
    conversation.is_thinking_on = kind in ("enabled", "adaptive")
    # In the adaptive mode the model may do without, so turns need not begin with a thought.
    conversation.begins_with_thinking = kind == "enabled"
    if kind == "enabled" and ADAPTIVE_ONLY.match(body["model"]):
        raise refuse(
            '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and'
            ' "output_config.effort" to control thinking behavior.'
        )
    if kind == "enabled":
        budget = thinking.get("budget_tokens")
        if budget is None:
            raise refuse("thinking.enabled.budget_tokens: Field required")
        if budget < THINKING_BUDGET_MIN:
            raise refuse("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if not is_count and budget >= body["max_tokens"]:
            raise refuse("`max_tokens` must be greater than `thinking.budget_tokens`.")
    if conversation.is_thinking_on and conversation.tool_choice not in ("auto", "none"):
        raise refuse("Thinking may not be enabled when tool_choice forces tool use.")


def _read_tools(body: dict[str, Any], conversation: Conversation) -> None:
    for at, tool in enumerate(body.get("tools") or []):
        if tool.get("type") == WEB_SEARCH:
            for name in set(tool) - WEB_SEARCH_FIELDS:
                raise refuse(f"tools.{at}.{WEB_SEARCH}.{name}: Extra inputs are not permitted")
            if tool.get("name") != "web_search":
                raise refuse(f"tools.{at}.{WEB_SEARCH}.name: Input should be 'web_search'")
            continue
        for name in set(tool) - TOOL_FIELDS:
            raise refuse(f"tools.{at}.custom.{name}: Extra inputs are not permitted")
        if tool.get("type", "custom") not in ("custom", None):
            raise refuse(f"tools.{at}: Input tag '{tool['type']}' does not match any of the expected tags")
        if not TOOL_NAME.match(tool.get("name", "")):
            raise refuse(f"tools.{at}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        if "input_schema" not in tool:
            raise refuse(f"tools.{at}.custom.input_schema: Field required")
        if tool["input_schema"].get("type") != "object":
            raise refuse(f"tools.{at}.custom.input_schema.type: Field required")
        conversation.tools[tool["name"]] = tool["input_schema"]
    choice = body.get("tool_choice")
    if choice is None:
        return
    kind = choice.get("type")
    if kind not in CHOICE_FIELDS:
        raise refuse(f"tool_choice: Input tag '{kind}' does not match any of the expected tags")
    for name in set(choice) - CHOICE_FIELDS[kind]:
        raise refuse(f"tool_choice.{kind}.{name}: Extra inputs are not permitted")
    if kind != "none" and not conversation.tools:
        raise refuse("tool_choice: may only be specified while providing tools")
    if kind == "tool" and choice.get("name") not in conversation.tools:
        raise refuse(f"Tool '{choice.get('name')}' not found in provided tools")
    conversation.allows_parallel_tools = not choice.get("disable_parallel_tool_use", False)
    conversation.tool_choice = choice["name"] if kind == "tool" else {"any": "required"}.get(kind, kind)


def _read_system(system: Any) -> str:
    if system is None or isinstance(system, str):
        return system or ""
    for at, block in enumerate(system):
        anthropic_blocks.check_fields(block, f"system.{at}")
        if block["type"] != "text":
            raise refuse(f"system.{at}: Input should be a text block")
        if not block["text"].strip():
            raise refuse("system: text content blocks must be non-empty")
    return " ".join(block["text"] for block in system)


def _read_messages(messages: Any, conversation: Conversation, takes_system: bool) -> None:
    if not isinstance(messages, list) or not messages:
        raise refuse("messages: at least one message is required")
    waiting: list[str] = []
    for at, message in enumerate(messages):
        role, content = message.get("role"), message.get("content")
        for name in set(message) - {"role", "content"}:
            raise refuse(f"messages.{at}.{name}: Extra inputs are not permitted")
        if role == "system" and takes_system and at > 0 and messages[at - 1]["role"] == "user":
            conversation.system = f"{conversation.system} {_read_system(content)}".strip()
            continue
        if role not in ("user", "assistant"):
            raise refuse(f"messages.{at}.role: role '{role}' is not supported on this model")
        if at == 0 and role != "user":
            raise refuse("messages: first message must use the \"user\" role")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not isinstance(blocks, list):
            raise refuse(f"messages.{at}.content: Input should be a valid list")
        is_last_assistant = role == "assistant" and at == len(messages) - 1
        if not (blocks and blocks != [{"type": "text", "text": ""}]) and not is_last_assistant:
            raise refuse(
                f"messages.{at}: all messages must have non-empty content except for the optional final assistant message"
            )
        if is_last_assistant and str(blocks[-1].get("text", "")).endswith((" ", "\n")):
            raise refuse("messages: final assistant content cannot end with trailing whitespace")
        conversation.turns += 1
        texts = anthropic_blocks.read(blocks, role, f"messages.{at}", conversation)
        waiting = _match_tool_results(blocks, waiting, at)
        if role == "user" and (texts or not _has_tool_result(blocks)):
            conversation.user_text = " ".join(texts)
    if waiting:
        raise _unanswered(len(messages) - 1, waiting)
    messages = [message for message in messages if message["role"] != "system"]
    _check_thinking_comes_first(messages, conversation)
    conversation.ends_with_tool_result = messages[-1]["role"] == "user" and _has_tool_result(messages[-1]["content"])


def _match_tool_results(blocks: list[dict[str, Any]], waiting: list[str], at: int) -> list[str]:
    """Checks that tool uses and results pair up; returns the uses that now wait for results."""
    waiting = list(waiting)
    seen_other = False
    for n, block in enumerate(blocks):
        if block["type"] != "tool_result":
            seen_other = seen_other or block["type"] != "tool_use"
            continue
        if block["tool_use_id"] not in waiting:
            raise refuse(
                f"messages.{at}.content.{n}: unexpected `tool_use_id` found in `tool_result` blocks:"
                f" {block['tool_use_id']}. Each `tool_result` block must have a corresponding `tool_use` block in the"
                " previous message."
            )
        if seen_other:
            raise refuse(f"messages.{at}: `tool_result` blocks must come first in the message after `tool_use`")
        waiting.remove(block["tool_use_id"])
    if waiting:
        raise _unanswered(at - 1, waiting)
    ids = [block["id"] for block in blocks if block["type"] == "tool_use"]
    if len(ids) != len(set(ids)):
        raise refuse(f"messages.{at}: `tool_use` ids must be unique")
    return ids


def _unanswered(at: int, ids: list[str]) -> Exception:
    return refuse(
        f"messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(ids)}."
        " Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    )


def _has_tool_result(content: Any) -> bool:
    return isinstance(content, list) and any(block["type"] == "tool_result" for block in content)


def _check_thinking_comes_first(messages: list[dict[str, Any]], conversation: Conversation) -> None:
    if not conversation.begins_with_thinking or not _has_tool_result(messages[-1]["content"]):
        return
    at = len(messages) - 2
    first = messages[at]["content"][0]["type"]
    if first not in ("thinking", "redacted_thinking"):
        raise refuse(
            f"messages.{at}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`. When"
            " `thinking` is enabled, a final `assistant` message must start with a thinking block."
        )


def _read_output(config: dict[str, Any], conversation: Conversation) -> None:
    for name in set(config) - {"effort", "format"}:
        raise refuse(f"output_config.{name}: Extra inputs are not permitted")
    wanted = config.get("format")
    if not wanted:
        return
    if wanted.get("type") != "json_schema" or set(wanted) != {"type", "schema"}:
        raise refuse("output_config.format: expected exactly `type` json_schema and `schema`")
    _check_objects_are_closed(wanted["schema"])
    conversation.answer_schema = wanted["schema"]


def _check_objects_are_closed(schema: Any) -> None:
    if isinstance(schema, list):
        for one in schema:
            _check_objects_are_closed(one)
    elif isinstance(schema, dict):
        if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
            raise refuse(
                "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
            )
        for part in schema.values():
            _check_objects_are_closed(part)
