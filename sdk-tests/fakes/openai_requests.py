"""Checks Chat Completions requests the way OpenAI does, and reads what a model would see.

Field lists follow the request types of the official Python SDK 3.54 (types/chat/*_param.py). Messages are worded like
OpenAI's. `is_strict` is OpenAI itself with a reasoning model; otherwise the fake is one of the many compatible servers
that also take `top_k` and, on assistant messages, `reasoning_content`.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from .replies import Conversation
from .upstream import Rejected

TOP_LEVEL = set(
    "messages model audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens"
    " max_tokens metadata modalities moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key"
    " prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier"
    " stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity"
    " web_search_options".split()
)
COMPATIBLE_TOP_LEVEL = {"top_k"}
MESSAGE_FIELDS = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    # `annotations` is no documented input, but OpenAI takes its own answers back as they are.
    "assistant": {"role", "content", "name", "refusal", "tool_calls", "audio", "function_call", "annotations"},
    "tool": {"role", "content", "tool_call_id"},
}
PART_FIELDS = {
    "text": {"type", "text", "prompt_cache_breakpoint"},
    "image_url": {"type", "image_url", "prompt_cache_breakpoint"},
    "input_audio": {"type", "input_audio"},
    "file": {"type", "file", "prompt_cache_breakpoint"},
    "refusal": {"type", "refusal"},
}
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
TOOL_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
TOOL_CALL_ID_LENGTH_MAX = 40


def refuse(message: str, param: str | None = None, code: str | None = None) -> Rejected:
    return Rejected(message, param=param, code=code)


def unknown(param: str) -> Rejected:
    return refuse(f"Unknown parameter: '{param}'.", param, "unknown_parameter")


def read(body: dict[str, Any], is_strict: bool) -> Conversation:
    """Raises `Rejected` for what OpenAI rejects."""
    for name in body:
        if name not in TOP_LEVEL and (is_strict or name not in COMPATIBLE_TOP_LEVEL):
            raise unknown(name)
    if not isinstance(body.get("model"), str):
        raise refuse("you must provide a model parameter")
    _check_numbers(body, is_strict)
    conversation = Conversation(is_thinking_on=body.get("reasoning_effort") not in (None, "none"))
    _read_tools(body, conversation)
    _read_messages(body, conversation, is_strict)
    _read_answer_format(body, conversation)
    stop = body.get("stop")
    conversation.stop_sequences = [stop] if isinstance(stop, str) else list(stop or [])
    if len(conversation.stop_sequences) > 4:
        raise refuse("Invalid 'stop': array too long. Expected an array with maximum length 4.", "stop")
    return conversation


def _check_numbers(body: dict[str, Any], is_strict: bool) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        limit = body.get(name)
        if limit is not None and (not isinstance(limit, int) or limit < 1):
            raise refuse(
                f"Invalid '{name}': integer below minimum value. Expected a value >= 1, but got {limit} instead.",
                name,
                "integer_below_min_value",
            )
    if body.get("max_tokens") and body.get("max_completion_tokens"):
        raise refuse("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
    if is_strict and body.get("max_tokens"):
        raise refuse(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        )
    for name, low, high in (("temperature", 0, 2), ("top_p", 0, 1), ("frequency_penalty", -2, 2)):
        value = body.get(name)
        if value is not None and not low <= value <= high:
            raise refuse(f"Invalid '{name}': decimal out of range. Expected a value >= {low} and <= {high}.", name)
    effort = body.get("reasoning_effort")
    if effort is not None and effort not in EFFORTS:
        raise refuse(f"Invalid value: '{effort}'. Supported values are: {listed(EFFORTS)}.", "reasoning_effort")
    if body.get("stream_options") is not None and not body.get("stream"):
        raise refuse("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")


def _read_tools(body: dict[str, Any], conversation: Conversation) -> None:
    tools = body.get("tools")
    if tools == []:
        raise refuse("Invalid 'tools': empty array. Expected an array with minimum length 1.", "tools", "empty_array")
    for name in ("tool_choice", "parallel_tool_calls"):
        if body.get(name) is not None and not tools:
            raise refuse(f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified.", name)
    for at, tool in enumerate(tools or []):
        if tool.get("type") != "function" or set(tool) - {"type", "function"}:
            raise refuse(f"Invalid value: '{tool.get('type')}' or fields {sorted(tool)}.", f"tools[{at}]")
        function = tool["function"]
        for field in set(function) - {"name", "description", "parameters", "strict"}:
            raise unknown(f"tools[{at}].function.{field}")
        if not TOOL_NAME.match(function.get("name", "")):
            raise refuse(f"Invalid 'tools[{at}].function.name': string does not match pattern.", f"tools[{at}]")
        conversation.tools[function["name"]] = function.get("parameters") or {"type": "object", "properties": {}}
    conversation.allows_parallel_tools = body.get("parallel_tool_calls") is not False
    choice = body.get("tool_choice", "auto")
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        allowed = [one["function"]["name"] for one in choice["allowed_tools"]["tools"]]
        conversation.tools = {name: conversation.tools[name] for name in allowed}
        choice = choice["allowed_tools"]["mode"]
    if isinstance(choice, dict):
        if choice.get("type") != "function" or choice.get("function", {}).get("name") not in conversation.tools:
            raise refuse("Tool choice 'function' not found in 'tools' parameter.", "tool_choice")
        choice = choice["function"]["name"]
    elif choice not in ("auto", "none", "required"):
        raise refuse(f"Invalid value: '{choice}'. Supported values are: 'none', 'auto', and 'required'.", "tool_choice")
    conversation.tool_choice = choice


def _read_messages(body: dict[str, Any], conversation: Conversation, is_strict: bool) -> None:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise refuse("Invalid 'messages': empty array. Expected an array with minimum length 1.", "messages")
    waiting: list[str] = []
    systems: list[str] = []
    for at, message in enumerate(messages):
        path, role = f"messages[{at}]", message.get("role")
        if role not in MESSAGE_FIELDS:
            raise refuse(f"Invalid value: '{role}'. Supported values are: {listed(MESSAGE_FIELDS)}.", f"{path}.role")
        allowed = MESSAGE_FIELDS[role]
        if role == "assistant" and not is_strict:
            allowed = allowed | {"reasoning_content"}
        for field in message:
            if field not in allowed:
                raise unknown(f"{path}.{field}")
        if role == "tool":
            _read_tool_result(message, path, waiting, conversation)
            continue
        if waiting:
            raise refuse(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each"
                f" 'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(waiting)}",
                f"{path}.role",
            )
        conversation.turns += role in ("user", "assistant")
        text = _read_content(message.get("content"), role, path, conversation, bool(message.get("tool_calls")))
        if role in ("system", "developer"):
            systems.append(text)
        elif role == "user":
            conversation.user_text = text
        else:
            waiting = [_tool_call_id(call, f"{path}.tool_calls[{n}]") for n, call in enumerate(message.get("tool_calls") or [])]
    if waiting:
        raise refuse(f"tool_call_ids did not have response messages: {', '.join(waiting)}", "messages")
    conversation.system = " ".join(systems)
    conversation.ends_with_tool_result = messages[-1]["role"] == "tool" or _follows_tool_result(messages)


def _follows_tool_result(messages: list[dict[str, Any]]) -> bool:
    # Pictures from a tool have no place in a tool message, so they follow it in a user message of their own.
    if len(messages) < 2 or messages[-1]["role"] != "user" or messages[-2]["role"] != "tool":
        return False
    content = messages[-1]["content"]
    return isinstance(content, list) and any(part["type"] != "text" for part in content)


def _read_tool_result(message: dict[str, Any], path: str, waiting: list[str], conversation: Conversation) -> None:
    if message.get("tool_call_id") not in waiting:
        raise refuse(
            "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
            f"{path}.role",
        )
    waiting.remove(message["tool_call_id"])
    conversation.tool_results.append(_read_content(message.get("content"), "tool", path, conversation, False))


def _tool_call_id(call: dict[str, Any], path: str) -> str:
    for field in set(call) - {"id", "type", "function"}:
        raise unknown(f"{path}.{field}")
    if call.get("type") != "function":
        raise refuse(f"Missing required parameter: '{path}.type'.", f"{path}.type")
    if not isinstance(call.get("function", {}).get("arguments"), str):
        raise refuse(f"Invalid type for '{path}.function.arguments': expected a string.", path, "invalid_type")
    if not call.get("id") or len(call["id"]) > TOOL_CALL_ID_LENGTH_MAX:
        raise refuse(f"Invalid '{path}.id': string too long. Expected a string with maximum length 40.", path)
    return call["id"]


def _read_content(content: Any, role: str, path: str, conversation: Conversation, may_be_null: bool) -> str:
    if isinstance(content, str):
        return content
    if content is None and role == "assistant" and may_be_null:
        return ""
    if not isinstance(content, list) or not content:
        raise refuse("Invalid value for 'content': expected a string, got null.", f"{path}.content")
    return " ".join(filter(None, (_read_part(part, role, f"{path}.content[{n}]", conversation) for n, part in enumerate(content))))


def _read_part(part: dict[str, Any], role: str, path: str, conversation: Conversation) -> str:
    kinds = {"user": ("text", "image_url", "input_audio", "file"), "assistant": ("text", "refusal")}.get(role, ("text",))
    kind = part.get("type")
    if kind not in kinds:
        raise refuse(f"Invalid value: '{kind}'. Supported values are: {listed(kinds)}.", path, "invalid_value")
    for field in set(part) - PART_FIELDS[kind]:
        raise unknown(f"{path}.{field}")
    if kind == "image_url":
        for field in set(part["image_url"]) - {"url", "detail"}:
            raise unknown(f"{path}.image_url.{field}")
        conversation.images.append(describe_address(part["image_url"]["url"], path))
    elif kind == "file":
        file = part["file"]
        for field in set(file) - {"file_data", "file_id", "filename"}:
            raise unknown(f"{path}.file.{field}")
        if not file.get("filename") or not file.get("file_data", "").startswith("data:"):
            raise refuse("Invalid file data: expected a filename and a base64-encoded data URL.", f"{path}.file")
        conversation.documents.append(f"{file['filename']} {describe_address(file['file_data'], path)}")
    return part.get("text") or part.get("refusal") or ""


def describe_address(address: str, path: str) -> str:
    if address.startswith(("https://", "http://")):
        return f"url {address}"
    found = re.match(r"^data:([\w/+.-]+);base64,(.+)$", address)
    if not found:
        raise refuse("Invalid base64 data URL or unsupported address.", path, "invalid_image_url")
    try:
        size = len(base64.b64decode(found.group(2), validate=True))
    except ValueError as error:
        raise refuse("Invalid base64 data.", path, "invalid_base64") from error
    return f"{found.group(1)} {size} bytes"


def _read_answer_format(body: dict[str, Any], conversation: Conversation) -> None:
    wanted = body.get("response_format") or {"type": "text"}
    if wanted["type"] == "json_schema":
        described = wanted.get("json_schema") or {}
        if not described.get("name"):
            raise refuse("Missing required parameter: 'response_format.json_schema.name'.", "response_format")
        schema = described.get("schema") or {"type": "object", "properties": {}}
        if described.get("strict") and schema.get("additionalProperties") is not False:
            raise refuse(
                f"Invalid schema for response_format '{described['name']}': In context=(), 'additionalProperties' is"
                " required to be supplied and to be false.",
                "response_format",
            )
        conversation.answer_schema = schema
    elif wanted["type"] == "json_object" and "json" not in str(body["messages"]).lower():
        raise refuse("'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.")


def listed(values: Any) -> str:
    return ", ".join(f"'{value}'" for value in values)
