//! Which peers may say who the client is.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::Extensions;
use ipnet::IpNet;

use crate::error::ConfigError;
use crate::name::stable_names;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// An address of the network.
    Ip(IpAddr),
    /// A process on this machine, through a Unix socket.
    UnixSocket,
}

stable_names!(Peer {
    Ip => "ip",
    UnixSocket => "unix_socket",
});

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address.ip())
    }
}

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        Self::Ip(address)
    }
}

/// The peers whose header names the client's certificate. For the header sources of [`MutualTls`](super::MutualTls).
///
/// ```
/// use std::net::SocketAddr;
/// use orgate::token::binding::{MutualTls, TrustedPeers};
///
/// let peers = TrustedPeers::new(|extensions| Some((*extensions.get::<SocketAddr>()?).into())).network("10.0.7.0/24");
/// let certificates = MutualTls::client_cert_header(peers);
/// # _ = certificates;
/// ```
#[derive(Clone)]
#[must_use]
pub struct TrustedPeers {
    networks: Vec<String>,
    unix_sockets: bool,
    /// `None` where every peer is trusted.
    peer: Option<Arc<PeerOf>>,
}

type PeerOf = dyn Fn(&Extensions) -> Option<Peer> + Send + Sync;

impl TrustedPeers {
    /// Takes where a request says which peer it came from, usually an extension of the connection. A request for which this
    /// is `None` comes from no trusted peer.
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use orgate::token::binding::{MutualTls, TrustedPeers};
    ///
    /// let peers = TrustedPeers::new(|extensions| Some((*extensions.get::<SocketAddr>()?).into()))
    ///     .network("10.0.7.0/24")
    ///     .network("10.0.8.1");
    /// let certificates = MutualTls::client_cert_header(peers);
    /// # _ = certificates;
    /// ```
    pub fn new(peer: impl Fn(&Extensions) -> Option<Peer> + Send + Sync + 'static) -> Self {
        Self { networks: Vec::new(), unix_sockets: false, peer: Some(Arc::new(peer)) }
    }

    /// Trusts the header whoever sends it. The statement behind it: this server can only be reached through a proxy that
    /// removes the header from every request, or sets it.
    pub fn dangerous_proxy_always_sets_it() -> Self {
        Self { networks: Vec::new(), unix_sockets: false, peer: None }
    }

    /// Trusts the peers of a network: an address, or an address and a prefix length.
    pub fn network(mut self, network: impl Into<String>) -> Self {
        self.networks.push(network.into());
        self
    }

    /// Trusts the processes that can connect to this server's Unix socket.
    pub fn unix_sockets(mut self) -> Self {
        self.unix_sockets = true;
        self
    }

    pub(super) fn build(&self) -> Result<PeerRules, ConfigError> {
        let fault = |what: fmt::Arguments<'_>| ConfigError::new(format_args!("client certificates: {what}"));
        let is_empty = self.networks.is_empty() && !self.unix_sockets;
        if self.peer.is_none() {
            return if is_empty {
                Ok(PeerRules { networks: Vec::new(), unix_sockets: false, peer: None })
            } else {
                Err(fault(format_args!("every peer is trusted, and networks or Unix sockets are named, too")))
            };
        }
        if is_empty {
            return Err(fault(format_args!("no peer is trusted to send the header: name its network")));
        }
        let network = |text: &String| {
            let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            let network = network.map_err(|_| fault(format_args!("{text:?} is not a network")))?;
            if network.prefix_len() == 0 {
                return Err(fault(format_args!("{text:?} is every address: a client could send the header")));
            }
            Ok(network)
        };
        let networks = self.networks.iter().map(network).collect::<Result<_, _>>()?;
        Ok(PeerRules { networks, unix_sockets: self.unix_sockets, peer: self.peer.clone() })
    }
}

impl fmt::Debug for TrustedPeers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedPeers")
            .field("networks", &self.networks)
            .field("unix_sockets", &self.unix_sockets)
            .field("every_peer", &self.peer.is_none())
            .finish()
    }
}

/// What decides whether a peer is trusted.
pub(super) struct PeerRules {
    networks: Vec<IpNet>,
    unix_sockets: bool,
    peer: Option<Arc<PeerOf>>,
}

impl PeerRules {
    pub(super) fn trust(&self, extensions: &Extensions) -> bool {
        let Some(peer) = &self.peer else { return true };
        match peer(extensions) {
            Some(Peer::Ip(address)) => {
                // An IPv4 peer of a socket that serves both.
                let address = address.to_canonical();
                self.networks.iter().any(|network| network.contains(&address))
            }
            Some(Peer::UnixSocket) => self.unix_sockets,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(peer: Option<Peer>) -> Extensions {
        let mut extensions = Extensions::new();
        if let Some(peer) = peer {
            extensions.insert(peer);
        }
        extensions
    }

    #[allow(clippy::unnecessary_wraps, reason = "as a connection has it")]
    fn ip(text: &str) -> Option<Peer> {
        Some(text.parse::<IpAddr>().unwrap().into())
    }

    fn peers() -> TrustedPeers {
        TrustedPeers::new(|extensions| extensions.get().copied())
    }

    #[test]
    fn only_named_peers_are_trusted() {
        let trusts = |peers: &TrustedPeers, peer| peers.build().unwrap().trust(&from(peer));
        let networks = peers().network("10.1.0.0/16").network("192.0.2.7").network("2001:db8::/32");
        for peer in ["10.1.2.3", "192.0.2.7", "2001:db8::1", "::ffff:10.1.2.3"] {
            assert!(trusts(&networks, ip(peer)), "{peer}");
        }
        for peer in [ip("10.2.0.1"), ip("192.0.2.8"), ip("2001:db9::1"), ip("127.0.0.1"), Some(Peer::UnixSocket), None]
        {
            assert!(!trusts(&networks, peer), "{peer:?}");
        }
        let sockets = peers().unix_sockets();
        assert!(trusts(&sockets, Some(Peer::UnixSocket)));
        assert!(!trusts(&sockets, ip("127.0.0.1")) && !trusts(&sockets, None));
        assert!(trusts(&TrustedPeers::dangerous_proxy_always_sets_it(), None));
        assert_eq!(Peer::from("192.0.2.7:80".parse::<SocketAddr>().unwrap()), ip("192.0.2.7").unwrap());
    }

    #[test]
    fn peers_that_are_nobody_or_everybody_are_a_config_error() {
        for (bad, named) in [
            (peers(), "no peer"),
            (peers().network("0.0.0.0/0"), "0.0.0.0/0"),
            (peers().network("10.0.0.0/8").network("::/0"), "::/0"),
            (peers().network("10.0.0.0/33"), "10.0.0.0/33"),
            (peers().network("proxy.internal"), "proxy.internal"),
            (peers().network("10.0.0.1:80"), "10.0.0.1:80"),
            (TrustedPeers::dangerous_proxy_always_sets_it().network("10.0.0.0/8"), "every peer"),
        ] {
            let fault = bad.build().err().unwrap().to_string();
            assert!(fault.contains(named), "{named}: {fault}");
        }
    }
}
