//! What reading a request body costs, by way of reading it. Prints a Markdown table of the
//! median over rounds of the time for one body, in µs, at three body sizes, and for one SSE
//! event. Time is the thread's own CPU time, and the ways take turns within each round, so that
//! other programs on the machine disturb little.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{borrow::Cow, hint::black_box};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static A: mimalloc::MiMalloc = mimalloc::MiMalloc;
#[cfg(feature = "jemalloc")]
#[global_allocator]
static A: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(default)]
    stream: bool,
}

#[derive(Deserialize, Serialize)]
struct RawHead<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    messages: &'a RawValue,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    tools: Option<&'a RawValue>,
    #[serde(default)]
    stream: bool,
    max_tokens: Option<u32>,
    temperature: Option<f32>,
}

/// A typed copy of everything, as a translating gateway needs.
#[derive(Deserialize, Serialize)]
struct Chat {
    model: String,
    messages: Vec<Message>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tools: Option<Vec<serde_json::Value>>,
    #[serde(default)]
    stream: bool,
    max_tokens: Option<u32>,
    temperature: Option<f32>,
}

#[derive(Deserialize, Serialize)]
struct Message {
    role: String,
    content: String,
}

#[derive(Deserialize, Serialize)]
struct ChatRef<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    messages: Vec<MessageRef<'a>>,
    #[serde(default)]
    stream: bool,
    max_tokens: Option<u32>,
    temperature: Option<f32>,
}

#[derive(Deserialize, Serialize)]
struct MessageRef<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: Cow<'a, str>,
}

fn body(bytes: usize) -> Vec<u8> {
    // Turns of about 700 bytes, each with escapes, as real chats have.
    let turn = "Here is what I found.\\n\\n- item one: \\\"quoted\\\" text and some more of it\\n- item two: a path like /srv/data/file.txt and a number 12345.678\\n- item three: caf\\u00e9 na\\u00efve r\\u00e9sum\\u00e9\\n\\nThe rest of this turn is plain prose without anything to escape, which is what most of a conversation is made of, so that the fast path of a parser is used as it would be in service. It goes on for a while, because answers do, and it ends when enough has been said about the matter at hand, which is now.";
    let mut s = String::from(
        "{\"model\":\"gpt-4o-mini\",\"messages\":[{\"role\":\"system\",\"content\":\"You are a helpful assistant.\"}",
    );
    let mut i = 0;
    while s.len() + 160 < bytes {
        let role = if i % 2 == 0 { "user" } else { "assistant" };
        let room = bytes - s.len() - 160;
        let mut t = turn.to_owned();
        if room < t.len() + 40 {
            t = "x".repeat(room.saturating_sub(40).max(1));
        }
        s.push_str(&format!(",{{\"role\":\"{role}\",\"content\":\"{t}\"}}"));
        i += 1;
    }
    s.push_str("],\"max_tokens\":1024,\"temperature\":0.7,\"stream\":true}");
    s.into_bytes()
}

type Way = (&'static str, fn(&Bytes) -> usize);

const WAYS: &[Way] = &[
    ("forward untouched (Bytes clone)", |b| b.clone().len()),
    ("memmem for \"model\" (not a parser)", |b| memchr::memmem::find(b, b"\"model\"").unwrap()),
    ("UTF-8 check alone", |b| std::str::from_utf8(b).unwrap().len()),
    ("sonic-rs: lazy get of model", |b| {
        use sonic_rs::JsonValueTrait;
        sonic_rs::get(&b[..], ["model"]).unwrap().as_str().unwrap().len()
    }),
    ("sonic-rs: typed partial {model, stream}", |b| {
        let h: Head = sonic_rs::from_slice(b).unwrap();
        h.model.len() + h.stream as usize
    }),
    ("serde_json: typed partial {model, stream}", |b| {
        let h: Head = serde_json::from_slice(b).unwrap();
        h.model.len() + h.stream as usize
    }),
    ("serde_json: RawValue fields", |b| {
        let h: RawHead = serde_json::from_slice(b).unwrap();
        h.messages.get().len()
    }),
    ("serde_json: RawValue fields, model changed, written again", |b| {
        let mut h: RawHead = serde_json::from_slice(b).unwrap();
        h.model = "gpt-4o".into();
        serde_json::to_vec(&h).unwrap().len()
    }),
    ("serde_json: typed, borrowed", |b| {
        let c: ChatRef = serde_json::from_slice(b).unwrap();
        c.messages.len()
    }),
    ("serde_json: typed, owned", |b| {
        let c: Chat = serde_json::from_slice(b).unwrap();
        c.messages.len()
    }),
    ("serde_json: typed, owned, written again", |b| {
        let c: Chat = serde_json::from_slice(b).unwrap();
        serde_json::to_vec(&c).unwrap().len()
    }),
    ("sonic-rs: typed, owned, written again", |b| {
        let c: Chat = sonic_rs::from_slice(b).unwrap();
        sonic_rs::to_vec(&c).unwrap().len()
    }),
    ("serde_json: Value", |b| {
        let v: serde_json::Value = serde_json::from_slice(b).unwrap();
        v["messages"].as_array().unwrap().len()
    }),
    ("serde_json: Value, written again", |b| {
        let v: serde_json::Value = serde_json::from_slice(b).unwrap();
        serde_json::to_vec(&v).unwrap().len()
    }),
    ("serde_json: Value, cloned, written again", |b| {
        let v: serde_json::Value = serde_json::from_slice(b).unwrap();
        let w = v.clone();
        serde_json::to_vec(&w).unwrap().len()
    }),
    ("sonic-rs: Value", |b| {
        use sonic_rs::{JsonContainerTrait, JsonValueTrait};
        let v: sonic_rs::Value = sonic_rs::from_slice(b).unwrap();
        v.get("messages").unwrap().as_array().unwrap().len()
    }),
    ("sonic-rs: Value, written again", |b| {
        let v: sonic_rs::Value = sonic_rs::from_slice(b).unwrap();
        sonic_rs::to_vec(&v).unwrap().len()
    }),
];

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
    usage: Option<Use>,
}
#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    delta: Delta<'a>,
}
#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: Option<Cow<'a, str>>,
}
#[derive(Deserialize)]
struct Use {
    completion_tokens: u32,
}

const CHUNK_WAYS: &[Way] = &[
    ("forward untouched (Bytes clone)", |b| b.clone().len()),
    ("scan for \"usage\":{", |b| memchr::memmem::find(b, b"\"usage\":{").map_or(0, |x| x + 1)),
    ("typed partial, borrowed (delta text + usage)", |b| {
        let c: Chunk = serde_json::from_slice(&b[6..b.len() - 2]).unwrap();
        c.choices[0].delta.content.as_ref().map_or(0, |s| s.len())
            + c.usage.map_or(0, |u| u.completion_tokens as usize)
    }),
    ("Value", |b| {
        let v: serde_json::Value = serde_json::from_slice(&b[6..b.len() - 2]).unwrap();
        v["choices"][0]["delta"]["content"].as_str().unwrap().len()
    }),
    ("Value, written again", |b| {
        let v: serde_json::Value = serde_json::from_slice(&b[6..b.len() - 2]).unwrap();
        let mut out = Vec::from(&b"data: "[..]);
        serde_json::to_writer(&mut out, &v).unwrap();
        out.extend_from_slice(b"\n\n");
        out.len()
    }),
];

fn cpu_us() -> f64 {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut ts) };
    ts.tv_sec as f64 * 1e6 + ts.tv_nsec as f64 / 1e3
}

fn measure(ways: &[Way], b: &Bytes, rounds: usize) -> Vec<f64> {
    let mut all = vec![Vec::new(); ways.len()];
    for _ in 0..rounds {
        for (i, (_, f)) in ways.iter().enumerate() {
            let t = cpu_us();
            let mut n = 0u32;
            // About 5 ms a turn.
            loop {
                for _ in 0..8 {
                    black_box(f(black_box(b)));
                }
                n += 8;
                if cpu_us() - t > 5_000.0 {
                    break;
                }
            }
            all[i].push((cpu_us() - t) / n as f64);
        }
    }
    all.iter_mut()
        .map(|v| {
            v.sort_by(f64::total_cmp);
            v[v.len() / 2]
        })
        .collect()
}

fn main() {
    let rounds = std::env::args().nth(1).and_then(|v| v.parse().ok()).unwrap_or(31);
    let sizes = [1 << 10, 32 << 10, 1 << 20];
    let cols: Vec<Vec<f64>> = sizes.iter().map(|s| measure(WAYS, &body(*s).into(), rounds)).collect();
    println!("| way of reading the request body | 1 KiB, µs | 32 KiB, µs | 1 MiB, µs |");
    println!("| --- | ---: | ---: | ---: |");
    for (i, (name, _)) in WAYS.iter().enumerate() {
        println!("| {name} | {:.2} | {:.1} | {:.0} |", cols[0][i], cols[1][i], cols[2][i]);
    }
    let ev = Bytes::from_static(b"data: {\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"gpt-4o-mini\",\"system_fingerprint\":null,\"choices\":[{\"index\":0,\"delta\":{\"content\":\"The quick brown fox jump\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n");
    let c = measure(CHUNK_WAYS, &ev, rounds);
    println!("\n| way of reading one SSE event ({} bytes) | µs |\n| --- | ---: |", ev.len());
    for (i, (name, _)) in CHUNK_WAYS.iter().enumerate() {
        println!("| {name} | {:.3} |", c[i]);
    }
}
