//! Replicas that share changes through a real `redis-server` (or the program that `ORGATE_REDIS_SERVER` names).

mod beside;
mod deploy;
mod doubt;
mod facts;
mod fleet;
mod live;
mod loss;
mod network;
mod path;
mod policy;
mod proxy;
mod random;
mod server;
mod servers;
mod start;
mod tls;
mod trust;
