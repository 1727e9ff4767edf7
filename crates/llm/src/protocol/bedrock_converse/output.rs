//! The form of the answer: held to a schema where the model can be, else asked for with a tool that must be called, else
//! in words.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html>, read 2026-11-26.

use super::super::anthropic_messages::schema;
use super::model::Family;
use super::wire::{OutputConfig, Structure, TextFormat};
use crate::ir::{ChatRequest, OutputFormat, Schema, Warnings};
use crate::structured;
use std::borrow::Cow;

/// How the form of the answer is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// Not at all.
    Free,
    /// By a field.
    Held,
    /// By a tool that must be called.
    Tool,
    /// In words.
    Words,
}

/// Chooses the way.
pub(super) fn way(request: &ChatRequest, family: Family, is_thinking: bool, warnings: &mut Warnings) -> Way {
    let schema = match &request.output {
        OutputFormat::Text => return Way::Free,
        OutputFormat::Json => None,
        OutputFormat::Schema(schema) => schema.schema.as_ref(),
    };
    let Some(schema) = schema else {
        warnings.add("response_format", "json_object was sent as an instruction");
        return Way::Words;
    };
    if family.takes_schema() {
        return Way::Held;
    }
    // While thinking no tool can be forced, and what a tool is called with is an object.
    if family.takes_named_tool() && !is_thinking && schema.is_schema_of_object() {
        warnings.add("response_format", "the JSON schema was sent as a tool that must be called");
        return Way::Tool;
    }
    warnings.add("response_format", "the JSON schema was sent as an instruction, it is not enforced");
    Way::Words
}

/// The words.
pub(super) fn instruction(request: &ChatRequest, way: Way) -> Option<String> {
    if way != Way::Words {
        return None;
    }
    Some(match &request.output {
        OutputFormat::Schema(Schema { schema: Some(schema), .. }) => structured::instruction(schema.get()),
        OutputFormat::Schema(_) | OutputFormat::Json | OutputFormat::Text => {
            structured::JSON_INSTRUCTION.to_owned()
        }
    })
}

/// The field.
pub(super) fn config<'a>(
    request: &'a ChatRequest,
    way: Way,
    warnings: &mut Warnings,
) -> Option<OutputConfig<'a>> {
    let OutputFormat::Schema(Schema { name, description, schema: Some(schema), .. }) = &request.output else {
        return None;
    };
    if way != Way::Held {
        return None;
    }
    // Schemas are strict here, and OpenAI's callers leave that to be said elsewhere.
    let closed = if request.protocol.is_openai() { schema::closed(schema.raw()) } else { None };
    if closed.is_some() {
        let detail = "additionalProperties: false was added to the objects of the schema";
        warnings.add("response_format", detail);
    }
    let schema = closed.map_or(Cow::Borrowed(schema.get()), |closed| Cow::Owned(closed.get().to_owned()));
    let structure =
        Structure::JsonSchema { schema, name: name.as_deref(), description: description.as_deref() };
    Some(OutputConfig { text_format: TextFormat { kind: "json_schema", structure } })
}
