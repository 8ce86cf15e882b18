//! The report as one HTML page that needs nothing else.

use std::fmt::Write as _;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::escape::Html;
use super::notes::{columns, combinations, permitted};
use crate::audit::findings::Finding;
use crate::audit::report::{Report, RouteAccess, RouteSummary};
use crate::audit::verdict::Verdict;
use crate::signature::sha256;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

impl Report {
    /// Returns the report as one HTML page: it loads nothing, its content security policy lets nothing else run, and every
    /// name in it is escaped. The matrix can be filtered by route and by role; the page is made for a phone and for paper too.
    #[must_use]
    pub fn to_html(&self) -> String {
        let mut out = String::new();
        self.head(&mut out);
        self.matrix(&mut out);
        self.sets(&mut out);
        self.found(&mut out);
        _ = writeln!(out, "<script>{SCRIPT}</script></body></html>");
        out
    }

    fn head(&self, out: &mut String) {
        let hash = |text: &str| format!("'sha256-{}'", BASE64_STANDARD.encode(sha256(text.as_bytes())));
        _ = write!(
            out,
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src {}; script-src {}; \
             base-uri 'none'; form-action 'none'\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"referrer\" content=\"no-referrer\">\
             <title>Who may call what</title><style>{STYLE}</style></head><body>",
            hash(STYLE),
            hash(SCRIPT)
        );
        _ = write!(
            out,
            "<header><h1>Who may call what</h1><p class=\"mute\">issuer <bdi>{}</bdi> · {} routes · {} roles · {} findings</p>\
             <div class=\"tools\"><label>Filter routes and findings<input type=\"search\" id=\"routes\" autocomplete=\"off\"></label>\
             <label>Filter roles<input type=\"search\" id=\"roles\" autocomplete=\"off\"></label>\
             <label class=\"box\"><input type=\"checkbox\" id=\"why\">reasons for no and never</label></div>\
             <ul class=\"legend\"><li class=\"y\"><b>✓</b> yes</li><li class=\"i\"><b>?</b> only if something else holds</li>\
             <li class=\"n\"><b>–</b> no: lacks scopes</li><li class=\"x\"><b>✕</b> never, whatever the role is granted</li></ul></header>",
            Html(&self.issuer),
            self.routes.len(),
            self.roles.len(),
            self.findings.len()
        );
    }

    fn matrix(&self, out: &mut String) {
        let headings = columns(self);
        let labels: Vec<String> = headings.iter().map(|heading| Html(heading).to_string()).collect();
        out.push_str(
            "<section><h2>Matrix</h2><p class=\"mute\" id=\"shown\"></p><p id=\"none\" class=\"gone\">No route matches.</p>\
             <div class=\"scroll\" tabindex=\"0\"><table id=\"matrix\"><thead><tr><th class=\"r\" scope=\"col\">route</th>",
        );
        let kinds = ["without a role", "without a role"].map(str::to_owned).into_iter();
        let kinds = kinds.chain(self.roles.iter().map(|role| format!("{} · {}", role.level, role.subjects)));
        for (label, kind) in labels.iter().zip(kinds) {
            _ = write!(out, "<th class=\"c\" scope=\"col\"><bdi>{label}</bdi><small>{kind}</small></th>");
        }
        out.push_str("</tr></thead><tbody>");
        for route in &self.routes {
            row(out, route, &permitted(self, route), &labels);
        }
        out.push_str("</tbody></table></div></section>");
    }

    fn sets(&self, out: &mut String) {
        if self.routes.iter().all(|route| route.combinations.is_empty()) {
            return;
        }
        out.push_str("<section><h2>Roles that open a route together</h2><ul class=\"f\">");
        for route in self.routes.iter().filter(|route| !route.combinations.is_empty()) {
            _ = write!(out, "<li><code><bdi>{}</bdi></code><ul>", Html(&route.label()));
            for line in combinations(self, route) {
                _ = write!(out, "<li><bdi>{}</bdi></li>", Html(&line));
            }
            out.push_str("</ul></li>");
        }
        out.push_str("</ul></section>");
    }

    fn found(&self, out: &mut String) {
        out.push_str("<section><h2>Findings</h2>");
        if self.findings.is_empty() {
            out.push_str("<p>None.</p>");
        }
        out.push_str("<ul class=\"f\" id=\"findings\">");
        self.findings.iter().for_each(|finding| item(out, finding));
        out.push_str("</ul></section>");
    }
}

fn row(out: &mut String, route: &RouteSummary, permits: &[String], labels: &[String]) {
    let access = match route.access {
        RouteAccess::Policy => "",
        RouteAccess::Optional => " <span class=\"badge\">also without a token</span>",
        RouteAccess::ShadowOnly => " <span class=\"badge\">NOT ENFORCED</span>",
        RouteAccess::Public | RouteAccess::PublicRouter => " <span class=\"badge\">public</span>",
    };
    _ = write!(
        out,
        "<tr><th class=\"r\" scope=\"row\"><code><bdi>{}</bdi></code>{access}<small><bdi>{}</bdi></small>",
        Html(&route.label()),
        Html(&route.policy)
    );
    for line in permits {
        _ = write!(out, "<small class=\"s\"><bdi>{}</bdi></small>", Html(line));
    }
    out.push_str("</th>");
    let numbers = [route.user, route.machine].into_iter().chain(route.cells.iter().copied());
    for (number, label) in numbers.zip(labels) {
        let Some(verdict) = route.verdicts.get(number) else { continue };
        let class = match verdict {
            Verdict::Yes => "y",
            Verdict::OnlyIf { .. } => "i",
            Verdict::No { .. } => "n",
            Verdict::Never { .. } => "x",
        };
        _ = write!(
            out,
            "<td class=\"{class}\" data-l=\"{label}\"><span><b>{}</b> {}</span>",
            verdict.sign(),
            verdict.as_str()
        );
        if let Some(detail) = verdict.detail() {
            _ = write!(out, "<small><bdi>{}</bdi></small>", Html(&detail));
        }
        out.push_str("</td>");
    }
    out.push_str("</tr>");
}

fn item(out: &mut String, finding: &Finding) {
    _ = write!(
        out,
        "<li class=\"{}\"><span class=\"badge\">{}</span> <code>{}</code> <bdi>{}</bdi>",
        finding.severity,
        finding.severity,
        finding.kind,
        Html(&finding.message)
    );
    let places = finding.code.iter().map(|place| ("code", place));
    let places: Vec<_> = places.chain(finding.tenant.iter().map(|place| ("tenant", place))).collect();
    if !places.is_empty() {
        out.push_str("<ul>");
    }
    for (side, place) in &places {
        _ = write!(out, "<li>{side}: <bdi>{}</bdi></li>", Html(place));
    }
    out.push_str(if places.is_empty() { "</li>" } else { "</ul></li>" });
}
