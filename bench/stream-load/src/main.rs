//! Load generator for gateway benchmarks. One thread, HTTP/1.1 keep-alive, loopback only,
//! bounded in time and count. Prints one JSON object.
//!
//!   stream-load closed --url U [--conns 32] [--secs 5]              max throughput
//!   stream-load open   --url U --rate 500 [--secs 5] [--conns 256]  latency at a fixed rate
//!   stream-load stream --url U [--conns 50] [--secs 5]              SSE streams, closed loop
//!
//! Common: --key K, --model M, --api openai|anthropic|embeddings, --header 'N: V' (repeatable),
//! --mock k=v,k=v (knobs for the simulator, sent as a marker in the user message),
//! --body-bytes N (prompt size, default 1024), --warmup S (default 1), --timeout S (default 10),
//! --sample (print one answer and stop), --expect-fail (any status counts as success).
//!
//! `open` is a true open loop: a timerfd releases each request at its due time whatever the
//! earlier ones do, and latency counts from the DUE time, so a stall is charged to every
//! request that it delays (no coordinated omission). `svc_us` is the same from the actual
//! send, for comparison.
//!
//! `stream` reads the stamps which the simulator puts in the chunks. `ttft_us` is request
//! sent → first content chunk read; `transit_us` is the same less the time the simulator
//! held the request, i.e. what the path added in both directions; `chunk_us` is the one-way
//! delay of every content chunk; `gap_add_us` is by how much the gap between two chunks
//! grew on the way (negative gaps count as 0).

mod arguments;
mod clock;
mod events;
mod http;
mod load;
mod plan;
mod tally;

fn main() {
    clock::sharpen_wake_ups();
    let arguments = arguments::read();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let out = tokio::task::LocalSet::new().block_on(&runtime, async {
        if arguments.sample { load::sample(&arguments).await } else { load::run(&arguments).await }
    });
    println!("{out}");
}
