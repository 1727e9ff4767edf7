//! PDFs for models that read none: they are sent the text, and their callers are told so.

use super::intake::Intake;
use super::route_of;
use crate::bodies::Held;
use crate::pdf::{PdfError, PdfReader, TEXT_BYTES_MAX};
use crate::providers::Target;
use crate::refusal::Refusal;
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
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

/// A body with the texts of its PDFs, and what its caller is told of that.
pub async fn read(
    reader: &PdfReader,
    protocol: Protocol,
    mut held: Held,
    is_strict: bool,
) -> Result<(Held, Vec<String>), Refusal> {
    let body = held.bytes.clone();
    let find = move || documents::pdfs(protocol, &body);
    let pdfs = tokio::task::spawn_blocking(find).await.map_err(|_| Refusal::Internal)?;
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
    let (mut texts, mut warnings) = (Vec::with_capacity(pdfs.len()), Vec::with_capacity(pdfs.len()));
    let mut left = TEXT_BYTES_MAX;
    for pdf in &pdfs {
        let name = pdf.name.as_deref().unwrap_or("document.pdf");
        let read = match bytes_of(pdf) {
            Some(bytes) => reader.read(&bytes).await,
            None => Err(PdfError::Unreadable),
        };
        let read = read.and_then(|read| {
            left = left.checked_sub(read.text.len() as u64).ok_or(PdfError::TooMuch)?;
            Ok(read)
        });
        let read = read.map_err(|error| refuse(name, error))?;
        let pages = if read.pages == 1 { "1 page".to_owned() } else { format!("{} pages", read.pages) };
        texts.push(format!("{name} ({pages}, text only):\n\n{}", read.text));
        warnings.push(format!("document: {name} was sent as its text, without pictures and layout"));
    }
    let written = documents::with_texts(protocol, &held.bytes, &pdfs, &texts);
    held.let_go();
    Ok((held.with(written), warnings))
}

fn bytes_of(pdf: &Pdf) -> Option<Vec<u8>> {
    let is_other = pdf.data.contains(['-', '_']);
    let data = if is_other { pdf.data.replace('-', "+").replace('_', "/") } else { pdf.data.clone() };
    BASE64.decode(data).ok()
}

fn refuse(name: &str, error: PdfError) -> Refusal {
    Refusal::invalid(format!(
        "the model reads no PDFs, and the text of {name} cannot be sent instead: {error}"
    ))
}
