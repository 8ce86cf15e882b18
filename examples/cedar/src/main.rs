//! A decision point without a network: policies in Cedar's language, judged in this process.
//!
//! ```text
//! cargo run --manifest-path examples/cedar/Cargo.toml
//! ```
//!
//! A package of its own: Cedar takes longer to build than orgate and all of its tests.

use std::str::FromStr;

use cedar_policy::{
    Authorizer, Context, Decision as Verdict, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicySet,
    Request, RestrictedExpression,
};
use orgate::decision::{
    Decider, Decision, DecisionError, DecisionFuture, DecisionPoint, DecisionRequest, KnownIssuers, Resource,
};
use orgate::testing::TestDecisionRequest;

const POLICIES: &str = r#"
    // Members read the documents of their organization.
    permit (principal, action == Action::"read", resource)
    when { context has organization && context.organization == resource.organization };

    // Owners also rename them.
    permit (principal, action == Action::"rename", resource)
    when {
        context has organization && context.organization == resource.organization && resource.owner == principal
    };

    // What is locked is not touched.
    forbid (principal, action, resource)
    when { resource.locked }
    unless { action == Action::"read" };
"#;

/// Cedar judges; this hands it what the request says.
struct Cedar {
    authorizer: Authorizer,
    policies: PolicySet,
}

impl Cedar {
    fn new(policies: &str) -> Result<Self, Box<dyn std::error::Error>> {
        Ok(Self { authorizer: Authorizer::new(), policies: PolicySet::from_str(policies)? })
    }

    fn judge(&self, request: &DecisionRequest) -> Result<Decision, Box<dyn std::error::Error>> {
        let principal = uid("User", request.subject_id())?;
        let resource = uid(request.resource().kind(), request.resource().id())?;
        let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
        let property = |name: &str| request.resource().properties().find(|(other, _)| *other == name);
        let owner = property("owner").and_then(|(_, owner)| owner.as_str()).unwrap_or_default();
        let locked = property("locked").and_then(|(_, locked)| locked.as_bool()).unwrap_or(false);
        let belongs_to = property("organization").and_then(|(_, id)| id.as_str()).unwrap_or_default();
        let attributes = [
            ("owner".to_owned(), RestrictedExpression::new_entity_uid(uid("User", owner)?)),
            ("locked".to_owned(), RestrictedExpression::new_bool(locked)),
            ("organization".to_owned(), text(belongs_to)),
        ];
        let document = Entity::new(resource.clone(), attributes.into(), [].into())?;
        let entities = Entities::from_entities([document], None)?;
        // The verified organization, and not one that is merely claimed.
        let organization = request.organization_id().map(|id| ("organization".to_owned(), text(id)));
        let context = Context::from_pairs(organization)?;
        let question = Request::new(principal, uid("Action", request.action())?, resource, context, None)?;
        let answer = self.authorizer.is_authorized(&question, &self.policies, &entities);
        // Cedar leaves out a policy that it could not evaluate: a `forbid` may be among those, so this is no decision.
        if let Some(error) = answer.diagnostics().errors().next() {
            return Err(error.to_string().into());
        }
        let by: Vec<String> = answer.diagnostics().reason().map(ToString::to_string).collect();
        let decision = match answer.decision() {
            Verdict::Allow => Decision::allow(),
            Verdict::Deny => Decision::deny(),
        };
        Ok(decision.with_reason(by.join(", ")))
    }
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, Box<dyn std::error::Error>> {
    Ok(EntityUid::from_type_name_and_id(EntityTypeName::from_str(kind)?, EntityId::new(id)))
}

impl DecisionPoint for Cedar {
    fn decide<'a>(&'a self, request: &'a DecisionRequest) -> DecisionFuture<'a> {
        Box::pin(async move { self.judge(request).map_err(DecisionError::wrong) })
    }

    /// The policies name users by their ids alone, and two issuers may use one id for two people.
    fn known_issuers(&self) -> KnownIssuers {
        KnownIssuers::single()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let decider = Decider::builder(Cedar::new(POLICIES)?).build()?;
    let document = |locked: bool| {
        Resource::new("Document", "d-1")
            .property("owner", "alice")
            .property("organization", "acme")
            .property("locked", locked)
    };
    for (user, organization, action, locked, expected) in [
        ("alice", Some("acme"), "read", false, true),
        ("alice", Some("acme"), "rename", false, true),
        ("bob", Some("acme"), "read", false, true),
        ("bob", Some("acme"), "rename", false, false),
        ("alice", Some("globex"), "read", false, false),
        ("alice", None, "read", false, false),
        ("alice", Some("acme"), "rename", true, false),
    ] {
        // Behind a route: `DecisionRequest::new(&token, action, document).organization(&organization)`.
        let mut who = TestDecisionRequest::user(user);
        if let Some(organization) = organization {
            who = who.organization(organization);
        }
        let decision = decider.decide(&who.wants(action, document(locked))).await?;
        let verdict = if decision.is_allowed() { "may" } else { "must not" };
        let place = organization.unwrap_or("no organization");
        let state = if locked { "a locked document" } else { "a document" };
        println!("{user}, {place}: {verdict} {action} {state} (by {})", decision.reason().unwrap_or("no policy"));
        assert_eq!(decision.is_allowed(), expected);
    }
    Ok(())
}
