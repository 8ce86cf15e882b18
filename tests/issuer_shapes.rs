//! Tokens of the shapes that other issuers give them, through the settings that the page "Other issuers" documents.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by a panic")]

use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{Request, Response, StatusCode};
use axum::{Extension, Router};
use orgate::issuer::{Algorithm, MachineMark, ScopeForm, claim_path};
use orgate::policy::{Facts, authenticated, claim, claim_contains, path, resource};
use orgate::rejection::{RejectionKind, Remediation};
use orgate::testing::{TestIssuer, TokenBuilder};
use orgate::token::SubjectKind;
use orgate::{AccessToken, Issuer, Organization, Rejection, ResourceServer};
use serde::Deserialize;
use serde_json::json;
use tower::ServiceExt as _;

const API: &str = "https://api.example.com";
const CLIENT: &str = "shop-web";

/// What the handler was given.
#[derive(Clone, Debug)]
struct Seen {
    token: AccessToken,
    organization: Option<Organization>,
}

async fn handler(token: AccessToken, organization: Option<Organization>) -> Extension<Seen> {
    Extension(Seen { token, organization })
}

async fn get(router: &Router, path: &str, token: &str) -> Response<Body> {
    let request = Request::get(path).header(AUTHORIZATION, format!("Bearer {token}")).body(Body::empty()).unwrap();
    router.clone().oneshot(request).await.unwrap()
}

async fn seen(router: &Router, path: &str, token: &TokenBuilder) -> Seen {
    let response = get(router, path, &token.mint()).await;
    let rejection = response.extensions().get::<Rejection>();
    assert_eq!(response.status(), StatusCode::OK, "{path}: {rejection:?}");
    response.extensions().get::<Seen>().unwrap().clone()
}

async fn refused(router: &Router, path: &str, token: &TokenBuilder) -> RejectionKind {
    let response = get(router, path, &token.mint()).await;
    let rejection = response.extensions().get::<Rejection>().unwrap_or_else(|| panic!("{path}: passed"));
    assert_eq!(response.status(), rejection.status());
    rejection.kind()
}

/// `/read` wants a scope; the others ask who it is, and for which organization.
fn router(server: &ResourceServer, scope: &str) -> Router {
    server
        .guard()
        .get("/read", handler, resource().scope(scope))
        .get("/user", handler, resource().user())
        .get("/machine", handler, resource().machine())
        .get("/orgs/{org}", handler, resource().in_organization(path("org")).scope(scope))
        .into_router()
        .unwrap()
}

fn serve(issuer: Issuer, scope: &str) -> Router {
    router(&ResourceServer::builder(issuer, API).build().unwrap(), scope)
}

async fn rsa_issuer(path: &str) -> TestIssuer {
    TestIssuer::builder().path(path).algorithm(Algorithm::Rs256).start().await
}

/// The issuer with its keys given, so that no test waits for a fetch.
fn entry(issuer: &TestIssuer) -> Issuer {
    Issuer::new(issuer.url()).jwks_json(issuer.jwks_json())
}

mod keycloak {
    use super::*;

    const AUDIENCE: &str = "orders-api";

    fn documented(issuer: &TestIssuer) -> Issuer {
        entry(issuer)
            .untyped_jwt()
            .algorithms([Algorithm::Rs256])
            .resource(AUDIENCE)
            .machine_mark(MachineMark::Present("clientHost".into()))
            .organization_claim("organization_id")
    }

    /// A user's access token, by a client whose audience mapper names the API.
    fn user(issuer: &TestIssuer) -> TokenBuilder {
        issuer
            .resource_token(AUDIENCE)
            .typ("JWT")
            .without_claim("client_id")
            .subject("5d1a3c3e-61a7-4c8e-9d9b-000000000001")
            .audience([AUDIENCE, "account"])
            .scope("openid profile orders:read")
            .claim("typ", "Bearer")
            .claim("azp", CLIENT)
            .claim("sid", "b1c1")
            .claim("acr", "1")
            .claim("realm_access", json!({ "roles": ["offline_access"] }))
            .claim("resource_access", json!({ "account": { "roles": ["view-profile"] } }))
            .claim("preferred_username", "alice")
    }

    fn service_account(issuer: &TestIssuer) -> TokenBuilder {
        user(issuer)
            .subject("5d1a3c3e-61a7-4c8e-9d9b-000000000002")
            .claim("azp", "shop-sync")
            .claim("client_id", "shop-sync")
            .claim("clientHost", "10.0.0.7")
            .claim("clientAddress", "10.0.0.7")
            .claim("preferred_username", "service-account-shop-sync")
            .without_claim("sid")
    }

    fn id_token(issuer: &TestIssuer, audience: &str) -> TokenBuilder {
        issuer.id_token(audience).claim("typ", "ID").claim("azp", CLIENT).claim("preferred_username", "alice")
    }

    #[tokio::test]
    async fn users_and_service_accounts() {
        let issuer = rsa_issuer("/realms/shop").await;
        let api = serve(documented(&issuer), "orders:read");

        let token = seen(&api, "/read", &user(&issuer)).await.token;
        assert_eq!((token.subject().kind(), token.client_id()), (SubjectKind::User, Some(CLIENT)));
        assert_eq!(token.audience().collect::<Vec<_>>(), [AUDIENCE, "account"]);
        assert_eq!(token.scopes().collect::<Vec<_>>(), ["openid", "profile", "orders:read"]);
        seen(&api, "/user", &user(&issuer)).await;
        assert_eq!(refused(&api, "/machine", &user(&issuer)).await, RejectionKind::Denied);

        let token = seen(&api, "/machine", &service_account(&issuer)).await.token;
        assert_eq!((token.subject().kind(), token.client_id()), (SubjectKind::Machine, Some("shop-sync")));
        assert_eq!(refused(&api, "/user", &service_account(&issuer)).await, RejectionKind::Denied);

        // Without a mark the kind is unknown, and neither word holds.
        let unmarked = serve(entry(&issuer).untyped_jwt().resource(AUDIENCE), "orders:read");
        for token in [user(&issuer), service_account(&issuer)] {
            assert_eq!(seen(&unmarked, "/read", &token).await.token.subject().kind(), SubjectKind::Unknown);
            assert_eq!(refused(&unmarked, "/user", &token).await, RejectionKind::Denied);
            assert_eq!(refused(&unmarked, "/machine", &token).await, RejectionKind::Denied);
        }
    }

    #[tokio::test]
    async fn other_audiences_and_other_profiles() {
        let issuer = rsa_issuer("/realms/shop").await;
        let api = serve(documented(&issuer), "orders:read");
        assert_eq!(refused(&api, "/read", &user(&issuer).claim("aud", "account")).await, RejectionKind::InvalidToken);
        assert_eq!(refused(&api, "/read", &user(&issuer).without_claim("aud")).await, RejectionKind::InvalidToken);
        seen(&api, "/read", &user(&issuer).claim("aud", AUDIENCE)).await;

        // The default profile takes no token with this `typ`, and no plain name for an audience.
        assert!(ResourceServer::builder(entry(&issuer).resource(AUDIENCE), API).build().is_err());
        let strict = serve(entry(&issuer), "orders:read");
        assert_eq!(refused(&strict, "/read", &user(&issuer).audience([API])).await, RejectionKind::InvalidToken);
        seen(&serve(entry(&issuer).untyped_jwt(), "orders:read"), "/read", &user(&issuer).audience([API])).await;

        let array = serve(documented(&issuer).scope_claim("scope", ScopeForm::Array), "orders:read");
        assert_eq!(refused(&array, "/read", &user(&issuer)).await, RejectionKind::InvalidToken);
        assert_eq!(refused(&array, "/user", &user(&issuer)).await, RejectionKind::InvalidToken, "refused, not ignored");

        let keys =
            serve(documented(&issuer).algorithms([Algorithm::Ps256]).default_rsa_algorithm(Algorithm::Ps256), "x");
        assert_eq!(refused(&keys, "/user", &user(&issuer)).await, RejectionKind::InvalidToken, "RS256 is not allowed");
    }

    #[tokio::test]
    async fn id_tokens_even_with_the_audience_of_the_api() {
        let issuer = rsa_issuer("/realms/shop").await;
        let server = ResourceServer::builder(documented(&issuer), API).build().unwrap();
        let bearer = || claim("typ", "Bearer");
        let guarded = server.guard().get("/", handler, authenticated()).require(bearer()).into_router().unwrap();
        let api = router(&server, "orders:read");
        seen(&guarded, "/", &user(&issuer)).await;
        for audience in [CLIENT, AUDIENCE] {
            let id_token = id_token(&issuer, audience).claim("scope", "orders:read");
            assert_eq!(refused(&api, "/read", &id_token).await, RejectionKind::InvalidToken, "{audience}");
        }
        let without_marks = id_token(&issuer, AUDIENCE).without_claim("nonce").without_claim("at_hash");
        assert_eq!(refused(&guarded, "/", &without_marks).await, RejectionKind::Denied);
        // A nonce in an access token, as before version 25, is taken for an ID token's.
        assert_eq!(refused(&api, "/read", &user(&issuer).claim("nonce", "n")).await, RejectionKind::InvalidToken);
    }

    #[tokio::test]
    async fn organizations_by_a_plain_claim() {
        let issuer = rsa_issuer("/realms/shop").await;
        let api = serve(documented(&issuer), "orders:read");
        let member = user(&issuer).claim("organization", json!({ "acme": { "id": "org_a" } }));
        let token = member.clone().claim("organization_id", "org_a");
        assert_eq!(seen(&api, "/orgs/org_a", &token).await.organization.unwrap().id(), "org_a");
        assert_eq!(refused(&api, "/orgs/org_b", &token).await, RejectionKind::WrongOrganization);
        assert_eq!(refused(&api, "/orgs/acme", &token).await, RejectionKind::WrongOrganization);
        assert_eq!(refused(&api, "/read", &token).await, RejectionKind::WrongModel, "it is for one organization");
        assert_eq!(refused(&api, "/orgs/org_a", &member).await, RejectionKind::WrongOrganization);

        let object = serve(documented(&issuer).organization_claim("organization"), "orders:read");
        for path in ["/orgs/acme", "/orgs/org_a", "/read"] {
            assert_eq!(refused(&object, path, &member).await, RejectionKind::InvalidToken, "{path}");
        }
    }

    /// The client setting "use at+jwt", with a mapper for `client_id`.
    #[tokio::test]
    async fn at_jwt_by_the_default_profile() {
        let issuer = rsa_issuer("/realms/shop").await;
        let mark = MachineMark::Present("clientHost".into());
        let api = serve(entry(&issuer).machine_mark(mark), "orders:read");
        let typed = |token: TokenBuilder| token.typ("at+jwt").audience([API]);
        let mapped = typed(user(&issuer)).claim("client_id", CLIENT);
        assert_eq!(seen(&api, "/user", &mapped).await.token.client_id(), Some(CLIENT));
        seen(&api, "/machine", &typed(service_account(&issuer))).await;
        assert_eq!(refused(&api, "/user", &typed(service_account(&issuer))).await, RejectionKind::Denied);
        assert_eq!(refused(&api, "/user", &typed(user(&issuer))).await, RejectionKind::InvalidToken, "no client_id");
    }
}

mod auth0 {
    use super::*;

    const CLIENT_ID: &str = "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja";

    /// With the slash at its end.
    fn iss(issuer: &TestIssuer) -> String {
        format!("{}/", issuer.url())
    }

    fn entry(issuer: &TestIssuer) -> Issuer {
        Issuer::new(iss(issuer)).jwks_json(issuer.jwks_json())
    }

    fn rfc9068(issuer: &TestIssuer) -> Issuer {
        entry(issuer)
            .algorithms([Algorithm::Rs256])
            .machine_mark(MachineMark::SubjectIsClientPlus("@clients".into()))
            .organization_claim("org_id")
    }

    fn own_profile(issuer: &TestIssuer) -> Issuer {
        entry(issuer)
            .untyped_jwt()
            .algorithms([Algorithm::Rs256])
            .scope_claim("permissions", ScopeForm::Array)
            .machine_mark(MachineMark::Claim("gty".into(), "client-credentials".into()))
            .organization_claim("org_id")
    }

    /// Under the RFC 9068 profile.
    fn typed(issuer: &TestIssuer) -> TokenBuilder {
        issuer
            .resource_token(API)
            .issuer(iss(issuer))
            .subject("auth0|6553da60a54af58e29493993")
            .client(CLIENT_ID)
            .audience([API.to_owned(), format!("{}userinfo", iss(issuer))])
            .scope("openid profile read:orders")
            .claim("permissions", ["read:orders", "write:orders"])
    }

    fn typed_machine(issuer: &TestIssuer) -> TokenBuilder {
        typed(issuer).subject(format!("{CLIENT_ID}@clients")).claim("aud", API).claim("scope", "read:orders")
    }

    /// Under Auth0's own profile.
    fn untyped(token: TokenBuilder) -> TokenBuilder {
        token.typ("JWT").without_claim("client_id").without_claim("jti").claim("azp", CLIENT_ID)
    }

    #[tokio::test]
    async fn the_rfc9068_profile() {
        let issuer = rsa_issuer("").await;
        let api = serve(rfc9068(&issuer), "read:orders");
        let token = seen(&api, "/read", &typed(&issuer)).await.token;
        assert_eq!((token.subject().kind(), token.client_id()), (SubjectKind::User, Some(CLIENT_ID)));
        assert!(!token.has_scope("write:orders"), "a permission is not a scope");
        seen(&api, "/user", &typed(&issuer)).await;

        let token = seen(&api, "/machine", &typed_machine(&issuer)).await.token;
        assert_eq!(token.subject().id(), format!("{CLIENT_ID}@clients"));
        assert_eq!(refused(&api, "/user", &typed_machine(&issuer)).await, RejectionKind::Denied);
        // Another client's name, or a user with such a name, is no sign.
        for subject in ["other@clients".to_owned(), format!("auth0|{CLIENT_ID}@clients")] {
            assert_eq!(refused(&api, "/machine", &typed(&issuer).subject(subject)).await, RejectionKind::Denied);
        }
    }

    #[tokio::test]
    async fn its_own_profile() {
        let issuer = rsa_issuer("").await;
        let api = serve(own_profile(&issuer), "write:orders");
        let token = seen(&api, "/read", &untyped(typed(&issuer))).await.token;
        assert_eq!((token.subject().kind(), token.client_id()), (SubjectKind::User, Some(CLIENT_ID)));
        assert_eq!(token.scopes().collect::<Vec<_>>(), ["read:orders", "write:orders"]);
        assert!(!token.has_scope("profile"), "a scope is not a permission");

        let machine = untyped(typed_machine(&issuer)).claim("gty", "client-credentials");
        assert_eq!(seen(&api, "/machine", &machine).await.token.client_id(), Some(CLIENT_ID));
        assert_eq!(refused(&api, "/user", &machine).await, RejectionKind::Denied);
        for gty in [json!("password"), json!(["client-credentials"])] {
            let user = untyped(typed(&issuer)).claim("gty", gty);
            assert_eq!(refused(&api, "/machine", &user).await, RejectionKind::Denied);
        }

        // Without permissions in the token there are none; in the form of a string they are not those that were set.
        let without = untyped(typed(&issuer)).without_claim("permissions");
        assert_eq!(refused(&api, "/read", &without).await, RejectionKind::InsufficientScope);
        let text = untyped(typed(&issuer)).claim("permissions", "write:orders");
        assert_eq!(refused(&api, "/read", &text).await, RejectionKind::InvalidToken);
        let as_text = serve(own_profile(&issuer).scope_claim("permissions", ScopeForm::Text), "write:orders");
        assert_eq!(refused(&as_text, "/read", &untyped(typed(&issuer))).await, RejectionKind::InvalidToken);

        let without_slash = untyped(typed(&issuer)).issuer(issuer.url());
        assert_eq!(refused(&api, "/read", &without_slash).await, RejectionKind::InvalidToken);

        let strict = serve(rfc9068(&issuer), "read:orders");
        assert_eq!(refused(&strict, "/read", &untyped(typed(&issuer))).await, RejectionKind::InvalidToken);
    }

    #[tokio::test]
    async fn id_tokens_and_other_apis() {
        let issuer = rsa_issuer("").await;
        for settings in [rfc9068(&issuer), own_profile(&issuer)] {
            let api = serve(settings, "read:orders");
            let id_token =
                issuer.id_token(CLIENT_ID).issuer(iss(&issuer)).claim("scope", "read:orders").claim("sid", "s");
            assert_eq!(refused(&api, "/read", &id_token).await, RejectionKind::InvalidToken);
            let bare = id_token.without_claim("nonce").without_claim("at_hash");
            assert_eq!(refused(&api, "/read", &bare).await, RejectionKind::InvalidToken);
            let other = untyped(typed(&issuer)).claim("aud", format!("{}userinfo", iss(&issuer)));
            assert_eq!(refused(&api, "/read", &other).await, RejectionKind::InvalidToken);
            assert_eq!(refused(&api, "/read", &other.typ("at+jwt")).await, RejectionKind::InvalidToken);
        }
    }

    #[tokio::test]
    async fn organizations_by_org_id() {
        let issuer = rsa_issuer("").await;
        let tokens = [
            (rfc9068(&issuer), typed(&issuer)),
            (own_profile(&issuer), untyped(typed(&issuer)).claim("org_name", "acme")),
        ];
        for (settings, token) in tokens {
            let api = serve(settings.clone(), "read:orders");
            let member = token.clone().claim("org_id", "org_9ybsU1dN2dKfDkBi");
            let organization = seen(&api, "/orgs/org_9ybsU1dN2dKfDkBi", &member).await.organization;
            assert_eq!(organization.unwrap().id(), "org_9ybsU1dN2dKfDkBi");
            assert_eq!(refused(&api, "/orgs/acme", &member).await, RejectionKind::WrongOrganization);
            assert_eq!(refused(&api, "/read", &member).await, RejectionKind::WrongModel);
            assert_eq!(refused(&api, "/orgs/org_9ybsU1dN2dKfDkBi", &token).await, RejectionKind::WrongOrganization);

            // Under another name the claim is not seen.
            let unnamed = serve(settings.organization_claim("organization_id"), "read:orders");
            let kind = refused(&unnamed, "/orgs/org_9ybsU1dN2dKfDkBi", &member).await;
            assert_eq!(kind, RejectionKind::WrongOrganization);
        }
    }
}

mod entra {
    use super::*;

    const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
    const API_ID: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";
    const WEB: &str = "11112222-bbbb-3333-cccc-4444dddd5555";
    const SYNC: &str = "22223333-cccc-4444-dddd-5555eeee6666";

    async fn tenant() -> TestIssuer {
        rsa_issuer(&format!("/{TENANT}/v2.0")).await
    }

    fn documented(issuer: &TestIssuer) -> Issuer {
        entry(issuer)
            .untyped_jwt()
            .algorithms([Algorithm::Rs256])
            .resource(API_ID)
            .scope_claim("scp", ScopeForm::Text)
            .machine_mark(MachineMark::Claim("idtyp".into(), "app".into()))
    }

    /// A version 2 token without what tells users from applications.
    fn version_2(issuer: &TestIssuer, client: &str, object: &str) -> TokenBuilder {
        issuer
            .resource_token(API_ID)
            .typ("JWT")
            .without_claim("client_id")
            .without_claim("jti")
            .without_claim("scope")
            .claim("azp", client)
            .claim("azpacr", "1")
            .claim("oid", object)
            .claim("tid", TENANT)
            .claim("uti", "u")
            .claim("ver", "2.0")
    }

    fn user(issuer: &TestIssuer) -> TokenBuilder {
        version_2(issuer, WEB, "33334444-dddd-5555-eeee-6666ffff7777")
            .subject("AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ")
            .claim("scp", "Orders.Read Orders.Write")
            .claim("roles", ["Orders.Admin"])
    }

    fn application(issuer: &TestIssuer) -> TokenBuilder {
        let object = "44445555-eeee-6666-ffff-7777aaaa8888";
        version_2(issuer, SYNC, object).subject(object).claim("idtyp", "app").claim("roles", ["Orders.Sync"])
    }

    #[tokio::test]
    async fn users_and_applications() {
        let issuer = tenant().await;
        let api = serve(documented(&issuer), "Orders.Read");
        let token = seen(&api, "/read", &user(&issuer)).await.token;
        assert_eq!((token.subject().kind(), token.client_id()), (SubjectKind::User, Some(WEB)));
        assert_eq!(token.scopes().collect::<Vec<_>>(), ["Orders.Read", "Orders.Write"]);
        seen(&api, "/user", &user(&issuer)).await;
        assert_eq!(refused(&api, "/machine", &user(&issuer)).await, RejectionKind::Denied);

        let token = seen(&api, "/machine", &application(&issuer)).await.token;
        assert_eq!((token.subject().kind(), token.client_id()), (SubjectKind::Machine, Some(SYNC)));
        assert_eq!(refused(&api, "/user", &application(&issuer)).await, RejectionKind::Denied);
        assert_eq!(refused(&api, "/read", &application(&issuer)).await, RejectionKind::InsufficientScope);
    }

    #[tokio::test]
    async fn roles_for_applications_by_a_check() {
        #[derive(Deserialize)]
        struct Roles {
            roles: Vec<String>,
        }
        let issuer = tenant().await;
        let server = ResourceServer::builder(documented(&issuer), API).build().unwrap();
        let can_sync = |facts: &Facts<'_>| {
            facts.token().claims::<Roles>().is_ok_and(|claims| claims.roles.iter().any(|role| role == "Orders.Sync"))
        };
        let orders =
            resource().user().scope("Orders.Read").or(resource().machine().check("role Orders.Sync", can_sync));
        let api = server.guard().get("/", handler, orders).into_router().unwrap();
        seen(&api, "/", &user(&issuer)).await;
        seen(&api, "/", &application(&issuer)).await;
        let others = [
            application(&issuer).claim("roles", ["Orders.SyncAll"]),
            application(&issuer).without_claim("roles"),
            application(&issuer).without_claim("idtyp"),
            user(&issuer).without_claim("scp").claim("roles", ["Orders.Sync"]),
        ];
        for token in others {
            let kind = refused(&api, "/", &token).await;
            assert!(matches!(kind, RejectionKind::Denied | RejectionKind::InsufficientScope), "{kind:?}");
        }
    }

    #[tokio::test]
    async fn version_1_and_wrong_settings() {
        let issuer = tenant().await;
        let api = serve(documented(&issuer), "Orders.Read");
        let version_1 = user(&issuer)
            .issuer(format!("https://sts.windows.net/{TENANT}/"))
            .claim("aud", format!("api://{API_ID}"))
            .without_claim("azp")
            .claim("appid", WEB)
            .claim("ver", "1.0");
        assert_eq!(refused(&api, "/read", &version_1).await, RejectionKind::InvalidToken);
        let by_uri =
            documented(&issuer).alias(format!("https://sts.windows.net/{TENANT}/")).resource(format!("api://{API_ID}"));
        let both = serve(by_uri, "Orders.Read");
        // The first indicator is what resource() means.
        assert_eq!(refused(&both, "/read", &version_1).await, RejectionKind::WrongModel);
        let token = seen(&both, "/read", &version_1.claim("aud", API_ID)).await.token;
        assert_eq!(token.client_id(), Some(WEB), "from appid");

        let other_tenant = user(&issuer).issuer(issuer.url().replace(TENANT, "bbbbcccc-1111-dddd-2222-eeee3333ffff"));
        assert_eq!(refused(&api, "/read", &other_tenant).await, RejectionKind::InvalidToken);
        let array = serve(documented(&issuer).scope_claim("scp", ScopeForm::Array), "Orders.Read");
        assert_eq!(refused(&array, "/read", &user(&issuer)).await, RejectionKind::InvalidToken);
        let roles_as_text = serve(documented(&issuer).scope_claim("roles", ScopeForm::Text), "Orders.Read");
        assert_eq!(refused(&roles_as_text, "/read", &user(&issuer)).await, RejectionKind::InvalidToken);
        let default_name = serve(documented(&issuer).scope_claim("scope", ScopeForm::Text), "Orders.Read");
        assert_eq!(refused(&default_name, "/read", &user(&issuer)).await, RejectionKind::InsufficientScope);
        let strict = serve(entry(&issuer), "Orders.Read");
        assert_eq!(refused(&strict, "/read", &user(&issuer).claim("aud", API)).await, RejectionKind::InvalidToken);
    }

    /// An ID token for the API's own registration: the same `aud`, `typ` and key. With a nonce it is seen at once, without
    /// one it has no scope and no kind.
    #[tokio::test]
    async fn id_tokens_of_the_same_application() {
        let issuer = tenant().await;
        let api = serve(documented(&issuer), "Orders.Read");
        let id_token =
            issuer.id_token(API_ID).without_claim("at_hash").claim("tid", TENANT).claim("roles", ["Orders.Sync"]);
        for path in ["/read", "/user", "/machine", "/orgs/org_a"] {
            assert_eq!(refused(&api, path, &id_token).await, RejectionKind::InvalidToken, "{path}");
        }
        let without_nonce = id_token.without_claim("nonce");
        assert_eq!(refused(&api, "/read", &without_nonce).await, RejectionKind::InsufficientScope);
        assert_eq!(refused(&api, "/user", &without_nonce).await, RejectionKind::Denied);
        assert_eq!(refused(&api, "/machine", &without_nonce).await, RejectionKind::Denied);
        let strict = serve(entry(&issuer), "Orders.Read");
        assert_eq!(refused(&strict, "/user", &without_nonce.claim("aud", API)).await, RejectionKind::InvalidToken);
    }

    #[tokio::test]
    async fn tenants_as_organizations_by_tid() {
        let issuer = tenant().await;
        let api = serve(documented(&issuer).organization_claim("tid"), "Orders.Read");
        let organization = seen(&api, &format!("/orgs/{TENANT}"), &user(&issuer)).await.organization;
        assert_eq!(organization.unwrap().id(), TENANT);
        let other = "/orgs/bbbbcccc-1111-dddd-2222-eeee3333ffff";
        assert_eq!(refused(&api, other, &user(&issuer)).await, RejectionKind::WrongOrganization);
    }
}

mod several {
    use super::*;

    const ALIAS: &str = "https://auth.example.com/oidc";

    /// Two issuers whose keys have one `kid`.
    async fn twins() -> (TestIssuer, TestIssuer, [Issuer; 2]) {
        let (one, two) = (TestIssuer::start().await, TestIssuer::start().await);
        let renamed = two.jwks_json().replace(&two.signing_kid(), &one.signing_kid());
        assert_ne!(renamed, two.jwks_json());
        let entries = [entry(&one).name("one"), Issuer::new(two.url()).name("two").jwks_json(renamed)];
        (one, two, entries)
    }

    fn serve(entries: [Issuer; 2]) -> Router {
        let [one, two] = entries;
        let server = ResourceServer::builder(one, API).issuer(two).build().unwrap();
        let in_organization = || resource().in_organization(path("org"));
        server
            .guard()
            .get("/one", handler, resource().issued_by("one"))
            .get("/two", handler, resource().issued_by("two"))
            .get("/any", handler, resource().any_issuer())
            .get("/either", handler, resource().issued_by("one").machine().or(resource().issued_by("two").user()))
            .get("/orgs/{org}", handler, in_organization().any_issuer())
            .get("/two/orgs/{org}", handler, in_organization().issued_by("two"))
            .into_router()
            .unwrap()
    }

    #[tokio::test]
    async fn keys_never_cross() {
        let (one, two, entries) = twins().await;
        let kid = one.signing_kid();
        let api = serve(entries);
        let ours = one.resource_token(API);
        let theirs = two.resource_token(API).header("kid", &kid);
        assert_eq!(seen(&api, "/any", &ours).await.token.issuer_name(), "one");
        assert_eq!(seen(&api, "/any", &theirs).await.token.issuer_name(), "two");
        // The same kid, the right signature of the wrong issuer.
        for crossed in [ours.clone().issuer(two.url()), theirs.clone().issuer(one.url())] {
            for path in ["/any", "/one", "/two"] {
                assert_eq!(refused(&api, path, &crossed).await, RejectionKind::InvalidToken, "{path}");
            }
        }
        // Under its own name the second key is not in the set.
        let response = get(&api, "/any", &two.resource_token(API).mint()).await;
        let rejection = response.extensions().get::<Rejection>().unwrap();
        assert_eq!((rejection.kind(), rejection.remediation()), (RejectionKind::KeyNotFound, Remediation::Refresh));
    }

    #[tokio::test]
    async fn without_a_kid_each_entry_has_its_own_key() {
        let (one, two, entries) = twins().await;
        let api = serve(entries);
        let ours = one.resource_token(API).without_header("kid");
        seen(&api, "/one", &ours).await;
        seen(&api, "/two", &two.resource_token(API).without_header("kid")).await;
        assert_eq!(refused(&api, "/any", &ours.issuer(two.url())).await, RejectionKind::InvalidToken);
    }

    #[tokio::test]
    async fn a_route_takes_the_issuers_it_names() {
        let (one, two, entries) = twins().await;
        let kid = one.signing_kid();
        let api = serve(entries);
        let (ours, theirs) = (one.resource_token(API), two.resource_token(API).header("kid", kid));
        seen(&api, "/one", &ours).await;
        assert_eq!(refused(&api, "/two", &ours).await, RejectionKind::Denied);
        seen(&api, "/two", &theirs).await;
        assert_eq!(refused(&api, "/one", &theirs).await, RejectionKind::Denied);
        for (token, passes) in [
            (ours.clone().machine("m"), true),
            (ours.clone(), false),
            (theirs.clone(), true),
            (theirs.machine("m"), false),
        ] {
            let status = get(&api, "/either", &token.mint()).await.status();
            assert_eq!(status, if passes { StatusCode::OK } else { StatusCode::FORBIDDEN });
        }
        let stranger = TestIssuer::start().await;
        assert_eq!(refused(&api, "/any", &stranger.resource_token(API)).await, RejectionKind::InvalidToken);
    }

    #[tokio::test]
    async fn equal_ids_of_two_entries_are_not_equal() {
        let (one, two, entries) = twins().await;
        let kid = one.signing_kid();
        let api = serve(entries);
        let ours = one.organization_resource_token(API, "org_a").subject("alice");
        let theirs = two.organization_resource_token(API, "org_a").subject("alice").header("kid", kid);
        let (a, b) = (seen(&api, "/orgs/org_a", &ours).await, seen(&api, "/orgs/org_a", &theirs).await);
        let (ours_again, theirs_again) =
            (seen(&api, "/orgs/org_a", &ours).await, seen(&api, "/two/orgs/org_a", &theirs).await);
        assert_eq!(refused(&api, "/two/orgs/org_a", &ours).await, RejectionKind::Denied);

        let organizations = [&a, &b, &ours_again, &theirs_again].map(|seen| seen.organization.clone().unwrap());
        assert!(organizations.iter().all(|organization| organization.id() == "org_a"));
        assert_ne!(organizations[0], organizations[1]);
        assert_eq!(organizations[0], organizations[2]);
        assert_eq!(organizations[1], organizations[3]);
        assert_eq!(organizations.iter().collect::<std::collections::HashSet<_>>().len(), 2);
        assert_eq!(organizations[1].issuer_name(), "two");

        assert_eq!(a.token.subject().id(), b.token.subject().id());
        assert_ne!(a.token.subject(), b.token.subject());
        assert_eq!(a.token.subject(), ours_again.token.subject());
    }

    /// A custom domain: two `iss` values, one key set, one entry.
    #[tokio::test]
    async fn a_custom_domain_is_the_same_issuer() {
        let (one, two, [first, second]) = twins().await;
        let api = serve([first.alias(ALIAS), second]);
        let token = one.organization_resource_token(API, "org_a").subject("alice");
        let plain = seen(&api, "/orgs/org_a", &token).await;
        let custom = seen(&api, "/orgs/org_a", &token.clone().issuer(ALIAS)).await;
        assert_eq!((custom.token.issuer(), custom.token.issuer_name()), (ALIAS, "one"));
        assert_eq!(plain.token.issuer(), one.url());
        assert_eq!(plain.token.subject(), custom.token.subject());
        assert_eq!(plain.organization, custom.organization);
        seen(&api, "/one", &one.resource_token(API).issuer(ALIAS)).await;

        // Exactly this string, and these keys.
        for wrong in [format!("{ALIAS}/"), ALIAS.replace("auth", "AUTH"), "https://auth.example.com".to_owned()] {
            assert_eq!(
                refused(&api, "/any", &one.resource_token(API).issuer(wrong)).await,
                RejectionKind::InvalidToken
            );
        }
        let forged = two.resource_token(API).header("kid", one.signing_kid()).issuer(ALIAS);
        assert_eq!(refused(&api, "/any", &forged).await, RejectionKind::InvalidToken);
    }

    #[test]
    fn entries_must_be_told_apart() {
        let build = |one: Issuer, two: Issuer| ResourceServer::builder(one, API).issuer(two).build();
        let (a, b) = ("https://a.example", "https://b.example");
        let message = |one, two| build(one, two).unwrap_err().to_string();
        assert!(message(Issuer::new(a), Issuer::new(a).name("other")).contains(a));
        assert!(message(Issuer::new(a), Issuer::new(b).alias(a)).contains(a));
        assert!(message(Issuer::new(a).name("x"), Issuer::new(b).name("x")).contains("\"x\""));

        let server = build(Issuer::new(a), Issuer::new(b)).unwrap();
        assert!(server.require(resource()).unwrap_err().to_string().contains("any issuer"));
        assert!(server.require(resource().issued_by(b)).is_ok());
    }

    /// Each entry has its own names for its own things.
    #[tokio::test]
    async fn each_entry_reads_its_own_claims() {
        let (one, two) = (TestIssuer::start().await, TestIssuer::start().await);
        let other = "https://other.example.com";
        let second = entry(&two)
            .name("two")
            .untyped_jwt()
            .resource(other)
            .organization_claim("org_id")
            .scope_claim("permissions", ScopeForm::Array);
        let server = ResourceServer::builder(entry(&one).name("one"), API).issuer(second).build().unwrap();
        let policy = resource().in_organization(path("org")).scope("read").any_issuer();
        let api = server.guard().get("/orgs/{org}", handler, policy).into_router().unwrap();
        let ours = one.organization_resource_token(API, "o").scope("read");
        let theirs = two
            .resource_token(other)
            .typ("JWT")
            .without_claim("scope")
            .claim("org_id", "o")
            .claim("permissions", ["read"]);
        seen(&api, "/orgs/o", &ours).await;
        seen(&api, "/orgs/o", &theirs).await;
        assert_eq!(refused(&api, "/orgs/o", &ours.clone().typ("JWT")).await, RejectionKind::InvalidToken);
        let ours_by_their_names = ours
            .without_claim("scope")
            .without_claim("organization_id")
            .claim("org_id", "o")
            .claim("permissions", ["read"]);
        assert_eq!(refused(&api, "/orgs/o", &ours_by_their_names).await, RejectionKind::WrongOrganization);
        assert_eq!(refused(&api, "/orgs/o", &theirs.claim("aud", API)).await, RejectionKind::InvalidToken);
    }
}

/// Cognito: no `aud` in access tokens, the client in its place.
#[tokio::test]
async fn cognito_access_tokens_are_for_the_listed_clients() {
    let issuer = TestIssuer::start().await;
    let access = || {
        let token =
            issuer.resource_token(API).without_claim("aud").without_header("typ").subject("user-1").client(CLIENT);
        token.scope("orders/read").claim("token_use", "access").claim("cognito:groups", ["staff"])
    };
    let entry = || Issuer::new(issuer.url()).untyped_jwt();
    let server = |entry: Issuer| ResourceServer::builder(entry, API).clock(issuer.clock()).build().unwrap();
    let listed = server(entry().client_audience([CLIENT]).resource(API).resource("https://second.example.com"));
    let read = resource().scope("orders/read").and(claim("token_use", "access"));
    let routes = listed
        .guard()
        .get("/read", handler, read)
        .get("/staff", handler, resource().and(claim_contains("cognito:groups", "staff")))
        .get("/client", handler, resource().client([CLIENT, "other"]))
        .get("/other", handler, resource().client(["other"]))
        .get("/second", handler, orgate::policy::resource_at("https://second.example.com"))
        .into_router()
        .unwrap();
    for path in ["/read", "/staff", "/client"] {
        assert_eq!(seen(&routes, path, &access()).await.token.client_id(), Some(CLIENT));
    }
    assert_eq!(refused(&routes, "/other", &access()).await, RejectionKind::Denied);
    assert_eq!(refused(&routes, "/second", &access()).await, RejectionKind::WrongModel);
    // Another client, no client, an ID token, and an `aud` that is there are judged as ever.
    for token in [
        access().client("stranger"),
        access().without_claim("client_id"),
        access().claim("aud", CLIENT).claim("token_use", "id"),
        access().claim("aud", "https://elsewhere.example.com"),
        access().claim("aud", json!(null)),
        access().claim("aud", json!([])),
    ] {
        assert_eq!(refused(&routes, "/read", &token).await, RejectionKind::InvalidToken);
    }
    let unlisted = server(entry()).guard().get("/read", handler, resource()).into_router().unwrap();
    assert_eq!(refused(&unlisted, "/read", &access()).await, RejectionKind::InvalidToken);
    for bad in [vec![], vec![""]] {
        let error = ResourceServer::builder(entry().client_audience(bad), API).build().map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("client_audience"), "{error}");
    }
}

/// Keycloak: the roles of the realm, inside of another claim.
#[tokio::test]
async fn keycloak_realm_roles_are_scopes_by_a_path() {
    let issuer = TestIssuer::start().await;
    let entry = Issuer::new(issuer.url()).untyped_jwt();
    let entry = entry.scope_claim(claim_path(["realm_access", "roles"]), ScopeForm::Array);
    let server = ResourceServer::builder(entry, API).clock(issuer.clock()).build().unwrap();
    let routes = router(&server, "orders-reader");
    let token = |access: serde_json::Value| {
        issuer.resource_token(API).typ("JWT").scope("profile").claim("realm_access", access)
    };
    let token_seen =
        seen(&routes, "/read", &token(json!({ "roles": ["offline_access", "orders-reader"] }))).await.token;
    assert_eq!(token_seen.scopes().collect::<Vec<_>>(), ["offline_access", "orders-reader"]);
    for lacking in [json!({ "roles": [] }), json!({}), json!({ "roles": ["reader"] })] {
        assert_eq!(refused(&routes, "/read", &token(lacking)).await, RejectionKind::InsufficientScope);
    }
    for wrong in [json!({ "roles": "orders-reader" }), json!(null), json!(["orders-reader"]), json!({ "roles": null })]
    {
        assert_eq!(refused(&routes, "/read", &token(wrong)).await, RejectionKind::InvalidToken);
    }
}

/// Okta: `scp` is an array, `cid` the client.
#[tokio::test]
async fn okta_access_tokens_have_scp_and_cid() {
    let issuer = TestIssuer::start().await;
    let entry = Issuer::new(issuer.url()).untyped_jwt().resource("api://default").scope_claim("scp", ScopeForm::Array);
    let server = ResourceServer::builder(entry, API).clock(issuer.clock()).build().unwrap();
    let routes = router(&server, "orders:read");
    let token = issuer.resource_token("api://default").without_header("typ").without_claim("client_id");
    let token = token.without_claim("scope").claim("cid", CLIENT).claim("scp", ["openid", "orders:read"]);
    assert_eq!(seen(&routes, "/read", &token).await.token.client_id(), Some(CLIENT));
    assert_eq!(
        seen(&routes, "/machine", &token.clone().subject(CLIENT)).await.token.subject().kind(),
        SubjectKind::Machine
    );
    assert_eq!(refused(&routes, "/read", &token.audience([API])).await, RejectionKind::InvalidToken);
}

/// Zitadel: roles are members of an object, `aud` the project among others.
#[tokio::test]
async fn zitadel_roles_are_members_of_an_object() {
    let issuer = TestIssuer::start().await;
    let entry = Issuer::new(issuer.url()).untyped_jwt().resource("318838604669387137");
    let server = ResourceServer::builder(entry, API).clock(issuer.clock()).build().unwrap();
    let is_admin = |facts: &Facts<'_>| {
        let claims = facts.token().claims::<serde_json::Value>();
        claims.is_ok_and(|claims| claims["urn:zitadel:iam:org:project:roles"].get("admin").is_some())
    };
    let routes = server.guard().get("/admin", handler, resource().check("role admin", is_admin)).into_router().unwrap();
    let token = |roles: serde_json::Value| {
        let token = issuer.resource_token(API).typ("JWT").audience(["318838604669387137", "client@shop"]);
        token.without_claim("scope").claim("urn:zitadel:iam:org:project:roles", roles)
    };
    seen(&routes, "/admin", &token(json!({ "admin": { "1": "shop.example" } }))).await;
    assert_eq!(refused(&routes, "/admin", &token(json!({ "reader": {} }))).await, RejectionKind::Denied);
    let other = token(json!({ "admin": {} })).audience(["client@shop"]);
    assert_eq!(refused(&routes, "/admin", &other).await, RejectionKind::InvalidToken);
}

/// Entra: an application with claims of its own has keys of its own, at an address with a query.
#[tokio::test]
async fn entra_keys_of_an_application_are_fetched_with_its_appid() {
    const APPLICATION: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";
    let (issuer, tenant) = (TestIssuer::start().await, TestIssuer::start().await);
    let (own, shared) = (issuer.jwks_json(), tenant.jwks_json());
    let keys = move |request: Request<Body>| async move {
        let is_own = request.uri().query() == Some(&*format!("appid={APPLICATION}"));
        if is_own { own } else { shared }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/tenant/discovery/v2.0/keys", listener.local_addr().unwrap());
    let app = Router::new().route("/tenant/discovery/v2.0/keys", axum::routing::get(keys));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });

    let token = issuer.resource_token(APPLICATION).typ("JWT").without_claim("client_id").without_claim("scope");
    let token = token.claim("azp", CLIENT).claim("scp", "Orders.Read");
    let serve = |jwks_uri: String| {
        let entry = Issuer::new(issuer.url()).untyped_jwt().resource(APPLICATION).jwks_uri(jwks_uri);
        let entry = entry.scope_claim("scp", ScopeForm::Text);
        router(&ResourceServer::builder(entry, API).clock(issuer.clock()).build().unwrap(), "Orders.Read")
    };
    seen(&serve(format!("{base}?appid={APPLICATION}")), "/read", &token).await;
    assert_eq!(refused(&serve(base), "/read", &token).await, RejectionKind::KeyNotFound);
}

/// Entra: up to two hundred groups stand in the token, which is then large. Beyond that none do.
#[tokio::test]
async fn entra_groups_need_room_and_are_missing_beyond_two_hundred() {
    let issuer = TestIssuer::start().await;
    let group = |number: usize| format!("22223333-cccc-4444-dddd-{number:012}");
    let serve = |limit: Option<usize>| {
        let builder = ResourceServer::builder(Issuer::new(issuer.url()).untyped_jwt(), API).clock(issuer.clock());
        let builder = match limit {
            Some(limit) => builder.max_token_bytes(limit),
            None => builder,
        };
        let server = builder.build().unwrap();
        let policy = resource().and(claim_contains("groups", group(7)));
        server.guard().get("/staff", handler, policy).into_router().unwrap()
    };
    let token = |count: usize| {
        let groups: Vec<String> = (0..count).map(group).collect();
        issuer.resource_token(API).typ("JWT").claim("groups", groups)
    };
    seen(&serve(None), "/staff", &token(100)).await;
    assert_eq!(refused(&serve(None), "/staff", &token(5)).await, RejectionKind::Denied);
    assert!(token(200).mint().len() > 8 * 1024);
    assert_eq!(refused(&serve(None), "/staff", &token(200)).await, RejectionKind::InvalidToken);
    let roomy = serve(Some(32 * 1024));
    seen(&roomy, "/staff", &token(200)).await;
    let overage = issuer.resource_token(API).typ("JWT").claim("_claim_names", json!({ "groups": "src1" })).claim(
        "_claim_sources",
        json!({ "src1": { "endpoint": "https://graph.microsoft.com/v1.0/users/u/getMemberObjects" } }),
    );
    assert_eq!(refused(&roomy, "/staff", &overage).await, RejectionKind::Denied);
    // A group in place of the list is no list.
    let text = issuer.resource_token(API).typ("JWT").claim("groups", group(7));
    assert_eq!(refused(&roomy, "/staff", &text).await, RejectionKind::Denied);
}

/// Okta: another authorization server of the same organization is another issuer, whatever the audience.
#[tokio::test]
async fn okta_tokens_of_another_authorization_server_are_rejected() {
    let issuer = TestIssuer::builder().path("/oauth2/default").start().await;
    let entry = entry(&issuer).untyped_jwt().resource("api://default").scope_claim("scp", ScopeForm::Array);
    let routes = router(&ResourceServer::builder(entry, API).clock(issuer.clock()).build().unwrap(), "orders:read");
    let token = issuer.resource_token("api://default").without_header("typ").without_claim("client_id");
    let token = token.without_claim("scope").claim("cid", CLIENT).claim("scp", ["orders:read"]).claim("uid", "00u1");
    seen(&routes, "/read", &token).await;
    let organization = issuer.url().strip_suffix("/oauth2/default").unwrap();
    for other in [organization.to_owned(), format!("{organization}/oauth2/aus1")] {
        assert_eq!(refused(&routes, "/read", &token.clone().issuer(other)).await, RejectionKind::InvalidToken);
    }
    let text = token.claim("scp", "orders:read");
    assert_eq!(refused(&routes, "/read", &text).await, RejectionKind::InvalidToken, "one form for a setting");
}

/// Zitadel: a role counts where it was granted, and the user's own organization is a claim with colons in its name.
#[tokio::test]
async fn zitadel_roles_count_in_the_organization_of_the_request() {
    let issuer = TestIssuer::start().await;
    let entry = Issuer::new(issuer.url()).untyped_jwt().resource("318838604669387137");
    let entry = entry.organization_claim("urn:zitadel:iam:user:resourceowner:id");
    let server = ResourceServer::builder(entry, API).clock(issuer.clock()).build().unwrap();
    let is_admin_there = |facts: &Facts<'_>| {
        let Some(organization) = facts.organization() else { return false };
        facts
            .token()
            .claims::<serde_json::Value>()
            .is_ok_and(|claims| claims["urn:zitadel:iam:org:project:roles"]["admin"].get(organization.id()).is_some())
    };
    let policy = resource().in_organization(path("org")).check("admin there", is_admin_there);
    let routes = server.guard().get("/orgs/{org}", handler, policy).into_router().unwrap();
    let token = |granted_in: &str, owner: Option<&str>| {
        let token = issuer.resource_token("318838604669387137").typ("JWT").without_claim("scope");
        let token =
            token.claim("urn:zitadel:iam:org:project:roles", json!({ "admin": { granted_in: "shop.example" } }));
        match owner {
            Some(owner) => token.claim("urn:zitadel:iam:user:resourceowner:id", owner),
            None => token,
        }
    };
    seen(&routes, "/orgs/1", &token("1", Some("1"))).await;
    assert_eq!(refused(&routes, "/orgs/1", &token("2", Some("1"))).await, RejectionKind::Denied);
    for elsewhere in [token("1", Some("2")), token("1", None)] {
        assert_eq!(refused(&routes, "/orgs/1", &elsewhere).await, RejectionKind::WrongOrganization);
    }
    // The scope that confines a sign-in to an organization repeats its id in a claim, and proves nothing.
    let confined = token("1", None).claim("urn:zitadel:iam:org:id", "1");
    assert_eq!(refused(&routes, "/orgs/1", &confined).await, RejectionKind::WrongOrganization);
}
