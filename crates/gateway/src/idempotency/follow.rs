//! Those who ask what is being answered already: they wait for the same answer, or hear it from the beginning.

use super::running::{End, Next, Progress};
use crate::Gateway;
use crate::inference::reply;
use crate::inference::stream::{StreamBody, Writer, pipe};
use crate::refusal::Refusal;
use axum::body::Body;
use bytes::Bytes;
use http::Response;
use llm::Protocol;
use llm::observe::Observed;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often somebody who waits for a slow reader looks whether the process must stop.
const TICK: Duration = Duration::from_secs(1);

/// Waits for the answer of a call that runs.
pub async fn follow(
    gateway: &Arc<Gateway>,
    protocol: Protocol,
    mut progress: watch::Receiver<Progress>,
) -> Result<Response<Body>, Refusal> {
    let body = match begun(&mut progress).await {
        Begun::Whole(answer) => return Ok(answer),
        Begun::Refused(refusal) => return Err(refusal),
        Begun::Stream(answer) => answer,
    };
    let (writer, stream) = pipe();
    gateway.tasks.spawn(copy(gateway.clone(), protocol, progress, writer));
    Ok(body(stream))
}

type WithBody = Box<dyn FnOnce(StreamBody) -> Response<Body> + Send>;

enum Begun {
    Whole(Response<Body>),
    Stream(WithBody),
    Refused(Refusal),
}

async fn begun(progress: &mut watch::Receiver<Progress>) -> Begun {
    let known = progress.wait_for(|progress| progress.head.is_some() || progress.end.is_some()).await;
    // The first call's task panicked.
    let Ok(progress) = known else { return Begun::Refused(Refusal::Internal) };
    if let Some((head, body)) = progress.whole() {
        return Begun::Whole(head.replay(Body::from(body)));
    }
    match (&progress.end, &progress.head) {
        (Some(End::Refused(refusal)), _) => Begun::Refused(refusal.clone()),
        (Some(End::TooLarge), _) => Begun::Refused(Refusal::IdempotentAnswerTooLarge),
        (Some(End::Whole | End::Broken) | None, Some(head)) => {
            let head = head.clone();
            Begun::Stream(Box::new(move |body| head.replay(Body::new(body))))
        }
        (Some(End::Whole | End::Broken) | None, None) => Begun::Refused(Refusal::Internal),
    }
}

/// Hands on what was answered and what will be, as fast as it is read.
async fn copy(
    gateway: Arc<Gateway>,
    protocol: Protocol,
    mut progress: watch::Receiver<Progress>,
    writer: Writer,
) {
    let mut position = 0;
    loop {
        let next = progress.borrow_and_update().after(position);
        match next {
            Next::Piece(piece) => {
                position += piece.len();
                if !pass(&gateway, &writer, piece).await {
                    return;
                }
            }
            Next::Wait => tokio::select! {
                changed = progress.changed() => if changed.is_err() { return },
                () = writer.closed() => return,
            },
            Next::End(End::Whole) => return end(&gateway, &writer).await,
            Next::End(End::TooLarge) => {
                let refusal = Refusal::IdempotentAnswerTooLarge;
                let request = progress.borrow().request;
                let event = reply::stream_failure(protocol, request, &refusal, &Observed::default());
                if pass(&gateway, &writer, event).await {
                    end(&gateway, &writer).await;
                }
                return;
            }
            // Without an end, the connection is cut: it must not look complete.
            Next::End(End::Broken | End::Refused(_)) => return,
        }
    }
}

/// Hands over a piece; `false`: its reader has gone, or has not read for too long.
pub async fn pass(gateway: &Gateway, writer: &Writer, piece: Bytes) -> bool {
    let piece = match writer.try_send(piece) {
        Ok(None) => return true,
        Ok(Some(piece)) => piece,
        Err(_) => return false,
    };
    tokio::select! {
        sent = writer.send(piece) => sent.is_ok(),
        () = patience(gateway) => false,
    }
}

/// Ends a stream as whole, as soon as its reader has read enough.
pub async fn end(gateway: &Gateway, writer: &Writer) {
    tokio::select! {
        biased;
        () = writer.end() => {}
        () = patience(gateway) => {}
    }
}

/// Resolves when a reader is given up. The call itself waits longer: a reader who stalls does not end it.
async fn patience(gateway: &Gateway) {
    let until = Instant::now() + gateway.limits.write_stall / 2;
    while Instant::now() < until && !gateway.tasks.is_over() {
        tokio::time::sleep_until(until.min(Instant::now() + TICK).into()).await;
    }
}
