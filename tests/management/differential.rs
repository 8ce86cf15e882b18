//! Random tenants: what the source says of a subject is what the tenant puts into a token of that moment.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use orgate::permissions::{PermissionModel, Permissions};
use orgate::testing::{Refused, RoleType, TokenRequest};
use proptest::prelude::*;

use crate::world::{API, OTHER, World};

const ORGANIZATIONS: [&str; 3] = ["o1", "o2", "o3"];
const USERS: [&str; 4] = ["u1", "u2", "u3", "u4"];
const MACHINES: [&str; 2] = ["m1", "m2"];
const OWN: [&str; 3] = ["list", "invite", "read"];
/// The same name at two resources, and in the organization template: only their place tells them apart.
const SCOPES: [(&str, &str); 5] = [(API, "read"), (API, "write"), (API, "list"), (OTHER, "read"), (OTHER, "other")];
const ROLES: [(&str, RoleType); 5] = [
    ("r1", RoleType::User),
    ("r2", RoleType::User),
    ("r3", RoleType::User),
    ("r4", RoleType::MachineToMachine),
    ("r5", RoleType::MachineToMachine),
];

/// Yes and no, as the test runner throws them.
struct Coins(std::vec::IntoIter<bool>);

impl Coins {
    fn toss(&mut self) -> bool {
        self.0.next().unwrap_or(false)
    }

    fn some<'a, T>(&'a mut self, of: &'a [T]) -> impl Iterator<Item = &'a T> {
        of.iter().filter(|_| self.toss())
    }
}

/// Whether the first user is suspended.
fn populate(world: &World, coins: &mut Coins) -> bool {
    let tenant = &world.tenant;
    tenant.add_resource(API, &["read", "write", "list"]);
    tenant.add_resource(OTHER, &["read", "other"]);
    for scope in OWN {
        tenant.add_organization_scope(scope);
    }
    for (role, kind) in ROLES {
        let own: Vec<&str> = coins.some(&OWN).copied().collect();
        tenant.add_organization_role(role, kind, &own);
        tenant.add_role(&format!("global-{role}"), kind, API, &[]);
        for (resource, scope) in coins.some(&SCOPES) {
            tenant.add_resource_scope_to_organization_role(role, resource, scope);
        }
        for (resource, scope) in coins.some(&SCOPES) {
            tenant.add_scope_to_role(&format!("global-{role}"), resource, scope);
        }
    }
    for organization in ORGANIZATIONS {
        tenant.add_organization(organization);
    }
    let users = USERS.map(|id| (id, RoleType::User));
    let machines = MACHINES.map(|id| (id, RoleType::MachineToMachine));
    for (id, kind) in users.into_iter().chain(machines) {
        match kind {
            RoleType::User => tenant.add_user(id),
            _ => _ = tenant.add_machine(id),
        }
        let fitting = |(_, of): &&(&str, RoleType)| *of == kind;
        for (role, _) in coins.some(&ROLES).filter(fitting) {
            tenant.give_role(id, &format!("global-{role}"));
        }
        for organization in ORGANIZATIONS {
            if coins.toss() {
                tenant.add_member(organization, id);
                for (role, _) in coins.some(&ROLES).filter(fitting) {
                    tenant.give_organization_role(organization, id, role);
                }
            }
        }
    }
    let is_suspended = coins.toss();
    if is_suspended {
        tenant.suspend(USERS[0]);
    }
    tenant.add_application("web");
    is_suspended
}

/// Clients of somebody else, and organizations that require a second factor.
fn populate_clients(world: &World, coins: &mut Coins) {
    let tenant = &world.tenant;
    tenant.add_third_party_application("partner");
    tenant.add_application_by_document("document", "https://client.example/metadata.json");
    for organization in ORGANIZATIONS {
        for user in USERS {
            for client in ["partner", "document"] {
                if coins.toss() {
                    tenant.consent_to_organization(user, client, organization);
                }
            }
        }
    }
    for organization in coins.some(&ORGANIZATIONS) {
        tenant.require_mfa(organization);
    }
    for user in coins.some(&USERS) {
        tenant.set_up_mfa(user);
    }
}

fn models() -> Vec<(PermissionModel, TokenRequest)> {
    let mut models = Vec::new();
    for organization in ORGANIZATIONS {
        models.push((PermissionModel::organization(organization), TokenRequest::organization(organization)));
    }
    for resource in [API, OTHER] {
        models.push((PermissionModel::resource(resource), TokenRequest::resource(resource)));
        for organization in ORGANIZATIONS {
            let request = TokenRequest::resource(resource).in_organization(organization);
            models.push((PermissionModel::resource(resource).in_organization(organization), request));
        }
    }
    models
}

fn in_token(token: Result<String, Refused>) -> Permissions {
    let Ok(token) = token else { return Permissions::none() };
    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    Permissions::of(claims["scope"].as_str().unwrap_or_default().split_whitespace())
}

async fn compare(coins: Vec<bool>) -> Result<(), TestCaseError> {
    let world = World::configured(|builder| builder.calls_per_10_seconds(200)).await;
    let mut coins = Coins(coins.into_iter());
    let is_suspended = populate(&world, &mut coins);
    let wanted = "read write list other invite";
    for id in USERS {
        let scopes: Vec<&str> = wanted.split(' ').collect();
        let grant = world.tenant.sign_in(id, "web", &scopes);
        for (model, request) in models() {
            let told = grant.clone().and_then(|grant| grant.refresh(&request));
            let live = world.of_user(id, model.clone()).await;
            prop_assert_eq!(live, in_token(told), "{} {:?}", id, model);
        }
    }
    populate_clients(&world, &mut coins);
    for id in USERS {
        for client in ["web", "partner", "document"] {
            let live = world.of_user(id, PermissionModel::memberships(API, Some(client))).await;
            for organization in ORGANIZATIONS {
                let subject_token = world.tenant.subject_token(id);
                let request = TokenRequest::resource(API).in_organization(organization).scope(wanted);
                // Issued without a sign-in: suspension and documents are for the source alone to tell.
                let told = world.tenant.exchange(client, &subject_token, &request);
                let is_out = client == "document" || (is_suspended && id == USERS[0]);
                let told = if is_out { Permissions::none() } else { in_token(told) };
                prop_assert_eq!(live.in_organization(organization), told, "{} through {}", id, client);
            }
        }
    }
    for id in MACHINES {
        let live = world.of_machine(id, PermissionModel::memberships(API, Some(id))).await;
        for organization in ORGANIZATIONS {
            let request = TokenRequest::resource(API).in_organization(organization).scope(wanted);
            let told = in_token(world.tenant.machine_token(id, &request));
            prop_assert_eq!(live.in_organization(organization), told, "{}", id);
        }
        for (model, request) in models() {
            let told = world.tenant.machine_token(id, &request.scope(wanted));
            let live = world.of_machine(id, model.clone()).await;
            prop_assert_eq!(live, in_token(told), "{} {:?}", id, model);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn live_is_what_a_token_of_now_holds(coins in prop::collection::vec(any::<bool>(), 220)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(compare(coins))?;
    }
}
