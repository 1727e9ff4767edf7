"""The gateway under test: its configuration and its process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .processes import Child, free_port

READY_SECONDS_MAX = 30.0

# Visibly made up. The fakes refuse every other credential, so a leaked caller key fails the tests.
CALLER_KEY = "sk-signalbox-made-up-caller-key-0001"
OPENAI_KEY = "sk-made-up-upstream-openai"
ANTHROPIC_KEY = "sk-made-up-upstream-anthropic"
GOOGLE_KEY = "made-up-upstream-google"
BEDROCK_KEY = "made-up-upstream-bedrock"

FAKE_PROVIDERS = """\
[timeouts]
first_event_seconds = 4
idle_seconds = 4
total_seconds = 8

[[providers]]
name = "up-openai"
kind = "openai-compatible"
base_url = "{openai}/v1"
api_key = "{openai_key}"
[[providers.models]]
id = "chat-model"
input = "0.10"
output = "0.40"
cache_read = "0.05"
cache_write = "0.20"
[[providers.models]]
id = "embedding-model"
mode = "embedding"
input = "0.02"
output = "0"
[[providers.models]]
id = "image-model"
mode = "image"
input = "5"
output = "40"
[[providers.models]]
id = "speech-model"
mode = "speech"
per_1m_chars_input = "15"
[[providers.models]]
id = "transcription-model"
mode = "transcription"
per_second_input = "0.0001"
[[providers.models]]
id = "moderation-model"
mode = "moderation"
input = "1"
[[providers.models]]
id = "rerank-model"
mode = "rerank"
input = "0.05"

# The same fake's realtime sessions.
[[providers]]
name = "up-live"
kind = "openai-compatible"
base_url = "{openai}/v1"
api_key = "{openai_key}"
[[providers.models]]
id = "live-model"
mode = "realtime"
input = "4"
output = "16"
cache_read = "0.40"
audio_input = "32"
audio_output = "64"
context_window = 32000
max_output_tokens = 4096
[[providers.models]]
id = "gone-model"
mode = "realtime"
input = "4"
output = "16"

# The same fake by its Responses API.
[[providers]]
name = "up-responses"
kind = "openai-responses"
base_url = "{openai}/v1"
api_key = "{openai_key}"
[[providers.models]]
id = "responses-model"
input = "0.10"
output = "0.40"
cache_read = "0.05"
cache_write = "0.20"

# The same fake with its strict face: OpenAI itself, serving a reasoning model.
[[providers]]
name = "up-openai-strict"
kind = "openai"
base_url = "{openai}/strict/v1"
api_key = "{openai_key}"
[[providers.models]]
id = "gpt-5.2"
input = "1.75"
output = "14"

[[providers]]
name = "up-anthropic"
kind = "anthropic"
base_url = "{anthropic}"
api_key = "{anthropic_key}"
[[providers.models]]
id = "claude-model"
input = "3"
output = "15"
cache_read = "0.30"
cache_write = "3.75"
[[providers.models]]
id = "claude-opus-5"
input = "5"
output = "25"

[[providers]]
name = "up-google"
kind = "google"
base_url = "{google}"
api_key = "{google_key}"
[[providers.models]]
id = "gemini-3-flash-preview"
input = "0.50"
output = "3"
cache_read = "0.05"
[[providers.models]]
id = "embedding-model"
mode = "embedding"
input = "0.15"

[[providers]]
name = "up-bedrock"
kind = "bedrock"
base_url = "{bedrock}"
api_key = "{bedrock_key}"
[[providers.models]]
id = "anthropic.claude-sonnet-4-5-20250929-v1:0"
input = "3"
output = "15"
cache_read = "0.30"
cache_write = "3.75"

# A provider that refuses the gateway's own credential.
[[providers]]
name = "up-denied"
kind = "openai-compatible"
base_url = "{openai}/v1"
api_key = "sk-made-up-wrong-credential"
[[providers.models]]
id = "chat-model"
input = "0.10"
output = "0.40"

# A provider that nobody answers for.
[[providers]]
name = "up-absent"
kind = "openai-compatible"
base_url = "http://127.0.0.1:{closed_port}/v1"
api_key = "sk-made-up-nobody-home"
[[providers.models]]
id = "chat-model"
input = "0.10"
output = "0.40"
"""

REAL_PROVIDER = """\
[[providers]]
name = "{name}"
kind = "openai-compatible"
base_url = "{url}/v1"
api_key = "sk-made-up-local"
[[providers.models]]
id = "{model}"
mode = "{mode}"
input = "0.10"
output = "0.40"
"""


@dataclass(frozen=True)
class Gateway:
    url: str
    data_dir: Path
    child: Child


def fake_providers(openai_url: str, anthropic_url: str, google_url: str, bedrock_url: str) -> str:
    return FAKE_PROVIDERS.format(
        openai=openai_url,
        openai_key=OPENAI_KEY,
        anthropic=anthropic_url,
        anthropic_key=ANTHROPIC_KEY,
        google=google_url,
        google_key=GOOGLE_KEY,
        bedrock=bedrock_url,
        bedrock_key=BEDROCK_KEY,
        closed_port=free_port(),
    )


def real_provider(name: str, mode: str, url: str, model: str) -> str:
    return REAL_PROVIDER.format(name=name, mode=mode, url=url, model=model)


def start(binary: Path, config: str, directory: Path) -> Gateway:
    """Starts the binary with this configuration. Raises `StartError`."""
    config_file = directory / "signalbox.toml"
    config_file.write_text(config)
    data_dir = directory / "data"
    port = free_port()
    command = [str(binary), "serve", "--config", str(config_file)]
    command += ["--data-dir", str(data_dir), "--listen", f"127.0.0.1:{port}"]
    child = Child("signalbox", command, directory / "signalbox.log", {"SIGNALBOX_BOOTSTRAP_KEY": CALLER_KEY})
    try:
        child.wait_until_ready(f"http://127.0.0.1:{port}/readyz", READY_SECONDS_MAX)
    except BaseException:
        child.stop()
        raise
    return Gateway(f"http://127.0.0.1:{port}", data_dir, child)
