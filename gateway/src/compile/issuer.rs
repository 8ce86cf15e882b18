use orgate::issuer::{Algorithm, ScopeForm};
use orgate::logto::LogtoManagement;
use orgate::token::Introspection;
use orgate::{ConfigError, Issuer};

use crate::config::{Fault, Issuer as Table, Source, Text};

pub(super) fn issuer(source: &Source, table: &Table) -> Result<Issuer, Fault> {
    let mut issuer = Issuer::new(table.url.as_str());
    if let Some(name) = &table.name {
        issuer = issuer.name(name.as_str());
    }
    for alias in &table.alias {
        issuer = issuer.alias(alias.as_str());
    }
    if let Some(url) = &table.jwks_uri {
        issuer = issuer.jwks_uri(url.as_str());
    }
    if let Some(json) = &table.jwks_json {
        issuer = issuer.jwks_json(json.as_str());
    }
    if let Some(names) = &table.algorithms {
        let algorithms = names.iter().map(|name| algorithm(source, name)).collect::<Result<Vec<_>, _>>()?;
        issuer = issuer.algorithms(algorithms);
    }
    if let Some(name) = &table.default_rsa_algorithm {
        issuer = issuer.default_rsa_algorithm(algorithm(source, name)?);
    }
    if let Some(profile) = &table.profile
        && source.word(profile, &[("rfc9068", false), ("untyped_jwt", true)])?
    {
        issuer = issuer.untyped_jwt();
    }
    if table.organization_tokens {
        issuer = issuer.organization_tokens();
    }
    if let Some(name) = &table.organization_claim {
        issuer = issuer.organization_claim(name.as_str());
    }
    if let Some(claim) = &table.scope_claim {
        let form = if claim.array { ScopeForm::Array } else { ScopeForm::Text };
        issuer = issuer.scope_claim(claim.name.as_str(), form);
    }
    for indicator in &table.resource {
        issuer = issuer.resource(indicator.as_str());
    }
    if let Some(settings) = &table.logto_management {
        let permissions =
            management(table).map_err(|error| source.fault_at(settings.endpoint.span(), error.to_string()))?;
        if let Some(permissions) = permissions {
            issuer = issuer.permissions(permissions);
        }
    }
    if let Some(ask) = &table.introspection {
        let secret = ask.client_secret.expose();
        issuer = issuer.introspection(Introspection::new(ask.endpoint.as_str(), ask.client_id.as_str(), secret));
    }
    Ok(issuer)
}

/// Returns the Management API of an issuer, if one is set.
pub(crate) fn management(table: &Table) -> Result<Option<LogtoManagement>, ConfigError> {
    let Some(settings) = &table.logto_management else { return Ok(None) };
    let secret = settings.client_secret.expose();
    let builder = LogtoManagement::builder(settings.endpoint.as_str(), settings.client_id.as_str(), secret);
    let builder = if settings.self_hosted { builder.self_hosted() } else { builder };
    builder.build().map(Some)
}

/// Returns the name of the entry, which is the URL unless another is given.
pub(crate) fn name(table: &Table) -> &str {
    table.name.as_ref().unwrap_or(&table.url).as_str()
}

fn algorithm(source: &Source, name: &Text) -> Result<Algorithm, Fault> {
    Algorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == name.as_str()).ok_or_else(|| {
        let known: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.as_str()).collect();
        source.fault_of(name.span(), format!("expected one of {}", known.join(", ")))
    })
}
