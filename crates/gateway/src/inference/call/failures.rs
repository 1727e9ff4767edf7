//! What a provider's failure is for the caller.

use super::Call;
use crate::providers::Target;
use crate::refusal::Refusal;
use crate::upstream::UpstreamError;
use llm::failure::FailureClass;

/// There is no answer, for the caller. Why there is no credential stands in the log: it is not the caller's affair.
pub fn no_answer(target: &Target, error: &UpstreamError) -> Refusal {
    let UpstreamError::NoCredential(_) = error else { return Refusal::Unreachable(error.to_string()) };
    let class = FailureClass::Credential;
    let name = target.provider.name.as_str();
    Refusal::Provider {
        status: class.reply_status(401),
        class: class.code(),
        code: class.code().into(),
        message: format!("the gateway has no credential for the provider `{name}` at the moment"),
        param: None,
    }
}

/// A provider's refusal, for the caller.
pub fn provider_error(target: &Target, status: u16, body: &[u8]) -> Refusal {
    let error = target.endpoint.route.protocol.decode_error(status, body);
    let class = FailureClass::of_answer(status, body);
    let provider = &target.provider;
    let name = provider.name.as_str();
    let message = match class {
        FailureClass::Credential => {
            format!("the provider `{name}` refused the gateway's own credential")
        }
        FailureClass::Quota => format!("the account at the provider `{name}` has no credit left"),
        FailureClass::CallerFault
        | FailureClass::RateLimited
        | FailureClass::ModelUnavailable
        | FailureClass::Transient
            if error.message.is_empty() =>
        {
            format!("the provider `{name}` answered with status {status}")
        }
        FailureClass::CallerFault
        | FailureClass::RateLimited
        | FailureClass::ModelUnavailable
        | FailureClass::Transient => provider.without_key(error.message),
    };
    let speaks_for_caller = matches!(class, FailureClass::CallerFault | FailureClass::RateLimited);
    let code = if speaks_for_caller && !error.code.is_empty() {
        provider.without_key(error.code).into()
    } else {
        class.code().into()
    };
    Refusal::Provider {
        status: class.reply_status(status),
        class: class.code(),
        code,
        message,
        param: error.param.map(|param| provider.without_key(param)),
    }
}

impl Call {
    /// A failure that the provider reports inside its stream, or in an answer whose status says success.
    pub(super) fn stream_error(&self, data: &[u8]) -> Refusal {
        let error = self.prepared.target.endpoint.route.protocol.decode_error(502, data);
        let status = match error.kind.as_str() {
            "overloaded_error" => 529,
            "rate_limit_error" | "rate_limit_exceeded" | "throttlingException" => 429,
            "serviceUnavailableException" => 503,
            _ => 502,
        };
        let provider = &self.prepared.target.provider;
        let message = provider.without_key(error.message);
        let code = if error.code.is_empty() {
            "broken_provider_stream".into()
        } else {
            provider.without_key(error.code).into()
        };
        Refusal::Provider { status, class: "broken_provider_stream", code, message, param: None }
    }
}
