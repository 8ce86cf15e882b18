//! Every recorded token of the scenario's first hour: the same claims for the same request.

use orgate::testing::{Refused, TokenRequest};
use serde_json::Value;

use crate::scenario::{API, SHORT, Scenario, assert_same_shape, claims, scopes};

const ALL_ORDERS: &str = "read:orders write:orders delete:orders";
const ALL_MEMBERS: &str = "read:members manage:members invite:members";

/// Whom the token is for, and how it is got.
enum By {
    Machine(&'static str),
    User(&'static str),
    Exchange(&'static str),
}

use By::{Exchange, Machine, User};

#[tokio::test]
async fn every_request_gets_the_recorded_claims() {
    let scenario = Scenario::start().await;
    let (acme, globex) = (scenario.org("acme"), scenario.org("globex"));
    let api = || TokenRequest::resource(API);
    let at = |organization: &str| TokenRequest::organization(organization);
    let (worker, bare) = ("orders-worker", "orders-worker-bare");
    let everything = format!("{ALL_ORDERS} {ALL_MEMBERS}");
    let table = [
        ("m2m_err_not_in_org", Machine(worker), at(globex)),
        ("m2m_err_nothing", Machine(worker), TokenRequest::opaque().scope(ALL_ORDERS)),
        ("m2m_err_unknown_resource", Machine(worker), TokenRequest::resource("https://unknown")),
        ("m2m_org", Machine(worker), at(acme).scope(ALL_MEMBERS)),
        ("m2m_org_no_role", Machine(bare), at(acme).scope(ALL_MEMBERS)),
        ("m2m_org_no_scope_param", Machine(worker), at(acme)),
        ("m2m_org_resource", Machine(worker), api().in_organization(acme).scope(ALL_ORDERS)),
        ("m2m_org_resource_no_role", Machine(bare), api().in_organization(acme).scope(ALL_ORDERS)),
        ("m2m_resource", Machine(worker), api().scope(ALL_ORDERS)),
        ("m2m_resource_no_role", Machine(bare), api().scope(ALL_ORDERS)),
        ("m2m_resource_no_scope_param", Machine(worker), api()),
        ("m2m_resource_one_scope", Machine(worker), api().scope("read:orders")),
        ("m2m_resource_unknown_scope", Machine(worker), api().scope("read:orders fly:orders")),
        ("m2m_short_lived", Machine(worker), TokenRequest::resource(SHORT).scope("read:short")),
        ("user_err_not_member", User("bob"), at(globex)),
        ("user_bob_org_resource", User("bob"), api().in_organization(acme)),
        ("user_bob_resource_no_global_role", User("bob"), api()),
        ("user_carol_org_no_role", User("carol"), at(globex)),
        ("user_carol_org_resource_no_role", User("carol"), api().in_organization(globex)),
        ("user_org", User("alice"), at(acme)),
        ("user_org_globex", User("alice"), at(globex)),
        ("user_org_resource", User("alice"), api().in_organization(acme)),
        ("user_org_resource_globex", User("alice"), api().in_organization(globex)),
        ("user_resource", User("alice"), api()),
        ("user_resource_one_scope", User("alice"), api().scope("read:orders")),
        ("tx_user_org", Exchange("alice"), at(acme).scope(&everything)),
        ("tx_user_org_resource", Exchange("alice"), api().in_organization(acme).scope(&everything)),
        ("tx_user_resource", Exchange("alice"), api().scope(&everything)),
        ("tx_user_resource_no_scope", Exchange("alice"), api()),
    ];
    let recorded = recorded!("tokens.json");
    for (name, by, request) in table {
        let row = recorded.as_array().unwrap().iter().find(|row| row["name"] == name).expect(name);
        match issue(&scenario, &by, &request) {
            Ok(token) => compare(row, &token, name),
            Err(refused) => {
                assert_eq!(row["status"], refused.status().as_u16(), "{name}");
                assert_eq!(row["error"], serde_json::from_str::<Value>(&refused.body()).unwrap(), "{name}");
            }
        }
    }
    let opaque = issue(&scenario, &User("alice"), &TokenRequest::opaque()).unwrap();
    assert!(opaque.len() >= 43 && !opaque.contains('.'));
}

fn issue(scenario: &Scenario, by: &By, request: &TokenRequest) -> Result<String, Refused> {
    let tenant = &scenario.tenant;
    match by {
        Machine(name) => tenant.machine_token(scenario.app(name), request),
        User(name) => scenario.sign_in(name).refresh(request),
        Exchange(name) => {
            let subject_token = tenant.subject_token(scenario.user(name));
            tenant.exchange(scenario.app("orders-web"), &subject_token, request)
        }
    }
}

fn compare(row: &Value, token: &str, name: &str) {
    let (recorded, ours) = (&row["claims"], claims(token));
    assert_same_shape(recorded, &ours, name);
    for claim in ["sub", "client_id", "aud", "organization_id"] {
        assert_eq!(recorded[claim], ours[claim], "{name}: {claim}");
    }
    let lifetime = |claims: &Value| claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(lifetime(recorded), lifetime(&ours), "{name}");
    assert_eq!(scopes(row["token"].as_str().unwrap()), scopes(token), "{name}");
}
