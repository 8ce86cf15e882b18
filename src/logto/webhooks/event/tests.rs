use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::change::{About, Effect};
use crate::logto::webhooks::Change;

/// The names that a Logto 1.37 offers for a hook.
const NAMES: [&str; 26] = [
    "PostRegister",
    "PostSignIn",
    "PostResetPassword",
    "User.Created",
    "User.Deleted",
    "User.Data.Updated",
    "User.SuspensionStatus.Updated",
    "Role.Created",
    "Role.Deleted",
    "Role.Data.Updated",
    "Role.Scopes.Updated",
    "Scope.Created",
    "Scope.Deleted",
    "Scope.Data.Updated",
    "Organization.Created",
    "Organization.Deleted",
    "Organization.Data.Updated",
    "Organization.Membership.Updated",
    "OrganizationRole.Created",
    "OrganizationRole.Deleted",
    "OrganizationRole.Data.Updated",
    "OrganizationRole.Scopes.Updated",
    "OrganizationScope.Created",
    "OrganizationScope.Deleted",
    "OrganizationScope.Data.Updated",
    "Identifier.Lockout",
];

fn event(name: &str, members: &Value) -> Event {
    let mut payload = json!({ "event": name, "createdAt": "2026-11-20T13:34:45.914Z" });
    payload.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    Event::read(payload.to_string().as_bytes()).unwrap()
}

fn membership(members: &Value) -> Event {
    let mut all = json!({ "organizationId": "o" });
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    event("Organization.Membership.Updated", &all)
}

const ISSUER: &str = "https://issuer.example";

/// What an event changes, and how.
fn changes(event: &Event) -> Vec<(About, Effect)> {
    let changes = event.changes(ISSUER);
    assert!(changes.iter().all(|change| (change.issuer(), change.at()) == (ISSUER, event.created_at())));
    changes.iter().map(|change| (change.about().clone(), change.effect())).collect()
}

/// What an event changes, each once.
fn about(event: &Event) -> Vec<About> {
    let mut about: Vec<_> = changes(event).into_iter().map(|(about, _)| about).collect();
    about.dedup();
    about
}

fn removals(event: &Event) -> (Vec<&str>, Vec<&str>, bool, bool) {
    let EventKind::OrganizationMembershipUpdated(change) = event.kind() else { panic!("{:?}", event.kind()) };
    assert_eq!(change.organization(), "o");
    let (users, applications) = (change.removed_users().collect(), change.removed_applications().collect());
    (users, applications, change.is_complete(), change.may_remove_others())
}

#[test]
fn each_name_is_known() {
    let everything = json!({ "organizationId": "o", "data": { "id": "u", "isSuspended": true } });
    for name in NAMES {
        let event = event(name, &everything);
        assert_ne!(*event.kind(), EventKind::Other, "{name}");
        assert!(!matches!(event.kind(), EventKind::Role(Change::Other) | EventKind::Scope(Change::Other)), "{name}");
        assert_eq!(event.name(), name);
        let expected = match name {
            "User.Deleted" | "User.SuspensionStatus.Updated" => vec![About::subject("u")],
            "Organization.Deleted" | "Organization.Data.Updated" | "Organization.Membership.Updated" => {
                vec![About::organization("o")]
            }
            name if name.starts_with("OrganizationRole.") || name.starts_with("OrganizationScope.") => {
                vec![About::OrganizationTemplate]
            }
            name if name.starts_with("Role.") || name.starts_with("Scope.") => vec![About::ApiPermissions],
            _ => vec![],
        };
        assert_eq!(about(&event), expected, "{name}");
    }
}

#[test]
fn other_names() {
    for name in ["", ".", "Deleted", "user.Deleted", "User.Deleted ", "User", "Organization.Deleted.", "Grant.Revoked"]
    {
        let event = event(name, &json!({ "organizationId": "o", "data": { "id": "u" } }));
        assert_eq!((event.kind(), changes(&event)), (&EventKind::Other, vec![]), "{name}");
    }
    let event = event("OrganizationRole.ResourceScopes.Updated", &json!({}));
    assert_eq!(event.kind(), &EventKind::OrganizationRole(Change::Other));
    assert_eq!(about(&event), [About::OrganizationTemplate], "of whatever kind a change of the template is");
}

/// What the console's test button sends, whichever event is chosen.
#[test]
fn the_test_payload_names_nobody() {
    let invented = json!({
        "userAgent": "fake-user-agent", "path": "/fake-path/:id", "method": "POST", "status": 200,
        "params": { "id": "fake-id" }, "data": { "result": "success" },
    });
    for name in NAMES {
        let event = event(name, &invented);
        let names_nobody = changes(&event)
            .iter()
            .all(|change| matches!(change, (About::OrganizationTemplate | About::ApiPermissions, Effect::Edited)));
        assert!(names_nobody, "{name}: {:?}", changes(&event));
    }
}

#[test]
fn whom_an_event_is_about() {
    let route = json!({ "matchedRoute": "/users/:userId", "params": { "userId": "u" } });
    assert_eq!(about(&event("User.Deleted", &route)), vec![About::subject("u")]);
    let route = json!({ "matchedRoute": "/organizations/:id", "params": { "id": "o" } });
    assert_eq!(about(&event("Organization.Deleted", &route)), [About::organization("o")]);
    let record = json!({ "data": { "id": "o" } });
    assert_eq!(about(&event("Organization.Data.Updated", &record)), [About::organization("o")]);
    for nobody in [
        json!({}),
        json!({ "data": { "id": "" }, "organizationId": "" }),
        json!({ "data": { "id": 1 }, "organizationId": 1 }),
        json!({ "data": null, "params": null, "matchedRoute": null, "organizationId": null }),
        json!({ "data": [{ "id": "x" }], "params": ["x"], "matchedRoute": "/" }),
        json!({ "params": { "id": "x", "userId": "x" } }),
    ] {
        for name in
            ["User.Deleted", "User.SuspensionStatus.Updated", "Organization.Deleted", "Organization.Data.Updated"]
        {
            assert_eq!(event(name, &nobody).kind(), &EventKind::Other, "{name} {nobody}");
        }
    }
}

#[test]
fn a_suspension_that_does_not_say() {
    for (stated, suspended) in
        [(json!(true), Some(true)), (json!(false), Some(false)), (json!("true"), None), (json!(null), None)]
    {
        let event = event("User.SuspensionStatus.Updated", &json!({ "data": { "id": "u", "isSuspended": stated } }));
        assert_eq!(event.kind(), &EventKind::UserSuspensionUpdated { user: "u".into(), suspended });
        let effects: Vec<_> = changes(&event).into_iter().map(|(_, effect)| effect).collect();
        let expected = match suspended {
            Some(true) => vec![Effect::NotBefore, Effect::Suspended],
            Some(false) => vec![Effect::NotBefore, Effect::Restored],
            None => vec![Effect::NotBefore],
        };
        assert_eq!((about(&event), effects), (vec![About::subject("u")], expected));
    }
}

#[test]
fn members_that_are_listed() {
    let event = membership(&json!({
        "addedUserIds": ["a"], "removedUserIds": ["b", "c"], "addedApplicationIds": ["d"], "removedApplicationIds": ["e"],
        "method": "PUT",
    }));
    assert_eq!(removals(&event), (vec!["b", "c"], vec!["e"], true, false));
    let of = |ids: &[&'static str], effect| ids.iter().map(|id| (About::member("o", *id), effect)).collect::<Vec<_>>();
    assert_eq!(changes(&event), [of(&["b", "c", "e"], Effect::Deleted), of(&["a", "d"], Effect::Edited)].concat());

    let event = membership(&json!({ "addedUserIds": ["a"] }));
    assert_eq!(removals(&event), (vec![], vec![], true, false), "absent lists are empty ones beside another");
}

#[test]
fn lists_that_may_lack_some() {
    let long = |count: u32| json!((0..count).map(|id| id.to_string()).collect::<Vec<_>>());
    let cases = [
        ("removedUserIds", long(4999), true, false),
        ("removedUserIds", long(5000), false, true),
        ("removedApplicationIds", long(5000), false, true),
        ("addedUserIds", long(5000), false, false),
        ("addedApplicationIds", long(5000), false, false),
        ("removedUserIds", json!(["a", 1]), false, true),
        ("removedUserIds", json!("a"), false, true),
        ("removedUserIds", json!(null), false, true),
        ("removedUserIds", json!([]), true, false),
    ];
    for (name, list, is_complete, may_remove_others) in cases {
        let event = membership(&json!({ name: list }));
        let (_, _, complete, others) = removals(&event);
        assert_eq!((complete, others), (is_complete, may_remove_others), "{name} {list:.20}");
        let of_all = about(&event).contains(&About::organization("o"));
        let expected = if may_remove_others { Effect::NotBefore } else { Effect::Edited };
        assert!(!of_all || changes(&event).contains(&(About::organization("o"), expected)), "{name} {list:.20}");
        assert_eq!(of_all, !is_complete, "{name} {list:.20}");
    }
}

#[test]
fn members_before_there_were_lists() {
    let route = |method: &str, params: Value| {
        membership(&json!({ "method": method, "matchedRoute": "/organizations/:id/…", "params": params }))
    };
    let cases = [
        (route("POST", json!({ "id": "o" })), vec![], vec![], false),
        (route("DELETE", json!({ "id": "o", "userId": "u" })), vec!["u"], vec![], false),
        (route("DELETE", json!({ "id": "o", "applicationId": "a" })), vec![], vec!["a"], false),
        (route("DELETE", json!({ "id": "o" })), vec![], vec![], true),
        (route("PUT", json!({ "id": "o" })), vec![], vec![], true),
        (membership(&json!({ "interactionEvent": "SignIn" })), vec![], vec![], false),
        (membership(&json!({})), vec![], vec![], true),
        (membership(&json!({ "method": null })), vec![], vec![], true),
    ];
    for (event, users, applications, may_remove_others) in cases {
        assert_eq!(removals(&event), (users, applications, false, may_remove_others), "{event:?}");
        let whole = changes(&event).pop();
        let expected = if may_remove_others { Effect::NotBefore } else { Effect::Edited };
        assert_eq!(whole, Some((About::organization("o"), expected)), "{event:?}");
    }
}

#[test]
fn roles_of_members_that_are_named() {
    let event = |members: Value| event("Organization.UserRoles.Updated", &members);
    let members = |ids: &[&'static str]| ids.iter().map(|id| About::member("o", *id)).collect::<Vec<_>>();
    let whole = vec![About::organization("o")];
    for (payload, expected) in [
        (json!({ "organizationId": "o", "userIds": ["a", "b"] }), members(&["a", "b"])),
        (json!({ "organizationId": "o", "userId": "a" }), members(&["a"])),
        (json!({ "matchedRoute": "/", "params": { "id": "o", "userId": "a" } }), members(&["a"])),
        (json!({ "organizationId": "o" }), whole.clone()),
        (json!({ "organizationId": "o", "userIds": [] }), whole.clone()),
        (json!({ "organizationId": "o", "userIds": ["a", 1] }), whole),
        (json!({ "userIds": ["a"] }), vec![]),
    ] {
        let event = event(payload.clone());
        assert_eq!(about(&event), expected, "{payload}");
        assert!(changes(&event).iter().all(|(_, effect)| *effect == Effect::Edited), "{payload}");
    }
}

#[test]
fn what_only_takes_away_neither_sets_nor_lifts_a_suspension() {
    let taken = |name: &str, members: Value| -> Vec<_> {
        let changes = event(name, &members).changes(ISSUER);
        let changes = changes.iter().map(changes::taking_away);
        changes.map(|change| (change.about().clone(), change.effect())).collect()
    };
    let (subject, member) = (About::subject("u"), About::member("o", "u"));
    for suspended in [true, false] {
        let told = taken("User.SuspensionStatus.Updated", json!({ "data": { "id": "u", "isSuspended": suspended } }));
        assert_eq!(told, [(subject.clone(), Effect::NotBefore), (subject.clone(), Effect::Edited)]);
    }
    assert_eq!(taken("User.Deleted", json!({ "data": { "id": "u" } })), [(subject, Effect::NotBefore)]);
    let removed = json!({ "organizationId": "o", "removedUserIds": ["u"] });
    assert_eq!(taken("Organization.Membership.Updated", removed), [(member, Effect::Deleted)]);
}

#[test]
fn an_event_can_be_handed_on() {
    let event = event("User.Deleted", &json!({ "data": { "id": "u", "name": "\u{e9}\"" }, "hookId": "h" }));
    let text = serde_json::to_string(&event).unwrap();
    let read: Event = serde_json::from_str(&text).unwrap();
    assert_eq!((read.name(), read.kind(), read.created_at()), (event.name(), event.kind(), event.created_at()));
    assert_eq!((read.hook_id(), read.changes(ISSUER)), (Some("h"), event.changes(ISSUER)));
    for bad in ["{}", "\"\"", "\"{}\"", "1"] {
        assert!(serde_json::from_str::<Event>(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_cannot_be_read() {
    for bad in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"event":"a"}"#,
        r#"{"createdAt":"2026-11-20T13:34:45.914Z"}"#,
        r#"{"event":1,"createdAt":"2026-11-20T13:34:45.914Z"}"#,
        r#"{"event":"a","createdAt":1795181686717}"#,
        r#"{"event":"a","createdAt":"yesterday"}"#,
        r#"{"event":"a","event":"b","createdAt":"2026-11-20T13:34:45.914Z"}"#,
        r#"{"event":"a","createdAt":"2026-11-20T13:34:45.914Z"} "x""#,
    ] {
        assert!(matches!(Event::read(bad.as_bytes()), Err(WebhookError::Unreadable { .. })), "{bad}");
    }
}

/// A record may hold what users wrote: half a surrogate pair, numbers beyond a double, deep nesting, one name twice.
#[test]
fn the_payload_is_read_as_far_as_needed() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let body = format!(
        r#"{{"event":"User.Deleted","createdAt":"2026-11-20T13:34:45.914Z","hookId":7,
            "data":{{"name":"\ud800","n":1e+400,"deep":{deep},"customData":{{"a":1,"a":2}},"id":"u"}}}}"#
    );
    let event = Event::read(body.as_bytes()).unwrap();
    assert_eq!(changes(&event), [(About::subject("u"), Effect::Deleted)]);
    assert_eq!(event.hook_id(), None);
}

#[test]
fn the_payload_as_a_type() {
    #[derive(serde::Deserialize)]
    struct Payload {
        data: Data,
    }
    #[derive(serde::Deserialize)]
    struct Data {
        name: String,
    }
    let event = event("User.Created", &json!({ "data": { "name": "Ünï\u{2028}" }, "secret": "s3cr3t" }));
    assert_eq!(event.payload::<Payload>().unwrap().data.name, "Ünï\u{2028}");
    let error = event.payload::<u8>().unwrap_err();
    for shown in [format!("{error}"), format!("{error:?}"), format!("{event:?}")] {
        assert!(!shown.contains("s3cr3t") && !shown.contains("Ünï"), "{shown}");
    }
    assert_eq!(event.created_at(), SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_181_685_914));
}

proptest! {
    #[test]
    fn never_panics(name in prop::sample::select(&NAMES[..]), members in "[{}\\[\\]\":,a-z0-9]{0,80}") {
        let _ = Event::read(format!("{{\"event\":\"{name}\",\"createdAt\":\"2026-11-20T13:34:45.914Z\",{members}").as_bytes());
        let _ = Event::read(members.as_bytes());
    }
}
