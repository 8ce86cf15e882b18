//! Sending what each role can send.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};

use super::result::{Probe, ProbedCell};
use super::subject::{ProbeSubject, RoleTokens};
use crate::audit::{AuditError, Report, RouteAccess, RouteSummary, SubjectType, Verdict};
use crate::error::ConfigError;
use crate::http::HttpClient;
use crate::http::percent::encode;
use crate::http::url::check_base;

/// Methods, each with a URL.
type Targets = Vec<(String, String)>;
type Holds<'a> = Box<dyn Fn(&ProbeSubject, &str) -> Option<bool> + Send + Sync + 'a>;
type Passes<'a> = Box<dyn Fn(&Response<()>) -> Option<bool> + Send + Sync + 'a>;

/// Sends the tokens of each role of a [`Report`] to the routes of a running API, and compares the answers with the report.
///
/// **It executes what it calls**: for a staging environment. It calls routes of `GET` and `HEAD` only, unless
/// [`dangerous_all_methods`](Self::dangerous_all_methods) says otherwise.
///
/// ```
/// use orgate::Guard;
/// use orgate::testing::{Prober, TenantTokens, TestTenant};
///
/// # async fn example(guard: Guard, tenant: TestTenant) -> Result<(), Box<dyn std::error::Error>> {
/// let audit = guard.audit(&tenant).await?;
/// let tokens = TenantTokens::new(&tenant, "acme").resource("https://api.example.com");
/// let prober = Prober::new(audit.report(), "https://staging.example.com").parameter("org", "acme");
/// let probe = prober.run(&tokens).await?;
/// assert!(probe.is_clean(), "{probe}");
/// # Ok(())
/// # }
/// ```
#[must_use = "a prober asks nothing until run()"]
pub struct Prober<'a> {
    report: &'a Report,
    base: String,
    client: HttpClient,
    all_methods: bool,
    parameters: BTreeMap<String, String>,
    headers: HeaderMap,
    holds: Holds<'a>,
    passes: Passes<'a>,
}

impl<'a> Prober<'a> {
    /// Takes the report of an audit, and the address of the API, without a path or with the one that its routes are below.
    pub fn new(report: &'a Report, base_url: impl Into<String>) -> Self {
        Self {
            report,
            base: base_url.into(),
            client: HttpClient::new(),
            all_methods: false,
            parameters: BTreeMap::new(),
            headers: HeaderMap::new(),
            holds: Box::new(|_, _| None),
            passes: Box::new(passes),
        }
    }

    /// Asks through this client.
    pub fn http_client(mut self, client: HttpClient) -> Self {
        self.client = client;
        self
    }

    /// Calls routes of every method: what they do is done.
    pub const fn dangerous_all_methods(mut self) -> Self {
        self.all_methods = true;
        self
    }

    /// Puts this value in the place of a parameter of the paths: `parameter("org", "acme")` for `{org}`.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
    }

    /// Adds a header to every request.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Says which conditions of an *only if* hold, in the words of the report; none if it is not known. By default it is not
    /// known of any: such cells are not judged.
    pub fn conditions(mut self, holds: impl Fn(&ProbeSubject, &str) -> Option<bool> + Send + Sync + 'a) -> Self {
        self.holds = Box::new(holds);
        self
    }

    /// Says by the head of an answer whether the request passed; none if it does not tell. Bodies are not read. Default: 401 and 403 did not, 400, 404, 405,
    /// 429 and 5xx do not tell, everything else did.
    pub fn passed_if(mut self, passes: impl Fn(&Response<()>) -> Option<bool> + Send + Sync + 'a) -> Self {
        self.passes = Box::new(passes);
        self
    }

    /// Sends the tokens of every column, and of a user and a machine without a role, to every route.
    ///
    /// # Errors
    ///
    /// Returns an error if the address is none, a parameter of a path has no value, a token source fails, or the API cannot be
    /// reached.
    pub async fn run(&self, tokens: &dyn RoleTokens) -> Result<Probe, AuditError> {
        let mut probe = Probe::default();
        let targets = self.targets(&mut probe)?;
        let without = [SubjectType::User, SubjectType::Machine].map(|subjects| (ProbeSubject::new(subjects, []), None));
        let roles = self.report.roles.iter().enumerate();
        let roles = roles.map(|(number, role)| (ProbeSubject::new(role.subjects, [role]), Some(number)));
        for (subject, role) in without.into_iter().chain(roles) {
            let tokens = tokens.tokens(&subject).await?;
            for (route, targets) in &targets {
                let number = match (role, subject.subjects) {
                    (Some(role), _) => route.cells.get(role).copied(),
                    (None, SubjectType::User) => Some(route.user),
                    (None, SubjectType::Machine) => Some(route.machine),
                };
                if let Some(verdict) = number.and_then(|number| route.verdicts.get(number)) {
                    self.compare(&mut probe, route, targets, &subject, verdict, &tokens).await?;
                }
            }
        }
        Ok(probe)
    }

    /// Sends the tokens of one subject to one route, of the same method and path as in the report, and returns whether one
    /// passed; none if the answers do not tell.
    ///
    /// # Errors
    ///
    /// Same as [`run`](Self::run).
    pub async fn passes(&self, method: &str, path: &str, tokens: &[String]) -> Result<Option<bool>, AuditError> {
        let target = format!("{}{}", self.base.trim_end_matches('/'), self.fill(path)?);
        Ok(self.ask(&[(method.to_owned(), target)], tokens).await?.0)
    }

    /// Returns whether a request passes by a verdict and the conditions that hold; none if it depends on others.
    #[must_use]
    pub fn expects(&self, subject: &ProbeSubject, verdict: &Verdict) -> Option<bool> {
        let Verdict::OnlyIf { any_of } = verdict else { return Some(*verdict == Verdict::Yes) };
        let ways = any_of.iter().map(|all| {
            let known: Vec<Option<bool>> = all.iter().map(|words| (self.holds)(subject, words)).collect();
            if known.contains(&Some(false)) { Some(false) } else { known.iter().all(Option::is_some).then_some(true) }
        });
        let ways: Vec<Option<bool>> = ways.collect();
        if ways.contains(&Some(true)) {
            return Some(true);
        }
        ways.iter().all(Option::is_some).then_some(false)
    }

    async fn compare(
        &self,
        probe: &mut Probe,
        route: &RouteSummary,
        targets: &[(String, String)],
        subject: &ProbeSubject,
        verdict: &Verdict,
        tokens: &[String],
    ) -> Result<(), AuditError> {
        let Some(expected) = self.expects(subject, verdict) else {
            probe.undetermined += 1;
            return Ok(());
        };
        let (passed, statuses) = self.ask(targets, tokens).await?;
        let cell = || ProbedCell {
            route: route.label(),
            subject: subject.clone(),
            verdict: verdict.clone(),
            statuses: statuses.clone(),
        };
        match passed {
            Some(passed) if passed == expected => probe.agreed += 1,
            Some(_) => probe.disagreements.push(cell()),
            None => probe.unclear.push(cell()),
        }
        Ok(())
    }

    /// Until one token passes. Without any token one request is sent without.
    async fn ask(
        &self,
        targets: &[(String, String)],
        tokens: &[String],
    ) -> Result<(Option<bool>, Vec<u16>), AuditError> {
        let fetch = self.client.fetcher(&self.base()?)?;
        let (mut statuses, mut is_unclear) = (Vec::new(), false);
        let tokens: Vec<Option<&String>> =
            if tokens.is_empty() { vec![None] } else { tokens.iter().map(Some).collect() };
        for (method, target) in targets {
            for token in &tokens {
                let wrong = |error: &dyn fmt::Display| ConfigError::new(format_args!("{method} {target}: {error}"));
                let mut request = Request::builder().method(&**method).uri(&**target);
                if let Some(token) = token {
                    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|error| wrong(&error))?;
                    value.set_sensitive(true);
                    request = request.header(AUTHORIZATION, value);
                }
                let mut request = request.body(Bytes::new()).map_err(|error| wrong(&error))?;
                request.headers_mut().extend(self.headers.clone());
                let response = fetch.fetch_head(request).await.map_err(|error| wrong(&error))?;
                statuses.push(response.status().as_u16());
                match (self.passes)(&response) {
                    Some(true) => return Ok((Some(true), statuses)),
                    Some(false) => {}
                    None => is_unclear = true,
                }
            }
        }
        Ok(((!is_unclear).then_some(false), statuses))
    }

    /// The routes that are asked, each with its methods and URLs.
    fn targets(&self, probe: &mut Probe) -> Result<Vec<(&'a RouteSummary, Targets)>, AuditError> {
        let mut targets = Vec::new();
        for route in &self.report.routes {
            let methods: Vec<&str> = match &*route.methods {
                [] => self.unnamed(route).into_iter().collect(),
                named => named.iter().map(String::as_str).collect(),
            };
            let methods = methods.into_iter().filter(|method| self.all_methods || matches!(*method, "GET" | "HEAD"));
            let methods: Vec<&str> = methods.collect();
            // What is called at a path is in the body, which is not sent.
            let has_address = route.access != RouteAccess::PublicRouter && route.operation.is_none();
            let path = route.path.as_ref().filter(|path| has_address && !self.needs_no_probe(route, path));
            match path {
                Some(path) if !methods.is_empty() => {
                    let url = format!("{}{}", self.base.trim_end_matches('/'), self.fill(path)?);
                    targets.push((route, methods.into_iter().map(|method| (method.to_owned(), url.clone())).collect()));
                }
                _ => probe.skipped.push(route.label()),
            }
        }
        Ok(targets)
    }

    /// A method that has no route of its own on the path of this one.
    fn unnamed(&self, route: &RouteSummary) -> Option<&'static str> {
        let others = self.report.routes.iter().filter(|other| other.path == route.path);
        let named: Vec<&String> = others.flat_map(|other| &other.methods).collect();
        let mut methods = ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter();
        methods.find(|method| !named.iter().any(|named| named == method))
    }

    /// Whether it is public, and a parameter of its path has no value: every caller can call it.
    fn needs_no_probe(&self, route: &RouteSummary, path: &str) -> bool {
        route.access == RouteAccess::Public && self.fill(path).is_err()
    }

    fn base(&self) -> Result<http::Uri, ConfigError> {
        check_base("base URL", &self.base, true)
    }

    /// A path with values in the place of its parameters.
    fn fill(&self, path: &str) -> Result<String, AuditError> {
        let segment = |segment: &str| {
            let Some((before, rest)) = segment.split_once('{') else { return Ok(segment.to_owned()) };
            let (name, after) = rest.split_once('}').unwrap_or((rest, ""));
            let name = name.trim_start_matches('*');
            let value = self.parameters.get(name);
            let value = value.ok_or_else(|| ConfigError::new(format_args!("{path}: no parameter({name:?}, ..)")))?;
            Ok(format!("{before}{}{after}", encode(value)))
        };
        let segments: Result<Vec<String>, ConfigError> = path.split('/').map(segment).collect();
        Ok(segments?.join("/"))
    }
}

/// By the status, where it tells.
fn passes(response: &Response<()>) -> Option<bool> {
    match response.status().as_u16() {
        401 | 403 => Some(false),
        400 | 404 | 405 | 429 | 500.. => None,
        _ => Some(true),
    }
}

impl fmt::Debug for Prober<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prober")
            .field("base", &self.base)
            .field("all_methods", &self.all_methods)
            .finish_non_exhaustive()
    }
}
