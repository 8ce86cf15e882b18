//! The settings of one issuer.

use std::sync::Arc;

use crate::issuer::{
    ClaimName, DEFAULT_ACR_CLAIM, DEFAULT_AUTH_TIME_CLAIM, DEFAULT_ORGANIZATION_CLAIM, DEFAULT_SCOPE_CLAIM,
    MachineMark, ORGANIZATION_URN, Profile, ScopeForm,
};
use crate::permissions::PermissionSource;
use crate::signature::Algorithm;
use crate::token::Introspection;

/// One issuer entry: a key set with one or more `iss` values, and how its tokens are read.
///
/// The defaults are Logto's. Made from a tenant's endpoint by [`logto`](Self::logto), or from the issuer's URL:
///
/// ```
/// use orgate::issuer::Algorithm;
/// use orgate::{Issuer, ResourceServer};
///
/// let issuer = Issuer::new("https://tenant.logto.app/oidc")
///     .name("customers")
///     .alias("https://auth.example.com/oidc")
///     .algorithms([Algorithm::Es384]);
/// let server = ResourceServer::builder(issuer, "https://api.example.com").build()?;
/// # Ok::<(), orgate::ConfigError>(())
/// ```
/// Issuers other than Logto: [the guide](crate::guide::other_issuers) has the settings and a page for each common one.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Issuer {
    pub(crate) urls: Vec<String>,
    pub(crate) name: Option<String>,
    pub(crate) keys: Keys,
    pub(crate) seed: Option<String>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) default_rsa_algorithm: Option<Algorithm>,
    pub(crate) profile: Profile,
    pub(crate) machine_marks: Vec<MachineMark>,
    pub(crate) resources: Vec<String>,
    pub(crate) organization_tokens: bool,
    pub(crate) organization_prefix: String,
    pub(crate) organization_claim: ClaimName,
    pub(crate) scope_claim: ClaimName,
    pub(crate) acr_claim: ClaimName,
    pub(crate) auth_time_claim: ClaimName,
    pub(crate) client_audience: Option<Vec<String>>,
    pub(crate) scope_form: ScopeForm,
    pub(crate) keys_without_kid: bool,
    pub(crate) permissions: Option<PermissionsFrom>,
    pub(crate) introspection: Option<Introspection>,
}

/// Where an entry's keys come from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Keys {
    Discovery,
    Url(String),
    Json(String),
}

impl Issuer {
    /// Creates an entry for the issuer with this `iss`. Its keys are found by discovery.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            urls: vec![url.into()],
            name: None,
            keys: Keys::Discovery,
            seed: None,
            algorithms: Algorithm::ALL.to_vec(),
            default_rsa_algorithm: None,
            profile: Profile::default(),
            machine_marks: Vec::new(),
            resources: Vec::new(),
            organization_tokens: false,
            organization_prefix: ORGANIZATION_URN.to_owned(),
            organization_claim: DEFAULT_ORGANIZATION_CLAIM.into(),
            scope_claim: DEFAULT_SCOPE_CLAIM.into(),
            acr_claim: DEFAULT_ACR_CLAIM.into(),
            auth_time_claim: DEFAULT_AUTH_TIME_CLAIM.into(),
            client_audience: None,
            scope_form: ScopeForm::default(),
            keys_without_kid: false,
            permissions: None,
            introspection: None,
        }
    }

    /// Sets the name that policies, logs and [`Subject`](crate::token::Subject) use. Default: the URL.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Adds another `iss` value with the *same keys*, such as a custom domain of the same tenant. Discovery uses the
    /// first value.
    pub fn alias(mut self, url: impl Into<String>) -> Self {
        self.urls.push(url.into());
        self
    }

    /// Sets the URL of the key set and turns discovery off. The tokens' `iss` is still checked.
    pub fn jwks_uri(mut self, url: impl Into<String>) -> Self {
        self.keys = Keys::Url(url.into());
        self
    }

    /// Sets the key set as a JSON document. Nothing is fetched.
    pub fn jwks_json(mut self, json: impl Into<String>) -> Self {
        self.keys = Keys::Json(json.into());
        self
    }

    /// Sets an initial key set, as exported by [`IssuerHandle::export_keys`](crate::server::IssuerHandle::export_keys),
    /// so that a server can start while the issuer cannot be reached. Its age is unknown, so it counts as stale: it is
    /// used once a fetch has failed, for as long as stale keys may be used, counted from the seeding.
    ///
    /// ```no_run
    /// use orgate::{Issuer, ResourceServer};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut issuer = Issuer::new("https://tenant.logto.app/oidc").name("customers");
    /// if let Ok(saved) = std::fs::read_to_string("keys.json") {
    ///     issuer = issuer.seed_keys(saved);
    /// }
    /// let server = ResourceServer::builder(issuer, "https://api.example.com").build()?;
    /// // Later, when the server shuts down:
    /// if let Some(keys) = server.issuer("customers")?.export_keys()? {
    ///     std::fs::write("keys.json", keys)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn seed_keys(mut self, json: impl Into<String>) -> Self {
        self.seed = Some(json.into());
        self
    }

    /// Sets the accepted algorithms. Default: [`Algorithm::ALL`]. In any case a key has exactly one algorithm, and a
    /// token never chooses it.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Sets the algorithm of RSA keys without `alg`. Default: RS256. (An RSA key fits six algorithms, and Logto's keys
    /// do not state theirs.)
    pub fn default_rsa_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.default_rsa_algorithm = Some(algorithm);
        self
    }

    /// Tries keys for tokens without a `kid`: for issuers whose keys or tokens have none.
    ///
    /// For a token without `kid`, up to four keys of its algorithm are tried, in the order of the key set. For a token with
    /// a `kid` that no key has, up to four keys without `kid` are. Each attempt counts as a signature check. If none fits,
    /// the key set may be fetched once more, within the limits for unknown keys.
    ///
    /// Default: off. Then a token without `kid` is accepted only if exactly one key of the set has its algorithm.
    pub fn keys_without_kid(mut self) -> Self {
        self.keys_without_kid = true;
        self
    }

    /// Accepts tokens of an issuer that does not follow RFC 9068: [`Profile::UntypedJwt`]. Organization tokens are then
    /// accepted only with [`organization_tokens`](Self::organization_tokens).
    pub fn untyped_jwt(mut self) -> Self {
        self.profile = Profile::UntypedJwt;
        self
    }

    /// Adds a sign by which a machine's token is recognized if its `sub` is not its client. With several signs, one is
    /// sufficient.
    pub fn machine_mark(mut self, mark: MachineMark) -> Self {
        self.machine_marks.push(mark);
        self
    }

    /// Adds a resource indicator that this issuer's tokens name, instead of the server's. The first one is the meaning
    /// of `resource()` for these tokens. The entry is limited to them: `resource_at(x)` accepts its tokens only if `x`
    /// is one of them.
    pub fn resource(mut self, indicator: impl Into<String>) -> Self {
        self.resources.push(indicator.into());
        self
    }

    /// Accepts organization tokens (`aud` = `urn:logto:organization:{id}`) under [`Profile::UntypedJwt`] too. Under RFC
    /// 9068 they are always accepted.
    ///
    /// The audience of an ID token is a client's id: where clients may choose theirs, an untyped ID token could look like an
    /// organization's.
    pub fn organization_tokens(mut self) -> Self {
        self.organization_tokens = true;
        self
    }

    /// Sets what the audience of an organization token begins with; the rest of it is the organization's id. Default:
    /// `urn:logto:organization:`, which is Logto's.
    pub fn organization_audience_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.organization_prefix = prefix.into();
        self
    }

    /// Accepts this issuer's opaque tokens too: the issuer is asked about each (RFC 7662). Without it they are rejected.
    ///
    /// An opaque token does not say which issuer it is from and must not be shown to another one, so a server may have one
    /// issuer entry with this setting.
    pub fn introspection(mut self, ask: Introspection) -> Self {
        self.introspection = Some(ask);
        self
    }

    /// Accepts tokens without `aud` if they were issued to one of these clients: for issuers whose access tokens have none
    /// (Cognito). They count for the entry's first resource indicator only. A token that has an `aud` is judged by that.
    ///
    /// Every client listed here can call this API with any access token that it has, whatever API that was meant for.
    pub fn client_audience<S: Into<String>>(mut self, clients: impl IntoIterator<Item = S>) -> Self {
        self.client_audience = Some(clients.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the claim that names the organization of a token: a name, or a [`claim_path`](crate::issuer::claim_path).
    /// Default: `organization_id`.
    pub fn organization_claim(mut self, name: impl Into<ClaimName>) -> Self {
        self.organization_claim = name.into();
        self
    }

    /// Sets the claim that contains the scopes, a name or a [`claim_path`](crate::issuer::claim_path), and its form.
    /// Default: `scope`, [`ScopeForm::Text`].
    pub fn scope_claim(mut self, name: impl Into<ClaimName>, form: ScopeForm) -> Self {
        self.scope_claim = name.into();
        self.scope_form = form;
        self
    }

    /// Sets the claim that names the authentication context of a user's sign-in, for
    /// [`acr`](crate::policy::acr): a name, or a [`claim_path`](crate::issuer::claim_path). Default: `acr`.
    ///
    /// Logto's access tokens have neither this claim nor the next one: a custom-claims script of the tenant can add them.
    pub fn acr_claim(mut self, name: impl Into<ClaimName>) -> Self {
        self.acr_claim = name.into();
        self
    }

    /// Sets the claim that says when a user signed in, in seconds since the Unix epoch, for
    /// [`max_auth_age`](crate::policy::max_auth_age): a name, or a [`claim_path`](crate::issuer::claim_path). Default:
    /// `auth_time`.
    pub fn auth_time_claim(mut self, name: impl Into<ClaimName>) -> Self {
        self.auth_time_claim = name.into();
        self
    }
}

/// Where to ask what the issuer's subjects hold now.
#[derive(Clone)]
pub(crate) struct PermissionsFrom(pub(crate) Arc<dyn PermissionSource>);

impl Issuer {
    /// Sets the permission source that knows what this issuer's subjects may do now, for policies with
    /// [`fresh_within`](crate::Policy::fresh_within) or [`live`](crate::Policy::live).
    pub fn permissions(mut self, source: impl PermissionSource) -> Self {
        self.permissions = Some(PermissionsFrom(Arc::new(source)));
        self
    }
}

/// The same source, not an equal one.
impl PartialEq for PermissionsFrom {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl std::fmt::Debug for PermissionsFrom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a source")
    }
}

impl From<&str> for Issuer {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

impl From<String> for Issuer {
    fn from(url: String) -> Self {
        Self::new(url)
    }
}
