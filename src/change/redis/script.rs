//! The scripts. They travel with the crate, so that no server has to be prepared.

use ::redis::aio::MultiplexedConnection;
use ::redis::{FromRedisValue, RedisError};

use super::cause::Fault;

/// Writes facts and changes that are news, atomically: the table and the feed.
pub(super) const PUT: &str = r"
local gen, seq, tip = unpack(redis.call('HMGET', KEYS[1], '#gen', '#seq', '#tip'))
if gen ~= ARGV[1] then return {gen and 'gen' or 'none', '0', 0} end
local t = redis.call('TIME')
local latest, refused, start = (t[1] * 1000 + 86400000) * 2, 0, tonumber(seq)
seq = start
for i = 3, #ARGV, 3 do
  local f, v, x = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local rank = tonumber(string.match(v, '^%d+'))
  local known = f ~= '' and redis.call('HGET', KEYS[1], f)
  local before = known and tonumber(string.match(known, '^%d+'))
  if rank > latest then refused = refused + 1
  elseif not before or before < rank then
    if f ~= '' then redis.call('HSET', KEYS[1], f, v) end
    seq = seq + 1
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], string.format('%s-%.0f', gen, seq), 'f', f, 'v', v, 'x', x, 'p', tip)
    tip = x
  end
end
if seq > start then redis.call('HSET', KEYS[1], '#seq', string.format('%.0f', seq), '#tip', tip) end
return {'ok', string.format('%.0f', seq), refused}
";

/// Tells where the feed stands, and begins a generation if there is none. One that a replica has joined which knew what was
/// true before it is marked as whole.
pub(super) const OPEN: &str = r"
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local gen, life = unpack(redis.call('HMGET', KEYS[1], '#gen', '#life'))
if not gen then
  gen = string.format('%.0f', math.max(now, ARGV[1] + 1))
  redis.call('DEL', KEYS[1], KEYS[2])
  redis.call('HSET', KEYS[1], '#gen', gen, '#seq', '0', '#tip', '-')
end
if not life or tonumber(life) < tonumber(ARGV[2]) then redis.call('HSET', KEYS[1], '#life', ARGV[2]) end
if ARGV[3] == '1' then redis.call('HSET', KEYS[1], '#whole', '1') end
local m = redis.call('HMGET', KEYS[1], '#seq', '#tip', '#life', '#whole')
return {gen, m[1], m[2], m[3], string.format('%.0f', now), m[4] == '1' and 1 or 0, redis.call('HLEN', KEYS[1])}
";

/// Proves that the server takes writes, and tells how far the feed is. Without a replica's name it writes nothing.
pub(super) const BEAT: &str = r"
local gen, seq, tip = unpack(redis.call('HMGET', KEYS[1], '#gen', '#seq', '#tip'))
if gen ~= ARGV[2] then return {gen and 'gen' or 'none', '0', '0', 0, 0, 0} end
local t = redis.call('TIME')
if ARGV[1] ~= '' then
  redis.call('ZADD', KEYS[3], t[1], ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', t[1] - 30)
end
local same = false
if ARGV[3] == seq then same = ARGV[4] == tip
elseif ARGV[3] == '0' then same = true
elseif tonumber(ARGV[3]) < tonumber(seq) then
  local id = gen .. '-' .. ARGV[3]
  local e = redis.call('XRANGE', KEYS[2], id, id)[1]
  same = e ~= nil and e[2][6] == ARGV[4]
end
local whole = redis.call('HGET', KEYS[1], '#whole') == '1' and 1 or 0
return {same and 'ok' or 'lost', seq, t[1], redis.call('ZCARD', KEYS[3]), whole, redis.call('HLEN', KEYS[1])}
";

/// Removes rows, or gives them another value, unless they have changed since they were read. The feed is not told.
pub(super) const EDIT: &str = r"
local n = 0
for i = 1, #ARGV, 3 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    if ARGV[i + 2] == '' then redis.call('HDEL', KEYS[1], ARGV[i]) else redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2]) end
    n = n + 1
  end
end
return n
";

/// A script that the server knows.
#[derive(Clone, Debug)]
pub(super) struct Script {
    text: &'static str,
    sha: String,
}

impl Script {
    pub(super) async fn load(text: &'static str, connection: &mut MultiplexedConnection) -> Result<Self, Fault> {
        let sha = ::redis::cmd("SCRIPT").arg("LOAD").arg(text).query_async(connection).await?;
        Ok(Self { text, sha })
    }

    /// Runs it. A server that has forgotten it is given it again.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        connection: &mut MultiplexedConnection,
        keys: &[&str],
        arguments: &[&str],
    ) -> Result<T, Fault> {
        match call("EVALSHA", &self.sha, connection, keys, arguments).await {
            Err(error) if error.code() == Some("NOSCRIPT") => {
                Ok(call("EVAL", self.text, connection, keys, arguments).await?)
            }
            outcome => Ok(outcome?),
        }
    }
}

async fn call<T: FromRedisValue>(
    command: &str,
    script: &str,
    connection: &mut MultiplexedConnection,
    keys: &[&str],
    arguments: &[&str],
) -> Result<T, RedisError> {
    let mut command = ::redis::cmd(command);
    command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
    command.query_async(connection).await
}
