//! Infomaniak AI services: chat and embeddings, in Switzerland.
//!
//! API: <https://developer.infomaniak.com/docs/api/post/1/ai/%7Bproduct_id%7D/openai/chat/completions>, read 2026-11-26;
//! the address is that of its later version. The product is part of it. The names of the variables are ours: its
//! tools have none.
//!
//! Sound: from the catalogue's provider list of 2026-11-22.

use super::{OPENAI_COMPATIBLE, Place, ProviderSpec, Route, usual};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "infomaniak",
    name: "Infomaniak",
    base_url: Some("https://api.infomaniak.com/2/ai/{product_id}/openai/v1"),
    places: &[Place { name: "product_id", variables: &["INFOMANIAK_PRODUCT_ID"], default: None }],
    key_variables: &["INFOMANIAK_API_KEY"],
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::embeddings("/embeddings"),
        usual::TRANSCRIPTIONS,
    ],
    ..OPENAI_COMPATIBLE
};
