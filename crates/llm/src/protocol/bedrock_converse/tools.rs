//! Writing tools, and how free the model is to choose.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolConfiguration.html>, read 2026-11-26. A
//! conversation in which tools were called must name them, also where none may be called any more.

use super::super::TranslateError;
use super::super::anthropic_messages::encode_request::input_schema;
use super::super::free_text;
use super::ANSWER_TOOL;
use super::encode_content::cache_point;
use super::model::Family;
use super::output::Way;
use super::wire::{Empty, JsonSchema, Tool, ToolChoice, ToolConfig};
use crate::ir::{self, ChatRequest, Content, FunctionTool, OutputFormat, Warnings};
use std::borrow::Cow;
use std::collections::HashSet;

/// Longest name of a tool.
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolSpecification.html>, read 2026-11-26.
const NAME_BYTES_MAX: usize = 64;

/// Refuses a name that the provider would refuse: another one would come back in the answer.
pub(super) fn check_name(name: &str) -> Result<(), TranslateError> {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_valid) {
        return Ok(());
    }
    let message = format!(
        "tools: the name {name:?} cannot be sent to this provider: 1 to {NAME_BYTES_MAX} letters, digits, _ and - are \
         taken"
    );
    Err(TranslateError::InvalidRequest { message, param: Some("tools".to_owned()) })
}

/// Writes the tools. `None`: there are none.
pub(super) fn config<'a>(
    request: &'a ChatRequest,
    family: Family,
    way: Way,
    is_thinking: bool,
    warnings: &mut Warnings,
) -> Result<Option<ToolConfig<'a>>, TranslateError> {
    let mut tools = Vec::with_capacity(request.tools.len() + 1);
    for tool in request.tools.iter().filter(|tool| is_allowed(request, tool)) {
        add(tool, family, &mut tools, warnings)?;
    }
    let has_own = !tools.is_empty();
    add_those_called(request, &mut tools, warnings)?;
    if way == Way::Tool
        && let OutputFormat::Schema(schema) = &request.output
    {
        let description = schema.description.as_deref().or(Some("Takes the answer."));
        let input_schema = JsonSchema { json: input_schema(schema.schema.as_ref()) };
        tools.push(Tool::ToolSpec { name: ANSWER_TOOL, description, input_schema, strict: None });
        let tool_choice = match has_own {
            true => ToolChoice::Any(Empty {}),
            false => ToolChoice::Tool { name: ANSWER_TOOL },
        };
        return Ok(Some(ToolConfig { tools, tool_choice: Some(tool_choice) }));
    }
    if tools.is_empty() {
        if matches!(&request.tool_choice, Some(ir::ToolChoice::Required | ir::ToolChoice::Named(_))) {
            warnings.add("tool_choice", "dropped: there is no tool to choose");
        }
        return Ok(None);
    }
    if request.parallel_tool_calls == Some(false) {
        warnings.add("parallel_tool_calls", "dropped: the model decides how many tools it calls at once");
    }
    let tool_choice = choice(request, family, is_thinking, warnings);
    Ok(Some(ToolConfig { tools, tool_choice }))
}

fn is_allowed(request: &ChatRequest, tool: &ir::Tool) -> bool {
    match &request.tool_choice {
        Some(ir::ToolChoice::Allowed { names, .. }) => names.iter().any(|name| name == tool.name()),
        Some(ir::ToolChoice::None) => false,
        Some(ir::ToolChoice::Auto | ir::ToolChoice::Required | ir::ToolChoice::Named(_)) | None => true,
    }
}

fn add<'a>(
    tool: &'a ir::Tool,
    family: Family,
    tools: &mut Vec<Tool<'a>>,
    warnings: &mut Warnings,
) -> Result<(), TranslateError> {
    match tool {
        ir::Tool::Function(tool) => {
            check_name(&tool.name)?;
            tools.push(function(tool, family, warnings));
            if tool.cache_control.is_some() {
                match cache_point(tool.cache_control.as_ref(), family, warnings) {
                    Some(point) if family.caches_tools() => tools.push(Tool::CachePoint(point)),
                    Some(_) => warnings.add("cache_control", "dropped: this model caches no tools"),
                    None => {}
                }
            }
        }
        ir::Tool::Custom(tool) => {
            check_name(&tool.name)?;
            tools.push(Tool::ToolSpec {
                name: &tool.name,
                description: described(tool.description.as_deref()),
                input_schema: JsonSchema { json: Cow::Owned(free_text::schema(tool, warnings)) },
                strict: None,
            });
        }
        ir::Tool::WebSearch(_) => {
            warnings.add("web_search", "dropped: this provider searches nothing by itself");
        }
        ir::Tool::Opaque { kind, name, .. } => {
            warnings.add("tools", format!("tool {name} of type {kind} was dropped"));
        }
    }
    Ok(())
}

fn function<'a>(tool: &'a FunctionTool, family: Family, warnings: &mut Warnings) -> Tool<'a> {
    let is_strict = tool.strict == Some(true);
    if is_strict && !family.takes_schema() {
        warnings.add("tools[].strict", "this model does not enforce the schemas of tools");
    }
    Tool::ToolSpec {
        name: &tool.name,
        description: described(tool.description.as_deref()),
        input_schema: JsonSchema { json: input_schema(tool.parameters.as_ref()) },
        strict: (is_strict && family.takes_schema()).then_some(true),
    }
}

/// An empty description is refused.
fn described(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// The tools that the conversation tells of and that are not on offer.
fn add_those_called<'a>(
    request: &'a ChatRequest,
    tools: &mut Vec<Tool<'a>>,
    warnings: &mut Warnings,
) -> Result<(), TranslateError> {
    let mut known: HashSet<&str> = tools
        .iter()
        .filter_map(|tool| match tool {
            Tool::ToolSpec { name, .. } => Some(*name),
            Tool::CachePoint(_) => None,
        })
        .collect();
    // One tool is enough for a conversation to be taken.
    if !known.is_empty() {
        return Ok(());
    }
    for part in request.messages.iter().flat_map(|message| &message.parts) {
        let Content::ToolCall(call) = &part.content else { continue };
        if known.insert(&call.name) {
            check_name(&call.name)?;
            warnings.add("tools", format!("{} was named, since it was called before", call.name));
            let input_schema = JsonSchema { json: input_schema(None) };
            tools.push(Tool::ToolSpec { name: &call.name, description: None, input_schema, strict: None });
        }
    }
    Ok(())
}

fn choice<'a>(
    request: &'a ChatRequest,
    family: Family,
    is_thinking: bool,
    warnings: &mut Warnings,
) -> Option<ToolChoice<'a>> {
    let (choice, is_taken) = match request.tool_choice.as_ref()? {
        ir::ToolChoice::Auto => return Some(ToolChoice::Auto(Empty {})),
        ir::ToolChoice::None => {
            // Only tools of earlier turns are left, which had to be named.
            warnings.add("tool_choice", "none was dropped: the model may call tools it has called before");
            return None;
        }
        ir::ToolChoice::Allowed { is_required, .. } => {
            warnings.add("tool_choice", "only the allowed tools were sent");
            if !is_required {
                return Some(ToolChoice::Auto(Empty {}));
            }
            (ToolChoice::Any(Empty {}), family.takes_any_tool())
        }
        ir::ToolChoice::Required => (ToolChoice::Any(Empty {}), family.takes_any_tool()),
        ir::ToolChoice::Named(name) => (ToolChoice::Tool { name }, family.takes_named_tool()),
    };
    if is_thinking {
        warnings.add("tool_choice", "no tool can be forced while thinking; the model decides");
        return Some(ToolChoice::Auto(Empty {}));
    }
    if !is_taken {
        warnings.add("tool_choice", "this model cannot be made to call a tool; it decides");
        return None;
    }
    Some(choice)
}
