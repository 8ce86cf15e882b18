//! What an answer says, read strictly.

use std::fmt;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::decision::{Decision, DecisionError, Obligation, Property};
use crate::json::{JsonError, Object};
use crate::rejection::StepUp;

/// The answer to a single evaluation (section 6.2).
pub(super) fn single(body: &[u8]) -> Result<Decision, DecisionError> {
    let object = Object::document(body).map_err(wrong)?;
    decision(&object).map_err(wrong)
}

/// The answer to several (section 7.2), in their order; it may be shorter than what was asked.
pub(super) fn several(body: &[u8]) -> Result<Vec<Decision>, DecisionError> {
    let object = Object::document(body).map_err(wrong)?;
    let items: Vec<&RawValue> = object
        .get("evaluations")
        .map_err(wrong)?
        .ok_or_else(|| DecisionError::wrong("an answer without evaluations"))?;
    let read = |item: &&RawValue| {
        let item = Object::document(item.get().as_bytes()).map_err(wrong)?;
        decision(&item).map_err(wrong)
    };
    items.iter().map(read).collect()
}

fn wrong(error: impl fmt::Display) -> DecisionError {
    DecisionError::wrong(format_args!("an answer that is no decision: {error}"))
}

/// Section 5.5. Without a boolean `decision` there is none.
fn decision(object: &Object<'_>) -> Result<Decision, JsonError> {
    let allow = object.get::<bool>("decision")?.ok_or(JsonError::WrongType("decision"))?;
    let mut decision = if allow { Decision::allow() } else { Decision::deny() };
    let Some(context) = object.raw("context") else { return Ok(decision) };
    let context = Object::document(context.as_bytes()).map_err(|_| JsonError::WrongType("context"))?;
    if let Some(reason) = reason(&context) {
        decision = decision.with_reason(reason);
    }
    if context.has("error") {
        // Section 7.2.1: it failed for this item, and says so as a denial.
        decision = decision.once();
    }
    for obligation in obligations(&context) {
        decision = decision.with_obligation(obligation);
    }
    if let Some(step_up) = step_up(&context, allow)? {
        decision = decision.with_step_up(step_up);
    }
    Ok(decision)
}

/// How the user must sign in (the advice of section 5.5: `acr_values`, and `max_age` as RFC 9470 names it). With it, nothing
/// is allowed.
///
/// What cannot be read is no advice to a denial, and no decision where it would stand beside an allow. `max_age` alone may
/// mean something else there: how long the answer is good for.
fn step_up(context: &Object<'_>, allow: bool) -> Result<Option<StepUp>, JsonError> {
    let acr_values = match context.raw("acr_values") {
        Some(raw) => words(raw).ok_or(JsonError::WrongType("acr_values")),
        None => Ok(Vec::new()),
    };
    let max_age = context.raw("max_age").filter(|_| !allow).map(seconds);
    let step_up = match (acr_values, max_age) {
        (Ok(values), None) if values.is_empty() => return Ok(None),
        (Ok(values), max_age) => StepUp::new(values, max_age.flatten()).map_err(|_| JsonError::WrongType("acr_values")),
        (Err(error), _) => Err(error),
    };
    if allow { step_up.map(Some) } else { Ok(step_up.ok()) }
}

/// A text of words or an array of them.
fn words(raw: &str) -> Option<Vec<String>> {
    let text = serde_json::from_str::<String>(raw).ok();
    let words = text.map(|text| text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect());
    let words: Vec<String> = words.or_else(|| serde_json::from_str(raw).ok())?;
    (!words.is_empty()).then_some(words)
}

/// A number of seconds, or the digits of one.
fn seconds(raw: &str) -> Option<Duration> {
    let number = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')).unwrap_or(raw);
    number.parse().ok().map(Duration::from_secs)
}

fn reason(context: &Object<'_>) -> Option<String> {
    let text = |name| context.raw(name).map(|raw| serde_json::from_str(raw).unwrap_or_else(|_| raw.to_owned()));
    ["reason", "reason_admin", "error"].into_iter().find_map(text)
}

/// Whatever stands there is an obligation: what cannot be read cannot be fulfilled. Points use either name, or both.
fn obligations(context: &Object<'_>) -> Vec<Obligation> {
    let mut obligations = Vec::new();
    for raw in ["obligations", "obligation"].into_iter().filter_map(|name| context.raw(name)) {
        match serde_json::from_str::<Vec<&RawValue>>(raw) {
            Ok(items) => obligations.extend(items.into_iter().map(|item| obligation(item.get()))),
            Err(_) => obligations.push(obligation(raw)),
        }
    }
    obligations
}

fn obligation(raw: &str) -> Obligation {
    let named = |object: &Object<'_>| {
        ["id", "name", "type"]
            .into_iter()
            .find_map(|member| object.string(member).ok().flatten())
            .map(std::borrow::Cow::into_owned)
    };
    let name = serde_json::from_str::<String>(raw).ok();
    let name = name.or_else(|| named(&Object::parse(raw.as_bytes()).ok()?)).unwrap_or_default();
    let details = serde_json::from_str::<serde_json::Value>(raw).ok().and_then(|value| Property::json(&value).ok());
    match details {
        Some(details) => Obligation::new(&name).with_details(details),
        None => Obligation::new(&name),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn verdict(body: &str) -> Option<bool> {
        single(body.as_bytes()).ok().map(|decision| decision.is_allowed())
    }

    #[test]
    fn only_a_boolean_decides() {
        assert_eq!(verdict(r#"{"decision":true}"#), Some(true));
        assert_eq!(verdict(r#"{"x":[1],"decision":false,"decisions":true}"#), Some(false));
        for body in [
            "",
            "true",
            "null",
            "[]",
            "{}",
            r#"{"decision":null}"#,
            r#"{"decision":"true"}"#,
            r#"{"decision":1}"#,
            r#"{"decision":[true]}"#,
            r#"{"Decision":true}"#,
            r#"{"decision":true,"decision":false}"#,
            r#"{"decision":false,"\u0064ecision":true}"#,
            r#"{"decision":true}{"decision":true}"#,
            r#"{"decision":true,"context":[]}"#,
            r#"{"decision":true,"context":"x"}"#,
            r#"{"decision":true,"context":{"a":1,"a":2}}"#,
        ] {
            assert_eq!(verdict(body), None, "{body}");
        }
    }

    #[test]
    fn what_a_context_holds() {
        for (context, allowed) in [
            ("{}", true),
            ("null", true),
            (r#"{"reason":"ok","advice":["log"],"obligations":[]}"#, true),
            (r#"{"obligations":null}"#, true),
            (r#"{"obligations":["log"]}"#, false),
            (r#"{"obligations":[{"id":"log"}]}"#, false),
            (r#"{"obligations":[{}]}"#, false),
            (r#"{"obligations":[null]}"#, false),
            (r#"{"obligations":{"log":true}}"#, false),
            (r#"{"obligations":"log"}"#, false),
            (r#"{"obligations":{}}"#, false),
            (r#"{"obligations":0}"#, false),
            (r#"{"obligation":"log"}"#, false),
            (r#"{"obligation":null}"#, true),
            (r#"{"obligations":null,"obligation":{"id":"mfa"}}"#, false),
            (r#"{"obligations":[],"obligation":{"id":"mfa"}}"#, false),
            (r#"{"obligations":["log"],"obligation":null}"#, false),
            (r#"{"obligations":null,"obligation":null}"#, true),
        ] {
            assert_eq!(verdict(&format!(r#"{{"decision":true,"context":{context}}}"#)), Some(allowed), "{context}");
            assert_eq!(verdict(&format!(r#"{{"decision":false,"context":{context}}}"#)), Some(false), "{context}");
        }
    }

    #[test]
    fn step_up_advice_never_allows() {
        for (context, expected) in [
            (
                r#"{"acr_values":"urn:com:example:loa:3","amr_values":"mfa hwk"}"#,
                Some((vec!["urn:com:example:loa:3"], None)),
            ),
            (r#"{"acr_values":" gold  silver "}"#, Some((vec!["gold", "silver"], None))),
            (r#"{"acr_values":["gold","silver"],"max_age":300}"#, Some((vec!["gold", "silver"], Some(300)))),
            (r#"{"acr_values":"gold","max_age":"60"}"#, Some((vec!["gold"], Some(60)))),
            (r#"{"acr_values":"gold","max_age":null}"#, Some((vec!["gold"], None))),
            (r#"{"acr_values":"gold","max_age":1.5}"#, Some((vec!["gold"], None))),
            (r#"{"max_age":0}"#, Some((vec![], Some(0)))),
            (r#"{"max_age":-1}"#, None),
            (r#"{"max_age":99999999999}"#, None),
            (r#"{"acr_values":null,"amr_values":"mfa"}"#, None),
        ] {
            let decision = single(format!(r#"{{"decision":false,"context":{context}}}"#).as_bytes()).unwrap();
            let step_up = decision.step_up();
            let found = step_up.map(|it| (it.acr_values().collect::<Vec<_>>(), it.max_age().map(|age| age.as_secs())));
            assert_eq!((decision.is_allowed(), found), (false, expected), "{context}");
            let is_advice = context.contains(r#""acr_values":""#) || context.contains(r#""acr_values":["#);
            assert_eq!(verdict(&format!(r#"{{"decision":true,"context":{context}}}"#)), Some(!is_advice), "{context}");
        }
    }

    #[test]
    fn step_up_advice_that_cannot_be_read_is_none_to_a_denial_and_makes_an_allow_undecided() {
        let many = format!("[{}]", vec!["\"a\""; 20].join(",").replacen('a', "b", 1));
        let long = format!("\"{}\"", "a".repeat(2000));
        for acr_values in ["1", "true", "{}", "[1]", "[\"a\",null]", "\"\"", "[]", "[\"a b\"]", "\"a\\u0022\"", &long] {
            let context = format!(r#"{{"acr_values":{acr_values}}}"#);
            let denied = single(format!(r#"{{"decision":false,"context":{context}}}"#).as_bytes()).unwrap();
            assert!(!denied.is_allowed() && denied.step_up().is_none(), "{context}");
            assert_eq!(verdict(&format!(r#"{{"decision":true,"context":{context}}}"#)), None, "{context}");
        }
        assert_eq!(verdict(&format!(r#"{{"decision":true,"context":{{"acr_values":{many}}}}}"#)), Some(false));
    }

    #[test]
    fn names_and_reasons() {
        let decision = single(
            br#"{"decision":true,"context":{"reason":"a\nb","obligations":["x",{"id":"y","z":1},{"name":"n"},7]}}"#,
        );
        let decision = decision.unwrap();
        let names: Vec<_> = decision.obligations().iter().map(Obligation::name).collect();
        assert_eq!((decision.reason(), names), (Some("a b"), vec!["x", "y", "n", ""]));
        let reason = |body: &str| single(body.as_bytes()).unwrap().reason().map(str::to_owned);
        assert_eq!(reason(r#"{"decision":false,"context":{"reason_admin":{"en":"x"}}}"#).unwrap(), r#"{"en":"x"}"#);
        assert_eq!(reason(r#"{"decision":false,"context":{}}"#), None);
        assert!(!single(br#"{"decision":false,"context":{"error":{"status":404}}}"#).unwrap().is_reusable());
        let both = single(br#"{"decision":true,"context":{"obligations":["x"],"obligation":{"id":"y"}}}"#).unwrap();
        assert_eq!(both.obligations().iter().map(Obligation::name).collect::<Vec<_>>(), ["x", "y"]);
    }

    #[test]
    fn null_member_is_absent() {
        let read = |body: &str| single(body.as_bytes()).unwrap();
        for decision in ["true", "false"] {
            let body =
                format!(r#"{{"decision":{decision},"context":{{"error":null,"reason":null,"reason_admin":"x"}}}}"#);
            let read = read(&body);
            assert!(read.is_reusable(), "no error: {body}");
            assert_eq!(read.reason(), Some("x"), "{body}");
        }
        assert_eq!(read(r#"{"decision":false,"context":{"reason":null,"error":null}}"#).reason(), None);
        let batch = br#"{"evaluations":[{"decision":true,"context":null},{"decision":true,"context":{"error":null}}]}"#;
        assert!(several(batch).unwrap().iter().all(|decision| decision.is_allowed() && decision.is_reusable()));
    }

    #[test]
    fn a_list_is_as_good_as_its_items() {
        let read = |body: &str| {
            several(body.as_bytes()).ok().map(|all| all.iter().map(Decision::is_allowed).collect::<Vec<_>>())
        };
        assert_eq!(read(r#"{"evaluations":[{"decision":true},{"decision":false}]}"#), Some(vec![true, false]));
        assert_eq!(read(r#"{"evaluations":[]}"#), Some(vec![]));
        for body in [
            "{}",
            r#"{"decision":true}"#,
            r#"{"evaluations":{}}"#,
            r#"{"evaluations":[true]}"#,
            r#"{"evaluations":[{"decision":true},{}]}"#,
            r#"{"evaluations":[{"decision":true},null]}"#,
            r#"{"evaluations":[{"decision":true,"decision":true}]}"#,
        ] {
            assert_eq!(read(body), None, "{body}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), json in "[\\[\\]{}:,\"a-z0-9]{0,60}") {
            for body in [&bytes[..], json.as_bytes(), format!(r#"{{"decision":true,"context":{json}}}"#).as_bytes()] {
                let _ = single(body);
                let _ = several(body);
            }
        }
    }
}
