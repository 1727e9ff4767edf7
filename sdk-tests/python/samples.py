"""Pictures, documents, tools and schemas that several tests send."""

from __future__ import annotations

import base64

from pydantic import BaseModel

# A 1×1 PNG of 70 bytes.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PNG_BASE64 = base64.b64encode(PNG).decode()
PNG_DATA_URL = f"data:image/png;base64,{PNG_BASE64}"
PNG_SEEN = f"image/png {len(PNG)} bytes"
PICTURE_URL = "https://pictures.example/red-panda.jpg"

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\n%%EOF\n"
PDF_BASE64 = base64.b64encode(PDF).decode()
PDF_DATA_URL = f"data:application/pdf;base64,{PDF_BASE64}"
PDF_SEEN = f"application/pdf {len(PDF)} bytes"
PDF_URL = "https://papers.example/paper.pdf"

WEATHER_SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "Name of the city"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
    },
    "required": ["city", "unit"],
    "additionalProperties": False,
}
NO_ARGUMENTS_SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}


def openai_tool(name: str = "get_weather", schema: dict = WEATHER_SCHEMA) -> dict:
    return {"type": "function", "function": {"name": name, "description": f"Does {name}.", "parameters": schema}}


def responses_tool(name: str = "get_weather", schema: dict = WEATHER_SCHEMA) -> dict:
    return {"type": "function", "name": name, "description": f"Does {name}.", "parameters": schema, "strict": True}


def anthropic_tool(name: str = "get_weather", schema: dict = WEATHER_SCHEMA) -> dict:
    return {"name": name, "description": f"Does {name}.", "input_schema": schema}


class Address(BaseModel):
    street: str
    number: int


class Person(BaseModel):
    """A schema with everything that tends to get lost: nesting, lists, enums, optional values."""

    name: str
    age: int
    addresses: list[Address]
    nickname: str | None
