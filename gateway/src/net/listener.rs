use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use super::Place;
use crate::config::Address;
use crate::request::ClientCertificate;

/// How long a connection may be silent before the system looks whether its client is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// A socket that connections are taken from.
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Who is at the other end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peer {
    /// A Unix socket has none.
    pub(crate) address: Option<IpAddr>,
    /// What the client showed in the TLS handshake, with the proof that it holds the key.
    pub(crate) certificate: Option<ClientCertificate>,
    /// What the connection holds for as long as it goes on, also after an upgrade.
    pub(crate) place: Option<Place>,
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Listener {
    /// # Errors
    ///
    /// Returns an error if the address cannot be bound. A Unix socket that a process left behind is replaced.
    pub(crate) async fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => Ok(Self::Tcp(TcpListener::bind(address).await?)),
            Address::Unix(path) => bind_unix(path).await.map(Self::Unix),
        }
    }

    /// Returns the address that the system picked, for port 0.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<(Box<dyn Stream>, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Small answers must not wait for acknowledgements; without it they are only slower.
                _ = stream.set_nodelay(true);
                _ = SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE));
                Ok((Box::new(stream), Peer { address: Some(address.ip().to_canonical()), ..Peer::default() }))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Box::new(stream), Peer::default()))
            }
        }
    }
}

async fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        if tokio::net::UnixStream::connect(path).await.is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    // Owner and group: whoever can connect can ask.
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}
