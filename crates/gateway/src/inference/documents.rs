//! PDFs for models that read none: they are sent the text, and their callers are told so.

use super::intake::Intake;
use super::{apart, route_of};
use crate::Gateway;
use crate::bodies::Held;
use crate::pdf::{PdfError, PdfReader, TEXT_BYTES_MAX};
use crate::providers::Target;
use crate::refusal::Refusal;
use crate::shed::Shed;
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use domain::OrgId;
use domain::record::Operation;
use llm::Protocol;
use llm::documents::{self, Pdf};
use llm::provider::RouteKind;

/// PDFs of one request that are read.
const PDFS_MAX: usize = 32;
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Who reads the PDFs of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PdfBy {
    /// The model.
    Model,
    /// The gateway: the model gets their text.
    Gateway,
}

/// Whether a request's PDFs are to be read here: its caller says so, or its model is known and reads none.
pub fn are_read_here(operation: Operation, intake: &Intake, target: &Target) -> bool {
    let by = intake.pdf.unwrap_or_else(|| {
        let reads_none = target.model.as_ref().is_some_and(|model| model.capabilities.reads_no_pdf());
        if reads_none { PdfBy::Gateway } else { PdfBy::Model }
    });
    by == PdfBy::Gateway
        && route_of(operation) == RouteKind::Chat
        && documents::may_hold_pdf(super::protocol_of(operation), &intake.held.bytes)
}

/// For whom PDFs are read, and how.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Who asks.
    pub org: OrgId,
    /// The body's.
    pub protocol: Protocol,
    /// Nothing is to be given up.
    pub is_strict: bool,
}

/// A body with the texts of its PDFs, and what its caller is told of that.
///
/// One PDF at a time is decoded. What its text adds to the body takes a share of the budget before the next has its turn.
pub async fn read(
    gateway: &Gateway,
    reader: &PdfReader,
    Asked { org, protocol, is_strict }: Asked,
    mut held: Held,
) -> Result<(Held, Vec<String>), Refusal> {
    let body = held.bytes.clone();
    let pdfs = apart(gateway, body.len(), move || documents::pdfs(protocol, &body)).await?;
    if pdfs.is_empty() {
        return Ok((held, Vec::new()));
    }
    if is_strict {
        return Err(Refusal::TranslationLoss(
            "document: the model reads no PDFs, only their text".to_owned(),
        ));
    }
    if pdfs.len() > PDFS_MAX {
        let message = format!("the model reads no PDFs, and the text of at most {PDFS_MAX} is read here");
        return Err(Refusal::invalid(message));
    }
    let (mut parts, mut warnings) = (Vec::with_capacity(pdfs.len()), Vec::with_capacity(pdfs.len()));
    let mut text_left = TEXT_BYTES_MAX;
    let mut bytes = held.bytes.len().saturating_sub(pdfs.iter().map(Pdf::part_bytes).sum());
    let mut more = None;
    for pdf in &pdfs {
        let name = pdf.name.as_deref().unwrap_or("document.pdf");
        let turn = reader.turn(org).await.map_err(|error| refuse(gateway, name, error))?;
        let (body, found) = (held.bytes.clone(), pdf.clone());
        let read = match apart(gateway, pdf.part_bytes(), move || bytes_of(&found.data(&body))).await? {
            Some(bytes) => turn.read(&bytes).await,
            None => Err(PdfError::Unreadable),
        };
        let read = read.and_then(|read| {
            text_left = text_left.checked_sub(read.text.len() as u64).ok_or(PdfError::TooMuch)?;
            Ok(read)
        });
        let read = read.map_err(|error| refuse(gateway, name, error))?;
        let pages = if read.pages == 1 { "1 page".to_owned() } else { format!("{} pages", read.pages) };
        let text = format!("{name} ({pages}, text only):\n\n{}", read.text);
        let part = pdf.part(protocol, &held.bytes, &text);
        bytes += part.len();
        let longer = (bytes as u64).saturating_sub(held.share_bytes());
        gateway.bodies.extend(&mut more, longer).await.map_err(|Shed| gateway.shed())?;
        drop(turn);
        parts.push(part);
        warnings.push(format!("document: {name} was sent as its text, without pictures and layout"));
    }
    let written = documents::with_parts(&held.bytes, &pdfs, &parts);
    held.let_go();
    Ok((held.with(written, more), warnings))
}

fn bytes_of(base64: &str) -> Option<Vec<u8>> {
    match base64.contains(['-', '_']) {
        true => BASE64.decode(base64.replace('-', "+").replace('_', "/")).ok(),
        false => BASE64.decode(base64).ok(),
    }
}

fn refuse(gateway: &Gateway, name: &str, error: PdfError) -> Refusal {
    match error {
        PdfError::Busy | PdfError::Unavailable => gateway.shed(),
        PdfError::Unreadable | PdfError::Empty | PdfError::TooMuch => Refusal::invalid(format!(
            "the model reads no PDFs, and the text of {name} cannot be sent instead: {error}"
        )),
    }
}
