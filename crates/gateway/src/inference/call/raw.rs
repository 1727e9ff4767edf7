//! Answers that are neither JSON nor events: sound, plain text. They pass through as they come.

use super::{Attempt, Call, Reply, Stop, TICK};
use crate::inference::reply;
use crate::inference::stream::{Writer, pipe};
use crate::refusal::Refusal;
use crate::upstream::Answer;
use axum::body::Body;
use bytes::Bytes;
use domain::record::Outcome;
use http::header::CONTENT_TYPE;
use std::time::Instant;
use tokio::time::sleep_until;

impl Call {
    /// Passes an answer on. One that breaks off is cut: nothing within it could say so.
    pub(super) async fn pass_raw(
        mut self: Box<Self>,
        mut reply: Reply,
        mut attempt: Attempt,
        mut answer: Answer,
    ) {
        let limits = self.gateway.limits;
        let end = attempt.started + limits.first_event.min(limits.total);
        // Held back until the answer has begun: until then a failure still has a status of its own.
        let first = match self.watch(&mut reply, answer.next(), end, "no first byte").await {
            Ok(Some(Ok(piece))) => piece,
            Ok(Some(Err(error))) => {
                let stop = Refusal::Unreachable(error.to_string()).into();
                return self.refuse(reply, &attempt, stop, Some(&answer.headers), true);
            }
            Ok(None) => Bytes::new(),
            Err(stop) => return self.refuse(reply, &attempt, stop, Some(&answer.headers), true),
        };
        attempt.first_token = Some(Instant::now());
        let (writer, body) = pipe();
        let kind = answer.headers.get(CONTENT_TYPE).cloned();
        let response = self.with_head(Some(&answer.headers), |head| reply::raw(head, kind, Body::new(body)));
        let delivered = reply.send(response).map_err(|_| Stop::ClientGone);
        let ended = match delivered {
            Ok(()) => self.forward_raw(&writer, first, &mut answer, &attempt).await,
            Err(stop) => Err(stop),
        };
        let observed = self.spoken(&answer.headers);
        // The connection to the provider closes here when the answer is not at its end.
        drop(answer);
        match &ended {
            Ok(()) => {
                self.conclude(&attempt, Ok(()), &observed, true);
                self.entry.end(200, Outcome::Success);
                self.end(&writer).await;
            }
            Err(stop) => {
                self.conclude(&attempt, Err(stop), &observed, true);
                match stop {
                    Stop::Failed(refusal) => self.entry.fail(200, refusal),
                    Stop::ClientGone => self.entry.end(200, Outcome::ClientGone),
                }
            }
        }
    }

    async fn forward_raw(
        &self,
        writer: &Writer,
        first: Bytes,
        answer: &mut Answer,
        attempt: &Attempt,
    ) -> Result<(), Stop> {
        let limits = self.gateway.limits;
        let end = attempt.started + limits.total;
        let mut piece = Some(first).filter(|piece| !piece.is_empty());
        let mut heard = Instant::now();
        loop {
            if let Some(piece) = piece.take() {
                self.deliver(writer, piece).await?;
            }
            let due = (heard + limits.idle).min(end);
            let next = tokio::select! {
                biased;
                next = answer.next() => next,
                () = writer.closed() => return Err(Stop::ClientGone),
                () = sleep_until(due.min(Instant::now() + TICK).into()) => {
                    if self.gateway.tasks.is_over() {
                        return Err(Refusal::ShuttingDown.into());
                    }
                    if Instant::now() >= due {
                        return Err(Refusal::Timeout("the answer fell silent").into());
                    }
                    continue;
                }
            };
            heard = Instant::now();
            piece = match next {
                Some(Ok(piece)) => Some(piece),
                Some(Err(error)) => return Err(Refusal::BrokenStream(error.to_string()).into()),
                None => return Ok(()),
            };
        }
    }
}
