//! What one protocol says and another cannot, as far as several encoders meet it: told, or refused where it is
//! essential.

use super::{Protocol, TranslateError};
use crate::ir::{ChatRequest, Content, ExtraField, Sampling, Tool, ToolChoice, Warnings};

/// Fields of OpenAI's Responses that point to what its provider keeps: nobody else can know what they mean.
const STATE_FIELDS: [&str; 4] = ["previous_response_id", "conversation", "background", "prompt"];
/// Items that stand for content which only their provider can read.
const STATE_ITEMS: [&str; 2] = ["item_reference", "compaction"];
/// Fields of OpenAI's protocols that say what holds anyway, when they have this value.
const SILENT: [(&str, &str); 3] =
    [("truncation", "\"disabled\""), ("background", "false"), ("store", "false")];
/// Fields that an answer repeats to its caller; nothing else comes of them where nothing is stored.
const REPEATED: [&str; 1] = ["metadata"];

/// Refuses what rests on the memory of a provider that speaks Responses.
pub(super) fn refuse_state(request: &ChatRequest) -> Result<(), TranslateError> {
    let refuse = |param: &str, what: &str| {
        let message = format!("{param}: {what}, and this model's provider does not speak the Responses API");
        Err(TranslateError::InvalidRequest { message, param: Some(param.to_owned()) })
    };
    let is_set = |field: &&ExtraField| {
        STATE_FIELDS.contains(&field.name.as_str()) && !matches!(field.value.get(), "false" | "null")
    };
    if let Some(field) = request.extra.iter().find(is_set) {
        return refuse(&field.name, "it refers to what a provider keeps");
    }
    for part in request.messages.iter().flat_map(|message| &message.parts) {
        if let Content::Opaque { kind, .. } = &part.content
            && let Some(kind) = STATE_ITEMS.iter().find(|known| *known == kind)
        {
            return refuse(
                "input",
                &format!("an item of type `{kind}` can be read by its own provider only"),
            );
        }
    }
    Ok(())
}

/// Whether a field of another protocol, which the target has not, is worth a word.
fn is_lost(request: &ChatRequest, field: &ExtraField) -> bool {
    let is_silent = SILENT.iter().any(|(name, value)| field.name == *name && field.value.get() == *value);
    let is_repeated =
        request.protocol == Protocol::OpenAiResponses && REPEATED.contains(&field.name.as_str());
    !is_silent && !is_repeated
}

/// Tells of top-level fields that only the request's own protocol knows, but for those that were `carried`.
pub(super) fn warn_extra(request: &ChatRequest, carried: &[&str], warnings: &mut Warnings) {
    let mut names = Vec::new();
    for field in request.extra.iter().filter(|field| is_lost(request, field)) {
        match field.name.as_str() {
            "store" if request.protocol == Protocol::OpenAiResponses => {
                warnings.add("store", "nothing is stored: the provider does not speak the Responses API");
            }
            name if carried.contains(&name) => {}
            name => names.push(name),
        }
    }
    if !names.is_empty() {
        warnings.add("unknown fields", format!("dropped: {}", names.join(", ")));
    }
}

/// Tells of fields inside others that nobody understood.
pub(super) fn warn_ignored(paths: &[String], warnings: &mut Warnings) {
    if !paths.is_empty() {
        warnings.add("unknown fields", format!("dropped: {}", paths.join(", ")));
    }
}

/// The choice of a tool, unless it names one that cannot be sent to this protocol.
pub(super) fn tool_choice<'a>(
    request: &'a ChatRequest,
    to: Protocol,
    warnings: &mut Warnings,
) -> Option<&'a ToolChoice> {
    let choice = request.tool_choice.as_ref()?;
    let is_foreign = |tool: &Tool| matches!(tool, Tool::Opaque { protocol, .. } if *protocol != to);
    if let ToolChoice::Named(name) = choice
        && request.tools.iter().any(|tool| tool.name() == name && is_foreign(tool))
    {
        warnings.add("tool_choice", format!("dropped: there is no tool {name} at this provider"));
        return None;
    }
    Some(choice)
}

/// Tells of settings that only OpenAI's chat has. Asking for the default loses nothing.
pub(super) fn warn_chat_sampling(sampling: &Sampling, warnings: &mut Warnings) {
    let is_set = |number: Option<f64>| number.is_some_and(|number| number != 0.0);
    let asked = [
        ("seed", sampling.seed.is_some()),
        ("frequency_penalty", is_set(sampling.frequency_penalty)),
        ("presence_penalty", is_set(sampling.presence_penalty)),
        ("logit_bias", sampling.logit_bias.as_ref().is_some_and(|bias| bias.get() != "{}")),
        ("n", sampling.n.is_some_and(|n| n > 1)),
    ];
    for (feature, _) in asked.iter().filter(|(_, is_asked)| *is_asked) {
        let detail =
            if *feature == "n" { "one answer is given" } else { "dropped: there is no such setting" };
        warnings.add(feature, detail);
    }
}
