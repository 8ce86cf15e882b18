//! Which sender-constrained tokens are accepted.

use super::Builder;
use crate::token::binding::{Dpop, MutualTls};

impl Builder {
    /// Accepts access tokens that are bound to a key by DPoP (RFC 9449), each request with a proof. Without this they are
    /// rejected.
    ///
    /// ```
    /// use orgate::ResourceServer;
    /// use orgate::token::binding::Dpop;
    ///
    /// let server = ResourceServer::builder("https://auth.example.com", "https://api.example.com")
    ///     .dpop(Dpop::new("https://api.example.com"))
    ///     .build()?;
    /// # Ok::<(), orgate::ConfigError>(())
    /// ```
    pub fn dpop(mut self, dpop: Dpop) -> Self {
        self.bindings.dpop = Some(dpop);
        self
    }

    /// Accepts access tokens that are bound to a client certificate (RFC 8705). Without this they are rejected.
    pub fn mutual_tls(mut self, certificates: MutualTls) -> Self {
        self.bindings.mutual_tls = Some(certificates);
        self
    }

    /// Rejects access tokens that are bound neither to a key nor to a certificate, on every route.
    pub fn require_sender_constrained(mut self) -> Self {
        self.bindings.required = true;
        self
    }
}
