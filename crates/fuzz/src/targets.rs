//! What is fed: the parsers that read what strangers, providers, disks and operators write.
//!
//! A target only has to survive, within its time; where a rule is cheap to check it is asserted too.

use crate::rng::Rng;
use bytes::Bytes;
use domain::record::Operation;
use domain::{Money, Usage};
use gateway::bodies::Held;
use gateway::inference::intake;
use llm::amazon_events::{self, Unframer};
use llm::form::{Form, boundary};
use llm::ir::VectorFormat;
use llm::job::{self, Ask, Product};
use llm::observe::edit;
use llm::observe::{self, StreamObserver};
use llm::protocol::sound::TranscriptFormat;
use llm::protocol::{OutputLimit, Shape, StreamOptions, Target as EncodeTarget, embeddings, rerank};
use llm::provider::StreamFraming;
use llm::raw::RawObject;
use llm::server_tools;
use llm::set_aside::SetAside;
use llm::sse::{Event, Splitter};
use llm::terms;
use llm::{Protocol, media, realtime};
use server::catalog_file;
use server::config::{self, Environment, Flags};
use store::journal::frame::{self, Frame, Next};
use store::journal::record::{Owned, Texts};

const PROTOCOLS: [Protocol; 6] = Protocol::ALL;
/// One of each vendor whose models Bedrock has to tell apart.
const OF_BEDROCK: [&str; 6] = [
    "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "anthropic.claude-3-haiku-20240307-v1:0",
    "amazon.nova-lite-v1:0",
    "us.amazon.nova-2-lite-v1:0",
    "openai.gpt-oss-120b-1:0",
    "meta.llama3-70b-instruct-v1:0",
];
/// One of Cohere's that thinks, and one that does not.
const OF_COHERE: [&str; 2] = ["command-a-reasoning-08-2025", "command-a-03-2025"];
const ENCODE_TARGET: EncodeTarget<'_> = EncodeTarget {
    model: "claude-sonnet-4-5",
    max_output_tokens: 64_000,
    output_limit: OutputLimit::MaxTokens,
    takes_stream_options: true,
    takes_cache_control: true,
    takes_unsigned_thoughts: true,
    takes_custom_tools: true,
    searches_in_chat: true,
    takes_schema: true,
};

/// An event of a realtime session, from either side.
fn event(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let _ = realtime::read_provider(text);
    if realtime::read_caller(text).is_err() {
        return;
    }
    let Some(mut raw) = realtime::parse(Bytes::copy_from_slice(input)) else { return };
    raw.set_string("event_id", "ours");
    realtime::set_within(&mut raw, "session", "model", Some("m"));
    let edited = raw.to_bytes();
    let read = std::str::from_utf8(&edited).map(realtime::read_caller);
    assert!(matches!(read, Ok(Ok(_))), "an edited event that cannot be read");
    assert!(realtime::event_id(&raw).as_deref() == Some("ours"), "an event without its id");
}

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// A caller's body: its head, and its translation.
    Request,
    /// A provider's whole answer, or its error.
    Answer,
    /// A provider's stream, in any pieces.
    Stream,
    /// What the journal's files hold.
    Journal,
    /// The settings file, and a catalogue file.
    Config,
}

impl Target {
    pub const ALL: [Target; 5] =
        [Target::Request, Target::Answer, Target::Stream, Target::Journal, Target::Config];

    /// Its name, and that of its folder in the corpus.
    pub const fn name(self) -> &'static str {
        match self {
            Target::Request => "request",
            Target::Answer => "answer",
            Target::Stream => "stream",
            Target::Journal => "journal",
            Target::Config => "config",
        }
    }

    /// Feeds it an input. A panic is a finding.
    pub fn feed(self, input: &[u8]) {
        match self {
            Target::Request => request(input),
            Target::Answer => answer(input),
            Target::Stream => stream(input),
            Target::Journal => journal(input),
            Target::Config => config(input),
        }
    }
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<&serde_json::value::RawValue>(bytes).is_ok()
}

fn request(input: &[u8]) {
    shaped_request(input);
    let body = Bytes::copy_from_slice(input);
    if let Ok(mut object) = RawObject::parse(body.clone()) {
        let keys: Vec<String> = object.keys().map(str::to_owned).collect();
        for key in keys.iter().take(8) {
            assert!(object.get(key).is_some_and(is_json), "a value that is no JSON");
            object.set(key, b"1".to_vec());
        }
        if let Some(key) = keys.first() {
            object.remove(key);
        }
        for protocol in PROTOCOLS {
            let _ = server_tools::rounds(&object, protocol, "m");
        }
        for (provider, inbound) in PROTOCOLS.iter().flat_map(|to| PROTOCOLS.map(|from| (*to, from))) {
            server_tools::limit_for(provider, inbound, &mut object, 5);
        }
        let out = object.to_bytes();
        assert!(RawObject::parse(out.clone()).is_ok(), "an object that cannot be read again");
        assert!(object.into_pieces(16).concat() == out, "pieces that are not the object");
    }
    // A body's first line as its boundary leads furthest.
    let line = input.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let boundary = std::str::from_utf8(line).ok().and_then(|line| line.strip_prefix("--")).unwrap_or("b");
    if let Ok(form) = Form::parse(body.clone(), boundary) {
        assert!(form.with("none", "", &[]).concat() == input, "a form that is not its bytes");
        let _ = form.with("model", "m", &["signalbox"]).concat();
        for shape in SOUNDING {
            let _ = shape.encode_transcription(&form, "m");
        }
        for shape in DRAWING {
            if let Ok(sent) = shape.encode_edit(&form, br#"{"prompt":"a"}"#, "flux-kontext-pro") {
                assert!(is_json(&sent.body.concat()), "a request for another picture that is no JSON");
            }
        }
    }
    for operation in Operation::ALL {
        if let Ok(intake) = intake::read(operation, Held::short(body.clone()), "a/b") {
            assert!(is_json(&intake.body.to_bytes()), "a body that is no JSON");
        }
    }
    event(input);
    let aside = RawObject::parse(body).ok().and_then(|object| SetAside::of_texts(&object, [7; 10]));
    for (protocol, to) in PROTOCOLS.iter().flat_map(|protocol| PROTOCOLS.map(|to| (protocol, to))) {
        let model = match to {
            Protocol::BedrockConverse => OF_BEDROCK[input.len() % OF_BEDROCK.len()],
            Protocol::CohereChat => OF_COHERE[input.len() % OF_COHERE.len()],
            Protocol::OpenAiChat
            | Protocol::OpenAiResponses
            | Protocol::AnthropicMessages
            | Protocol::Gemini => ENCODE_TARGET.model,
        };
        let target = EncodeTarget { model, ..ENCODE_TARGET };
        let translated = |body: &[u8]| to.encode_request(&protocol.decode_request(body).ok()?, &target).ok();
        let whole = translated(input);
        if let Some(encoded) = &whole {
            assert!(is_json(&encoded.body), "a translation that is no JSON");
        }
        let Some((marked, aside)) = &aside else { continue };
        let Some(encoded) = translated(marked) else { continue };
        let restored = aside.restore(vec![encoded.body.into()]);
        if restored.is_complete {
            let read = |body: &[u8]| serde_json::from_slice::<serde_json::Value>(body).ok();
            let whole = whole.map(|encoded| (read(&encoded.body), encoded.warnings));
            let by_marks = (read(&restored.pieces.concat()), encoded.warnings);
            assert!(whole == Some(by_marks), "another translation with texts set aside");
        }
    }
}

/// The shapes of speech and transcripts.
const SOUNDING: [Shape; 3] = [Shape::Deepgram, Shape::ElevenLabs, Shape::AssemblyAi];

/// A form with a sound in it.
const SOUND: &[u8] =
    b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nsound\r\n--b--\r\n";

/// The shapes of pictures.
const DRAWING: [Shape; 4] =
    [Shape::BlackForestLabs, Shape::Stability, Shape::BedrockStability, Shape::Imagen];

/// Requests for vectors, rankings, speech and pictures, in the shape of every vendor.
fn shaped_request(input: &[u8]) {
    for shape in DRAWING {
        if let Ok(sent) = shape.encode_pictures(input, "sd3.5-large") {
            let body = sent.body.concat();
            let is_form = boundary(&sent.content_type)
                .is_some_and(|boundary| Form::parse(body.clone().into(), boundary).is_ok());
            assert!(is_form || is_json(&body), "a request for pictures that is neither JSON nor a form");
        }
    }
    for shape in SOUNDING {
        if let Ok(sent) = shape.encode_speech(input, "m") {
            assert!(is_json(&sent.body.concat()), "a request for speech that is no JSON");
        }
    }
    for (from, to) in Shape::OF_CALLERS.iter().flat_map(|from| Shape::OF_VECTORS.map(|to| (from, to))) {
        let Ok(request) = from.decode_embeddings(input, "a/b") else { continue };
        if let Ok(encoded) = to.encode_embeddings(&request, "gemini-embedding-001") {
            assert!(is_json(&encoded.body), "a request for vectors that is no JSON");
        }
    }
    if let Ok(encoded) = rerank::encode_for_voyage(input, "m") {
        assert!(is_json(&encoded.body), "a request for a ranking that is no JSON");
    }
    if let Ok(named) = embeddings::name_models(input, "a/b", "b") {
        assert!(is_json(&named), "requests that are no JSON once they name their model");
    }
}

/// The lines of an input as the answers to what a job asks.
fn job_answers(input: &[u8]) {
    let form = Form::parse(Bytes::from_static(SOUND), "b");
    let transcript = form.ok().and_then(|form| Shape::AssemblyAi.encode_transcription(&form, "m").ok());
    let picture = Shape::BlackForestLabs.encode_pictures(br#"{"prompt":"a"}"#, "flux-dev").ok();
    let sent = [transcript.map(|asked| asked.sent), picture];
    for mut job in sent.into_iter().flatten().filter_map(|sent| sent.job) {
        for line in input.split(|byte| *byte == b'\n') {
            let Ok(next) = job.next(line) else { break };
            if let job::Next::Ask(Ask { body: Some(body), .. }) = &next {
                assert!(is_json(body), "a question of a job that is no JSON");
            }
            if let job::Next::Done(Product::Pictures(pictures)) = &next {
                assert!(is_json(&pictures.encode(1)), "pictures of a job that are no JSON");
            }
        }
    }
}

/// Vectors, rankings and transcripts, in the shape of every vendor.
fn shaped_answer(input: &[u8]) {
    job_answers(input);
    for shape in DRAWING {
        if let Ok(pictures) = shape.decode_pictures(input) {
            assert!(is_json(&pictures.encode(1)), "pictures that are no JSON");
        }
    }
    for shape in SOUNDING {
        let Ok(transcript) = shape.decode_transcript(input) else { continue };
        let (verbose, usage) = (TranscriptFormat::Verbose { words: true, segments: true }, Usage::ZERO);
        assert!(is_json(&transcript.encode(verbose, &usage, None)), "a transcript that is no JSON");
        let _ = transcript.encode(TranscriptFormat::Vtt, &usage, None);
    }
    for (shape, inputs) in Shape::OF_VECTORS.iter().flat_map(|shape| [(shape, 1), (shape, 2)]) {
        let Ok(response) = shape.decode_vectors(input, inputs) else { continue };
        for (to, format) in Shape::OF_CALLERS
            .iter()
            .flat_map(|to| [VectorFormat::Numbers, VectorFormat::Base64].map(|format| (to, format)))
        {
            if let Ok(body) = to.encode_vectors(&response, format, Some(Money::from_nano(5))) {
                assert!(is_json(&body), "vectors that are no JSON");
            }
        }
    }
    if let Ok(body) = rerank::decode_of_voyage(input, "req_1", "m", Some(Money::from_nano(5))) {
        assert!(is_json(&body), "a ranking that is no JSON");
    }
}

fn answer(input: &[u8]) {
    shaped_answer(input);
    for makes_images in [false, true] {
        let told = media::answer(input, makes_images);
        if let Some(at) = told.and_then(|answer| answer.usage_at) {
            assert!(input.get(at).is_some_and(is_json), "a usage that is no JSON");
        }
    }
    for protocol in PROTOCOLS {
        let _ = terms::told(protocol, input);
        if let Some(seen) = observe::answer(protocol, input) {
            let cost = seen.usage_at.map(|at| edit::cost(input, at, Money::from_nano(123_456)));
            let name = seen.model_at.map(|at| edit::name(at, "a/b"));
            let out = edit::edited(input, cost.into_iter().chain(name).collect());
            assert!(std::str::from_utf8(&out).is_ok());
        }
        if let Ok(decoded) = protocol.decode_response(input) {
            for to in PROTOCOLS {
                let encoded = to.encode_response(&decoded, Some(Money::from_nano(5)));
                assert!(is_json(&encoded.body), "a translation that is no JSON");
            }
        }
        assert!(protocol.decode_error(500, input).message.chars().count() <= 2_000);
    }
}

/// An event's name and data.
type Named = (Option<Vec<u8>>, Vec<u8>);

/// The events of a stream, and what is left, when it comes in such pieces.
fn events<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Option<Vec<Named>> {
    let mut splitter = Splitter::default();
    let mut found = Vec::new();
    for piece in pieces {
        let mut each = |event: Event<'_>| {
            found.push((event.name.map(<[u8]>::to_vec), event.data.into_owned()));
        };
        splitter.push(Bytes::copy_from_slice(piece), &mut each).ok()?;
    }
    found.push((None, splitter.finish().to_vec()));
    Some(found)
}

/// What a stream in Amazon's encoding becomes, when it comes in such pieces, up to where it cannot be read.
fn unframed<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, bool) {
    let mut unframer = Unframer::default();
    let mut out = Vec::new();
    let is_readable = pieces.into_iter().all(|piece| unframer.push(piece, &mut out).is_ok());
    (out, is_readable)
}

/// A message of the input's bytes: checksums that fit are nothing that is found by chance.
fn framed(input: &[u8]) -> Vec<u8> {
    let kind = if input.first().is_some_and(|byte| byte % 2 == 0) { "contentBlockDelta" } else { "chunk" };
    amazon_events::message(&[(":message-type", "event"), (":event-type", kind)], input)
}

/// Whether what was written as a stream can be read as one.
fn is_stream(protocol: Protocol, out: &[u8]) -> bool {
    match protocol.framing() {
        StreamFraming::ServerSentEvents => std::str::from_utf8(out).is_ok(),
        StreamFraming::AmazonEvents => {
            let mut are_json = true;
            let read = Unframer::default().each(out, |frame| are_json &= is_json(frame.payload()));
            are_json && read.is_ok()
        }
    }
}

/// Messages that pass through as they came, or with the same payload written anew.
fn passed(input: &[u8]) {
    let (mut same, mut anew, mut length) = (Vec::new(), Vec::new(), 0);
    let _ = Unframer::default().each(input, |frame| {
        let _ = frame.failure();
        length += frame.raw().len();
        same.extend_from_slice(frame.raw());
        frame.write_with(frame.payload(), &mut anew);
    });
    assert!(
        input.starts_with(&same) && same == anew && same.len() == length,
        "messages that are not their bytes"
    );
}

fn stream(input: &[u8]) {
    for bytes in [input, &framed(input)] {
        passed(bytes);
        let whole = unframed(std::iter::once(bytes));
        let size = 1 + bytes.len() / 7;
        assert!(unframed(bytes.chunks(size)) == whole, "other messages in pieces of {size}");
    }
    let whole = events(std::iter::once(input));
    // Pieces that the input itself decides, so that it does the same every time.
    let sum = input.iter().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    let mut rng = Rng::new(sum);
    let size = 1 + rng.below(1 + input.len() / 8);
    if input.len() / size < 4_096 {
        assert_eq!(events(input.chunks(size)), whole, "other events in pieces of {size}");
    }
    let Some(whole) = whole else { return };
    for protocol in PROTOCOLS {
        let mut observer = StreamObserver::new(protocol);
        let mut decoder = protocol.stream_decoder();
        let mut decoded = Vec::new();
        for (name, data) in &whole {
            observer.push(data);
            // A stream that broke is read no further.
            if decoder.push(name.as_deref(), data, &mut decoded).is_err() {
                break;
            }
        }
        for to in PROTOCOLS {
            let mut encoder = to.stream_encoder(StreamOptions::new(protocol));
            let mut out = Vec::new();
            decoded.iter().for_each(|event| encoder.push(event, &mut out));
            encoder.end(&decoder.usage(), Some(Money::from_nano(5)), &mut out);
            assert!(is_stream(to, &out), "a stream that cannot be read");
        }
    }
    let _ = Event::parse(input);
}

fn journal(input: &[u8]) {
    // As the bytes of a segment.
    let mut at = 0;
    while let Some(rest) = input.get(at..) {
        match frame::read(rest) {
            Next::Frame { payload, length } => {
                record(payload);
                at += length;
            }
            Next::Padding(length) => at += length,
            Next::End | Next::Short(_) | Next::Torn => break,
        }
    }
    // As the payload of a frame whose checksum is right.
    let mut frame = Frame::begin(Vec::new());
    frame.payload().extend_from_slice(input);
    if let Some(bytes) = frame.finish(u64::MAX) {
        assert_eq!(frame::read(&bytes), Next::Frame { payload: input, length: bytes.len() });
    }
    record(input);
}

/// As a frame's payload: an intent is read in a second step.
fn record(payload: &[u8]) {
    if let Ok(Owned::Intent(_, sealed)) = Owned::read(payload, &mut Texts::default()) {
        let _ = sealed.open();
    }
}

fn config(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let _ = catalog_file::parse(text);
    let path = std::env::temp_dir().join(format!("fuzz-config-{}.toml", std::process::id()));
    if std::fs::write(&path, input).is_err() {
        return;
    }
    let environment = Environment::of(&[]);
    let settings = config::load(&Flags { config: Some(path.clone()), ..Flags::default() }, &environment);
    if let Ok(settings) = settings {
        let _ = config::resolve(&settings, &environment);
        let _ = settings.journal_options();
    }
    // Left over in the temporary folder at worst.
    let _ = std::fs::remove_file(path);
}
