//! Pictures of Black Forest Labs: they are asked for, looked after at an address that the answer tells, and fetched from
//! another.
//!
//! <https://docs.bfl.ml/api-reference/utility/get-result.md>, <https://docs.bfl.ai/api_integration/integration_guidelines> and
//! <https://help.bfl.ai/articles/2916279050-why-did-my-request-fail>, read 2026-11-26. The last says that what was moderated is not
//! charged; of errors nothing says so.

use super::{Ask, Next, Place, Product, Progress, read, unreadable};
use crate::protocol::TranslateError;
use crate::protocol::images::Pictures;
use serde::Deserialize;
use serde_json::Value;

/// A picture that is being made.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct BlackForestLabs {
    /// Its address is wanted, and not the picture.
    wants_url: bool,
    stage: Stage,
}

#[derive(Clone, PartialEq, Debug)]
enum Stage {
    Submitting,
    /// It is looked after here.
    Polling(String),
    Fetching,
}

#[derive(Deserialize)]
struct Submitted {
    polling_url: String,
}

#[derive(Deserialize)]
struct Looked {
    status: String,
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    details: Option<Value>,
}

impl BlackForestLabs {
    /// A picture that is about to be asked for.
    pub(crate) fn new(wants_url: bool) -> Self {
        Self { wants_url, stage: Stage::Submitting }
    }

    pub(super) fn progress(&self) -> Progress {
        match self.stage {
            Stage::Submitting => Progress::Submitting,
            Stage::Polling(_) | Stage::Fetching => Progress::Working,
        }
    }

    pub(super) fn next(&mut self, answer: &[u8]) -> Result<Next, TranslateError> {
        let at = match &self.stage {
            Stage::Submitting => {
                let Submitted { polling_url } = read(answer)?;
                let ask = Ask::look(Place::Told(polling_url.clone()));
                self.stage = Stage::Polling(polling_url);
                return Ok(Next::Wait(ask));
            }
            Stage::Fetching => return Pictures::of_bytes(answer).map(Product::Pictures).map(Next::Done),
            Stage::Polling(at) => at,
        };
        let looked: Looked = read(answer)?;
        let is_billed = match looked.status.as_str() {
            "Ready" => return self.ready(&looked),
            "Request Moderated" | "Content Moderated" => false,
            "Error" | "Failed" | "Task not found" => true,
            // `Pending`, and whatever else it is at meanwhile.
            _ => return Ok(Next::Wait(Ask::look(Place::Told(at.clone())))),
        };
        let details = looked.details.filter(|details| details != &Value::Object(serde_json::Map::new()));
        let details = details.map(|details| format!(" ({details})")).unwrap_or_default();
        Ok(Next::failed(&format!("no picture was made: {}{details}", looked.status), is_billed))
    }

    fn ready(&mut self, looked: &Looked) -> Result<Next, TranslateError> {
        let sample = looked.result.as_ref().and_then(|result| result.get("sample")?.as_str());
        let sample = sample.ok_or_else(|| unreadable("the picture is ready, and its address is missing"))?;
        if self.wants_url {
            return Ok(Next::Done(Product::Pictures(Pictures::of_url(sample.to_owned()))));
        }
        self.stage = Stage::Fetching;
        Ok(Next::Ask(Ask::look(Place::File(sample.to_owned()))))
    }
}
