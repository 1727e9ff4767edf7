"""The blocks of the guides that can be run.

A block is marked by `<!-- run: NAME -->` in the line before its fence. What a reader would change (the address, the
model, what is asked) is changed here the same way, and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

GUIDES = Path(__file__).resolve().parent.parent.parent / "docs" / "guides"
ADDRESS = "http://127.0.0.1:8400"
PROMPT = "Say hello in three languages."
BLOCK = re.compile(r"^<!-- run: ([a-z0-9-]+) -->\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MODEL = re.compile(r"\b(openai|anthropic|google)/(gpt|claude|gemini)-[a-z0-9.-]+")


@dataclass(frozen=True)
class Block:
    guide: str
    name: str
    language: str
    text: str

    def set_to(self, address: str, prompt: str, models: dict[str, str]) -> str:
        """The block with this address, this prompt, and for each vendor this model. Fails if one is not in it."""
        assert ADDRESS in self.text and PROMPT in self.text and "SIGNALBOX_KEY" in self.text, f"{self.guide}: {self.name}"
        text = self.text.replace(ADDRESS, address).replace(PROMPT, prompt)
        text, count = MODEL.subn(lambda found: models[found.group(1)], text)
        assert count, f"{self.guide}: no model in {self.name}"
        return text


def blocks() -> dict[str, Block]:
    found: dict[str, Block] = {}
    for guide in sorted(GUIDES.glob("*.md")):
        for name, language, text in BLOCK.findall(guide.read_text()):
            assert name not in found, f"two blocks are called {name}"
            found[name] = Block(guide.name, name, language, text)
    return found
