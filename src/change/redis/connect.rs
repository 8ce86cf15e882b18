//! From settings to a connection: resolved anew each time.

use std::time::Duration;

use ::redis::AsyncConnectionConfig;
use ::redis::RedisConnectionInfo;
use ::redis::aio::MultiplexedConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::address::Address;
use super::cause::{Fault, FaultKind};
use super::settings::Settings;
use super::tls::Tls;

/// For resolving, connecting, TLS and credentials together.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// For the answer to a command.
pub(super) const COMMAND_LIMIT: Duration = Duration::from_secs(1);
/// For what the server itself waits with.
pub(super) const TAIL_LIMIT: Duration = Duration::from_secs(2);

/// A connection. Its driver ends with it.
pub(super) struct Connection {
    pub(super) commands: MultiplexedConnection,
    driver: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Finds the server that may be written to.
pub(super) async fn find(settings: &Settings, tls: Option<&Tls>) -> Result<Address, Fault> {
    let (Some(primary), Some(credentials)) = (&settings.primary, &settings.of_primary) else {
        return settings.addresses.first().cloned().ok_or_else(|| Fault::new(FaultKind::Other, "no address"));
    };
    let mut fault = Fault::new(FaultKind::Other, "no sentinel");
    for sentinel in &settings.addresses {
        match ask_sentinel(sentinel, primary, tls).await {
            Ok((host, port)) => return Ok(credentials.at(&host, port)),
            Err(error) => fault = error,
        }
    }
    Err(fault)
}

async fn ask_sentinel(sentinel: &Address, primary: &str, tls: Option<&Tls>) -> Result<(String, u16), Fault> {
    let mut connection = connect(sentinel, tls, COMMAND_LIMIT).await?;
    let mut command = ::redis::cmd("SENTINEL");
    command.arg("get-master-addr-by-name").arg(primary);
    let found: Option<(String, u16)> = command.query_async(&mut connection.commands).await?;
    found.ok_or_else(|| Fault::new(FaultKind::Other, format!("the sentinel {sentinel} knows no primary {primary:?}")))
}

/// Opens a connection; a command that is not answered within `limit` fails.
pub(super) async fn connect(address: &Address, tls: Option<&Tls>, limit: Duration) -> Result<Connection, Fault> {
    let opened = async {
        let refused = |error: std::io::Error| Fault::new(FaultKind::Connection, format!("{address}: {error}"));
        let stream = TcpStream::connect((&*address.host, address.port)).await.map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        match tls.filter(|_| address.tls) {
            Some(tls) => over(address, tls.open(&address.host, stream).await?, limit).await,
            None => over(address, stream, limit).await,
        }
    };
    let late =
        || Fault::new(FaultKind::TimedOut, format!("{address}: no connection within {} s", CONNECT_LIMIT.as_secs()));
    timeout(CONNECT_LIMIT, opened).await.unwrap_or_else(|_| Err(late()))
}

async fn over<S>(address: &Address, stream: S, limit: Duration) -> Result<Connection, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut info = RedisConnectionInfo::default().set_db(address.database).set_skip_set_lib_name();
    if let Some(user) = &address.user {
        info = info.set_username(user);
    }
    if let Some(password) = &address.password {
        info = info.set_password(password);
    }
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(limit));
    let (commands, driver) = MultiplexedConnection::new_with_config(&info, stream, config).await?;
    Ok(Connection { commands, driver: tokio::spawn(driver).abort_handle() })
}
