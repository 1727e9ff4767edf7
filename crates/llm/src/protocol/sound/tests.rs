//! What vendors are sent, and what their transcripts become.

use super::*;
use crate::protocol::sound::transcript::TranscriptFormat::{Json, Srt, Text, Verbose, Vtt};
use domain::{Money, Usage};
use serde_json::{Value, json};

/// The shapes that speak and listen.
const SHAPES: [Shape; 2] = [Shape::Deepgram, Shape::ElevenLabs];

fn form(fields: &[(&str, &str)], kind: &str) -> Form {
    let mut body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\nContent-Type: {kind}\r\n\r\nsound\r\n"
    );
    for (name, value) in fields {
        body += &format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    Form::parse((body + "--b--").into(), "b").unwrap()
}

fn query(sent: &Sent) -> String {
    let fields: Vec<String> = sent.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    fields.join("&")
}

fn warned(sent: &Sent) -> Vec<String> {
    sent.warnings.iter().map(ToString::to_string).collect()
}

fn say(shape: Shape, model: &str, body: &Value) -> Result<Sent, TranslateError> {
    shape.encode_speech(body.to_string().as_bytes(), model)
}

fn param(result: Result<Sent, TranslateError>) -> String {
    result.unwrap_err().param().unwrap().to_owned()
}

#[test]
fn deepgram_is_told_format_and_voice_in_the_query() {
    for (format, expected) in [
        ("mp3", "encoding=mp3"),
        ("opus", "encoding=opus&container=ogg"),
        ("aac", "encoding=aac"),
        ("flac", "encoding=flac"),
        ("wav", "encoding=linear16&container=wav"),
        ("pcm", "encoding=linear16&container=none&sample_rate=24000"),
    ] {
        let body = json!({"input": "Hi", "voice": "aura-2-thalia-en", "response_format": format});
        let sent = say(Shape::Deepgram, "aura-2", &body).unwrap();
        assert_eq!(query(&sent), format!("model=aura-2-thalia-en&{expected}"));
        assert_eq!((&sent.body.concat()[..], warned(&sent).len()), (&br#"{"text":"Hi"}"#[..], 0));
    }
}

#[test]
fn a_voice_never_leads_to_a_model_of_another_price() {
    let of = |model: &str, voice: &str| say(Shape::Deepgram, model, &json!({"input": "Hi", "voice": voice}));
    for (model, voice) in [
        ("aura", "aura-2-thalia-en"),
        ("aura-2", "alloy"),
        ("aura-2", "aura-asteria-en"),
        ("aura-2", "aura-2-"),
    ] {
        assert_eq!(param(of(model, voice)), "voice", "{model} {voice}");
    }
    assert_eq!(query(&of("aura", "aura-asteria-en").unwrap()), "model=aura-asteria-en&encoding=mp3");
    let named = of("aura-2-thalia-en", "alloy").unwrap();
    assert_eq!(warned(&named), ["voice (deepgram): dropped: the model's name says whose voice it is"]);
    assert_eq!(warned(&of("aura-2-thalia-en", "aura-2-thalia-en").unwrap()), [""; 0]);
}

#[test]
fn what_is_wrong_with_a_request_for_speech_is_named() {
    for shape in SHAPES {
        for (body, expected) in [
            (json!({"voice": "v"}), "input"),
            (json!({"input": " ", "voice": "v"}), "input"),
            (json!({"input": "Hi", "voice": 1}), "voice"),
            (json!({"input": "Hi", "voice": {"name": "v"}}), "voice.id"),
            (json!({"input": "Hi", "voice": "v", "response_format": "au"}), "response_format"),
            (json!({"input": "Hi", "voice": "v", "stream_format": "sse"}), "stream_format"),
            (json!({"input": "Hi", "voice": "v", "stream": true}), "stream_format"),
        ] {
            assert_eq!(param(say(shape, "m-x-en", &body)), expected, "{body}");
        }
        let body = json!({"input": "Hi", "voice": "v", "instructions": "gently", "seed": 1, "signalbox": {}});
        let told = warned(&say(shape, "m-x-en", &body).unwrap()).join("; ");
        assert!(told.contains("instructions") && told.contains("dropped: seed"), "{told}");
    }
}

#[test]
fn deepgram_gets_the_bare_sound() {
    let of = |fields: &[(&str, &str)], kind: &str| {
        Shape::Deepgram.encode_transcription(&form(fields, kind), "nova-3").map(|asked| asked.sent)
    };
    let sent = of(&[("language", "de")], "audio/mpeg").unwrap();
    assert_eq!(query(&sent), "model=nova-3&smart_format=true&language=de");
    assert_eq!((&sent.body.concat()[..], sent.content_type.as_str()), (&b"sound"[..], "audio/mpeg"));
    assert_eq!(of(&[], "audio/x\n--b").unwrap().content_type, "application/octet-stream");
    // A document could name an address with any length of sound.
    let sent = of(&[("prompt", "p"), ("temperature", "0.4"), ("x", "1")], "application/json").unwrap();
    assert_eq!(sent.content_type, "application/octet-stream");
    assert_eq!(query(&sent), "model=nova-3&smart_format=true&detect_language=true");
    let told = warned(&sent).join("; ");
    assert!(["prompt", "temperature", "dropped: x"].iter().all(|one| told.contains(one)), "{told}");
    assert_eq!(param(of(&[("language", "multi")], "audio/mpeg")), "language");
    assert!(warned(&of(&[("temperature", "0")], "audio/mpeg").unwrap()).is_empty());
}

#[test]
fn what_is_wrong_with_a_request_for_a_transcript_is_named() {
    for shape in SHAPES {
        for (fields, expected) in [
            (vec![("stream", "true")], "stream"),
            // A field within a field: where the sound is, at any length.
            (
                vec![(
                    "language",
                    "en\r\n--signalbox-0000000000000000\r\nContent-Disposition: form-data; name=\"cloud_storage_url\"\r\n\r\nx",
                )],
                "language",
            ),
            (vec![("temperature", "warm")], "temperature"),
            (vec![("response_format", "diarized_json")], "response_format"),
            (vec![("timestamp_granularities[]", "word")], "timestamp_granularities"),
            (
                vec![("response_format", "verbose_json"), ("timestamp_granularities[]", "letter")],
                "timestamp_granularities",
            ),
        ] {
            let asked = shape.encode_transcription(&form(&fields, "audio/wav"), "m").map(|asked| asked.sent);
            assert_eq!(param(asked), expected, "{fields:?}");
        }
        let both = [
            ("response_format", "verbose_json"),
            ("timestamp_granularities[]", "word"),
            ("timestamp_granularities[]", "segment"),
        ];
        let asked = shape.encode_transcription(&form(&both, "audio/wav"), "m").unwrap();
        assert_eq!(asked.format, Verbose { words: true, segments: true });
        let none = Form::parse(Bytes::from_static(b"--b\r\n\r\n\r\n--b--"), "b");
        assert!(none.is_err());
    }
}

/// As Deepgram's page on pre-recorded sound has it, cut short.
const DEEPGRAM: &str = r#"{"metadata":{"transaction_key":"deprecated","request_id":"a847f427","duration":25.933313,"channels":1,"models":["30089e05"]},
"results":{"channels":[{"alternatives":[{"transcript":"Yeah. As as much, it's worth.","confidence":0.99,"words":[
{"word":"yeah","start":0.08,"end":0.32,"confidence":0.99,"punctuated_word":"Yeah."},
{"word":"as","start":0.32,"end":0.8,"confidence":0.98,"punctuated_word":"As"},
{"word":"as","start":0.8,"end":1.04,"confidence":0.8,"punctuated_word":"as"},
{"word":"much","start":1.04,"end":1.28,"confidence":0.9,"punctuated_word":"much,"},
{"word":"it's","start":3.5,"end":3.7,"confidence":0.9},
{"word":"worth","start":3.7,"end":3600.25,"confidence":0.9,"punctuated_word":"worth."}]}],"detected_language":"en"}]}}"#;

#[test]
fn a_transcript_of_deepgrams_is_written_in_every_form() {
    let transcript = Shape::Deepgram.decode_transcript(DEEPGRAM.as_bytes()).unwrap();
    let usage = transcript.usage().unwrap();
    assert_eq!(usage, Usage { audio_ms: 25_934, ..Usage::ZERO });
    let cost = Some(Money::from_nano(1_000));
    let written = |format| String::from_utf8(transcript.encode(format, &usage, cost)).unwrap();
    let expected = r#"{"text":"Yeah. As as much, it's worth.","usage":{"type":"duration","seconds":25.934,"cost":0.000001}}"#;
    assert_eq!(written(Json), expected);
    assert_eq!(written(Text), "Yeah. As as much, it's worth.\n");
    let srt = "1\n00:00:00,080 --> 00:00:00,320\nYeah.\n\n2\n00:00:00,320 --> 00:00:01,280\nAs as much,\n\n\
               3\n00:00:03,500 --> 01:00:00,250\nit's worth.\n\n";
    assert_eq!(written(Srt), srt);
    assert!(written(Vtt).starts_with("WEBVTT\n\n00:00:00.080 --> 00:00:00.320\nYeah.\n\n"));
    let verbose: Value = serde_json::from_str(&written(Verbose { words: true, segments: true })).unwrap();
    assert_eq!((&verbose["language"], &verbose["duration"]), (&json!("en"), &json!(25.933313)));
    assert_eq!(verbose["words"][0], json!({"word": "Yeah.", "start": 0.08, "end": 0.32}));
    assert_eq!(verbose["segments"][2], json!({"id": 2, "start": 3.5, "end": 3600.25, "text": "it's worth."}));
}

#[test]
fn elevenlabs_has_the_voice_in_its_address() {
    let of = |body: Value| say(Shape::ElevenLabs, "eleven_v3", &body);
    let sent = of(json!({"input": "Hi", "voice": {"id": "JBFqnCBsd6RMkjVDRZzb"}, "speed": 1.1})).unwrap();
    assert_eq!(sent.segment.as_deref(), Some("JBFqnCBsd6RMkjVDRZzb"));
    assert_eq!(query(&sent), "output_format=mp3_44100_128");
    let expected = json!({"text": "Hi", "model_id": "eleven_v3", "voice_settings": {"speed": 1.1}});
    assert_eq!(serde_json::from_slice::<Value>(&sent.body.concat()).unwrap(), expected);
    for voice in ["alloy", "", "..", "a/b", "a b"] {
        assert_eq!(param(of(json!({"input": "Hi", "voice": voice}))), "voice", "{voice}");
    }
    assert_eq!(param(of(json!({"input": "Hi"}))), "voice");
    for format in ["aac", "flac"] {
        let body = json!({"input": "Hi", "voice": "v", "response_format": format});
        assert_eq!(param(of(body)), "response_format");
    }
}

#[test]
fn elevenlabs_gets_a_form_whose_boundary_is_not_in_the_file() {
    let file = "signalbox-0000000000000000";
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\nContent-Type: audio/x\r\n\r\n{file}\r\n\
         --b\r\nContent-Disposition: form-data; name=\"language\"\r\n\r\nde\r\n--b--"
    );
    let form = Form::parse(body.into(), "b").unwrap();
    let sent = Shape::ElevenLabs.encode_transcription(&form, "scribe_v2").unwrap().sent;
    let boundary = crate::form::boundary(&sent.content_type).unwrap();
    assert_eq!(boundary, "signalbox-0000000000000001");
    let form = Form::parse(sent.body.concat().into(), boundary).unwrap();
    assert_eq!(form.file("file").unwrap(), (Bytes::from(file), "audio/x"));
    let texts = ["model_id", "language_code", "tag_audio_events"].map(|name| form.text(name).unwrap());
    assert_eq!((texts, form.parts().len()), (["scribe_v2", "de", "false"], 4));
    assert!(Shape::ElevenLabs.encode_transcription(&form, "m\r\n--x").is_err());
}

#[test]
fn a_transcript_of_elevenlabs_has_its_words_apart() {
    // As the reference has it, cut short, with a length that newer answers tell.
    let body = r#"{"language_code":"en","language_probability":0.98,"text":"Hello (laughs)world!","audio_duration_secs":7.5,"transcription_id":"t1",
        "words":[{"text":"Hello","start":0,"end":0.5,"type":"word","speaker_id":"speaker_1"},{"text":" ","start":0.5,"end":0.5,"type":"spacing"},
        {"text":"(laughs)","start":0.5,"end":0.6,"type":"audio_event"},{"text":"world!","start":0.6,"end":1.2,"type":"word"}]}"#;
    let transcript = Shape::ElevenLabs.decode_transcript(body.as_bytes()).unwrap();
    assert_eq!((transcript.id.as_str(), transcript.usage().unwrap().audio_ms), ("t1", 7_500));
    let srt = transcript.encode(Srt, &Usage::ZERO, None);
    assert_eq!(String::from_utf8(srt).unwrap(), "1\n00:00:00,000 --> 00:00:01,200\nHello (laughs)world!\n\n");
    let bare = Shape::ElevenLabs.decode_transcript(br#"{"text":"Hi"}"#).unwrap();
    assert_eq!((bare.usage(), bare.words.len()), (None, 0));
}

#[test]
fn what_is_no_transcript_is_refused_and_silence_is_one() {
    for shape in SHAPES {
        for body in [
            "",
            "{}",
            "[]",
            r#"{"results":{"channels":[]}}"#,
            r#"{"results":{"channels":[{"alternatives":[]}]}}"#,
        ] {
            let error = shape.decode_transcript(body.as_bytes()).unwrap_err();
            assert!(matches!(error, TranslateError::InvalidResponse { .. }), "{body}");
        }
    }
    let silent = r#"{"metadata":{"duration":2},"results":{"channels":[{"alternatives":[{"transcript":"","words":[]}]}]}}"#;
    let silent = Shape::Deepgram.decode_transcript(silent.as_bytes()).unwrap();
    assert_eq!(silent.encode(Srt, &Usage::ZERO, None), b"");
    assert_eq!(silent.encode(Vtt, &Usage::ZERO, None), b"WEBVTT\n\n");
}

#[test]
fn a_subtitle_is_cut_where_it_grows_too_long_and_holds_no_markup() {
    let word = |at: u32| Word {
        text: "<ten-letters".to_owned(),
        start: f64::from(at) * 0.1,
        end: f64::from(at + 1) * 0.1,
        is_joined: false,
    };
    let transcript = Transcript {
        id: String::new(),
        text: "x".to_owned(),
        language: String::new(),
        seconds: None,
        words: (0..10).map(word).collect(),
    };
    let cues = subtitles::cues(&transcript, 1.0);
    assert!(cues.len() == 2 && cues.iter().all(|cue| cue.text.chars().count() <= 84), "{cues:?}");
    assert!(subtitles::vtt(&transcript, 1.0).contains("\n&lt;ten-letters &lt;"));
}
