//! ElevenLabs: texts spoken, and speech written down.
//!
//! API: <https://elevenlabs.io/docs/api-reference/text-to-speech/convert> and
//! <https://elevenlabs.io/docs/api-reference/speech-to-text/convert>, and the types of its Python SDK
//! (<https://github.com/elevenlabs/elevenlabs-python>), read 2026-11-26. The voice stands in the address, the key in a header of its own.
//!
//! Speech is billed by its letters, transcriptions by the length of the sound, which the answer tells. What has a price of
//! its own (`keyterms`, `entity_detection`) is not asked for.

use super::{Auth, OPENAI_COMPATIBLE, ProviderSpec, Route, RouteKind};
use crate::protocol::Shape;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "elevenlabs",
    name: "ElevenLabs",
    base_url: Some("https://api.elevenlabs.io"),
    auth: Auth::Header("xi-api-key"),
    key_variables: &["ELEVENLABS_API_KEY"],
    // <https://replicate.com/elevenlabs/scribe-v2/api>, read 2026-11-26.
    longest_sound: &[("", 36_000)],
    routes: &[
        Route::of(RouteKind::Speech, "/v1/text-to-speech").shaped(Shape::ElevenLabs),
        Route::of(RouteKind::Transcriptions, "/v1/speech-to-text").shaped(Shape::ElevenLabs),
    ],
    ..OPENAI_COMPATIBLE
};
