"""Checks requests of OpenAI's Responses API the way OpenAI does, and reads what a model would see.

Field lists follow the request types of the official Python SDK 3.54 (types/responses/*_param.py). Messages are worded
like OpenAI's.
"""

from __future__ import annotations

from typing import Any

from .openai_requests import EFFORTS, TOOL_NAME, describe_address, listed, refuse, unknown
from .replies import Conversation

TOP_LEVEL = set(
    "background context_management conversation include input instructions max_output_tokens max_tool_calls metadata"
    " model moderation parallel_tool_calls previous_response_id prompt prompt_cache_key prompt_cache_options"
    " prompt_cache_retention reasoning safety_identifier service_tier store stream stream_options temperature text"
    " tool_choice tools top_logprobs top_p truncation user".split()
)
# Codex sends it with every request, to OpenAI too; the SDK's types do not have it (Codex 0.171, seen 2026-11-26).
UNTYPED_TOP_LEVEL = {"client_metadata"}
TOOL_FIELDS = {
    "function": {"type", "name", "description", "parameters", "strict"},
    "namespace": {"type", "name", "description", "tools"},
    "web_search": {"type", "filters", "search_context_size", "user_location", "external_web_access"},
}
ITEM_FIELDS = {
    "message": {"type", "id", "role", "content", "status", "phase"},
    "reasoning": {"type", "id", "summary", "content", "encrypted_content", "status"},
    "function_call": {"type", "id", "call_id", "name", "arguments", "status"},
    "function_call_output": {"type", "id", "call_id", "output", "status"},
}
PART_FIELDS = {
    "input_text": {"type", "text"},
    "input_image": {"type", "image_url", "file_id", "detail"},
    "input_file": {"type", "filename", "file_data", "file_url", "file_id", "detail"},
    "output_text": {"type", "text", "annotations", "logprobs"},
    "refusal": {"type", "refusal"},
}
PARTS_OF_ROLE = {"assistant": ("output_text", "refusal")}
PARTS_OF_OTHERS = ("input_text", "input_image", "input_file")
# What this fake encrypts begins so; everything else was made by somebody else.
ENCRYPTED = "gAAAAfake"
OUTPUT_TOKENS_MIN = 16
KNOWN_RESPONSE = "resp_of_an_earlier_call"
REASONING_ID = "rs_0"


def read(body: dict[str, Any]) -> Conversation:
    """Raises `Rejected` for what OpenAI rejects."""
    for name in body:
        if name not in TOP_LEVEL | UNTYPED_TOP_LEVEL:
            raise unknown(name)
    if not isinstance(body.get("model"), str):
        raise refuse("Missing required parameter: 'model'.", "model", "missing_required_parameter")
    if body.get("previous_response_id") not in (None, KNOWN_RESPONSE):
        raise refuse(f"Previous response with id '{body['previous_response_id']}' not found.", "previous_response_id")
    limit = body.get("max_output_tokens")
    if limit is not None and limit < OUTPUT_TOKENS_MIN:
        raise refuse(f"Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got {limit}.")
    effort = (body.get("reasoning") or {}).get("effort")
    if effort is not None and effort not in EFFORTS:
        raise refuse(f"Invalid value: '{effort}'. Supported values are: {listed(EFFORTS)}.", "reasoning.effort")
    conversation = Conversation(api="responses", is_thinking_on=effort not in (None, "none"))
    _read_tools(body, conversation)
    _read_input(body, conversation)
    _read_answer_format(body, conversation)
    return conversation


def _read_tools(body: dict[str, Any], conversation: Conversation) -> None:
    tools = body.get("tools") or []
    for at, tool in enumerate(tools):
        kind = tool.get("type")
        if kind not in TOOL_FIELDS:
            raise refuse(f"Invalid value: '{kind}'.", f"tools[{at}].type")
        for field in set(tool) - TOOL_FIELDS[kind]:
            raise unknown(f"tools[{at}].{field}")
        if kind == "web_search":
            continue
        if not TOOL_NAME.match(tool.get("name", "")):
            raise refuse(f"Missing required parameter: 'tools[{at}].name'.", f"tools[{at}].name")
        if kind == "function":
            conversation.tools[tool["name"]] = tool.get("parameters") or {"type": "object", "properties": {}}
    conversation.allows_parallel_tools = body.get("parallel_tool_calls") is not False
    choice = body.get("tool_choice") or "auto"
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        conversation.tools = {one["name"]: conversation.tools[one["name"]] for one in choice["tools"]}
        choice = choice["mode"]
    if isinstance(choice, dict):
        if choice.get("type") != "function" or choice.get("name") not in conversation.tools:
            raise refuse("Tool choice 'function' not found in 'tools' parameter.", "tool_choice")
        choice = choice["name"]
    elif choice not in ("auto", "none", "required"):
        raise refuse(f"Invalid value: '{choice}'.", "tool_choice")
    conversation.tool_choice = choice


def _read_input(body: dict[str, Any], conversation: Conversation) -> None:
    given = body.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    if not isinstance(items, list) or not items:
        raise refuse("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    systems = [body["instructions"]] if body.get("instructions") else []
    waiting: list[str] = []
    turn_of = None
    for at, item in enumerate(items):
        path, kind = f"input[{at}]", item.get("type", "message")
        if kind not in ITEM_FIELDS:
            raise refuse(f"Invalid value: '{kind}'. Supported values are: {listed(ITEM_FIELDS)}.", f"{path}.type")
        for field in set(item) - ITEM_FIELDS[kind]:
            raise unknown(f"{path}.{field}")
        role = item.get("role") if kind == "message" else ("user" if kind == "function_call_output" else "assistant")
        conversation.turns += kind != "function_call_output" and role in ("user", "assistant") and role != turn_of
        turn_of = role
        if kind == "message":
            text = _read_content(item.get("content"), role, path, conversation)
            if role in ("system", "developer"):
                systems.append(text)
            elif role == "user":
                conversation.user_text = text
        elif kind == "function_call":
            if not isinstance(item.get("arguments"), str):
                raise refuse(f"Invalid type for '{path}.arguments': expected a string.", path, "invalid_type")
            waiting.append(item["call_id"])
        elif kind == "function_call_output":
            if item.get("call_id") not in waiting:
                raise refuse(f"No tool call found for function call output with call_id {item.get('call_id')}.", "input")
            waiting.remove(item["call_id"])
            output = item.get("output")
            if not isinstance(output, (str, list)):
                raise refuse(f"Invalid type for '{path}.output': expected a string or a list.", path, "invalid_type")
            conversation.tool_results.append(_read_content(output, "user", f"{path}.output", conversation))
        else:
            _check_reasoning(item, is_stored=body.get("store") is not False)
    if waiting:
        raise refuse(f"No tool output found for function call {waiting[0]}.", "input")
    conversation.system = " ".join(systems)
    conversation.ends_with_tool_result = items[-1].get("type") == "function_call_output"


def _check_reasoning(item: dict[str, Any], *, is_stored: bool) -> None:
    """A thought comes back as it was encrypted, or by the id under which it is stored."""
    encrypted = item.get("encrypted_content")
    if encrypted is not None and not encrypted.startswith(ENCRYPTED):
        raise refuse("The encrypted content could not be verified.", "input", "invalid_encrypted_content")
    if encrypted is None and not (is_stored and item.get("id") == REASONING_ID):
        raise refuse(f"Item with id '{item.get('id')}' not found.", "input")


def _read_content(content: Any, role: str | None, path: str, conversation: Conversation) -> str:
    if role not in ("user", "assistant", "system", "developer"):
        raise refuse(f"Invalid value: '{role}'.", f"{path}.role")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise refuse(f"Invalid type for '{path}.content'.", f"{path}.content", "invalid_type")
    found = []
    for at, part in enumerate(content):
        kinds, kind = PARTS_OF_ROLE.get(role, PARTS_OF_OTHERS), part.get("type")
        place = f"{path}.content[{at}]"
        if kind not in kinds:
            raise refuse(f"Invalid value: '{kind}'. Supported values are: {listed(kinds)}.", place, "invalid_value")
        for field in set(part) - PART_FIELDS[kind]:
            raise unknown(f"{place}.{field}")
        if kind == "input_image":
            conversation.images.append(describe_address(part["image_url"], place))
        elif kind == "input_file":
            address = part.get("file_data") or part.get("file_url") or ""
            name = f"{part['filename']} " if part.get("filename") else ""
            conversation.documents.append(f"{name}{describe_address(address, place)}")
        found.append(part.get("text") or part.get("refusal") or "")
    return " ".join(filter(None, found))


def _read_answer_format(body: dict[str, Any], conversation: Conversation) -> None:
    wanted = (body.get("text") or {}).get("format") or {"type": "text"}
    if wanted["type"] == "json_schema":
        if not wanted.get("name"):
            raise refuse("Missing required parameter: 'text.format.name'.", "text.format.name")
        schema = wanted.get("schema") or {"type": "object", "properties": {}}
        if wanted.get("strict") and schema.get("additionalProperties") is not False:
            raise refuse("Invalid schema: 'additionalProperties' is required to be supplied and to be false.", "text.format")
        conversation.answer_schema = schema
    elif wanted["type"] == "json_object" and "json" not in str(body["input"]).lower():
        raise refuse("Response input messages must contain the word 'json' in some form to use 'json_object'.", "input")
