use http::Uri;

use crate::config::{Fault, File, Source};
use crate::gateway::Identity;
use crate::identity::{AssertionKey, Names, Part};
use crate::request::Preset;

const HEADER: &str = "Orgate";

/// Makes the identity headers, and adds warnings about their names.
pub(super) fn identity(source: &Source, file: &File, warnings: &mut Vec<String>) -> Result<Identity, Fault> {
    let table = &file.identity;
    check_public_url(source, file)?;
    let mut names = match &table.header {
        Some(text) => Names::new(text).map_err(|error| source.fault_of(text.span(), error.to_string()))?,
        None => Names::new(HEADER).map_err(|error| source.fault(error.to_string()))?,
    };
    for (part, name) in &table.headers {
        let fault = |message: String| source.fault_of(name.span(), message);
        let part: Part = part.parse().map_err(|expected: &str| fault(format!("{part}: {expected}")))?;
        names.separate(part, name).map_err(|error| fault(error.to_string()))?;
    }
    let key = match (&table.assertion, &table.assertion_key) {
        (Some(name), Some(key)) => {
            names.assertion(name).map_err(|error| source.fault_of(name.span(), error.to_string()))?;
            Some(AssertionKey::from_pem(key.expose()).map_err(|expected| source.fault_at(key.span(), expected))?)
        }
        (Some(name), None) => {
            return Err(source.fault_of(name.span(), "`assertion` needs an `assertion_key`"));
        }
        (None, Some(key)) => return Err(source.fault_at(key.span(), "`assertion_key` needs an `assertion`")),
        (None, None) => None,
    };
    let public_url = file.api.public_url.as_str();
    let trusted = file.issuer.iter().flat_map(|issuer| std::iter::once(&issuer.url).chain(&issuer.alias));
    if key.is_some() && trusted.into_iter().any(|url| url.trim_end_matches('/') == public_url.trim_end_matches('/')) {
        let message = "the issuer of assertions, `public_url`, must be no trusted issuer";
        return Err(source.fault_of(file.api.public_url.span(), message));
    }
    let with_aliases = names.with_aliases().map(|name| {
        format!(
            "identity header {name}: applications that fold header names read other spellings of it, too; a name of \
             letters and digits has no other spelling"
        )
    });
    add(with_aliases, warnings);
    Ok(Identity { names, key, public_url: public_url.to_owned(), resource: file.api.resource.as_str().to_owned() })
}

/// Warns of names that the files for the proxy do not know: what a client sends under them would reach the application.
pub(super) fn warn_of_others(names: &Names, preset: Preset, warnings: &mut Vec<String>) {
    let places = preset.identity_settings();
    let others = names.all().filter(|name| !name.as_str().eq_ignore_ascii_case(HEADER));
    add(others.map(|name| format!("identity header {name}: name it in {places} of the proxy too")), warnings);
}

fn add(more: impl Iterator<Item = String>, warnings: &mut Vec<String>) {
    for warning in more {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
}

fn check_public_url(source: &Source, file: &File) -> Result<(), Fault> {
    let url = &file.api.public_url;
    let parsed: Option<Uri> = url.parse().ok();
    let is_sound = parsed.is_some_and(|url| {
        matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some() && url.query().is_none()
    });
    if is_sound { Ok(()) } else { Err(source.fault_of(url.span(), "expected http:// or https:// and a host")) }
}
