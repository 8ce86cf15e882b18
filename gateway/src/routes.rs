//! The route table, for people and programs.

use std::fmt::Write as _;

use clap::ValueEnum;
use http::Method;
use serde_json::json;

use crate::gateway::Gateway;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
    Markdown,
}

/// A line of the table.
struct Row<'a> {
    methods: Option<Vec<&'a str>>,
    path: &'a str,
    access: String,
    upstream: Option<&'a str>,
}

/// Returns one line for each route: methods, path, access, upstream. Webhooks that the proxy takes come first, as there.
pub(crate) fn table(gateway: &Gateway, format: Format) -> String {
    let webhooks = gateway.webhooks_before_routes().iter().map(|webhook| Row {
        methods: Some(vec!["POST"]),
        path: webhook.path.as_str(),
        access: format!("public (signed deliveries of issuer {})", webhook.issuer.as_str()),
        upstream: None,
    });
    let routes = gateway.routes.iter().map(|(path, methods, route)| Row {
        methods: methods.map(|methods| methods.iter().map(Method::as_str).collect()),
        path,
        access: route.access.to_string(),
        upstream: route.upstream.as_ref().map(|upstream| &*upstream.name),
    });
    let rows: Vec<Row<'_>> = webhooks.chain(routes).collect();
    match format {
        Format::Text => text(&rows),
        Format::Json => {
            let row = |Row { methods, path, access, upstream }: &Row<'_>| json!({ "path": path, "methods": methods, "access": access, "upstream": upstream });
            format!("{:#}\n", json!(rows.iter().map(row).collect::<Vec<_>>()))
        }
        Format::Markdown => {
            let mut out = "| methods | path | access | upstream |\n|---|---|---|---|\n".to_owned();
            for row in &rows {
                let (access, upstream) = (row.access.replace('|', "\\|"), row.upstream.unwrap_or_default());
                _ = writeln!(out, "| {} | `{}` | {access} | {upstream} |", row.names(), row.path);
            }
            out
        }
    }
}

fn text(rows: &[Row<'_>]) -> String {
    let methods_width = rows.iter().map(|row| row.names().len()).max().unwrap_or_default();
    let path_width = rows.iter().map(|row| row.path.len()).max().unwrap_or_default();
    let mut out = String::new();
    for row in rows {
        let (methods, path) = (row.names(), row.path);
        _ = write!(out, "{methods:methods_width$}  {path:path_width$}  {}", row.access);
        _ = match row.upstream {
            Some(upstream) => writeln!(out, "  -> {upstream}"),
            None => writeln!(out),
        };
    }
    out
}

impl Row<'_> {
    fn names(&self) -> String {
        self.methods.as_ref().map_or_else(|| "*".to_owned(), |methods| methods.join(","))
    }
}
