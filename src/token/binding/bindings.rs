//! Which bindings of tokens one server checks.

use std::time::Duration;

use super::certificate::{Certificates, MutualTls};
use super::dpop::{Dpop, Proofs};
use crate::error::ConfigError;
use crate::http::url::PlainHttp;
use crate::respond::SenderConstraint;

/// What a server checks, and whether it takes tokens that are bound to nothing.
#[derive(Default)]
pub(crate) struct Bindings {
    pub(crate) proofs: Option<Proofs>,
    pub(crate) certificates: Option<Certificates>,
    pub(crate) required: bool,
}

/// The settings, not yet checked.
#[derive(Clone, Debug, Default)]
pub(crate) struct BindingSettings {
    pub(crate) dpop: Option<Dpop>,
    pub(crate) mutual_tls: Option<MutualTls>,
    pub(crate) required: bool,
}

impl BindingSettings {
    pub(crate) fn build(&self, leeway: Duration, plain: PlainHttp) -> Result<Bindings, ConfigError> {
        if self.required && self.dpop.is_none() && self.mutual_tls.is_none() {
            return Err(ConfigError::new(
                "require_sender_constrained: no token could pass; configure dpop or mutual TLS",
            ));
        }
        Ok(Bindings {
            proofs: self.dpop.as_ref().map(|dpop| dpop.build(leeway, plain)).transpose()?,
            certificates: self.mutual_tls.as_ref().map(MutualTls::build).transpose()?,
            required: self.required,
        })
    }
}

impl Bindings {
    /// The algorithms of proofs, separated by spaces; `None` if no proof is taken.
    pub(crate) fn proof_algorithms(&self) -> Option<String> {
        self.proofs.as_ref().map(|proofs| proofs.algorithm_names().collect::<Vec<_>>().join(" "))
    }

    /// What metadata says of them.
    pub(crate) fn announced(&self) -> SenderConstraint {
        SenderConstraint {
            takes_bearer: self.take_bearer(),
            proof_algorithms: self.proofs.iter().flat_map(Proofs::algorithm_names).collect(),
            proofs_required: self.required && self.certificates.is_none(),
            certificates: self.certificates.is_some(),
        }
    }

    /// Whether a token can be sent by the scheme `Bearer`.
    pub(crate) fn take_bearer(&self) -> bool {
        !self.required || self.certificates.is_some()
    }
}
