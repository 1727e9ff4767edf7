//! Answer bodies: one buffer, a body that stops short, or a paced sequence of SSE frames.

use crate::{
    CHUNKS, STREAMS_ABORTED,
    invoice::Call,
    knobs::{Fault, Knobs},
    mono_ns, tools,
    wire::{self, Api, Usage},
};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use std::{
    convert::Infallible,
    future::Future,
    io,
    pin::Pin,
    sync::atomic::Ordering::Relaxed,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep};

type Polled = Poll<Option<Result<Frame<Bytes>, io::Error>>>;

pub enum Answer {
    Full(Full<Bytes>),
    /// Some bytes of a body that was announced longer, then a cut.
    Short(Option<Bytes>, u64),
    Stream(Box<SseStream>),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        match &mut *self {
            Answer::Full(body) => {
                Pin::new(body).poll_frame(context).map_err(|never: Infallible| match never {})
            }
            Answer::Short(body, _) => Poll::Ready(Some(match body.take() {
                Some(bytes) => Ok(Frame::data(bytes)),
                None => Err(io::Error::other("cut")),
            })),
            Answer::Stream(stream) => stream.poll(context),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Answer::Full(body) => body.size_hint(),
            Answer::Short(_, announced) => SizeHint::with_exact(*announced),
            Answer::Stream(_) => SizeHint::default(),
        }
    }
}

/// What a stream is about; its course is kept in `SseStream`.
pub struct StreamPlan {
    pub api: Api,
    pub knobs: Knobs,
    pub include_usage: bool,
    pub model: String,
    pub usage: Usage,
    pub arrived_ns: u64,
    pub call: Option<Call>,
    /// Quoted in errors.
    pub key: Option<String>,
}

pub struct SseStream {
    plan: StreamPlan,
    text: Bytes,
    /// Frames sent before the end: 0 before the opening one, then 1 + content chunks.
    frames: u32,
    end_step: u32,
    is_waiting: bool,
    is_finished: bool,
    timer: Option<Pin<Box<Sleep>>>,
    due: Option<Instant>,
}

impl Drop for SseStream {
    fn drop(&mut self) {
        CHUNKS.fetch_add(u64::from(self.frames.saturating_sub(1)), Relaxed);
        if !self.is_finished {
            STREAMS_ABORTED.fetch_add(1, Relaxed);
        }
    }
}

impl SseStream {
    pub fn new(plan: StreamPlan) -> SseStream {
        let text = wire::with_text(plan.knobs.chunk_bytes, 1, |text| Bytes::copy_from_slice(text.as_bytes()));
        SseStream {
            plan,
            text,
            frames: 0,
            end_step: 0,
            is_waiting: false,
            is_finished: false,
            timer: None,
            due: None,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Polled {
        let plan = &self.plan;
        if self.frames == 0 {
            if plan.knobs.pause_ms > 0 {
                let pause = Duration::from_millis(plan.knobs.pause_ms);
                let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
                ready!(timer.as_mut().poll(context));
            }
            self.frames = 1;
            return frame(wire::stream_start(plan.api, &plan.model, plan.usage.input));
        }
        let sent = self.frames - 1;
        if sent >= plan.knobs.after {
            match plan.knobs.fault {
                // The few milliseconds let what was sent reach the socket first.
                Fault::Cut => return self.break_off(context, Duration::from_millis(5)),
                Fault::Stall => return self.break_off(context, Duration::from_secs(120)),
                Fault::ErrorEvent => return self.end_with_error(),
                Fault::None | Fault::Status(_) | Fault::Hang | Fault::Reset | Fault::BadJson => {}
            }
        }
        if sent < plan.knobs.chunks {
            ready!(self.wait_for_turn(context, sent == 0));
            self.frames += 1;
            if let Some(call) = &mut self.plan.call {
                call.produce();
            }
            let arrived_ns = (sent == 0).then_some(self.plan.arrived_ns);
            let plan = &self.plan;
            if plan.knobs.calls_tool {
                let position = tools::Position::of(sent, plan.knobs.chunks);
                return frame(tools::chunk(&plan.model, position, &self.text, mono_ns()));
            }
            return frame(wire::stream_chunk(plan.api, &plan.model, &self.text, mono_ns(), arrived_ns));
        }
        match wire::stream_end(plan.api, self.end_step, &plan.model, plan.usage, plan.include_usage) {
            Some(bytes) => {
                self.end_step += 1;
                if self.end_step == wire::end_steps(plan.api)
                    && let Some(call) = &mut self.plan.call
                {
                    call.end_whole();
                }
                frame(bytes)
            }
            None => {
                self.is_finished = true;
                Poll::Ready(None)
            }
        }
    }

    /// Ready when the next chunk is due. Without a delay each chunk still gets a socket write of its own:
    /// returning `Pending` once makes hyper flush.
    fn wait_for_turn(&mut self, context: &mut Context<'_>, is_first: bool) -> Poll<()> {
        if self.plan.knobs.delay_ms == 0 || is_first {
            self.is_waiting = !self.is_waiting;
            if self.is_waiting {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(());
        }
        if !self.is_waiting {
            // Counted from the last due time, so that delays do not add up.
            let due = self.due.unwrap_or_else(Instant::now) + Duration::from_millis(self.plan.knobs.delay_ms);
            self.due = Some(due);
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(due),
                None => self.timer = Some(Box::pin(tokio::time::sleep_until(due))),
            }
            self.is_waiting = true;
        }
        if let Some(timer) = &mut self.timer {
            ready!(timer.as_mut().poll(context));
        }
        self.is_waiting = false;
        Poll::Ready(())
    }

    /// Waits, then fails the body: hyper closes the connection without the last chunk.
    fn break_off(&mut self, context: &mut Context<'_>, wait: Duration) -> Polled {
        if self.end_step == 0 {
            self.end_step = 1;
            self.timer = None;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Some(Err(io::Error::other("broken off"))))
    }

    fn end_with_error(&mut self) -> Polled {
        if self.end_step == 0 {
            self.end_step = 1;
            return frame(wire::stream_error(self.plan.api, self.plan.key.as_deref()));
        }
        self.is_finished = true;
        Poll::Ready(None)
    }
}

fn frame(bytes: Bytes) -> Polled {
    Poll::Ready(Some(Ok(Frame::data(bytes))))
}
