//! Blocks of a stream one after the other, for protocols whose clients read one at a time.
//!
//! What arrives for another block waits until the open one is complete.

use crate::ir::StreamEvent;

/// Which block may be written now, and what waits.
#[derive(Debug, Default)]
pub(super) struct Turns {
    open: Option<u32>,
    waiting: Vec<StreamEvent>,
}

impl Turns {
    /// Whether an event of a block may be written now. If not it waits, or belongs to nothing.
    pub fn admits(&mut self, event: &StreamEvent) -> bool {
        match event {
            StreamEvent::BlockStart { .. } if self.open.is_none() => return true,
            StreamEvent::BlockStart { .. } => self.waiting.push(event.clone()),
            StreamEvent::BlockDelta { index, .. } | StreamEvent::BlockStop { index } => {
                if self.open == Some(*index) {
                    return true;
                }
                if self.waits(*index) {
                    self.waiting.push(event.clone());
                }
            }
            StreamEvent::Start { .. }
            | StreamEvent::Usage(_)
            | StreamEvent::Finish { .. }
            | StreamEvent::Error { .. }
            | StreamEvent::Ping
            | StreamEvent::Lost { .. } => return true,
        }
        false
    }

    /// A block has been begun.
    pub fn open(&mut self, index: u32) {
        self.open = Some(index);
    }

    /// Whether a block is open.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The open block is complete. Gives what waited, to be handed in again.
    pub fn close(&mut self) -> Vec<StreamEvent> {
        self.open = None;
        std::mem::take(&mut self.waiting)
    }

    /// Whether a block has begun but may not be written yet.
    fn waits(&self, block: u32) -> bool {
        let begins =
            |event: &StreamEvent| matches!(event, StreamEvent::BlockStart { index, .. } if *index == block);
        self.waiting.iter().any(begins)
    }
}
