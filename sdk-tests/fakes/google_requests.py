"""Reads requests of Google's `generateContent`, and refuses what Google refuses."""

from __future__ import annotations

import base64
import re
from typing import Any

from .replies import Conversation
from .upstream import Rejected

FIELDS = {
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "generationConfig",
    "safetySettings",
    "cachedContent",
    "labels",
    "serviceTier",
}
CONFIG_FIELDS = {
    "maxOutputTokens",
    "temperature",
    "topP",
    "topK",
    "stopSequences",
    "seed",
    "candidateCount",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "responseModalities",
    "thinkingConfig",
}
PART_FIELDS = {
    "text",
    "thought",
    "thoughtSignature",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
}
# What stands for the signature of a call that another model made.
NO_SIGNATURE = "skip_thought_signature_validator"
SIGNATURES = ("c2lnbmVkLWJ5LXRoZS1mYWtl", NO_SIGNATURE)


# What is inside is the caller's own.
OWN_NAMES = {"args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema"}


def read(body: dict[str, Any]) -> Conversation:
    """Raises `Rejected` for what the vendor would not take."""
    body = _camel(body)
    only(body, FIELDS, "")
    conversation = Conversation()
    _read_tools(body, conversation)
    config = body.get("generationConfig") or {}
    only(config, CONFIG_FIELDS, "generation_config.")
    _read_config(config, conversation)
    if instruction := body.get("systemInstruction"):
        conversation.system = " ".join(part["text"] for part in instruction["parts"])
    _read_contents(body.get("contents"), conversation)
    return conversation


def _camel(value: Any) -> Any:
    """The same with names in camel case: the vendor reads both spellings."""
    if isinstance(value, list):
        return [_camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {re.sub(r"_([a-z])", lambda found: found.group(1).upper(), name): inner for name, inner in value.items()}
    return {name: inner if name in OWN_NAMES else _camel(inner) for name, inner in named.items()}


def refuse(message: str) -> Rejected:
    return Rejected(message)


def only(given: dict[str, Any], known: set[str], path: str) -> None:
    for name in given:
        if name not in known:
            raise refuse(f'Invalid JSON payload received. Unknown name "{path}{name}": Cannot find field.')


def _read_tools(body: dict[str, Any], conversation: Conversation) -> None:
    for tool in body.get("tools") or []:
        only(tool, {"functionDeclarations", "googleSearch", "codeExecution", "urlContext"}, "tools.")
        for function in tool.get("functionDeclarations") or []:
            only(function, {"name", "description", "parameters", "parametersJsonSchema"}, "function_declarations.")
            if "parameters" in function and "parametersJsonSchema" in function:
                raise refuse("parameters and parametersJsonSchema are mutually exclusive.")
            schema = function.get("parametersJsonSchema") or _lower(function.get("parameters") or {})
            conversation.tools[function["name"]] = schema
    calling = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    names = calling.get("allowedFunctionNames") or []
    mode = calling.get("mode", "AUTO")
    if names and mode not in ("ANY", "VALIDATED"):
        raise refuse("allowed_function_names may be set only when mode is ANY or VALIDATED.")
    if mode == "ANY":
        conversation.tool_choice = names[0] if len(names) == 1 else "required"
    elif mode == "NONE":
        conversation.tool_choice = "none"


def _read_config(config: dict[str, Any], conversation: Conversation) -> None:
    conversation.stop_sequences = config.get("stopSequences") or []
    if len(conversation.stop_sequences) > 5:
        raise refuse("The number of stop sequences must not exceed 5.")
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    if schema is not None:
        if config.get("responseMimeType") != "application/json":
            raise refuse("Function calling with a response schema needs the mime type 'application/json'.")
        conversation.answer_schema = _lower(schema)
    thinking = config.get("thinkingConfig") or {}
    if "thinkingLevel" in thinking and "thinkingBudget" in thinking:
        raise refuse("You can only set only one of thinking budget and thinking level.")
    conversation.is_thinking_on = bool(thinking.get("includeThoughts"))


def _read_contents(contents: Any, conversation: Conversation) -> None:
    if not contents:
        raise refuse("* GenerateContentRequest.contents: contents is not specified")
    waiting: list[str] = []
    speaker = None
    for content in contents:
        if content.get("role", "user") not in ("user", "model"):
            raise refuse("Please use a valid role: user, model.")
        parts = content.get("parts") or []
        if not parts:
            raise refuse("* GenerateContentRequest.contents.parts: contents.parts must not be empty.")
        # Pieces of a streamed answer come back one by one.
        conversation.turns += content.get("role", "user") != speaker
        speaker = content.get("role", "user")
        answered = [part["functionResponse"]["name"] for part in parts if "functionResponse" in part]
        if content.get("role", "user") == "user" and sorted(answered) != sorted(waiting):
            raise refuse(
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        called = _read_parts(parts, speaker, conversation, has_calls=bool(waiting))
        waiting = waiting + called if speaker == "model" else []
    conversation.ends_with_tool_result = any("functionResponse" in part for part in contents[-1]["parts"])


def _read_parts(
    parts: list[dict[str, Any]], role: str, conversation: Conversation, *, has_calls: bool
) -> list[str]:
    texts, calls = [], []
    for part in parts:
        only(part, PART_FIELDS, "contents.parts.")
        if part.get("thought"):
            continue
        if "functionCall" in part:
            if not calls and not has_calls and part.get("thoughtSignature") not in SIGNATURES:
                raise refuse("Function call is missing a thought_signature in functionCall parts.")
            calls.append(part["functionCall"]["name"])
        elif "functionResponse" in part:
            response = part["functionResponse"]["response"]
            if not isinstance(response, dict):
                raise refuse("function_response.response must be an object.")
            conversation.tool_results.append(str(response.get("output", response)))
        elif "inlineData" in part:
            _read_data(part["inlineData"], conversation)
        elif "fileData" in part:
            conversation.images.append(f"url {part['fileData']['fileUri']}")
        else:
            texts.append(part.get("text", ""))
    if role == "user" and texts:
        conversation.user_text = " ".join(texts)
    return calls


def _read_data(data: dict[str, Any], conversation: Conversation) -> None:
    size = len(base64.b64decode(data["data"].replace("-", "+").replace("_", "/")))
    found = f"{data['mimeType']} {size} bytes"
    (conversation.images if data["mimeType"].startswith("image/") else conversation.documents).append(found)


def _lower(schema: Any) -> Any:
    """The schema with its types in small letters."""
    if isinstance(schema, list):
        return [_lower(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    lowered = {key: _lower(value) for key, value in schema.items() if key != "propertyOrdering"}
    if isinstance(lowered.get("type"), str):
        lowered["type"] = lowered["type"].lower()
    return lowered
