use orgate::change::redis::Redis;
use orgate::issuer::{Algorithm, ClaimName, MachineMark, ScopeForm, claim_path};
use orgate::logto::LogtoManagement;
use orgate::token::Introspection;
use orgate::{ConfigError, Issuer};

use crate::config::{ClaimPath, Fault, Issuer as Table, MachineMark as Mark, Source, Text};

/// Makes an issuer; replicas that `redis` has heard of share the calls to its Management API.
pub(super) fn issuer(source: &Source, table: &Table, redis: Option<&Redis>) -> Result<Issuer, Fault> {
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
    if let Some(json) = &table.seed_keys {
        issuer = issuer.seed_keys(json.as_str());
    }
    if table.keys_without_kid {
        issuer = issuer.keys_without_kid();
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
    if let Some(prefix) = &table.organization_audience_prefix {
        issuer = issuer.organization_audience_prefix(prefix.as_str());
    }
    if let Some(name) = &table.organization_claim {
        issuer = issuer.organization_claim(claim_name(name));
    }
    if let Some(claim) = &table.scope_claim {
        let form = if claim.array { ScopeForm::Array } else { ScopeForm::Text };
        issuer = issuer.scope_claim(claim_name(&claim.name), form);
    }
    if let Some(name) = &table.acr_claim {
        issuer = issuer.acr_claim(claim_name(name));
    }
    if let Some(name) = &table.auth_time_claim {
        issuer = issuer.auth_time_claim(claim_name(name));
    }
    if let Some(mark) = &table.machine_mark {
        issuer = issuer.machine_mark(machine_mark(source, table, mark)?);
    }
    if !table.client_audience.is_empty() {
        issuer = issuer.client_audience(table.client_audience.iter().map(Text::as_str));
    }
    for indicator in &table.resource {
        issuer = issuer.resource(indicator.as_str());
    }
    if let Some(settings) = &table.logto_management {
        let permissions =
            management(table, redis).map_err(|error| source.fault_at(settings.endpoint.span(), error.to_string()))?;
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
pub(crate) fn management(table: &Table, redis: Option<&Redis>) -> Result<Option<LogtoManagement>, ConfigError> {
    let Some(settings) = &table.logto_management else { return Ok(None) };
    let secret = settings.client_secret.expose();
    let builder = LogtoManagement::builder(settings.endpoint.as_str(), settings.client_id.as_str(), secret);
    let mut builder = if settings.self_hosted { builder.self_hosted() } else { builder };
    if let Some(indicator) = &settings.management_resource {
        builder = builder.management_resource(indicator.as_str());
    }
    if let Some(calls) = settings.calls_in_flight {
        builder = builder.calls_in_flight(calls);
    }
    if let Some(calls) = settings.calls_per_10_seconds {
        builder = builder.calls_per_10_seconds(calls);
    }
    if settings.dangerous_allow_http {
        builder = builder.dangerous_allow_http();
    }
    if let Some(redis) = redis.cloned() {
        builder = builder.shared_by(move || redis.replicas());
    }
    builder.build().map(Some)
}

fn claim_name(path: &ClaimPath) -> ClaimName {
    match path {
        ClaimPath::Name(name) => name.as_str().into(),
        ClaimPath::Path(names) => claim_path(names),
    }
}

fn machine_mark(source: &Source, table: &Table, mark: &Mark) -> Result<MachineMark, Fault> {
    match (&mark.claim, &mark.present, &mark.subject_is_client_plus) {
        (Some((name, value)), None, None) => Ok(MachineMark::Claim(name.to_string(), value.to_string())),
        (None, Some(name), None) => Ok(MachineMark::Present(name.to_string())),
        (None, None, Some(suffix)) => Ok(MachineMark::SubjectIsClientPlus(suffix.to_string())),
        _ => Err(source
            .fault_at(table.url.span(), "`machine_mark` is one of `claim`, `present` and `subject_is_client_plus`")),
    }
}

/// Returns the name of the entry, which is the URL unless another is given.
pub(crate) fn name(table: &Table) -> &str {
    table.name.as_ref().unwrap_or(&table.url).as_str()
}

pub(super) fn algorithm(source: &Source, name: &Text) -> Result<Algorithm, Fault> {
    Algorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == name.as_str()).ok_or_else(|| {
        let known: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.as_str()).collect();
        source.fault_of(name.span(), format!("expected one of {}", known.join(", ")))
    })
}
