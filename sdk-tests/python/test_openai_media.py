"""OpenAI SDK: pictures and documents."""

from __future__ import annotations

import openai
import pytest

from samples import PDF_BASE64, PDF_DATA_URL, PDF_SEEN, PDF_URL, PICTURE_URL, PNG_DATA_URL, PNG_SEEN
from targets import ANTHROPIC_UPSTREAM, Upstream


def ask(client: openai.OpenAI, upstream: Upstream, *parts: dict) -> str:
    return ask_raw(client, upstream, *parts).parse().choices[0].message.content


def ask_raw(client: openai.OpenAI, upstream: Upstream, *parts: dict):
    content = [{"type": "text", "text": "What is this?"}, *parts]
    messages = [{"role": "user", "content": content}]
    return client.chat.completions.with_raw_response.create(model=upstream.model, messages=messages)


def test_a_picture_as_a_data_url_reaches_the_model(openai_client, upstream):
    answer = ask(openai_client, upstream, {"type": "image_url", "image_url": {"url": PNG_DATA_URL}})
    assert f"image: {PNG_SEEN}" in answer


def test_a_picture_by_address_reaches_the_model(openai_client, upstream):
    answer = ask(openai_client, upstream, {"type": "image_url", "image_url": {"url": PICTURE_URL, "detail": "low"}})
    assert f"image: url {PICTURE_URL}" in answer


def test_several_pictures_all_reach_the_model(openai_client, upstream):
    picture = {"type": "image_url", "image_url": {"url": PNG_DATA_URL}}
    assert ask(openai_client, upstream, picture, picture, picture).count(PNG_SEEN) == 3


def test_a_file_part_with_a_pdf_reaches_the_model(openai_client, upstream):
    part = {"type": "file", "file": {"filename": "paper.pdf", "file_data": PDF_DATA_URL}}
    answer = ask(openai_client, upstream, part)
    assert PDF_SEEN in answer
    assert "paper.pdf" in answer


@pytest.mark.parametrize("data", [PDF_DATA_URL, PDF_BASE64], ids=["data-url", "bare-base64"])
@pytest.mark.parametrize("kind", ["input_file", "file_input"])
def test_an_input_file_part_with_a_pdf_reaches_the_model(openai_client, upstream, gateway_only, kind, data):
    part = {"type": kind, "filename": "paper.pdf", "file_data": data}
    assert PDF_SEEN in ask(openai_client, upstream, part)


def test_a_pdf_by_address_reaches_a_model_that_takes_addresses(openai_client, gateway_only):
    part = {"type": "input_file", "filename": "paper.pdf", "file_data": PDF_URL}
    assert f"url {PDF_URL}" in ask(openai_client, ANTHROPIC_UPSTREAM, part)


def test_an_unknown_content_part_is_refused_or_named_as_lost(openai_client, upstream):
    try:
        raw = ask_raw(openai_client, upstream, {"type": "hologram", "hologram": {"url": PICTURE_URL}})
    except openai.BadRequestError:
        return
    assert upstream.vendor == "anthropic"
    assert "hologram" in raw.headers["x-signalbox-warnings"]


def test_a_broken_data_url_is_refused(openai_client, upstream):
    with pytest.raises(openai.BadRequestError):
        ask(openai_client, upstream, {"type": "image_url", "image_url": {"url": "data:image/png;base64,%%%"}})
