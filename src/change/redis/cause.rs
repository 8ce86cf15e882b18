//! Why Redis could not be used, and why everything is compared anew.

use std::fmt;

use ::redis::RedisError;

/// Of what kind an error is, for counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum FaultKind {
    TimedOut,
    Connection,
    Credentials,
    Tls,
    ReadOnly,
    OutOfMemory,
    NoReplicas,
    NoPermission,
    Cluster,
    Other,
}

impl FaultKind {
    pub(super) const ALL: [Self; 10] = [
        Self::TimedOut,
        Self::Connection,
        Self::Credentials,
        Self::Tls,
        Self::ReadOnly,
        Self::OutOfMemory,
        Self::NoReplicas,
        Self::NoPermission,
        Self::Cluster,
        Self::Other,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            Self::Connection => "connection",
            Self::Credentials => "credentials",
            Self::Tls => "tls",
            Self::ReadOnly => "read_only",
            Self::OutOfMemory => "out_of_memory",
            Self::NoReplicas => "no_replicas",
            Self::NoPermission => "no_permission",
            Self::Cluster => "cluster",
            Self::Other => "other",
        }
    }
}

/// An error of Redis, or on the way to it.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    text: String,
}

impl Fault {
    pub(super) fn new(kind: FaultKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// Whether the connection can go on being used: the server has answered, and it is one that may be written to.
    pub(super) fn leaves_connection(&self) -> bool {
        matches!(self.kind, FaultKind::OutOfMemory | FaultKind::NoReplicas)
    }
}

impl From<RedisError> for Fault {
    fn from(error: RedisError) -> Self {
        let kind = match error.code() {
            Some("READONLY" | "MASTERDOWN") => FaultKind::ReadOnly,
            Some("OOM") => FaultKind::OutOfMemory,
            Some("NOREPLICAS") => FaultKind::NoReplicas,
            Some("NOPERM") => FaultKind::NoPermission,
            Some("WRONGPASS" | "NOAUTH") => FaultKind::Credentials,
            Some("MOVED" | "ASK" | "CLUSTERDOWN" | "CROSSSLOT") => {
                let text = format!("{error}: Redis Cluster is not supported; use a single server or Sentinel");
                return Self::new(FaultKind::Cluster, text);
            }
            _ if error.is_timeout() => FaultKind::TimedOut,
            _ if error.kind() == ::redis::ErrorKind::AuthenticationFailed => FaultKind::Credentials,
            _ if error.is_io_error() || error.is_connection_dropped() => FaultKind::Connection,
            _ => FaultKind::Other,
        };
        Self::new(kind, error.to_string())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why the table is compared with what is held here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Nothing is known yet.
    Start,
    /// The feed no longer reaches back to this replica's position.
    Gap,
    /// The feed is another one than before.
    Fork,
    /// The table was lost, and is begun anew.
    Lost,
    /// The feed says something that is not signed with a secret that is known here.
    Unbelieved,
    /// From time to time.
    Regular,
}

impl Cause {
    pub(super) const ALL: [Self; 6] = [Self::Start, Self::Gap, Self::Fork, Self::Lost, Self::Unbelieved, Self::Regular];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Gap => "gap",
            Self::Fork => "fork",
            Self::Lost => "lost",
            Self::Unbelieved => "unbelieved",
            Self::Regular => "regular",
        }
    }

    /// Whether changes may have been missed that are no facts.
    pub(super) const fn is_gap(self) -> bool {
        matches!(self, Self::Gap | Self::Fork | Self::Lost | Self::Unbelieved)
    }
}

/// How a session ended.
pub(super) enum End {
    Failed(Fault),
    Odd(Cause),
    /// The server that followed is gone.
    Gone,
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_stays_in_use_only_if_the_server_had_no_room_or_too_few_replicas() {
        let staying: Vec<_> =
            FaultKind::ALL.into_iter().filter(|kind| Fault::new(*kind, "").leaves_connection()).collect();
        assert_eq!(staying, [FaultKind::OutOfMemory, FaultKind::NoReplicas]);
    }
}
