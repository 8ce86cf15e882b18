//! The claims, judged: a pure function of `(claims, rules, now)`.

use std::borrow::Cow;
use std::sync::Arc;

use crate::explain::{StepName, Steps, shown};
use crate::json::{JsonError, Object, Text, text};
use crate::rejection::Rejection;
use crate::rejection::{RejectionKind, Remediation};
use crate::scope::ScopeList;
use crate::scoped::ScopedId;
use crate::time::Now;
use crate::token::NumericDate;
use crate::token::binding::Confirmation;
use crate::token::received::{Several, difference};
use crate::token::{Authentication, Parties, Subject, SubjectKind, Times, Verified};

use super::times;
use crate::issuer::{ClaimName, IssuerRules, MachineMark, Profile, ScopeForm};

/// Claims that mark another kind of JWT: ID tokens, logout tokens, security events.
const FOREIGN_CLAIMS: [&str; 4] = ["nonce", "at_hash", "c_hash", "events"];
/// More than anybody delegates through.
const MOST_ACTORS: usize = 8;
/// Where issuers that do not follow RFC 9068 name the client.
const CLIENT_CLAIMS: [&str; 4] = ["client_id", "azp", "appid", "cid"];

/// Judges claims whose signature has been verified. `issuer` is the trusted value that `iss` was found equal to, `times`
/// are those of the claims.
pub(super) fn judge(
    claims: &Object<'_>,
    issuer: &Arc<str>,
    times: Times,
    rules: &IssuerRules,
    now: Now,
    steps: &mut Steps,
) -> Result<Verified, Rejection> {
    steps.found(|| times::shown(&times, now));
    times::judge(&times, rules.leeway, now)?;
    steps.at(StepName::Subject, || match rules.profile {
        Profile::Rfc9068 => "`sub`, `client_id` and `iat`, as RFC 9068 requires".to_owned(),
        Profile::UntypedJwt => "`sub`, and nothing that marks another kind of JWT".to_owned(),
    });
    let subject = subject(claims)?;
    let by_whom = match rules.profile {
        Profile::Rfc9068 => by_rfc9068(claims, &subject, &times, rules)?,
        Profile::UntypedJwt => untyped(claims, &subject, rules)?,
    };
    steps.found(|| {
        let client = by_whom.0.as_deref().map_or_else(|| "none".to_owned(), shown);
        format!("a subject of the kind {}, client {client}", by_whom.1.as_str())
    });
    steps.at(StepName::Audience, || {
        let organizations = if rules.organization_tokens { " or an organization" } else { "" };
        format!("one of {}{organizations}", Several(&rules.resources))
    });
    let audience = match &by_whom.0 {
        Some(client) if !claims.has("aud") && !rules.client_audience.is_empty() => of_client(client, rules)?,
        _ => audience(claims, rules)?,
    };
    steps.found(|| Several(&audience).to_string());
    steps.at(StepName::Claims, || {
        "scopes, organization, `cnf` and `act` in the form that the issuer entry says".to_owned()
    });
    verified(claims, issuer, (times, now), rules, audience, subject.into(), by_whom)
}

/// Judges what an issuer says of an opaque token (RFC 7662 section 2.2): most of it is optional there. `now` is when it was
/// asked.
pub(crate) fn judge_introspected(
    claims: &Object<'_>,
    rules: &IssuerRules,
    now: Now,
    without_audience: bool,
    ends_at_last: NumericDate,
) -> Result<Verified, Rejection> {
    let stated = string(claims, "iss")?;
    let issuer = rules.issuers.iter().find(|issuer| stated.as_ref().is_none_or(|stated| ***issuer == **stated));
    let issuer = issuer.ok_or_else(|| Rejection::invalid_token("iss is another than was asked"))?;
    let times = times::read_optional(claims, ends_at_last)?;
    times::judge(&times, rules.leeway, now)?;
    let audience = match claims.has("aud") {
        true => audience(claims, rules)?,
        false if without_audience => Vec::new(),
        false => {
            let detail = "the introspection answer has no aud: it is not known what the token is for";
            return Err(Rejection::new(RejectionKind::OpaqueToken, Remediation::ResourceToken, detail));
        }
    };
    let subject = subject(claims)?;
    let client = string(claims, "client_id")?.filter(|client| !client.is_empty());
    let kind = kind(claims, &subject, client.as_deref(), rules);
    verified(claims, issuer, (times, now), rules, audience, subject.into(), (client, kind))
}

/// What is left to read, once it is known for whom and for what the token is.
fn verified(
    claims: &Object<'_>,
    issuer: &Arc<str>,
    (times, now): (Times, Now),
    rules: &IssuerRules,
    audience: Vec<Box<str>>,
    subject: Arc<str>,
    (client, kind): ClientAndKind<'_>,
) -> Result<Verified, Rejection> {
    let confirmation = claims.raw("cnf").map(Confirmation::read).transpose().map_err(Rejection::invalid_token)?;
    let actors = actors(claims.raw("act"))?;
    let organization = rules.organization_claim.text(claims).map_err(|()| wrong_setting(&rules.organization_claim))?;
    let audience_organizations: Vec<Box<str>> =
        audience.iter().filter_map(|audience| rules.organization_of(audience)).map(Into::into).collect();
    Ok(Verified {
        entry: rules.entry,
        issuer: issuer.clone(),
        subject: Subject::new(rules.called.clone(), subject, kind),
        resources: rules.resources.clone(),
        client_id: client.map(Into::into),
        token_id: string(claims, "jti")?.map(Into::into),
        scopes: scopes(claims, rules)?,
        audience_organization: match (&*audience, &*audience_organizations) {
            ([_], [only]) => Some(ScopedId::new(&rules.called, only)),
            _ => None,
        },
        parties: Parties::of(audience_organizations, actors),
        audience,
        organization: organization.map(|text| ScopedId::new(&rules.called, &text)),
        times,
        confirmation: confirmation.map(Box::new),
        authentication: authentication(claims, rules, now),
    })
}

/// RFC 9470 section 6. What cannot be read is absent, and so is a sign-in that is yet to come: only policies that ask for it
/// reject such a token.
fn authentication(claims: &Object<'_>, rules: &IssuerRules, now: Now) -> Option<Box<Authentication>> {
    let acr = rules.acr_claim.text(claims).ok().flatten().filter(|acr| !acr.is_empty());
    let auth_time = rules.auth_time_claim.read::<f64>(claims).ok().flatten().and_then(NumericDate::new);
    let latest = (now.unix + rules.leeway).as_secs_f64();
    let auth_time = auth_time.filter(|signed_in| signed_in.seconds() <= latest);
    Authentication::of(acr.map(Into::into), auth_time)
}

/// RFC 8693 section 4.1: who acts, and for whom that one acts in turn.
fn actors(mut act: Option<&str>) -> Result<Vec<Box<str>>, Rejection> {
    let mut actors = Vec::new();
    for _ in 0..MOST_ACTORS {
        let Some(text) = act else { return Ok(actors) };
        if !text.starts_with('{') {
            return Err(Rejection::invalid_token("act is not an object"));
        }
        let claims = Object::parse(text.as_bytes()).map_err(wrong_type)?;
        // One without a name is an actor all the same.
        actors.push(string(&claims, "sub")?.map(Into::into).unwrap_or_default());
        act = claims.raw("act");
    }
    if act.is_none() { Ok(actors) } else { Err(Rejection::invalid_token("act is nested too deep")) }
}

fn subject<'a>(claims: &Object<'a>) -> Result<Cow<'a, str>, Rejection> {
    let subject = string(claims, "sub")?.filter(|sub| !sub.is_empty());
    subject.ok_or_else(|| Rejection::invalid_token("sub is missing or empty"))
}

/// `aud`: a string or an array of strings (RFC 7519 section 4.1.3), one of which this server serves.
fn audience(claims: &Object<'_>, rules: &IssuerRules) -> Result<Vec<Box<str>>, Rejection> {
    let values: Vec<Box<str>> = match claims.raw("aud") {
        Some(raw) if raw.starts_with('"') => {
            vec![text(raw).map_err(|()| wrong_type(JsonError::WrongType("aud")))?.into()]
        }
        _ => claims.get("aud").map_err(wrong_type)?.unwrap_or_default(),
    };
    if !values.iter().any(|value| rules.serves(value)) {
        return Err(foreign_audience(&values, rules));
    }
    Ok(values)
}

/// Without `aud`, the client stands for what the token is for.
fn of_client(client: &str, rules: &IssuerRules) -> Result<Vec<Box<str>>, Rejection> {
    match rules.resources.first() {
        Some(resource) if rules.client_audience.iter().any(|known| known == client) => Ok(vec![(&**resource).into()]),
        _ => Err(Rejection::invalid_token("aud is missing, and the client is not one of client_audience")),
    }
}

fn foreign_audience(values: &[Box<str>], rules: &IssuerRules) -> Rejection {
    let received: Vec<&str> = values.iter().take(100).map(|value| &**value).collect();
    let expected = Several(&rules.resources);
    let organizations = if rules.organization_tokens { " or an organization" } else { "" };
    let near = received.iter().map(|value| difference(value, rules.resources.iter().map(|resource| &**resource)));
    let near = near.into_iter().find(|near| !near.is_empty()).unwrap_or_default();
    let received = if received.is_empty() { "missing or empty".to_owned() } else { Several(&received).to_string() };
    Rejection::invalid_token(format!("aud is {received}, expected one of {expected}{organizations}{near}"))
}

fn scopes(claims: &Object<'_>, rules: &IssuerRules) -> Result<ScopeList, Rejection> {
    let name = &rules.scope_claim;
    match rules.scope_form {
        ScopeForm::Text => {
            let text = name.text(claims).map_err(|()| wrong_setting(name))?;
            Ok(text.map(|text| ScopeList::from_text(&text)).unwrap_or_default())
        }
        ScopeForm::Array => {
            let words = name.read::<Vec<Text<'_>>>(claims).map_err(|()| wrong_setting(name))?.unwrap_or_default();
            let words: Vec<Cow<'_, str>> = words.into_iter().map(|word| word.0).collect();
            ScopeList::from_words(&words).ok_or_else(|| wrong_setting(name))
        }
    }
}

type ClientAndKind<'a> = (Option<Cow<'a, str>>, SubjectKind);

/// RFC 9068 section 2.2. A machine's `sub` is its `client_id`, or its issuer marks it.
fn by_rfc9068<'a>(
    claims: &Object<'a>,
    subject: &str,
    times: &Times,
    rules: &IssuerRules,
) -> Result<ClientAndKind<'a>, Rejection> {
    let client = string(claims, "client_id")?.filter(|client| !client.is_empty());
    let client = client
        .ok_or_else(|| Rejection::invalid_token("client_id is missing or empty: not an access token by RFC 9068"))?;
    if times.issued_at.is_none() {
        return Err(Rejection::invalid_token("iat is missing: not an access token by RFC 9068"));
    }
    let kind = if is_machine(claims, subject, &client, rules) { SubjectKind::Machine } else { SubjectKind::User };
    Ok((Some(client), kind))
}

fn untyped<'a>(claims: &Object<'a>, subject: &str, rules: &IssuerRules) -> Result<ClientAndKind<'a>, Rejection> {
    if let Some(foreign) = FOREIGN_CLAIMS.into_iter().find(|name| claims.has(name)) {
        return Err(Rejection::invalid_token(format!("{foreign}: an ID token, a logout token or an event")));
    }
    let mut client = None;
    for name in CLIENT_CLAIMS {
        client = client.or(string(claims, name)?.filter(|client| !client.is_empty()));
    }
    let kind = kind(claims, subject, client.as_deref(), rules);
    Ok((client, kind))
}

/// Where nothing else is known, what is not marked as a machine may be one.
fn kind(claims: &Object<'_>, subject: &str, client: Option<&str>, rules: &IssuerRules) -> SubjectKind {
    let tells = rules.profile == Profile::Rfc9068 || !rules.machine_marks.is_empty();
    match client {
        Some(client) if is_machine(claims, subject, client, rules) => SubjectKind::Machine,
        Some(_) if tells => SubjectKind::User,
        _ => SubjectKind::Unknown,
    }
}

fn is_machine(claims: &Object<'_>, subject: &str, client: &str, rules: &IssuerRules) -> bool {
    let is_marked = |mark: &MachineMark| match mark {
        MachineMark::Claim(name, value) => claims.is_text(name, value),
        MachineMark::Present(name) => claims.has(name),
        MachineMark::SubjectIsClientPlus(suffix) => subject.strip_prefix(client).is_some_and(|rest| rest == suffix),
    };
    client == subject || rules.machine_marks.iter().any(is_marked)
}

fn string<'a>(claims: &Object<'a>, name: &'static str) -> Result<Option<Cow<'a, str>>, Rejection> {
    claims.string(name).map_err(wrong_type)
}

fn wrong_type(error: JsonError) -> Rejection {
    Rejection::invalid_token(error.to_string())
}

fn wrong_setting(name: &ClaimName) -> Rejection {
    Rejection::invalid_token(format!("{name} has not the form that is set for this issuer"))
}

#[cfg(test)]
mod tests;
