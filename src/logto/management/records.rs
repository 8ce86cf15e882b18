//! What the Management API answers, read strictly: a member that is missing, named twice or of another type is an error.

use std::collections::HashMap;

use serde_json::value::RawValue;

use crate::json::Object;

/// Why an answer is not used.
pub(super) type Malformed = String;

/// What the roles of the organization template hold, by role id.
pub(super) type Template = HashMap<String, TemplateRole>;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct TemplateRole {
    pub(super) scopes: Vec<String>,
    /// Resource ids, and the names of their scopes.
    pub(super) resource_scopes: Vec<(String, String)>,
}

/// The body of a list, cut into its members.
fn members(body: &[u8]) -> Result<Vec<Object<'_>>, Malformed> {
    let text = std::str::from_utf8(body).map_err(|_| "not UTF-8")?;
    objects(text)
}

/// The members of the body of a list, each as `read` reads it.
pub(super) fn read_each<T>(body: &[u8], read: fn(&Object<'_>) -> Result<T, Malformed>) -> Result<Vec<T>, Malformed> {
    members(body)?.iter().map(read).collect()
}

fn objects(text: &str) -> Result<Vec<Object<'_>>, Malformed> {
    let list: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| "not a JSON list")?;
    list.into_iter().map(|member| parse(member.get().as_bytes())).collect()
}

fn parse(bytes: &[u8]) -> Result<Object<'_>, Malformed> {
    Object::parse(bytes).map_err(|error| error.to_string())
}

/// Of a user's record: whether it is suspended.
pub(super) fn is_suspended(body: &[u8], user: &str) -> Result<bool, Malformed> {
    let record = parse(body)?;
    if id(&record)? != user {
        return Err("another user's record".to_owned());
    }
    let suspended = record.get("isSuspended").map_err(|error| error.to_string())?;
    suspended.ok_or_else(|| "no isSuspended".to_owned())
}

/// Of a rejection: Logto's code.
pub(super) fn code(body: &[u8]) -> Option<String> {
    let code = parse(body).ok()?.string("code").ok()??;
    Some(code.into_owned())
}

pub(super) fn id(record: &Object<'_>) -> Result<String, Malformed> {
    text(record, "id")
}

pub(super) fn name(record: &Object<'_>) -> Result<String, Malformed> {
    text(record, "name")
}

/// Of an organization of a user: the ids of the user's roles there.
pub(super) fn organization_roles(record: &Object<'_>) -> Result<Vec<String>, Malformed> {
    list(record, "organizationRoles")?.iter().map(id).collect()
}

/// An organization of a member.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) organization: String,
    pub(super) roles: Vec<String>,
    pub(super) is_mfa_required: bool,
}

/// Of an organization of a member: which one it is, and what it asks.
pub(super) fn membership(record: &Object<'_>) -> Result<Membership, Malformed> {
    let is_mfa_required = record.get("isMfaRequired").map_err(|error| error.to_string())?;
    Ok(Membership {
        organization: id(record)?,
        roles: organization_roles(record)?,
        // Where it is not said that none is, one is.
        is_mfa_required: is_mfa_required.unwrap_or(true),
    })
}

/// Whose an application is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Party {
    First,
    Third,
    /// It registered itself by a metadata document, or does not say.
    Unclear,
}

/// Of an application: whose it is. Anything unexpected is unclear.
pub(super) fn party(body: &[u8], application: &str) -> Party {
    let Ok(record) = parse(body) else { return Party::Unclear };
    let is_document = record.raw("cimdClientId").is_some_and(|raw| raw != "null");
    let is_it = id(&record).is_ok_and(|id| id == application);
    match record.get("isThirdParty") {
        Ok(Some(is_third)) if is_it && !is_document => {
            if is_third {
                Party::Third
            } else {
                Party::First
            }
        }
        _ => Party::Unclear,
    }
}

/// Of the organizations that a user consented to for an application: one page of them.
pub(super) fn consented(body: &[u8]) -> Result<Vec<String>, Malformed> {
    list(&parse(body)?, "organizations")?.iter().map(id).collect()
}

/// Of the template: a role's id, and what it holds.
pub(super) fn template_role(record: &Object<'_>) -> Result<(String, TemplateRole), Malformed> {
    let scopes = list(record, "scopes")?.iter().map(name).collect::<Result<_, _>>()?;
    let resource_scope = |scope: &Object<'_>| Ok((id(&object(scope, "resource")?)?, name(scope)?));
    let resource_scopes =
        list(record, "resourceScopes")?.iter().map(resource_scope).collect::<Result<_, Malformed>>()?;
    Ok((id(record)?, TemplateRole { scopes, resource_scopes }))
}

/// Of a list of roles: what a role is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RoleRecord {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) is_machines: bool,
    /// Whether new users receive it; only global roles tell.
    pub(super) is_default: bool,
}

pub(super) fn role(record: &Object<'_>) -> Result<RoleRecord, Malformed> {
    let is_default = record.get("isDefault").map_err(|error| error.to_string())?;
    let is_machines = match &*text(record, "type")? {
        "User" => false,
        "MachineToMachine" => true,
        other => return Err(format!("a role of type {other:?}")),
    };
    Ok(RoleRecord { id: id(record)?, name: name(record)?, is_machines, is_default: is_default.unwrap_or(false) })
}

/// A global role, which tells whether new users receive it.
pub(super) fn global_role(record: &Object<'_>) -> Result<RoleRecord, Malformed> {
    if record.has("isDefault") { role(record) } else { Err("no isDefault".to_owned()) }
}

/// Of the resources with their scopes: id, indicator, names of the scopes.
pub(super) fn resource_with_scopes(record: &Object<'_>) -> Result<(String, String, Vec<String>), Malformed> {
    let scopes = list(record, "scopes")?.iter().map(name).collect::<Result<_, _>>()?;
    Ok((id(record)?, text(record, "indicator")?, scopes))
}

/// Of the organizations: id, and whether MFA is required.
pub(super) fn organization(record: &Object<'_>) -> Result<(String, bool), Malformed> {
    let is_mfa_required = record.get("isMfaRequired").map_err(|error| error.to_string())?;
    Ok((id(record)?, is_mfa_required.unwrap_or(true)))
}

/// Of a list of users: the id, and whether it is suspended.
pub(super) fn user(record: &Object<'_>) -> Result<(String, bool), Malformed> {
    let suspended = record.get("isSuspended").map_err(|error| error.to_string())?;
    Ok((id(record)?, suspended.ok_or_else(|| "no isSuspended".to_owned())?))
}

/// Of the resources: id and indicator.
pub(super) fn resource(record: &Object<'_>) -> Result<(String, String), Malformed> {
    Ok((id(record)?, text(record, "indicator")?))
}

/// Of a global role's scopes: the resource's indicator, and the scope's name.
pub(super) fn role_scope(record: &Object<'_>) -> Result<(String, String), Malformed> {
    Ok((text(&object(record, "resource")?, "indicator")?, name(record)?))
}

fn text(record: &Object<'_>, name: &'static str) -> Result<String, Malformed> {
    let text = record.string(name).map_err(|error| error.to_string())?;
    text.map(std::borrow::Cow::into_owned).ok_or_else(|| format!("no {name}"))
}

fn object<'a>(record: &Object<'a>, name: &'static str) -> Result<Object<'a>, Malformed> {
    parse(record.raw(name).ok_or_else(|| format!("no {name}"))?.as_bytes())
}

fn list<'a>(record: &Object<'a>, name: &'static str) -> Result<Vec<Object<'a>>, Malformed> {
    objects(record.raw(name).ok_or_else(|| format!("no {name}"))?).map_err(|why| format!("{name}: {why}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_suspended_user() {
        assert_eq!(is_suspended(br#"{"id":"u","isSuspended":true,"x":null}"#, "u"), Ok(true));
        assert_eq!(is_suspended(br#"{"id":"u","isSuspended":false}"#, "u"), Ok(false));
        for bad in [
            r#"{"id":"v","isSuspended":false}"#,
            r#"{"id":"u"}"#,
            r#"{"isSuspended":false}"#,
            r#"{"id":"u","isSuspended":null}"#,
            r#"{"id":"u","isSuspended":"false"}"#,
            r#"{"id":"u","isSuspended":true,"isSuspended":false}"#,
            r#"[{"id":"u","isSuspended":false}]"#,
            "<html>",
            "",
        ] {
            assert!(is_suspended(bad.as_bytes(), "u").is_err(), "{bad}");
        }
    }

    #[test]
    fn application_of_a_clear_party() {
        for (body, expected) in [
            (r#"{"id":"a","isThirdParty":false}"#, Party::First),
            (r#"{"id":"a","isThirdParty":true}"#, Party::Third),
            (r#"{"id":"a","isThirdParty":false,"cimdClientId":null}"#, Party::First),
            (r#"{"id":"a","isThirdParty":false,"cimdClientId":"https://a.example/client"}"#, Party::Unclear),
            (r#"{"id":"b","isThirdParty":false}"#, Party::Unclear),
            (r#"{"id":"a"}"#, Party::Unclear),
            (r#"{"id":"a","isThirdParty":null}"#, Party::Unclear),
            (r#"{"id":"a","isThirdParty":"false"}"#, Party::Unclear),
            (r#"{"id":"a","isThirdParty":true,"isThirdParty":false}"#, Party::Unclear),
            ("[]", Party::Unclear),
            ("", Party::Unclear),
        ] {
            assert_eq!(party(body.as_bytes(), "a"), expected, "{body}");
        }
    }

    #[test]
    fn membership_without_a_word_on_mfa_requires_it() {
        let read = |text: &str| members(text.as_bytes()).and_then(|members| membership(&members[0]));
        for (member, expected) in [(r#","isMfaRequired":false"#, false), (r#","isMfaRequired":true"#, true), ("", true)]
        {
            let text = format!(r#"[{{"id":"o","organizationRoles":[{{"id":"r","name":"n"}}]{member}}}]"#);
            let membership =
                Membership { organization: "o".into(), roles: vec!["r".into()], is_mfa_required: expected };
            assert_eq!(read(&text), Ok(membership));
        }
        assert!(read(r#"[{"id":"o","organizationRoles":[],"isMfaRequired":"no"}]"#).is_err());
        assert_eq!(consented(br#"{"organizations":[{"id":"o"}]}"#), Ok(vec!["o".to_owned()]));
        assert!(consented(br#"[{"id":"o"}]"#).is_err());
    }

    #[test]
    fn a_role_of_the_template() {
        let role = |text: &str| members(text.as_bytes()).and_then(|members| template_role(&members[0]));
        let good = r#"[{"id":"r","name":"n","scopes":[{"id":"1","name":"a"}],"resourceScopes":[{"id":"2","name":"b","resource":{"id":"x","name":"y"}}]}]"#;
        let expected = TemplateRole { scopes: vec!["a".into()], resource_scopes: vec![("x".into(), "b".into())] };
        assert_eq!(role(good), Ok(("r".to_owned(), expected)));
        for (from, to) in [
            (r#""resource":{"id":"x","name":"y"}"#, r#""resource":null"#),
            (r#","resource":{"id":"x","name":"y"}"#, ""),
            (r#""id":"r","#, ""),
            (r#""id":"r""#, r#""id":1"#),
            (r#""id":"r""#, r#""id":"r","id":"r""#),
            (r#""name":"a""#, r#""name":["a"]"#),
            (r#"[{"id":"1","name":"a"}]"#, "{}"),
            (r#"[{"id":"1","name":"a"}]"#, "null"),
            (r#""scopes":"#, r#""skopes":"#),
        ] {
            let bad = good.replacen(from, to, 1);
            assert!(bad != good && role(&bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(body in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = is_suspended(&body, "u");
            let _ = code(&body);
            for record in members(&body).unwrap_or_default() {
                let _ = (organization_roles(&record), template_role(&record), resource(&record), role_scope(&record));
            }
        }
    }
}
