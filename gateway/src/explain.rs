//! The command `explain`: judges one request and prints each step.

use std::error::Error;
use std::io::BufRead;

use clap::ValueEnum;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use orgate::explain::Explanation;
use serde_json::{Value, json};

use crate::gateway::{Access, Face, Gateway};
use crate::judge::Found;
use crate::request::is_steering;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}

/// The faces that judge requests.
const JUDGES: [Face; 3] = [Face::Proxy, Face::ForwardAuth, Face::ExtAuthz];

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Explained {
    /// No policy is asked, for this reason.
    Unasked(String),
    /// The route, and what its policy says.
    Judged(String, Box<Explanation>),
    /// One face answers the request itself for this reason, and this is what the other faces do.
    Elsewhere(Face, String, Box<Self>),
}

/// Makes a request of what a command line says. A header `@-` stands for lines of headers in `input`, so that a token need
/// not be in the command line.
///
/// # Errors
///
/// Returns what cannot be part of a request. It does not repeat the value of a header, which may be a token.
pub(crate) fn request(
    method: &Method,
    url: &Uri,
    headers: &[String],
    input: impl BufRead,
) -> Result<Parts, Box<dyn Error>> {
    let (mut request, ()) = Request::builder().method(method).uri(url.clone()).body(())?.into_parts();
    let mut add = |line: &str| {
        let (name, value) = line.split_once(':').ok_or("a header without a colon: expected 'Name: value' or '@-'")?;
        let name = name.trim().parse::<HeaderName>().map_err(|_| format!("{:?} is no header name", name.trim()))?;
        let value = HeaderValue::from_str(value.trim()).map_err(|_| format!("the value of {name} is malformed"))?;
        request.headers.append(name, value);
        Ok::<(), Box<dyn Error>>(())
    };
    let (piped, given): (Vec<&String>, Vec<&String>) = headers.iter().partition(|header| *header == "@-");
    given.into_iter().try_for_each(|header| add(header))?;
    if !piped.is_empty() {
        for line in input.lines() {
            let line = line?;
            if !line.trim().is_empty() {
                add(&line)?;
            }
        }
    }
    Ok(request)
}

impl Gateway {
    /// Judges a request as the faces do that listen, and says how.
    pub(crate) async fn explain(&self, request: &mut Parts) -> Explained {
        let mut answers = self.answer_themselves(request);
        let is_answered = |face: &Face| answers.iter().any(|(other, _)| other == face);
        let is_judged = JUDGES.iter().any(|face| self.listen.contains_key(face) && !is_answered(face));
        let mut explained = match answers.pop() {
            Some((_, reason)) if !is_judged => Explained::Unasked(reason),
            last => {
                answers.extend(last);
                self.explain_judgment(request).await
            }
        };
        for (face, reason) in answers.into_iter().rev() {
            explained = Explained::Elsewhere(face, reason, Box::new(explained));
        }
        explained
    }

    /// The faces that answer this request before routes are matched, and why.
    fn answer_themselves(&self, request: &Parts) -> Vec<(Face, String)> {
        let mut answers = Vec::new();
        let mut webhooks = self.webhooks_before_routes().iter();
        if let Some(webhook) = webhooks.find(|webhook| webhook.path.as_str() == request.uri.path()) {
            let reason = format!(
                "the face proxy takes the deliveries of issuer {} at this path: their signature is checked, no token is, and \
                 no route is matched",
                webhook.issuer.as_str()
            );
            answers.push((Face::Proxy, reason));
        }
        if self.listen.contains_key(&Face::ForwardAuth)
            && let Some(steering) = request.headers.keys().find(|name| is_steering(name))
        {
            let reason = format!(
                "the face forward_auth rejects the header {steering}, which can replace path, method or certificate: 400, \
                 before routes are matched"
            );
            answers.push((Face::ForwardAuth, reason));
        }
        answers
    }

    async fn explain_judgment(&self, request: &mut Parts) -> Explained {
        match self.prepare(request) {
            Found::Route(route, pattern, _) => match &route.access {
                Access::Public => {
                    Explained::Unasked(format!("{pattern} is public: the request passes, with or without a token"))
                }
                Access::Policy(requirement) => {
                    Explained::Judged(pattern.to_string(), Box::new(requirement.explain(request).await))
                }
            },
            Found::Nothing => Explained::Unasked("no route matches the path: 404".to_owned()),
            Found::WrongMethod(_) => Explained::Unasked("no route with this path accepts the method: 405".to_owned()),
            Found::Refused(fault) => Explained::Unasked(format!("{fault}: 400, before routes are matched")),
        }
    }
}

impl Explained {
    pub(crate) fn print(&self, format: Format) -> String {
        match format {
            Format::Text => self.text(),
            Format::Json => format!("{:#}\n", self.json()),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Unasked(reason) => format!("{reason}\n"),
            Self::Judged(_, explanation) => explanation.to_string(),
            Self::Elsewhere(_, reason, others) => format!("{reason}\nOn the other faces:\n{}", others.text()),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Unasked(reason) => json!({ "unasked": reason }),
            Self::Judged(route, explanation) => json!({ "route": route, "explanation": explanation }),
            Self::Elsewhere(face, reason, others) => {
                json!({ face.as_str(): { "unasked": reason }, "others": others.json() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(given: &[&str], input: &str) -> Result<Vec<(String, String)>, String> {
        let given: Vec<String> = given.iter().map(ToString::to_string).collect();
        let request = request(&Method::GET, &Uri::from_static("https://api.example.com/a"), &given, input.as_bytes());
        let request = request.map_err(|error| error.to_string())?;
        let pair = |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), value.to_str().unwrap().to_owned());
        Ok(request.headers.iter().map(pair).collect())
    }

    #[test]
    fn headers_come_from_the_command_line_and_from_the_input() {
        let read = headers(&["X-Org: acme", "@-"], "Authorization: Bearer a.b.c\n\nX-Org: globex\n").unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read, [pair("x-org", "acme"), pair("x-org", "globex"), pair("authorization", "Bearer a.b.c")]);
        assert_eq!(
            headers(&["X-Org: acme"], "Authorization: Bearer a").unwrap().len(),
            1,
            "nobody asked for the input"
        );
    }

    #[test]
    fn what_is_no_header_is_an_error_without_its_value() {
        for (given, expected) in [
            ("secret", "a header without a colon: expected 'Name: value' or '@-'"),
            ("a b: secret", "\"a b\" is no header name"),
            ("authorization: sec\nret", "the value of authorization is malformed"),
        ] {
            assert_eq!(headers(&[given], "").unwrap_err(), expected);
        }
    }
}
