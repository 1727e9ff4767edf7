#!/usr/bin/env python3
"""Writes catalog/<kind>.toml from models.jsonl and providers.jsonl.

    python3 catalog/convert.py MODELS.jsonl PROVIDERS.jsonl

Standard library only. The same input gives the same bytes. What the files hold, and how the prices were chosen,
stands in README.md beside this file. Stops when an id is there twice or a price is not a decimal amount.
"""

import json
import re
import sys
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

FOLDER = Path(__file__).parent
READ = "2026-11-22"  # The day of the snapshot that is converted.

# Our name of a price: its name in the source, and the price that applies when it has none.
PRICES = {
    "input": ("input", None),
    "output": ("output", None),
    "cache_read": ("cached_input", "input"),
    "cache_write": ("cache_write", "input"),
    "cache_write_1h": ("cache_write_1h", "cache_write"),
    "reasoning": ("reasoning_output", "output"),
    "audio_input": ("input_audio", "input"),
    "audio_output": ("output_audio", "output"),
    "audio_cache_read": ("cached_audio", None),
    "image_cache_read": ("cached_image", None),
    "image_input": ("input_image", "input"),
    "image_output": ("output_image", "output"),
    "video_input": ("input_video", "input"),
    "video_output": ("output_video", "output"),
}
INPUT_SIDE = {
    "cache_read", "cache_write", "cache_write_1h", "audio_input", "audio_cache_read", "image_input", "image_cache_read", "video_input",
}

# What no dataset has: cached pictures of OpenAI's realtime models, by their price of pictures. From the models' own pages,
# <https://developers.openai.com/api/docs/models/gpt-realtime-2.md> and its like, read 2026-11-26.
CACHED_IMAGES = {"5": "0.5", "0.8": "0.08"}

# Dollars for a million tokens in Google's explicit cache for an hour. No dataset has them. Copies of
# <https://ai.google.dev/gemini-api/docs/pricing> of 2025-10-08 (alecaifactory/salfagpt, GEMINI_API_PRICING_REFERENCE.md) and of
# 2026-02 (saeed-vayghan/file-search-rag-with-gemini, API_COST_MONITORING.md), read 2026-11-26. Of newer models none was found.
RENTS = {"gemini-2.5-pro": "4.5", "gemini-3-pro-preview": "4.5", "gemini-2.5-flash": "1", "gemini-3-flash-preview": "1"}

# AssemblyAI's older models, whose prices the only dataset has the wrong way round: 0.37 dollars an hour for the better one, 0.12 for
# the other. <https://agent-skills.md/skills/jeremylongshore/claude-code-plugins-plus-skills/assemblyai-cost-tuning>, read 2026-11-26.
PER_SECOND = {("assemblyai", "best"): "0.0001028", ("assemblyai", "nano"): "0.0000333"}

# Units whose name or size differs from the source's.
UNITS = {
    "per_1k_web_searches": ("per_web_search", 1000),
    # Perplexity bills a fee per request by the size of the search context; "low" is what it uses when not told.
    "per_1k_web_searches_low_context": ("per_request", 1000),
    "per_1k_web_searches_medium_context": ("per_request_medium_context", 1000),
    "per_1k_web_searches_high_context": ("per_request_high_context", 1000),
    "per_image_output": ("per_image", 1),
}
# Capabilities under another name; streaming follows from the mode and is left out.
CAPABILITIES = {
    "json_mode": "json_object",
    "structured_outputs": "json_schema",
    "prompt_caching": "caching",
    "streaming": None,
}
# USD per million tokens. The dearest embeddings cost less than 1; a dataset that says a hundred times more has a typo.
EMBEDDING_PRICE_MAX = 10
COPIED = ("context_window", "max_input_tokens", "max_output_tokens", "dimensions")

notes = Counter()


def amount(text):
    """A decimal amount without trailing zeros and with at most nine digits after the point."""
    if not re.fullmatch(r"\d+(\.\d+)?", str(text)):
        sys.exit(f"not a decimal amount: {text!r}")
    return format(Decimal(str(text)).quantize(Decimal("0.000000001")).normalize(), "f")


def value(item):
    """TOML for a value."""
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, int):
        return str(item)
    if isinstance(item, str):
        return json.dumps(item, ensure_ascii=False)
    if isinstance(item, list):
        return "[" + ", ".join(value(each) for each in item) + "]"
    if isinstance(item, dict):
        pairs = (f"{key(name)} = {value(each)}" for name, each in item.items() if each is not None)
        return "{ " + ", ".join(pairs) + " }"
    sys.exit(f"no TOML for {item!r}")


def key(name):
    """TOML for a key."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def prices(source, keep_fallbacks=False):
    """Our prices from the source's; those equal to what applies without them are left out."""
    ours = {}
    for name, (theirs, fallback) in PRICES.items():
        if theirs not in source:
            continue
        price = amount(source[theirs])
        applies = ours.get(fallback) or (ours.get("input") if fallback == "cache_write" else None)
        if keep_fallbacks or price != applies:
            ours[name] = price
    return ours


def base_price(row):
    """The prices of a model, without those that mean nothing."""
    price, units = row["price"], row.get("units", {})
    if row.get("free_tier"):
        return {}
    if not any(Decimal(each) for each in price.values()):
        return {}
    if row["mode"] in ("chat", "responses") and not Decimal(price["output"]):
        notes["chat models with output for nothing: price left out"] += 1
        return {}
    if row["mode"] == "embedding" and Decimal(price.get("input", 0)) > EMBEDDING_PRICE_MAX:
        notes["embeddings at a price that none has: left out"] += 1
        return {}
    if row["provider"] in ("openai", "azure") and row["mode"] == "realtime" and "input_image" in price:
        price = price | {"cached_image": CACHED_IMAGES[amount(price["input_image"])]}
        notes["realtime models given a price of cached pictures"] += 1
    heard = row.get("conflict", {}).get("input_audio")
    if row["mode"] == "transcription" and heard:
        # One dataset repeats the price of text.
        price = price | {"input_audio": max(heard.values(), key=Decimal)}
        notes["transcriptions given the dearer of two prices of sound"] += 1
    ours = prices(price)
    if "image_output" in ours and "per_image_output" in units and "input" not in ours:
        notes["sold by the image: price of image tokens left out"] += 1
        del ours["image_output"]
    return ours


def tier_prices(tier, base):
    """The prices of a tier. What the tier leaves open keeps its proportion to the price of input tokens; what
    comes out as image, audio or video keeps its price."""
    ours = prices(tier, keep_fallbacks=True)
    for name, price in base.items():
        if name in ours:
            continue
        if name in INPUT_SIDE:
            ours[name] = amount(Decimal(price) * Decimal(ours["input"]) / Decimal(base["input"]))
        else:
            ours[name] = price
        notes["tier prices completed from the base price"] += 1
    return {"above_input_tokens": tier["above_input_tokens"]} | {name: ours[name] for name in PRICES if name in ours}


def units(row):
    """What is not sold by the token."""
    ours = {}
    for theirs, price in row.get("units", {}).items():
        name, per = UNITS.get(theirs, (theirs, 1))
        ours[name] = amount(Decimal(price) / per)
    if row["provider"] in ("google", "vertex") and row["id"] in RENTS:
        ours["per_1m_kept_token_hours"] = RENTS[row["id"]]
    drawn_by_token = "output_image" in row["price"] and "input" in row["price"]
    if "per_image" in ours and (row["mode"] in ("chat", "responses") or drawn_by_token):
        # Else an image would be billed twice, by its tokens and by the piece.
        notes["sold by the token: price per image left out"] += 1
        del ours["per_image"]
    if "per_second_input" in ours and row["mode"] == "transcription" and "output" in row["price"]:
        notes["sound sold by the token: price per second left out"] += 1
        del ours["per_second_input"]
    return ours


def off_peak(row):
    """The cheaper hours; `price` is then what the other hours cost."""
    source = row.get("off_peak")
    if not source:
        return None
    windows = []
    for window in source["windows_utc"]:
        hours = window["hours_utc"]
        windows.append({"weekdays": window["weekdays"], "hours_utc": [hours] if isinstance(hours, str) else hours})
    return {"windows": windows, "price": prices(source, keep_fallbacks=True)}


def variants(row):
    """Other ids or zones of the same model; a variant names only the prices that differ."""
    return [
        {
            "scope": each["scope"],
            "id": each.get("id"),
            "price": prices(each["price"], keep_fallbacks=True) if "price" in each else None,
        }
        for each in row.get("variants", [])
    ]


def reasoning(row):
    """How thinking is steered."""
    source = row.get("reasoning")
    if not source:
        return None
    budget = {end: tokens for end, tokens in (source.get("budget") or {}).items() if tokens is not None}
    fields = {name: source.get(name) for name in ("type", "levels", "default", "can_disable")}
    return {name: each for name, each in fields.items() if each is not None} | ({"budget": budget} if budget else {})


def model(row, taken):
    """The lines of one model."""
    base = base_price(row)
    aliases = [alias for alias in row.get("aliases", []) if alias not in taken]
    fields = {"id": row["id"], "name": row["name"], "mode": row["mode"], "aliases": aliases}
    fields |= {name: row.get(name) for name in COPIED}
    fields["capabilities"] = sorted(ours for each in row["caps"] if (ours := CAPABILITIES.get(each, each)))
    fields["reasoning"] = reasoning(row)
    fields["unsupported_params"] = row.get("unsupported_params")
    fields["min_cache_tokens"] = row.get("min_cache_tokens")
    fields["weights"] = row["key"] if row["key"] != row["id"] else None
    fields |= {name: row.get(name) for name in ("released", "status", "retires")}
    fields["free_tier"] = row.get("free_tier")
    fields["price"] = base
    fields["price_tiers"] = [tier_prices(tier, base) for tier in row.get("price_tiers", []) if base]
    fields["off_peak"] = off_peak(row) if base else None
    tiers = row.get("service_tiers", {}) if base else {}
    fields["service_tiers"] = {name: prices(tier, keep_fallbacks=True) for name, tier in tiers.items()}
    fields["region_uplift"] = {name: amount(factor) for name, factor in row.get("region_uplift", {}).items()}
    fields["fast_multiplier"] = amount(row["fast_multiplier"]) if "fast_multiplier" in row else None
    fields["units"] = units(row)
    fields["variants"] = variants(row)
    fields["endpoint"] = row.get("endpoint")
    fields["profile_only"] = row.get("profile_only")
    newest = max(row["sources"][name] for name in row["price_from"])
    fields["price_source"] = f"{', '.join(row['price_from'])} ({newest})" if base or fields["units"] else None
    fields["confidence"] = row["confidence"]
    notes["models"] += 1
    notes["models with a token price"] += bool(base)
    notes["models with other prices only"] += bool(fields["units"] and not base)
    notes["free offers"] += bool(row.get("free_tier"))
    return [f"{name} = {value(each)}" for name, each in fields.items() if each not in (None, [], {}, "")]


def provider(facts):
    """The facts about a provider that are worth keeping for people."""
    fields = {
        "name": facts["name"],
        "docs": facts["docs"],
        "headquarters": facts["hq"],
        "list_currency": facts.get("list_currency"),
        "residency": facts.get("residency"),
        "privacy": facts.get("privacy"),
    }
    return [f"{name} = {value(each)}" for name, each in fields.items() if each]


def file(facts, rows):
    """The text of one provider's file."""
    ids = [row["id"] for row in rows]
    if len(set(ids)) != len(ids):
        sys.exit(f"{facts['slug']}: an id is there twice")
    datasets = {}
    for row in rows:
        for name, date in row["sources"].items():
            datasets[name] = max(date, datasets.get(name, ""))
    source = ", ".join(f"{name} ({date})" for name, date in sorted(datasets.items()))
    lines = ["# Written by convert.py; README.md says what is in it."]
    lines += [f"source = {value(source)}", f"read = {value(READ)}", "", "[provider]", *provider(facts)]
    taken = set(ids)
    for row in sorted(rows, key=lambda row: row["id"]):
        lines += ["", "[[models]]", *model(row, taken)]
        taken |= set(row.get("aliases", []))
    return "\n".join(lines) + "\n"


def lengthen(rows):
    """The longest prompts and answers of Azure's realtime models are those of OpenAI's: the dataset has one figure for all
    of Azure's, and what is held for an answer must not be too little."""
    vendors = {row["id"]: row for row in rows if row["provider"] == "openai" and row["mode"] == "realtime"}
    for row in rows:
        vendor = vendors.get(row["id"])
        if row["provider"] != "azure" or vendor is None:
            continue
        for name in ("context_window", "max_output_tokens"):
            if vendor.get(name, 0) > row.get(name, 0):
                row[name] = vendor[name]
                notes["lengths of Azure's realtime models taken from OpenAI's"] += 1


def correct(rows):
    """Prices that the only dataset has wrong. Nobody agrees with them, so confidence in them is low."""
    for row in rows:
        price = PER_SECOND.get((row["provider"], row["id"]))
        if price is not None:
            row["units"]["per_second_input"] = price
            row["confidence"] = "low"
            notes["prices per second corrected"] += 1


def main():
    models, providers = ([json.loads(line) for line in open(path, encoding="utf-8")] for path in sys.argv[1:3])
    lengthen(models)
    correct(models)
    by_provider = defaultdict(list)
    for row in models:
        by_provider[row["provider"]].append(row)
    for facts in sorted(providers, key=lambda facts: facts["slug"]):
        rows = by_provider.pop(facts["slug"])
        (FOLDER / f"{facts['slug']}.toml").write_text(file(facts, rows), encoding="utf-8")
        notes["files"] += 1
    if by_provider:
        sys.exit(f"models of unknown providers: {sorted(by_provider)}")
    for what, count in sorted(notes.items()):
        print(f"{count:6} {what}")


if __name__ == "__main__":
    main()
