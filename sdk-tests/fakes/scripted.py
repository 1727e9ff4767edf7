"""Conversations that a test writes beforehand, for programs whose prompts it does not write itself.

`POST /__script {"mark": TEXT, "answers": [{"text": …} or {"tool": NAME, "arguments": {…}}, …]}` queues answers for requests
that carry the mark. Agents ask beside the conversation for titles and summaries, often of the same text: a request
that offers no tools takes nothing from the queue, unless the script says `"for_all": true`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from .replies import Conversation, Reply, ScriptError, ToolCall, with_thinking

SCRIPTS_MAX = 100
ANSWERS_MAX = 20


@dataclass
class Script:
    answers: list[dict[str, Any]]
    is_for_all: bool


class Scripts:
    """The queues of all tests, by their marks. Bounded, thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scripts: dict[str, Script] = {}

    def add(self, wanted: dict[str, Any]) -> None:
        mark, answers = wanted["mark"], list(wanted["answers"])
        if not mark or len(answers) > ANSWERS_MAX:
            raise ScriptError(f"a script needs a mark and at most {ANSWERS_MAX} answers")
        with self._lock:
            if len(self._scripts) >= SCRIPTS_MAX:
                raise ScriptError(f"at most {SCRIPTS_MAX} scripts")
            self._scripts[mark] = Script(answers, bool(wanted.get("for_all")))

    def next_for(self, text: str, conversation: Conversation) -> Reply | None:
        """Takes the next answer for this request; None where no script is meant for it or its script is over."""
        with self._lock:
            for mark, script in self._scripts.items():
                if mark not in text:
                    continue
                if script.answers and (conversation.tools or script.is_for_all):
                    return _reply(script.answers.pop(0), conversation)
        return None


def _reply(answer: dict[str, Any], conversation: Conversation) -> Reply:
    if "tool" not in answer:
        return Reply(text=answer["text"])
    if answer["tool"] not in conversation.tools:
        raise ScriptError(f"the script calls {answer['tool']}, but the request offers {sorted(conversation.tools)}")
    call = ToolCall(answer["tool"], answer.get("arguments") or {})
    # A model that may think does before it calls, so that what comes back shows whether the thought was kept.
    return with_thinking(Reply(text=answer.get("text"), tool_calls=(call,), stop="tools"), conversation)
