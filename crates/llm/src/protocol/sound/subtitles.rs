//! Subtitles: words put together to lines of a length that can be read, in `SubRip` and WebVTT.
//!
//! <https://www.w3.org/TR/webvtt1/>, read 2026-11-26.

use super::Transcript;
use std::fmt::Write;

/// Letters of a cue after which the next word begins another: two lines of what broadcasters allow.
const LETTERS_MAX: usize = 84;
/// Silence that ends a cue, in seconds.
const PAUSE: f64 = 1.0;
/// What ends a sentence, in several scripts.
const ENDS: [char; 7] = ['.', '?', '!', '。', '？', '！', '।'];

/// What is shown at once.
#[derive(Debug)]
pub(super) struct Cue {
    pub start: f64,
    pub end: f64,
    pub text: String,
}

/// A transcript in cues: a new one after each sentence, each pause, and where it would be too long. Without words there is
/// one, as long as the sound.
pub(super) fn cues(transcript: &Transcript, duration: f64) -> Vec<Cue> {
    let mut cues: Vec<Cue> = Vec::new();
    for word in &transcript.words {
        let goes_on = |cue: &&mut Cue| {
            let letters = cue.text.chars().count() + word.text.chars().count();
            !cue.text.ends_with(ENDS) && word.start - cue.end < PAUSE && letters < LETTERS_MAX
        };
        match cues.last_mut().filter(goes_on) {
            Some(cue) => {
                if !word.is_joined {
                    cue.text.push(' ');
                }
                cue.text.push_str(&word.text);
                cue.end = cue.end.max(word.end);
            }
            None => cues.push(Cue { start: word.start, end: word.end, text: word.text.clone() }),
        }
    }
    if cues.is_empty() && !transcript.text.is_empty() {
        cues.push(Cue { start: 0.0, end: duration, text: transcript.text.clone() });
    }
    cues
}

pub(super) fn srt(transcript: &Transcript, duration: f64) -> String {
    let mut out = String::new();
    for (at, cue) in cues(transcript, duration).iter().enumerate() {
        let (start, end) = (clock(cue.start, ','), clock(cue.end, ','));
        // Writing into a text cannot fail.
        let _ = write!(out, "{}\n{start} --> {end}\n{}\n\n", at + 1, line(&cue.text));
    }
    out
}

pub(super) fn vtt(transcript: &Transcript, duration: f64) -> String {
    let mut out = "WEBVTT\n\n".to_owned();
    for cue in cues(transcript, duration) {
        let (start, end) = (clock(cue.start, '.'), clock(cue.end, '.'));
        // These would be taken for markup.
        let text = line(&cue.text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = write!(out, "{start} --> {end}\n{text}\n\n");
    }
    out
}

/// A line's end would end the cue.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<&str>>().join(" ")
}

/// Hours, minutes, seconds and milliseconds.
fn clock(seconds: f64, point: char) -> String {
    // A cast from a float stops at the ends of the range.
    let ms = (seconds * 1_000.0).round() as u64;
    let (s, m, h) = (ms / 1_000 % 60, ms / 60_000 % 60, ms / 3_600_000);
    format!("{h:02}:{m:02}:{s:02}{point}{:03}", ms % 1_000)
}
