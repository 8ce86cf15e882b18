//! How proofs are judged and remembered.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use http::header::AUTHORIZATION;

use super::nonce::Nonces;
use super::proofs::{Proofs, SharedMemory};
use super::replay::{ReplayMemory, ReplayStore};
use super::target::PublicUrl;
use super::verify::ProofRules;
use crate::error::ConfigError;
use crate::http::url::PlainHttp;
use crate::signature::Algorithm;

const DEFAULT_WINDOW: Duration = Duration::from_secs(60);
const MAX_WINDOW: Duration = Duration::from_secs(5 * 60);
const DEFAULT_CAPACITY: usize = 1 << 20;
const CAPACITIES: std::ops::RangeInclusive<usize> = 1 << 10..=1 << 26;
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(50);
const MAX_TIMEOUT: Duration = Duration::from_secs(5);
/// FAPI 2.0's, and their longer relatives. RSASSA-PKCS1-v1_5 must be asked for.
const DEFAULT_ALGORITHMS: [Algorithm; 7] = [
    Algorithm::Es256,
    Algorithm::EdDsa,
    Algorithm::Es384,
    Algorithm::Es512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
];

/// Accepts DPoP-bound access tokens (RFC 9449). For [`Builder::dpop`](crate::server::Builder::dpop).
///
/// ```
/// use std::time::Duration;
/// use orgate::token::binding::{Dpop, Nonces};
///
/// // A proxy removes `/v1` from the path.
/// let dpop = Dpop::new("https://api.example.com/v1").window(Duration::from_secs(30)).nonces(Nonces::on_demand());
/// # _ = dpop;
/// ```
#[derive(Clone)]
#[must_use]
pub struct Dpop {
    public_urls: Vec<String>,
    algorithms: Vec<Algorithm>,
    window: Duration,
    nonces: Option<Nonces>,
    capacity: usize,
    store: Option<Arc<dyn ReplayStore>>,
    timeout: Duration,
    request_id: Option<String>,
}

impl Dpop {
    /// Takes the URL under which clients reach this server: the origin, and the prefix that a proxy removes from the path.
    ///
    /// The `htu` of a proof is compared with it and with the path of the request, never with what the request says of its
    /// host.
    pub fn new(public_url: impl Into<String>) -> Self {
        Self {
            public_urls: vec![public_url.into()],
            algorithms: DEFAULT_ALGORITHMS.to_vec(),
            window: DEFAULT_WINDOW,
            nonces: None,
            capacity: DEFAULT_CAPACITY,
            store: None,
            timeout: DEFAULT_TIMEOUT,
            request_id: None,
        }
    }

    /// Adds another public URL of this server, a custom domain for instance.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_urls.push(url.into());
        self
    }

    /// Sets the algorithms that proofs may be signed with. Default: all of ES256, `EdDSA` (Ed25519), ES384, ES512, PS256, PS384
    /// and PS512.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Sets how old a proof may be by its `iat`, beside the leeway of the server. Default: 60 s; 1 s to 5 min.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Uses nonces of this server. Default: none.
    pub fn nonces(mut self, nonces: Nonces) -> Self {
        self.nonces = Some(nonces);
        self
    }

    /// Sets how many proofs this process remembers. Default: 1,048,576, of about 150 bytes each while they are remembered; 1,024
    /// to 67,108,864.
    ///
    /// A proof is remembered until it has expired: about three minutes by default. One subject holds a 64th at most. Beyond
    /// either bound a request receives 503.
    pub fn replay_capacity(mut self, proofs: usize) -> Self {
        self.capacity = proofs;
        self
    }

    /// Shares the memory of used proofs with other replicas. Default: each process remembers those that it has seen.
    pub fn replay_store(mut self, store: impl ReplayStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Sets how long a request waits for the shared store, after which it receives 503. Default: 50 ms; 1 ms to 5 s.
    pub fn replay_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Names the header with which a proxy tells requests apart, where it may ask twice about one (forward auth). Default: none.
    ///
    /// A proof passes again for the same id within 5 s. The proxy must overwrite the header in every request: whoever can
    /// choose the id can replay a proof within these 5 s.
    pub fn dangerous_request_id_header(mut self, name: impl Into<String>) -> Self {
        self.request_id = Some(name.into());
        self
    }

    /// Checks the settings. `leeway` is the server's.
    pub(crate) fn build(&self, leeway: Duration, plain: PlainHttp) -> Result<Proofs, ConfigError> {
        let fault = |what: fmt::Arguments<'_>| ConfigError::new(format_args!("DPoP: {what}"));
        if self.algorithms.is_empty() {
            return Err(fault(format_args!("no algorithm is allowed")));
        }
        if self.window < Duration::from_secs(1) || self.window > MAX_WINDOW {
            return Err(fault(format_args!("window {:?} is not between 1 s and {MAX_WINDOW:?}", self.window)));
        }
        if !CAPACITIES.contains(&self.capacity) {
            return Err(fault(format_args!("replay_capacity {} is not in {CAPACITIES:?}", self.capacity)));
        }
        if self.timeout < Duration::from_millis(1) || self.timeout > MAX_TIMEOUT {
            return Err(fault(format_args!(
                "replay_timeout {:?} is not between 1 ms and {MAX_TIMEOUT:?}",
                self.timeout
            )));
        }
        let request_id = self.request_id.as_deref().map(|name| match HeaderName::try_from(name) {
            Ok(name) if name != AUTHORIZATION && name != "dpop" => Ok(name),
            _ => Err(fault(format_args!("{name:?} is not the name of a header with an id of a request"))),
        });
        let rules = ProofRules {
            urls: self.public_urls.iter().map(|url| PublicUrl::parse(url, plain)).collect::<Result<_, _>>()?,
            algorithms: self.algorithms.clone(),
            window: self.window,
            leeway,
            nonces: self.nonces.as_ref().map(Nonces::build).transpose()?,
        };
        let shared = self.store.clone().map(|store| SharedMemory { store, timeout: self.timeout });
        Ok(Proofs::new(rules, ReplayMemory::new(self.capacity), shared, request_id.transpose()?))
    }
}

impl fmt::Debug for Dpop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dpop")
            .field("public_urls", &self.public_urls)
            .field("algorithms", &self.algorithms)
            .field("window", &self.window)
            .field("nonces", &self.nonces)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(dpop: &Dpop) -> Option<String> {
        dpop.build(Duration::from_secs(60), PlainHttp::OnLoopback).err().map(|error| error.to_string())
    }

    #[test]
    fn settings_that_must_not_run() {
        let good = || Dpop::new("https://api.example.com");
        assert_eq!(fault(&good()), None);
        assert_eq!(
            fault(&good().public_url("http://127.0.0.1:3000/x").dangerous_request_id_header("X-Request-Id")),
            None
        );
        for (bad, named) in [
            (Dpop::new("http://api.example.com"), "http://api.example.com"),
            (good().public_url("api.example.net"), "api.example.net"),
            (good().algorithms([]), "algorithm"),
            (good().window(Duration::ZERO), "window 0ns"),
            (good().window(Duration::from_secs(301)), "window 301s"),
            (good().replay_capacity(1023), "replay_capacity 1023"),
            (good().replay_capacity(usize::MAX), "replay_capacity"),
            (good().replay_timeout(Duration::ZERO), "replay_timeout 0ns"),
            (good().replay_timeout(Duration::from_secs(6)), "replay_timeout 6s"),
            (good().dangerous_request_id_header(""), "\"\""),
            (good().dangerous_request_id_header("a b"), "\"a b\""),
            (good().dangerous_request_id_header("DPoP"), "\"DPoP\""),
            (good().nonces(Nonces::required().secret("short")), "5 octets"),
        ] {
            let fault = fault(&bad).unwrap_or_default();
            assert!(fault.contains(named), "{named}: {fault:?}");
        }
    }
}
