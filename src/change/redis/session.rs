//! One pair of connections to one server, and what is asked over them.

use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;

use super::cause::Fault;
use super::connect::{COMMAND_LIMIT, Connection, TAIL_LIMIT, connect, find};
use super::keys::Keys;
use super::script::{BEAT, EDIT, OPEN, PUT, Script};
use super::settings::Settings;
use super::standing::Position;
use super::tls::Tls;

/// How long the server waits for an entry.
const BLOCK: Duration = Duration::from_secs(1);
/// Entries of one answer.
const ENTRIES: usize = 500;
/// Rows of one answer, about.
const ROWS: usize = 1000;
/// How long the server waits for its own replicas.
const COPIES_WAIT: Duration = Duration::from_millis(250);

/// An entry of the feed: its id, and names and values in turn.
pub(super) type RawEntry = (String, Vec<Vec<u8>>);

/// The connections. What is published goes over a clone of the first.
pub(super) struct Session {
    pub(super) commands: Commands,
    tail: Connection,
    _driver: Connection,
    _proofs: Option<Connection>,
}

/// What is asked over the connection for commands: cheap to clone.
#[derive(Clone)]
pub(super) struct Commands {
    connection: MultiplexedConnection,
    /// For used proofs: another one where a `WAIT` would hold them up.
    pub(super) proofs: MultiplexedConnection,
    pub(super) keys: Arc<Keys>,
    scripts: Arc<Scripts>,
    feed_entries: String,
    copies: u32,
}

struct Scripts {
    put: Script,
    open: Script,
    beat: Script,
    edit: Script,
}

/// Where the feed stands.
pub(super) struct Opened {
    pub(super) position: Position,
    /// The longest life of a token that any replica knows, in seconds.
    pub(super) token_life: u64,
    /// Redis's time in milliseconds since the Unix epoch.
    pub(super) now: u64,
    /// A replica has joined the generation that knew what was true before it.
    pub(super) is_whole: bool,
    pub(super) rows: u64,
}

impl Opened {
    /// In milliseconds since the Unix epoch, which is what a generation is called.
    pub(super) fn generation_began(&self) -> u64 {
        self.position.generation.parse().unwrap_or(0)
    }
}

/// What a script says of the generation that was asked for.
pub(super) enum Outcome<T> {
    Done(T),
    /// The feed is not as this replica knows it.
    Other,
    /// There is another generation, or none.
    Lost,
}

/// An answer to a beat.
pub(super) struct Beat {
    pub(super) number: u64,
    /// Redis's time in seconds since the Unix epoch.
    pub(super) now: u64,
    pub(super) replicas: usize,
    /// As in [`Opened`].
    pub(super) is_whole: bool,
    pub(super) rows: u64,
}

impl Session {
    pub(super) async fn open(settings: &Settings, keys: &Arc<Keys>, tls: Option<&Tls>) -> Result<Self, Fault> {
        let address = find(settings, tls).await?;
        let mut driver = connect(&address, tls, COMMAND_LIMIT).await?;
        let tail = connect(&address, tls, TAIL_LIMIT).await?;
        let proofs = match settings.copies {
            0 => None,
            _ => Some(connect(&address, tls, COMMAND_LIMIT).await?),
        };
        let connection = &mut driver.commands;
        let scripts = Scripts {
            put: Script::load(PUT, connection).await?,
            open: Script::load(OPEN, connection).await?,
            beat: Script::load(BEAT, connection).await?,
            edit: Script::load(EDIT, connection).await?,
        };
        let commands = Commands {
            connection: connection.clone(),
            proofs: proofs.as_ref().map_or_else(|| connection.clone(), |proofs| proofs.commands.clone()),
            keys: keys.clone(),
            scripts: Arc::new(scripts),
            feed_entries: settings.feed_entries.to_string(),
            copies: settings.copies,
        };
        Ok(Self { commands, tail, _driver: driver, _proofs: proofs })
    }

    /// The entries behind a position: none after a second.
    pub(super) async fn read(&self, position: &Position) -> Result<Vec<RawEntry>, Fault> {
        let mut command = ::redis::cmd("XREAD");
        command.arg("COUNT").arg(ENTRIES).arg("BLOCK").arg(u64::try_from(BLOCK.as_millis()).unwrap_or(u64::MAX));
        let Position { generation, number, .. } = position;
        command.arg("STREAMS").arg(&self.commands.keys.feed).arg(format!("{generation}-{number}"));
        let streams: Option<Vec<(String, Vec<RawEntry>)>> =
            command.query_async(&mut self.tail.commands.clone()).await?;
        Ok(streams.into_iter().flatten().flat_map(|(_, entries)| entries).collect())
    }
}

impl Commands {
    /// Writes fields, values and nonces in turn. How far the feed is then, and how many were rejected.
    pub(super) async fn put(&mut self, generation: &str, rows: &[String]) -> Result<Outcome<(u64, u64)>, Fault> {
        let mut arguments: Vec<&str> = vec![generation, &self.feed_entries];
        arguments.extend(rows.iter().map(String::as_str));
        let keys = [&*self.keys.facts, &*self.keys.feed];
        let (outcome, number, refused): (String, u64, u64) =
            self.scripts.put.run(&mut self.connection, &keys, &arguments).await?;
        Ok(if outcome == "ok" { Outcome::Done((number, refused)) } else { Outcome::Lost })
    }

    /// `knows` says that this replica knows what was true before the generation, or that no replica does any more.
    pub(super) async fn open(
        &mut self,
        known: Option<&str>,
        token_life: Duration,
        knows: bool,
    ) -> Result<Opened, Fault> {
        let life = token_life.as_secs().min(MAX_LIFE).to_string();
        let keys = [&*self.keys.facts, &*self.keys.feed];
        let arguments = [known.unwrap_or("0"), &life, if knows { "1" } else { "0" }];
        let (generation, number, tip, token_life, now, is_whole, rows): (String, u64, String, u64, u64, bool, u64) =
            self.scripts.open.run(&mut self.connection, &keys, &arguments).await?;
        let position = Position { generation, number, tip };
        Ok(Opened { position, token_life, now, is_whole, rows })
    }

    /// Tells the server that this replica lives. The server takes writes, and enough of its own replicas have them.
    pub(super) async fn beat(&mut self, replica: &str, position: &Position) -> Result<Outcome<Beat>, Fault> {
        let outcome = self.compare(replica, position).await?;
        if matches!(outcome, Outcome::Done(_)) {
            if self.copies > 0 {
                // Used proofs go over a connection of their own, which may be dead while this one lives.
                let _: String = ::redis::cmd("PING").query_async(&mut self.proofs).await?;
            }
            self.confirmed().await?;
        }
        Ok(outcome)
    }

    /// Finds out whether the feed is the one of this position. It is read only, and takes no room and no other servers.
    pub(super) async fn look(&mut self, position: &Position) -> Result<Outcome<Beat>, Fault> {
        self.compare("", position).await
    }

    async fn compare(&mut self, replica: &str, position: &Position) -> Result<Outcome<Beat>, Fault> {
        let number = position.number.to_string();
        let keys = [&*self.keys.facts, &*self.keys.feed, &*self.keys.beats];
        let arguments = [replica, &position.generation, &number, &position.tip];
        let (outcome, number, now, replicas, is_whole, rows): (String, u64, u64, usize, bool, u64) =
            self.scripts.beat.run(&mut self.connection, &keys, &arguments).await?;
        Ok(match &*outcome {
            "ok" => Outcome::Done(Beat { number, now, replicas, is_whole, rows }),
            "lost" => Outcome::Other,
            _ => Outcome::Lost,
        })
    }

    /// Rows of the table, and where to go on; zero is the end.
    pub(super) async fn scan(&mut self, cursor: u64) -> Result<(u64, Vec<(Vec<u8>, Vec<u8>)>), Fault> {
        let mut command = ::redis::cmd("HSCAN");
        command.arg(&self.keys.facts).arg(cursor).arg("COUNT").arg(ROWS);
        let (next, found): (u64, Vec<Vec<u8>>) = command.query_async(&mut self.connection).await?;
        let mut found = found.into_iter();
        let mut rows = Vec::new();
        while let (Some(field), Some(value)) = (found.next(), found.next()) {
            rows.push((field, value));
        }
        Ok((next, rows))
    }

    /// Edits rows unless they have changed: fields, values and new values in turn; an empty one removes the row. How many
    /// were edited.
    pub(super) async fn edit(&mut self, rows: &[&str]) -> Result<u64, Fault> {
        self.scripts.edit.run(&mut self.connection, &[&self.keys.facts], rows).await
    }

    /// Waits until enough of Redis's own replicas have what was written.
    pub(super) async fn confirmed(&mut self) -> Result<(), Fault> {
        if self.copies == 0 {
            return Ok(());
        }
        let wait = u64::try_from(COPIES_WAIT.as_millis()).unwrap_or(u64::MAX);
        let copies: u32 = ::redis::cmd("WAIT").arg(self.copies).arg(wait).query_async(&mut self.connection).await?;
        if copies >= self.copies {
            return Ok(());
        }
        let text = format!("{copies} of Redis's own replicas have confirmed, {} are needed", self.copies);
        Err(Fault::new(super::cause::FaultKind::NoReplicas, text))
    }
}

/// Tokens that live longer are rare: 68 years, which every number of Lua holds exactly.
const MAX_LIFE: u64 = 1 << 31;
