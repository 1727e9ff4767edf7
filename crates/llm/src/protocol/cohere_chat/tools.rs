//! Writing tools, and how free the model is to choose.
//!
//! `tool_choice` knows two words, and neither names a tool: one that is demanded is the only one sent.
//! <https://docs.cohere.com/reference/chat>, read 2026-11-26.

use super::super::anthropic_messages::encode_request::input_schema;
use super::super::free_text;
use super::wire;
use crate::ir::{ChatRequest, FunctionTool, Tool, ToolChoice, Warnings};
use std::borrow::Cow;

/// Writes the tools into a body.
pub(super) fn write<'a>(body: &mut wire::Request<'a>, request: &'a ChatRequest, warnings: &mut Warnings) {
    let mut strict = Vec::new();
    for tool in request.tools.iter().filter(|tool| is_allowed(request, tool)) {
        let Some(function) = function(tool, warnings) else { continue };
        strict.push(matches!(tool, Tool::Function(FunctionTool { strict: Some(true), .. })));
        body.tools.push(wire::Tool { kind: "function", function });
    }
    if body.tools.is_empty() {
        if request.tool_choice.as_ref().is_some_and(is_demand) {
            warnings.add("tool_choice", "dropped: there is no tool to choose");
        }
        return;
    }
    if strict.iter().all(|is_strict| *is_strict) {
        body.strict_tools = Some(true);
    } else if strict.contains(&true) {
        warnings.add("tools[].strict", "dropped: the provider holds to the schemas of all tools, or of none");
    }
    if request.parallel_tool_calls == Some(false) {
        warnings.add("parallel_tool_calls", "dropped: the model decides how many tools it calls at once");
    }
    body.tool_choice = choice(request, warnings);
}

fn is_demand(choice: &ToolChoice) -> bool {
    match choice {
        ToolChoice::Required | ToolChoice::Named(_) => true,
        ToolChoice::Allowed { is_required, .. } => *is_required,
        ToolChoice::Auto | ToolChoice::None => false,
    }
}

fn is_allowed(request: &ChatRequest, tool: &Tool) -> bool {
    match &request.tool_choice {
        Some(ToolChoice::Named(name)) => tool.name() == name,
        Some(ToolChoice::Allowed { names, .. }) => names.iter().any(|name| name == tool.name()),
        Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Required) | None => true,
    }
}

fn function<'a>(tool: &'a Tool, warnings: &mut Warnings) -> Option<wire::Function<'a>> {
    match tool {
        Tool::Function(tool) => {
            if tool.cache_control.is_some() {
                warnings.add("cache_control", "markers were dropped: the provider caches by itself");
            }
            Some(wire::Function {
                name: &tool.name,
                description: tool.description.as_deref(),
                parameters: input_schema(tool.parameters.as_ref()),
            })
        }
        Tool::Custom(tool) => Some(wire::Function {
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters: Cow::Owned(free_text::schema(tool, warnings)),
        }),
        Tool::WebSearch(_) => {
            warnings.add("web_search", "dropped: this provider searches nothing by itself");
            None
        }
        Tool::Opaque { kind, name, .. } => {
            warnings.add("tools", format!("tool {name} of type {kind} was dropped"));
            None
        }
    }
}

/// Left to itself, the model decides.
fn choice(request: &ChatRequest, warnings: &mut Warnings) -> Option<&'static str> {
    match request.tool_choice.as_ref()? {
        ToolChoice::Auto => None,
        ToolChoice::None => Some("NONE"),
        ToolChoice::Required => Some("REQUIRED"),
        ToolChoice::Named(_) => {
            if request.tools.len() > 1 {
                warnings.add("tool_choice", "only the named tool was sent");
            }
            Some("REQUIRED")
        }
        ToolChoice::Allowed { is_required, .. } => {
            warnings.add("tool_choice", "only the allowed tools were sent");
            is_required.then_some("REQUIRED")
        }
    }
}
