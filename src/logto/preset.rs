//! What a tenant's issuer looks like: the preset, and the mistakes that can be told from a URL.

use http::Uri;

use crate::error::ConfigError;
use crate::issuer::Issuer;

/// What the path of every Logto issuer is.
const PATH: &str = "/oidc";

impl Issuer {
    /// Creates an entry for a Logto tenant from the tenant's endpoint: `https://tenant.logto.app` stands for the issuer
    /// `https://tenant.logto.app/oidc`. A trailing slash and the issuer itself are accepted too.
    ///
    /// ```
    /// use orgate::{Issuer, ResourceServer};
    ///
    /// let issuer = Issuer::logto("https://tenant.logto.app").name("customers");
    /// let server = ResourceServer::builder(issuer, "https://api.example.com").build()?;
    /// assert_eq!(server.issuer("customers")?.issuer(), "https://tenant.logto.app/oidc");
    /// # Ok::<(), orgate::ConfigError>(())
    /// ```
    pub fn logto(endpoint: impl AsRef<str>) -> Self {
        let endpoint = endpoint.as_ref().trim_end_matches('/');
        Self::new(format!("{}{PATH}", endpoint.strip_suffix(PATH).unwrap_or(endpoint)))
    }
}

/// In Logto's cloud it is known what an issuer looks like.
pub(crate) fn check_issuer(text: &str) -> Result<(), ConfigError> {
    match text.parse::<Uri>() {
        Ok(url) if is_in_cloud(&url) && url.path() != PATH => Err(ConfigError::new(format_args!(
            "issuer {text:?}: the issuer of a Logto tenant ends with {PATH}, without a slash after it; \
             Issuer::logto makes it from the tenant's endpoint"
        ))),
        _ => Ok(()),
    }
}

/// What is wrong with a resource indicator for which somebody took the issuer.
pub(crate) fn mistaken_resource(text: &str) -> Option<&'static str> {
    let url = text.parse::<Uri>().ok()?;
    let is_issuer = url.path().trim_end_matches('/') == PATH || (is_in_cloud(&url) && url.path() == "/");
    is_issuer.then_some(
        "it is what Logto's issuer looks like; the issuer is the first argument, the identifier of this API the second",
    )
}

/// What may help where an issuer has no metadata.
pub(crate) fn without_metadata(issuer: &str) -> Option<&'static str> {
    (!issuer.ends_with(PATH)).then_some("if this is Logto, its issuer ends with /oidc (Issuer::logto)")
}

fn is_in_cloud(url: &Uri) -> bool {
    url.host().is_some_and(|host| host.to_ascii_lowercase().ends_with(".logto.app"))
}
