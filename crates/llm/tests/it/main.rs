//! What the crate does, seen from outside. One module per topic.
//!
//! `cfg(test)` always holds here; it is what clippy knows test modules by, where `unwrap` is fine.

#[cfg(test)]
mod bedrock;
#[cfg(test)]
mod chunking;
#[cfg(test)]
mod cohere;
#[cfg(test)]
mod compatibility;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod meaning;
#[cfg(test)]
mod providers;
#[cfg(test)]
mod reasoning;
#[cfg(test)]
mod translation;
