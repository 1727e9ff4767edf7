//! What a provider's refusal says about the request, the credential and the target, and which status the
//! caller is given for it.

/// What a failed attempt tells, beyond its status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailureClass {
    /// The request is bad, everywhere.
    CallerFault,
    /// Our credential is refused: not the caller's fault.
    Credential,
    /// The account behind our credential has no money left.
    Quota,
    /// Too many requests for now.
    RateLimited,
    /// The provider does not have the model.
    ModelUnavailable,
    /// The provider is overloaded or broken for now.
    Transient,
}

impl FailureClass {
    /// Reads a status of 400 or more.
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => FailureClass::Credential,
            402 => FailureClass::Quota,
            404 => FailureClass::ModelUnavailable,
            429 => FailureClass::RateLimited,
            // 424 is what Bedrock says of a model that failed
            // (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>, read 2026-11-26).
            408 | 424 | 500..=599 => FailureClass::Transient,
            _ => FailureClass::CallerFault,
        }
    }

    /// Reads a status of 400 or more and the body that came with it. Google answers a bad key with 400, as it does bad
    /// requests (<https://ai.google.dev/gemini-api/docs/troubleshooting>, read 2026-11-26). Stability answers with 403 what its
    /// filters refuse (`fixtures/stability/draw_error_403`).
    pub fn of_answer(status: u16, body: &[u8]) -> Self {
        let says = |word: &str| memchr::memmem::find(body, word.as_bytes()).is_some();
        match status {
            400 if says("\"API_KEY_INVALID\"") => FailureClass::Credential,
            403 if says("\"content_moderation\"") => FailureClass::CallerFault,
            _ => Self::of_status(status),
        }
    }

    /// The status the caller gets. A fault of ours or the provider's is never told as the caller's: a
    /// refused credential of ours must not look like a bad key of theirs.
    pub const fn reply_status(self, status: u16) -> u16 {
        match self {
            FailureClass::CallerFault => match status {
                400..=499 => status,
                _ => 502,
            },
            FailureClass::Credential | FailureClass::Quota => 502,
            FailureClass::RateLimited | FailureClass::ModelUnavailable => status,
            FailureClass::Transient => match status {
                503 | 529 => status,
                408 | 504 => 503,
                _ => 502,
            },
        }
    }

    /// The stable code of this failure, for callers and records.
    pub const fn code(self) -> &'static str {
        match self {
            FailureClass::CallerFault => "provider_refused_request",
            FailureClass::Credential => "provider_refused_credential",
            FailureClass::Quota => "provider_quota_exhausted",
            FailureClass::RateLimited => "provider_rate_limited",
            FailureClass::ModelUnavailable => "provider_model_not_found",
            FailureClass::Transient => "provider_unavailable",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_reply() {
        let table = [
            (400, 400),
            (401, 502),
            (402, 502),
            (403, 502),
            (404, 404),
            (408, 503),
            (413, 413),
            (422, 422),
            (424, 502),
            (429, 429),
            (500, 502),
            (502, 502),
            (503, 503),
            (504, 503),
            (529, 529),
            (302, 502),
        ];
        for (status, reply) in table {
            assert_eq!(FailureClass::of_status(status).reply_status(status), reply, "{status}");
        }
    }

    #[test]
    fn some_bodies_say_more_than_their_status() {
        let of = |status, body: &str| FailureClass::of_answer(status, body.as_bytes());
        let filtered = r#"{"id":"x","name":"content_moderation","errors":["Your request was flagged."]}"#;
        assert_eq!(of(403, filtered), FailureClass::CallerFault);
        assert_eq!(of(403, r#"{"name":"unauthorized"}"#), FailureClass::Credential);
        assert_eq!(of(400, r#"{"reason":"API_KEY_INVALID"}"#), FailureClass::Credential);
        assert_eq!(of(400, filtered), FailureClass::CallerFault);
    }
}
