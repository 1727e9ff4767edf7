//! AssemblyAI: speech written down.
//!
//! API: <https://www.assemblyai.com/docs/api-reference/transcripts/submit>, read 2026-11-26. The key stands alone in `authorization`. The
//! sound is brought to `/v2/upload`, a transcript asked for and looked after at `/v2/transcript`: a job. Uploads are not billed.
//!
//! Transcripts are billed by the length of the sound, which the answer tells, once they are complete
//! (<https://assemblyai.com/docs/billing-and-pricing>, read 2026-11-26). What has a price of its own (`speaker_labels`,
//! `entity_detection`, …) is not asked for.

use super::{Auth, OPENAI_COMPATIBLE, ProviderSpec, Route, RouteKind};
use crate::protocol::Shape;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "assemblyai",
    name: "AssemblyAI",
    base_url: Some("https://api.assemblyai.com"),
    auth: Auth::Header("authorization"),
    key_variables: &["ASSEMBLYAI_API_KEY"],
    // <https://assemblyai.com/docs/faq/are-there-any-limits-on-file-size-or-file-duration-for-files-submitted-to-the-api>, read
    // 2026-11-26.
    longest_sound: &[("", 36_000)],
    routes: &[Route::of(RouteKind::Transcriptions, "/v2/upload").shaped(Shape::AssemblyAi)],
    ..OPENAI_COMPATIBLE
};
