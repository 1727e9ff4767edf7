//! Deepgram: speech written down, and texts spoken.
//!
//! API: <https://developers.deepgram.com/reference/speech-to-text/listen-pre-recorded> and
//! <https://developers.deepgram.com/reference/text-to-speech/speak-request>, read 2026-11-26. Everything but the sound or the text stands
//! in the query. The key's scheme is `Token`; a bearer would be a short-lived token of another kind.
//!
//! Transcriptions are billed by the length of the sound, which the answer tells; speech by its letters, which a header of
//! the answer tells. What has a price of its own (`diarize`, `keyterm`, `redact`, `language=multi`) is not asked for.

use super::{Auth, OPENAI_COMPATIBLE, ProviderSpec, Route, RouteKind};
use crate::protocol::Shape;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "deepgram",
    name: "Deepgram",
    base_url: Some("https://api.deepgram.com/v1"),
    auth: Auth::Token,
    key_variables: &["DEEPGRAM_API_KEY"],
    routes: &[
        Route::of(RouteKind::Transcriptions, "/listen").shaped(Shape::Deepgram),
        Route::of(RouteKind::Speech, "/speak").shaped(Shape::Deepgram),
    ],
    ..OPENAI_COMPATIBLE
};
