//! Chunks of OpenAI's protocol that need no parsing.

use memchr::memmem::Finder;
use std::sync::LazyLock;

/// Tells the ordinary chunk, which has a piece of text and nothing else to notice, without parsing it: at
/// hundreds of chunks a stream this is where the time goes.
pub(super) struct PlainChunk {
    special: [Finder<'static>; 4],
    content: Finder<'static>,
}

pub(super) static CHUNK: LazyLock<PlainChunk> = LazyLock::new(|| PlainChunk {
    // A value that is a string or an object follows the first two only where there is something to notice;
    // with `null` behind them they are ordinary.
    special: [
        Finder::new("\"finish_reason\":\""),
        Finder::new("\"usage\":{"),
        Finder::new("\"tool_calls\""),
        Finder::new("\"error\""),
    ],
    content: Finder::new("content\":\""),
});

impl PlainChunk {
    /// Bytes of text in an ordinary chunk. `None`: parse it. White space between tokens makes a chunk
    /// unordinary, as does a second piece of text.
    pub(super) fn content_bytes(&self, data: &[u8]) -> Option<u64> {
        if self.special.iter().any(|finder| finder.find(data).is_some()) {
            return None;
        }
        let start = self.content.find(data)? + "content\":\"".len();
        let mut end = start;
        // The text ends at the first quotation mark that is not escaped.
        loop {
            end += memchr::memchr2(b'"', b'\\', data.get(end..)?)?;
            if data[end] == b'"' {
                break;
            }
            end += 2;
        }
        self.content.find(&data[end..]).is_none().then_some((end - start) as u64)
    }
}
