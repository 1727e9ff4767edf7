"""Anthropic SDK: pictures and documents."""

from __future__ import annotations

import anthropic
import pytest

from samples import PDF_BASE64, PDF_SEEN, PDF_URL, PICTURE_URL, PNG_BASE64, PNG_SEEN
from targets import Upstream

PNG_SOURCE = {"type": "base64", "media_type": "image/png", "data": PNG_BASE64}


def ask(client: anthropic.Anthropic, upstream: Upstream, *blocks: dict):
    content = [{"type": "text", "text": "What is this?"}, *blocks]
    messages = [{"role": "user", "content": content}]
    return client.messages.with_raw_response.create(model=upstream.model, max_tokens=200, messages=messages)


def test_a_picture_as_data_reaches_the_model(anthropic_client, upstream):
    answer = ask(anthropic_client, upstream, {"type": "image", "source": PNG_SOURCE}).parse()
    assert f"image: {PNG_SEEN}" in answer.content[0].text


def test_a_picture_by_address_reaches_the_model(anthropic_client, upstream):
    block = {"type": "image", "source": {"type": "url", "url": PICTURE_URL}}
    assert f"image: url {PICTURE_URL}" in ask(anthropic_client, upstream, block).parse().content[0].text


def test_several_pictures_all_reach_the_model(anthropic_client, upstream):
    block = {"type": "image", "source": PNG_SOURCE}
    assert ask(anthropic_client, upstream, block, block, block).parse().content[0].text.count(PNG_SEEN) == 3


def test_a_pdf_as_data_reaches_the_model(anthropic_client, upstream):
    source = {"type": "base64", "media_type": "application/pdf", "data": PDF_BASE64}
    block = {"type": "document", "source": source, "title": "paper.pdf"}
    answer = ask(anthropic_client, upstream, block).parse().content[0].text
    assert PDF_SEEN in answer and "paper.pdf" in answer


def test_a_pdf_without_a_title_reaches_the_model(anthropic_client, upstream):
    block = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF_BASE64}}
    assert PDF_SEEN in ask(anthropic_client, upstream, block).parse().content[0].text


def test_a_plain_text_document_reaches_the_model(anthropic_client, upstream):
    """An upstream without text documents may get the text itself."""
    text = "The red panda sleeps."
    block = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}}
    answer = ask(anthropic_client, upstream, block).parse().content[0].text
    assert text in answer or f"text/plain {len(text)} bytes" in answer


def test_a_pdf_by_address_is_delivered_or_refused_or_named_as_lost(anthropic_client, upstream):
    """OpenAI takes no documents by address; what must not happen is silence."""
    block = {"type": "document", "source": {"type": "url", "url": PDF_URL}}
    try:
        raw = ask(anthropic_client, upstream, block)
    except anthropic.BadRequestError as refused:
        assert upstream.vendor == "openai"
        assert refused.message
        return
    if PDF_URL not in raw.parse().content[0].text:
        assert "document" in raw.headers["x-signalbox-warnings"]


@pytest.mark.parametrize("kind", ["hologram", "container_upload_2"])
def test_an_unknown_block_is_refused_or_named_as_lost(anthropic_client, upstream, kind):
    try:
        raw = ask(anthropic_client, upstream, {"type": kind, "source": PNG_SOURCE})
    except anthropic.BadRequestError:
        return
    assert upstream.vendor == "openai"
    assert kind in raw.headers["x-signalbox-warnings"]
