//! `orgate audit`: the routes of a configuration beside the roles of the tenant.

use std::error::Error;
use std::path::PathBuf;

use clap::Args;
use http::Method;
use orgate::Policy;
use orgate::audit::{Audit, Directory, FindingKind, Rules, Severity, TenantFile, Wanted};
use orgate::route::{Access as RouteAccess, RouteDescription};

use crate::compile;
use crate::gateway::{Access, Gateway};
use crate::routes::Format;

#[derive(Args, Debug)]
pub(crate) struct AuditArgs {
    /// How to print the matrix.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    /// Writes the matrix as one HTML page.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Fails on findings of this kind, or of this severity and worse: `error`, `warning`, `note`.
    #[arg(long, value_name = "FINDING")]
    pub(crate) deny: Vec<String>,
    /// The issuer whose tenant it is. Default: the only one with `[issuer.logto_management]`.
    #[arg(long, value_name = "NAME")]
    pub(crate) issuer: Option<String>,
    /// Reads the tenant from a JSON file instead of the Management API.
    #[arg(long, value_name = "FILE")]
    pub(crate) tenant: Option<PathBuf>,
    /// Leaves out the organizations: with thousands of them, reading takes long.
    #[arg(long)]
    pub(crate) roles_only: bool,
}

/// Audits, prints, and fails on what is denied.
pub(crate) async fn run(gateway: &Gateway, args: &AuditArgs) -> Result<(), Box<dyn Error>> {
    let rules = rules(&args.deny)?;
    let audit = audit(gateway, args).await?;
    match args.format {
        Format::Text => print!("{audit}"),
        Format::Json => println!("{}", audit.report().to_json()),
        Format::Markdown => print!("{}", audit.report().to_markdown()),
    }
    if let Some(page) = &args.html {
        std::fs::write(page, audit.report().to_html()).map_err(|error| format!("{}: {error}", page.display()))?;
    }
    Ok(audit.check(&rules)?)
}

async fn audit(gateway: &Gateway, args: &AuditArgs) -> Result<Audit, Box<dyn Error>> {
    let (name, directory) = directory(gateway, args)?;
    let wanted = if args.roles_only { Wanted::roles_only() } else { Wanted::default() };
    let request = gateway.server.audit(routes(gateway)?, &*directory).wanted(wanted);
    let request = match name {
        Some(name) => request.issuer(name),
        None => request,
    };
    Ok(request.await?)
}

/// A tenant, and the name of its issuer if that is known.
type Source = (Option<String>, Box<dyn Directory>);

fn directory(gateway: &Gateway, args: &AuditArgs) -> Result<Source, Box<dyn Error>> {
    if let Some(file) = &args.tenant {
        return Ok((args.issuer.clone(), Box::new(TenantFile::new(file))));
    }
    let named =
        |table: &&crate::config::Issuer| args.issuer.as_ref().is_none_or(|name| compile::issuer_name(table) == name);
    let tables = gateway.file.issuer.iter().filter(|table| table.logto_management.is_some());
    let tables: Vec<_> = tables.filter(named).collect();
    let [table] = &*tables else {
        let found = if tables.is_empty() { "no issuer has" } else { "several issuers have" };
        return Err(format!("{found} [issuer.logto_management]: say --issuer NAME, or --tenant FILE").into());
    };
    let management = compile::management(table, None)?.ok_or("no [issuer.logto_management]")?;
    Ok((Some(compile::issuer_name(table).to_owned()), Box::new(management)))
}

fn routes(gateway: &Gateway) -> Result<Vec<RouteDescription>, Box<dyn Error>> {
    let webhooks = gateway.webhooks_before_routes().iter();
    let webhooks =
        webhooks.map(|webhook| Ok(RouteDescription::new(["POST"], webhook.path.as_str(), RouteAccess::Public)));
    let described = gateway.routes.iter().map(|(path, methods, route)| {
        let access = match &route.access {
            Access::Public => RouteAccess::Public,
            Access::Policy(requirement) => RouteAccess::from(&requirement.policy().parse::<Policy>()?),
        };
        let methods = methods.unwrap_or_default().iter().map(Method::as_str);
        Ok(RouteDescription::new(methods, path, access))
    });
    webhooks.chain(described).collect()
}

fn rules(denied: &[String]) -> Result<Rules, Box<dyn Error>> {
    let severities = [Severity::Error, Severity::Warning, Severity::Note];
    let mut rules = Rules::new();
    for word in denied {
        rules = match severities.into_iter().find(|severity| severity.as_str() == word) {
            Some(severity) => rules.deny_all(severity),
            None => rules.deny(word.parse::<FindingKind>()?),
        };
    }
    Ok(rules)
}
