//! What Permit.io knows, and how it takes and gives it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::http::{PdpCall, Reply};

/// The project and the environment that every key of a double belongs to.
pub(super) const FACTS: &str = "/v2/facts/project-1/environment-1";

#[derive(Default)]
pub(super) struct Facts {
    pub(super) users: BTreeMap<String, Map<String, Value>>,
    pub(super) tenants: BTreeSet<String>,
    pub(super) roles: BTreeSet<String>,
    /// User, role, tenant.
    pub(super) assignments: BTreeSet<[String; 3]>,
    /// Role, action, resource type.
    pub(super) permissions: BTreeSet<[String; 3]>,
}

impl Facts {
    /// `POST /allowed`, and each item of `/allowed/bulk`.
    pub(super) fn allowed(&self, check: &Value) -> Result<bool, Reply> {
        let invalid = |at: &str| Err(Reply::new(422, json!({ "detail": [{ "loc": ["body", at], "msg": "invalid" }] })));
        for (holder, name) in [("user", "attributes"), ("resource", "attributes")] {
            let Some(holder) = check.get(holder).and_then(Value::as_object) else { return invalid(holder) };
            if holder.get(name).is_some_and(|attributes| !attributes.is_object()) {
                return invalid(name);
            }
        }
        if check.get("context").is_some_and(|context| !context.is_object()) {
            return invalid("context");
        }
        let text = |pointer| check.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (Some(user), Some(action), Some(kind)) = (text("/user/key"), text("/action"), text("/resource/type"))
        else {
            return invalid("user");
        };
        // As the real one, and the reason why a check must always name its tenant.
        let tenant = text("/resource/tenant").unwrap_or("default");
        Ok(self.assignments.iter().any(|[who, role, whose]| {
            who == user
                && whose == tenant
                && self.permissions.contains(&[role.clone(), action.to_owned(), kind.to_owned()])
        }))
    }

    /// Everything below `/facts`.
    pub(super) fn change(&mut self, call: &PdpCall, path: &str) -> Reply {
        match (call.method(), path.trim_start_matches('/').split_once('/')) {
            ("PUT", Some(("users", key))) => self.put_user(&decoded(key), call),
            ("DELETE", Some(("users", key))) => self.delete_user(&decoded(key)),
            ("GET", Some(("users", key))) => {
                let key = decoded(key);
                if self.users.contains_key(&key) { Reply::new(200, self.shown(&key)) } else { not_found("user") }
            }
            ("GET", None) if path == "/users" => self.list(call.query().unwrap_or_default()),
            (method @ ("POST" | "DELETE"), None) if path == "/role_assignments" => self.assignment(method, call),
            ("POST", None) if path == "/tenants" => self.post_tenant(call),
            // Of a path that it does not have, the framework speaks and not the application.
            _ => Reply::new(404, json!({ "detail": "Not Found" })),
        }
    }

    /// A user as the API shows it.
    fn shown(&self, key: &str) -> Value {
        let of_user = self.assignments.iter().filter(|[user, _, _]| user == key);
        let roles: Value = of_user.map(|[_, role, tenant]| json!({ "role": role, "tenant": tenant })).collect();
        json!({ "key": key, "id": "0", "roles": roles, "attributes": {} })
    }

    fn list(&self, query: &str) -> Reply {
        let number = |name: &str, or: usize| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(other, _)| *other == name).find_map(|(_, value)| value.parse().ok()).unwrap_or(or)
        };
        let (page, per_page) = (number("page", 1), number("per_page", 30));
        if page == 0 || per_page > 100 {
            return unprocessable("page");
        }
        let users = self.users.keys().skip((page - 1) * per_page).take(per_page).map(|key| self.shown(key));
        Reply::new(200, json!({ "data": users.collect::<Value>(), "total_count": self.users.len() }))
    }

    fn put_user(&mut self, key: &str, call: &PdpCall) -> Reply {
        let known = ["key", "email", "first_name", "last_name", "attributes"];
        let Some(mut user) = call.json::<Map<String, Value>>() else { return unprocessable("body") };
        if user.get("key").is_some_and(|stated| stated.as_str() != Some(key)) {
            return unprocessable("key");
        }
        if user.get("attributes").is_some_and(|attributes| !attributes.is_object()) {
            return unprocessable("attributes");
        }
        // Silently, as the real one drops `firstName`.
        user.retain(|name, _| known.contains(&name.as_str()));
        let answer = json!({ "key": key, "id": "0" });
        let status = if self.users.insert(key.to_owned(), user).is_some() { 200 } else { 201 };
        Reply::new(status, answer)
    }

    fn delete_user(&mut self, key: &str) -> Reply {
        if self.users.remove(key).is_none() {
            return not_found("user");
        }
        self.assignments.retain(|[user, _, _]| user != key);
        Reply::new(204, Value::Null)
    }

    fn assignment(&mut self, method: &str, call: &PdpCall) -> Reply {
        let body = call.json::<Value>().unwrap_or_default();
        let text = |name| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let (Some(user), Some(role), Some(tenant)) = (text("user"), text("role"), text("tenant")) else {
            return unprocessable("body");
        };
        if method == "POST" {
            if !self.users.contains_key(&user) || !self.roles.contains(&role) || !self.tenants.contains(&tenant) {
                return not_found("user, role or tenant");
            }
            if !self.assignments.insert([user, role, tenant]) {
                return Reply::new(409, json!({ "error_code": "DUPLICATE_ENTITY" }));
            }
            return Reply::new(201, json!({ "id": "0" }));
        }
        if self.assignments.remove(&[user, role, tenant]) {
            Reply::new(204, Value::Null)
        } else {
            not_found("assignment")
        }
    }

    fn post_tenant(&mut self, call: &PdpCall) -> Reply {
        let key = call.json::<Value>().and_then(|body| body.get("key")?.as_str().map(str::to_owned));
        let Some(key) = key else { return unprocessable("key") };
        if !self.tenants.insert(key) {
            return Reply::new(409, json!({ "error_code": "DUPLICATE_ENTITY" }));
        }
        Reply::new(201, json!({ "id": "0" }))
    }
}

fn not_found(what: &str) -> Reply {
    Reply::new(404, json!({ "error_code": "NOT_FOUND", "message": what }))
}

fn unprocessable(what: &str) -> Reply {
    Reply::new(422, json!({ "detail": [{ "loc": ["body", what], "msg": "invalid" }] }))
}

/// One path segment, percent-decoded.
fn decoded(segment: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        let digits = |rest: &mut std::str::Bytes<'_>| {
            let hex = [rest.next()?, rest.next()?];
            u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()
        };
        bytes.push(if byte == b'%' { digits(&mut rest).unwrap_or(b'?') } else { byte });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
