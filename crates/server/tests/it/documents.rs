//! Documents that would otherwise fall behind the code.

use gateway::Refusal;
use llm::failure::FailureClass;

const ERRORS: &str = include_str!("../../../../docs/api/errors.md");

/// One refusal of each kind. A new kind does not compile until it has its place here.
fn after(refusal: &Refusal) -> Option<Refusal> {
    let text = String::new;
    let request = || domain::RequestId::from_bytes([0; 16]);
    Some(match refusal {
        Refusal::MissingKey => Refusal::Signed,
        Refusal::Signed => Refusal::InvalidKey,
        Refusal::InvalidKey => Refusal::NotPermitted(""),
        Refusal::NotPermitted(_) => Refusal::invalid(""),
        Refusal::InvalidRequest { .. } => Refusal::TranslationLoss(text()),
        Refusal::TranslationLoss(_) => Refusal::BodyTooLarge(0),
        Refusal::BodyTooLarge(_) => Refusal::MessageTooLarge(0),
        Refusal::MessageTooLarge(_) => Refusal::SessionOver(""),
        Refusal::SessionOver(_) => Refusal::BodyTooSlow(0),
        Refusal::BodyTooSlow(_) => Refusal::BodyCut,
        Refusal::BodyCut => Refusal::UnknownModel(text()),
        Refusal::UnknownModel(_) => Refusal::WrongEndpoint { model: text() },
        Refusal::WrongEndpoint { .. } => Refusal::NoSuchEndpoint(text()),
        Refusal::NoSuchEndpoint(_) => Refusal::StoredByProvider(text()),
        Refusal::StoredByProvider(_) => Refusal::NoPreviousAnswer(text()),
        Refusal::NoPreviousAnswer(_) => Refusal::MethodNotAllowed(text()),
        Refusal::MethodNotAllowed(_) => Refusal::IdempotencyKeyReused(request()),
        Refusal::IdempotencyKeyReused(_) => Refusal::IdempotentOutcomeUnknown(request()),
        Refusal::IdempotentOutcomeUnknown(_) => Refusal::IdempotentAnswerTooLarge,
        Refusal::IdempotentAnswerTooLarge => Refusal::RateLimited { message: text(), retry_after: None },
        Refusal::RateLimited { .. } => Refusal::SpendLimit(text()),
        Refusal::SpendLimit(_) => Refusal::Balance(text()),
        Refusal::Balance(_) => Refusal::Unbounded(text()),
        Refusal::Unbounded(_) => Refusal::StorageExhausted,
        Refusal::StorageExhausted => Refusal::Overloaded { retry_after_seconds: 1 },
        Refusal::Overloaded { .. } => Refusal::ShuttingDown,
        Refusal::ShuttingDown => Refusal::Unreachable(text()),
        Refusal::Unreachable(_) => Refusal::Timeout(""),
        Refusal::Timeout(_) => Refusal::InvalidResponse(text()),
        Refusal::InvalidResponse(_) => Refusal::BrokenStream(text()),
        Refusal::BrokenStream(_) => Refusal::Internal,
        // A provider's refusal carries one of the classes' codes.
        Refusal::Internal | Refusal::Provider { .. } => return None,
    })
}

fn class_after(class: FailureClass) -> Option<FailureClass> {
    Some(match class {
        FailureClass::CallerFault => FailureClass::Credential,
        FailureClass::Credential => FailureClass::Quota,
        FailureClass::Quota => FailureClass::RateLimited,
        FailureClass::RateLimited => FailureClass::ModelUnavailable,
        FailureClass::ModelUnavailable => FailureClass::Transient,
        FailureClass::Transient => return None,
    })
}

/// The row of the table that explains a code.
fn row(code: &str) -> Option<&'static str> {
    ERRORS.lines().find(|line| line.starts_with(&format!("| `{code}` |")))
}

#[test]
fn every_refusal_is_explained_with_its_status() {
    let all = std::iter::successors(Some(Refusal::MissingKey), after);
    for refusal in all {
        let row = row(refusal.code()).unwrap_or_else(|| panic!("{} is not explained", refusal.code()));
        assert!(row.contains(&refusal.status().to_string()), "{row}");
    }
}

#[test]
fn every_refusal_of_a_provider_is_explained() {
    for class in std::iter::successors(Some(FailureClass::CallerFault), |class| class_after(*class)) {
        assert!(row(class.code()).is_some(), "{} is not explained", class.code());
    }
}

#[test]
fn every_problem_of_the_management_api_is_explained() {
    use control::Problem;
    const MANAGE: &str = include_str!("../../../../docs/api/manage.md");
    let text = String::new;
    let all = [
        Problem::MissingKey,
        Problem::InvalidKey,
        Problem::NotPermitted(""),
        Problem::NoSuchKey(text()),
        Problem::KeyExpired,
        Problem::Invalid(text()),
        Problem::BodyTooLarge(0),
        Problem::BodyTooSlow(0),
        Problem::Internal,
    ];
    for problem in all {
        let row = format!("| `{}` | {} |", problem.code(), problem.status().as_u16());
        assert!(MANAGE.contains(&row), "{row} is not there");
    }
}
