// Where the tests send their requests, what the fakes saw of them, and what several tests send.
//
// Two modes: through the gateway, or (`run --direct`) straight to the fake of the SDK's own vendor.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import OpenAI from "openai";
import * as z from "zod";

const WAIT_MS_MAX = 10_000;
const TIMEOUT_MS = 30_000;

export const gatewayUrl = process.env.SIGNALBOX_URL ?? "";
export const gatewayKey = process.env.SIGNALBOX_KEY ?? "";
export const isDirect = gatewayUrl === "";
/** For tests of what only the gateway does. */
export const gatewayOnly = { skip: isDirect && "needs the gateway" };

/** One fake provider, as a test sees it. Prices are USD per token, as configured. */
class Upstream {
  constructor(vendor, provider, modelName, inputPrice, outputPrice) {
    Object.assign(this, { vendor, provider, modelName, inputPrice, outputPrice });
    this.url = process.env[vendor === "anthropic" ? "FAKE_ANTHROPIC_URL" : "FAKE_OPENAI_URL"];
    this.model = isDirect ? modelName : `${provider}/${modelName}`;
  }

  /** The calls that reached the fake with this text in their bodies, oldest first. */
  async calls(needle) {
    const answer = await fetch(`${this.url}/__find?text=${encodeURIComponent(needle)}`);
    return answer.json();
  }

  /** The one call with this text. */
  async call(needle) {
    const found = await this.calls(needle);
    assert.equal(found.length, 1, "exactly one call reached the fake");
    return found[0];
  }

  async waitForOutcome(needle, outcome) {
    await waitUntil(async () => (await this.calls(needle)).some((call) => call.outcome === outcome));
  }

  cost(uncached = 100, output = 20) {
    return uncached * this.inputPrice + output * this.outputPrice;
  }
}

export const openaiUpstream = new Upstream("openai", "up-openai", "chat-model", 0.1e-6, 0.4e-6);
export const anthropicUpstream = new Upstream("anthropic", "up-anthropic", "claude-model", 3e-6, 15e-6);
/** The same fake as OpenAI's, by its other API. */
export const responsesUpstream = new Upstream("responses", "up-responses", "responses-model", 0.1e-6, 0.4e-6);
export const googleUpstream = new Upstream("google", "up-google", "gemini-3-flash-preview", 0.5e-6, 3e-6);

/** Runs the tests once per upstream; without the gateway only for the SDK's own vendor. */
export function forEachUpstream(vendor, define) {
  for (const upstream of [openaiUpstream, anthropicUpstream]) {
    if (isDirect && upstream.vendor !== vendor) continue;
    describe(`${vendor} SDK, ${upstream.vendor} upstream`, () => define(upstream));
  }
}

/** Base URL and key for the SDK of this vendor. */
export function addressOf(vendor) {
  const base = gatewayUrl || process.env[`FAKE_${vendor.toUpperCase()}_URL`];
  const apiKey = gatewayKey || process.env[`FAKE_${vendor.toUpperCase()}_KEY`];
  return { baseURL: vendor === "openai" ? `${base}/v1` : base, apiKey, maxRetries: 0, timeout: TIMEOUT_MS };
}

export const openai = new OpenAI(addressOf("openai"));
export const anthropic = new Anthropic(addressOf("anthropic"));
const { baseURL: baseUrl, apiKey } = addressOf("google");
export const google = new GoogleGenAI({ apiKey, httpOptions: { baseUrl, timeout: TIMEOUT_MS } });

/** The text with a mark no other test has, so that its call can be found at the fake. */
export const marked = (text) => `${text} [${randomUUID().slice(0, 13)}]`;

/** Polls until the answer is truthy; fails the test when it stays false. */
export async function waitUntil(isDone) {
  const endsAt = Date.now() + WAIT_MS_MAX;
  while (Date.now() < endsAt) {
    const found = await isDone();
    if (found) return found;
    await sleep(50);
  }
  assert.fail("what the test waits for did not happen in time");
}

export function assertClose(actual, expected) {
  assert.ok(Math.abs(actual - expected) <= 1e-6 * Math.abs(expected), `${actual} is not ${expected}`);
}

export async function collect(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

export const PNG_BASE64 =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
export const PNG_DATA_URL = `data:image/png;base64,${PNG_BASE64}`;
export const PNG_SEEN = `image/png ${Buffer.from(PNG_BASE64, "base64").length} bytes`;
export const PICTURE_URL = "https://pictures.example/red-panda.jpg";

const PDF = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\n%%EOF\n";
export const PDF_BASE64 = Buffer.from(PDF).toString("base64");
export const PDF_DATA_URL = `data:application/pdf;base64,${PDF_BASE64}`;
export const PDF_SEEN = `application/pdf ${PDF.length} bytes`;

export const THINKING_TEXT = "The user wants an answer. I weigh the options.";
export const CRUMBS_TEXT = "Grüße, 世界 👋🏽\u2028done";
export const PARIS = { city: "Paris", unit: "celsius" };
export const TOKYO = { city: "Tōkyō", unit: "celsius" };

const WEATHER_SCHEMA = {
  type: "object",
  properties: { city: { type: "string" }, unit: { type: "string", enum: ["celsius", "fahrenheit"] } },
  required: ["city", "unit"],
  additionalProperties: false,
};
export const EMPTY_SCHEMA = { type: "object", properties: {}, additionalProperties: false };

export const openaiTool = (name = "get_weather", parameters = WEATHER_SCHEMA) => ({
  type: "function",
  function: { name, description: `Does ${name}.`, parameters },
});
export const responsesTool = (name = "get_weather", parameters = WEATHER_SCHEMA) => ({
  type: "function",
  name,
  description: `Does ${name}.`,
  parameters,
  strict: true,
});
export const anthropicTool = (name = "get_weather", input_schema = WEATHER_SCHEMA) => ({
  name,
  description: `Does ${name}.`,
  input_schema,
});

export const Person = z.object({
  name: z.string(),
  age: z.number().int(),
  addresses: z.array(z.object({ street: z.string(), number: z.number().int() })),
  nickname: z.string().nullable(),
});
