//! Long bodies of every kind, each held by calls that nobody answers.

use super::{arrived, until_arrived};
use crate::{
    client::{self, Ask},
    failure::{Context, Failure},
    money::Price,
    process,
    rig::{QUIET_WAIT_MAX, Rig},
};
use std::{net::Ipv4Addr, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

/// What a body may take, in hundredths of its bytes.
pub const PERCENT_MAX: u64 = 150;
/// Of each body. Words are read one by one, which takes a debug build seconds.
const PICTURE_BYTES: usize = 24 << 20;
const WORDS_BYTES: usize = 6 << 20;
/// Of each message of a conversation.
const MESSAGE_BYTES: usize = 2_000;
/// As it is written: quotes, letters beyond ASCII and line ends are escaped.
const WORDS: &str = r#"he said \"no\" to J\u00fcrgen.\n"#;
/// The provider of Anthropic's protocol.
const ANTHROPIC: &str = "anthropic";
/// More than fit.
const ANNOUNCED: usize = 64;
const ANNOUNCED_BYTES: usize = 32 << 20;
/// As `limits.bodies_bytes_max` is without being set, its three quarters for long bodies.
const LET_IN: usize = 6;
/// What is free goes back to the system after a second, and is looked for once a second.
const KEPT_FREE: Duration = Duration::from_millis(2_500);
/// Longer than a body waits for room.
const REFUSAL_WAIT_MAX: Duration = Duration::from_secs(4);

/// What makes a body long.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    /// A picture that passes through.
    Picture,
    /// The same in chunks, so that nobody knows how long it will be.
    ChunkedPicture,
    /// Words and line ends that pass through.
    Words,
    /// A picture that is translated.
    TranslatedPicture,
    /// Words that are translated.
    TranslatedWords,
    /// A conversation of many messages, translated for a provider of OpenAI's protocol.
    TranslatedTalk,
    /// The same for one of Anthropic's.
    TalkForAnthropic,
}

/// What bodies took, in hundredths of their bytes.
pub struct Taken {
    /// The most at any time.
    pub peak: u64,
    /// While the provider has them all and says nothing.
    pub held: u64,
}

impl Kind {
    /// Whether it is made of many short texts.
    pub fn is_talk(self) -> bool {
        matches!(self, Kind::TranslatedTalk | Kind::TalkForAnthropic)
    }

    fn request(self, port: u16, key: &str) -> Vec<u8> {
        let picture = || "iVBORw0KGgo/".repeat(PICTURE_BYTES / 12);
        let words = |bytes: usize| WORDS.repeat(bytes / WORDS.len());
        let (openai, anthropic) = ("/v1/chat/completions", "/v1/messages");
        let (path, messages) = match self {
            Kind::Picture | Kind::ChunkedPicture => {
                let url = format!("data:image/png;base64,{}", picture());
                (openai, asking(&format!(r#"{{"type":"image_url","image_url":{{"url":"{url}"}}}}"#)))
            }
            Kind::Words => (openai, asking(&format!(r#"{{"type":"text","text":"{}"}}"#, words(WORDS_BYTES)))),
            Kind::TranslatedPicture => {
                let source =
                    format!(r#"{{"type":"base64","media_type":"image/png","data":"{}"}}"#, picture());
                (anthropic, asking(&format!(r#"{{"type":"image","source":{source}}}"#)))
            }
            Kind::TranslatedWords => {
                (anthropic, asking(&format!(r#"{{"type":"text","text":"{}"}}"#, words(WORDS_BYTES))))
            }
            Kind::TranslatedTalk => (anthropic, talk(&words(MESSAGE_BYTES))),
            Kind::TalkForAnthropic => (openai, talk(&words(MESSAGE_BYTES))),
        };
        let provider = if self == Kind::TalkForAnthropic { ANTHROPIC } else { "prove" };
        let body =
            format!(r#"{{"model":"{provider}/mock","max_tokens":10,"stream":true,"messages":[{messages}]}}"#);
        let line = format!("POST {path}");
        let head = format!("authorization: Bearer {key}\r\n");
        match self {
            Kind::ChunkedPicture => chunked(port, &line, &head, &body),
            _ => client::request(port, &line, &head, &body).into_bytes(),
        }
    }
}

/// A message with this part.
fn asking(part: &str) -> String {
    let ask = r#"{"type":"text","text":"@mock{latency=100000}"}"#;
    format!(r#"{{"role":"user","content":[{part},{ask}]}}"#)
}

/// Messages that all say this.
fn talk(words: &str) -> String {
    let turn =
        format!(r#"{{"role":"user","content":"{words}"}},{{"role":"assistant","content":"{words}"}},"#);
    turn.repeat(WORDS_BYTES / turn.len()) + r#"{"role":"user","content":"@mock{latency=100000}"}"#
}

/// The settings of a provider of Anthropic's protocol beside the first one.
pub fn second_provider(rig: &Rig, price: Price) -> String {
    format!(
        "[[providers]]\nname = \"{ANTHROPIC}\"\nkind = \"anthropic\"\napi_key = \"sk-upstream\"\nabort = \"cancel\"\n\
         base_url = \"{}\"\n[[providers.models]]\nid = \"mock\"\n{}max_output_tokens = 1000\n",
        rig.upstream_url(),
        price.settings()
    )
}

fn chunked(port: u16, line: &str, head: &str, body: &str) -> Vec<u8> {
    const CHUNK: usize = 100_000;
    let mut request =
        format!("{line} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n{head}transfer-encoding: chunked\r\n\r\n")
            .into_bytes();
    for chunk in body.as_bytes().chunks(CHUNK) {
        request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

/// What so many such bodies take, from their first byte to the silence of the provider that has them.
pub async fn measure(rig: &Rig, process: u32, key: &str, kind: Kind, count: usize) -> Result<Taken, Failure> {
    let request = kind.request(rig.port, key);
    let arrived_before = arrived(rig)?;
    process::forget_peak(process)?;
    let before = process::rss_kib(process)?;
    let mut callers = Vec::new();
    for _ in 0..count {
        let mut caller = connect(rig.port).await?;
        caller.write_all(&request).await.context("sending")?;
        callers.push(caller);
    }
    until_arrived(rig, arrived_before + count).await?;
    let peak = process::rss_peak_kib(process)?;
    sleep(KEPT_FREE).await;
    let held = process::rss_kib(process)?;
    drop(callers);
    rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
    sleep(KEPT_FREE).await;
    let percent = |rss: u64| rss.saturating_sub(before) * 100 / ((count * request.len()) >> 10) as u64;
    Ok(Taken { peak: percent(peak), held: percent(held) })
}

/// Bodies that say they are too long are refused before a byte of them is sent, and one without an end at the limit.
pub async fn refuse_long(port: u16, key: &str) -> Result<usize, Failure> {
    let mut refused = 0;
    for length in [1_u64 << 26, 1 << 30, 1 << 40] {
        let mut caller = announce(port, key, &format!("content-length: {length}")).await?;
        refused += is_refused(&mut caller, b" 413", &format!("a body of {length} bytes")).await?;
    }
    let (mut reader, mut writer) = announce(port, key, "transfer-encoding: chunked").await?.into_split();
    let chunk = [b"100000\r\n".as_slice(), &vec![b' '; 1 << 20], b"\r\n"].concat();
    let sending = tokio::spawn(async move {
        for _ in 0..1_024 {
            // What nobody reads any more cannot be sent.
            if writer.write_all(&chunk).await.is_err() {
                return;
            }
        }
    });
    refused += is_refused(&mut reader, b" 413", "a body without an end").await?;
    sending.abort();
    Ok(refused)
}

/// More bodies than there is room for are announced at once: those that find none are refused before a byte of them is
/// sent, and who sends a short one notices nothing.
pub async fn refuse_too_many(rig: &Rig, key: &str) -> Result<usize, Failure> {
    let mut callers = Vec::new();
    for _ in 0..ANNOUNCED {
        callers.push(announce(rig.port, key, &format!("content-length: {ANNOUNCED_BYTES}")).await?);
    }
    let ask = Ask { knobs: "chunks=2".to_owned(), is_stream: true, tokens_max: Some(10), leave_after: None };
    let short = timeout(Duration::from_secs(1), client::send(rig.port, key, &ask)).await;
    if !short.is_ok_and(|outcome| outcome.is_whole()) {
        return Err(Failure::new("a short body waited for long ones"));
    }
    let mut refused = 0;
    for caller in &mut callers {
        let mut answer = [0; 12];
        let read = timeout(REFUSAL_WAIT_MAX, caller.read_exact(&mut answer)).await;
        refused += usize::from(matches!(read, Ok(Ok(_))) && answer.ends_with(b" 503"));
        if refused == ANNOUNCED - LET_IN {
            return Ok(refused);
        }
    }
    Err(Failure::new(format!("of {ANNOUNCED} long bodies {refused} were refused, not all but {LET_IN}")))
}

async fn connect(port: u16) -> Result<TcpStream, Failure> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.context("connecting")
}

/// The head of a call, and nothing of its body.
async fn announce(port: u16, key: &str, length: &str) -> Result<TcpStream, Failure> {
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n{length}\r\n\r\n"
    );
    let mut caller = connect(port).await?;
    caller.write_all(head.as_bytes()).await.context("sending")?;
    Ok(caller)
}

/// Fails unless the answer has this status.
pub async fn is_refused(
    caller: &mut (impl AsyncRead + Unpin),
    status: &[u8],
    what: &str,
) -> Result<usize, Failure> {
    let mut answer = [0; 12];
    let read = timeout(Duration::from_secs(5), caller.read_exact(&mut answer)).await;
    if matches!(read, Ok(Ok(_))) && answer.ends_with(status) {
        return Ok(1);
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    Err(Failure::new(format!("{what} was not refused as it should be: {answer}")))
}
