//! Answers of vectors, rankings, transcripts and pictures in another shape than their caller's.

use super::{Call, Made, Stop, Written};
use crate::inference::prepare::Vectors;
use crate::inference::shape_of;
use crate::refusal::Refusal;
use bytes::Bytes;
use domain::Usage;
use http::HeaderMap;
use llm::media;
use llm::observe::Observed;
use llm::protocol::images::Pictures;
use llm::protocol::sound::{Transcript, TranscriptFormat};
use llm::protocol::{Shape, TranslateError, rerank};

/// Where Bedrock tells the tokens of a prompt, whatever its models answer.
const INPUT_TOKENS: &str = "x-amzn-bedrock-input-token-count";

fn unreadable(error: TranslateError) -> Stop {
    Refusal::InvalidResponse(error.to_string()).into()
}

impl Call {
    /// Makes the caller's answer on a thread of its own: reading many vectors takes longer than other calls on the same
    /// core should wait. `None`: the thread panicked.
    pub(super) async fn made_apart(
        self: Box<Self>,
        body: Bytes,
        headers: HeaderMap,
    ) -> Option<(Box<Self>, Made)> {
        let work = move || {
            let made = self.whole(&body, &headers);
            (self, made)
        };
        tokio::task::spawn_blocking(work).await.ok()
    }

    /// Makes the caller's answer of the provider's vectors, with its cost.
    pub(super) fn vectors(&self, body: &Bytes, headers: &HeaderMap, asked: Vectors) -> Made {
        let shape = self.prepared.target.endpoint.route.shape;
        let mut response = shape.decode_vectors(body, asked.inputs).map_err(unreadable)?;
        let told = response.usage.or_else(|| of_headers(shape, headers));
        let observed = Observed {
            response_id: response.id.clone(),
            usage: told.unwrap_or_default(),
            has_usage: told.is_some(),
            is_complete: true,
            ..Observed::default()
        };
        let usage = self.metered(&observed, true).0;
        response.usage = Some(usage);
        if response.model.is_empty() {
            response.model.clone_from(&self.prepared.requested_model);
        }
        let inbound = shape_of(self.prepared.operation).unwrap_or(Shape::OpenAi);
        let cost = self.price(&usage, &observed);
        let written = inbound.encode_vectors(&response, asked.format, cost).map_err(unreadable)?;
        let estimated = "usage: estimated, the provider tells none".to_owned();
        let warnings = if told.is_none() { vec![estimated] } else { Vec::new() };
        Ok((written.into(), observed, warnings))
    }

    /// Makes the caller's answer of the provider's ranking, with its cost.
    pub(super) fn ranking(&self, body: &Bytes) -> Made {
        let observed = media::answer(body, false).unwrap_or_default().observed;
        let cost = self.price(&self.metered(&observed, true).0, &observed);
        let id = self.entry.id.to_string();
        let model = &self.prepared.requested_model;
        let written = rerank::decode_of_voyage(body, &id, model, cost).map_err(unreadable)?;
        Ok((written.into(), observed, Vec::new()))
    }
}

impl Call {
    /// Makes the caller's answer of the provider's transcript, with its cost.
    pub(super) fn transcript(&self, body: &Bytes, format: TranscriptFormat) -> Made {
        let shape = self.prepared.target.endpoint.route.shape;
        let transcript = shape.decode_transcript(body).map_err(unreadable)?;
        Ok(self.heard(&transcript, format))
    }

    /// Writes a transcript for the caller, with its cost.
    pub(super) fn heard(&self, transcript: &Transcript, format: TranscriptFormat) -> Written {
        let told = transcript.usage();
        let observed = Observed {
            response_id: transcript.id.clone(),
            usage: told.unwrap_or_default(),
            has_usage: told.is_some(),
            is_complete: true,
            ..Observed::default()
        };
        let usage = self.metered(&observed, true).0;
        let written = transcript.encode(format, &usage, self.price(&usage, &observed));
        let estimated = "usage: estimated, the provider tells no length".to_owned();
        let warnings = if told.is_none() { vec![estimated] } else { Vec::new() };
        (written.into(), observed, warnings)
    }

    /// Makes the caller's answer of the provider's pictures.
    pub(super) fn pictures(&self, body: &Bytes) -> Made {
        let shape = self.prepared.target.endpoint.route.shape;
        let pictures = shape.decode_pictures(body).map_err(unreadable)?;
        Ok(self.drawn(&pictures))
    }

    /// Writes pictures for the caller.
    pub(super) fn drawn(&self, pictures: &Pictures<'_>) -> Written {
        let usage = Usage { images: pictures.count(), ..Usage::ZERO };
        let observed = Observed { usage, has_usage: true, is_complete: true, ..Observed::default() };
        let written = pictures.encode(self.gateway.clock.now().unix_seconds());
        (written.into(), observed, Vec::new())
    }

    /// What the head of spoken sound tells of its letters.
    pub(super) fn spoken(&self, headers: &HeaderMap) -> Observed {
        let name = self.prepared.target.endpoint.route.shape.letters_header();
        let told = name.and_then(|name| headers.get(name)?.to_str().ok()?.trim().parse().ok());
        told.map_or_else(Observed::default, |characters| Observed {
            usage: Usage { characters, ..Usage::ZERO },
            has_usage: true,
            ..Observed::default()
        })
    }
}

fn of_headers(shape: Shape, headers: &HeaderMap) -> Option<Usage> {
    let is_bedrock = matches!(shape, Shape::BedrockTitan | Shape::BedrockCohere);
    let told = headers.get(INPUT_TOKENS).filter(|_| is_bedrock)?;
    let input = told.to_str().ok()?.trim().parse().ok()?;
    Some(Usage { input, ..Usage::ZERO })
}
