//! A network with faults: between replicas and a server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Nothing arrives, in these directions.
    Cut {
        to: bool,
        from: bool,
    },
    /// Nothing arrives of the feed; commands are answered.
    CutFeed,
    /// Connections are closed, and no new ones accepted.
    Reset,
    /// Connections that there are go on, and no new ones are accepted.
    Closed,
    /// So many bytes a second from the server.
    Drip(u64),
}

pub(crate) struct Proxy {
    pub(crate) port: u16,
    fault: Arc<watch::Sender<Fault>>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let fault = Arc::new(watch::Sender::new(Fault::None));
        let shared = fault.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if matches!(*shared.borrow(), Fault::Reset | Fault::Closed) {
                    continue;
                }
                let faults = shared.subscribe();
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
                    let ((from_client, to_client), (from_server, to_server)) =
                        (client.into_split(), server.into_split());
                    let (mut reset, feed) = (faults.clone(), AtomicBool::new(false));
                    tokio::select! {
                        () = carry(from_client, to_server, faults.clone(), true, &feed) => {}
                        () = carry(from_server, to_client, faults, false, &feed) => {}
                        _ = reset.wait_for(|fault| *fault == Fault::Reset) => {}
                    }
                });
            }
        });
        Self { port, fault, task }
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `feed` tells whether the connection is one over which the feed is read.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut faults: watch::Receiver<Fault>,
    is_to: bool,
    feed: &AtomicBool,
) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let limit = match *faults.borrow() {
            Fault::Drip(rate) if !is_to => (rate / 10).max(1) as usize,
            _ => bytes.len(),
        };
        let Ok(read @ 1..) = from.read(&mut bytes[..limit]).await else { return };
        if is_to && bytes[..read].windows(5).any(|word| word == b"XREAD") {
            feed.store(true, Ordering::Relaxed);
        }
        let is_cut = |fault: &Fault| match fault {
            Fault::Cut { to, from } => {
                if is_to {
                    *to
                } else {
                    *from
                }
            }
            Fault::CutFeed => !is_to && feed.load(Ordering::Relaxed),
            // What was held back is lost with the connection.
            Fault::Reset => true,
            Fault::None | Fault::Closed | Fault::Drip(_) => false,
        };
        if faults.wait_for(|fault| !is_cut(fault)).await.is_err() {
            return;
        }
        if matches!(*faults.borrow(), Fault::Drip(_)) && !is_to {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
