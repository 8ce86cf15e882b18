//! The route table, for people and programs.

use std::fmt::Write as _;

use clap::ValueEnum;
use http::Method;
use serde_json::json;

use crate::gateway::{Gateway, Route};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
    Markdown,
}

/// Returns one line for each route: methods, path, access, upstream.
pub(crate) fn table(gateway: &Gateway, format: Format) -> String {
    let rows = gateway.routes.iter();
    match format {
        Format::Text => text(rows),
        Format::Json => {
            let rows: Vec<_> = rows
                .map(|(path, methods, route)| {
                    json!({
                        "path": path,
                        "methods": methods.map(|methods| methods.iter().map(Method::as_str).collect::<Vec<_>>()),
                        "access": route.access.to_string(),
                        "upstream": route.upstream.as_ref().map(|upstream| &upstream.name),
                    })
                })
                .collect();
            format!("{:#}\n", json!(rows))
        }
        Format::Markdown => {
            let mut out = "| methods | path | access | upstream |\n|---|---|---|---|\n".to_owned();
            for (path, methods, route) in rows {
                let access = route.access.to_string().replace('|', "\\|");
                _ = writeln!(out, "| {} | `{path}` | {access} | {} |", names(methods), upstream(route));
            }
            out
        }
    }
}

fn text<'a>(rows: impl Iterator<Item = (&'a str, Option<&'a [Method]>, &'a Route)>) -> String {
    let rows: Vec<_> = rows.map(|(path, methods, route)| (names(methods), path, route)).collect();
    let methods_width = rows.iter().map(|(methods, ..)| methods.len()).max().unwrap_or_default();
    let path_width = rows.iter().map(|(_, path, _)| path.len()).max().unwrap_or_default();
    let mut out = String::new();
    for (methods, path, route) in rows {
        _ = write!(out, "{methods:methods_width$}  {path:path_width$}  {}", route.access);
        _ = match &route.upstream {
            Some(upstream) => writeln!(out, "  -> {}", upstream.name),
            None => writeln!(out),
        };
    }
    out
}

fn names(methods: Option<&[Method]>) -> String {
    methods.map_or("*".to_owned(), |methods| methods.iter().map(Method::as_str).collect::<Vec<_>>().join(","))
}

fn upstream(route: &Route) -> &str {
    route.upstream.as_ref().map_or("", |upstream| &upstream.name)
}
