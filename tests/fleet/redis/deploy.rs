//! What is shipped for operators: `deploy/redis.conf`, `deploy/redis.acl` and `deploy/compose.yaml`.

use serde::Deserialize;

use super::fleet::{Fleet, redis, settle};
use super::server::Server;
use crate::support::Directory;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");

fn shipped(name: &str) -> String {
    std::fs::read_to_string(format!("{FOLDER}/{name}")).unwrap()
}

/// The rules of `deploy/redis.acl`.
#[tokio::test]
async fn documented_acl_is_enough_and_not_more() {
    let (server, mut fleet) = (Server::start(&[]).await, Fleet::new().await);
    let rules = include_str!("../../../deploy/redis.acl");
    let rule = rules.lines().find(|line| line.starts_with("user orgate ")).unwrap();
    let mut command = vec!["ACL", "SETUSER"];
    command.extend(rule.split(' ').skip(1).map(|word| if word.starts_with('>') { ">secret" } else { word }));
    assert_eq!(server.ask(&command), "OK");
    settle(&server);
    let url = server.url().replace("//", "//orgate:secret@");
    let (one, two) = (fleet.join(redis(&url).copies(0)).await, fleet.join(redis(&url)).await);
    fleet.suspend(&one, 1);
    fleet.all_agree(&[&one, &two]).await;
    for forbidden in [&["FLUSHALL"][..], &["KEYS", "*"], &["GET", "x"], &["HGET", "other", "x"]] {
        let mut command = vec!["--user", "orgate", "--pass", "secret", "--no-auth-warning"];
        command.extend(forbidden);
        assert!(server.ask(&command).contains("NOPERM"), "{forbidden:?}");
    }
}

#[derive(Deserialize)]
struct Compose {
    services: Services,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Services {
    redis: Service,
}

#[derive(Deserialize)]
struct Service {
    image: String,
    command: Vec<String>,
    volumes: Vec<String>,
    ports: Vec<String>,
}

/// The settings of `redis.conf`, in their order.
fn settings() -> Vec<(String, String)> {
    let text = shipped("redis.conf");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').unwrap()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The files run a fleet as they are shipped, but for the password, and the compose file mounts these files and no others.
#[tokio::test]
async fn documented_settings_run_a_fleet() {
    let directory = Directory::new();
    let acl = shipped("redis.acl").replace("CHANGE-ME", "secret");
    let acl_path = directory.path("redis.acl");
    std::fs::write(&acl_path, format!("{acl}\nuser operator on >operator ~* &* +@all\n")).unwrap();
    let config = format!("{FOLDER}/redis.conf");
    let server = Server::start(&["--include", &config, "--aclfile", acl_path.to_str().unwrap()]).await;
    let fleet = Fleet::new().await;
    let url = server.url().replace("//", "//orgate:secret@");
    let (one, two) = (fleet.join(redis(&url)).await, fleet.join(redis(&url)).await);
    one.until("two", |redis| redis.replicas() == 2).await;
    assert_eq!(two.redis.status().counts.errors.values().sum::<u64>(), 0);

    // What runs is what is written.
    let operator = ["--user", "operator", "--pass", "operator", "--no-auth-warning"];
    for (name, value) in settings() {
        let shown = match &*name {
            "aclfile" => continue,
            "maxmemory" => (256 * 1024 * 1024).to_string(),
            _ => value.clone(),
        };
        let asked = server.ask(&[&operator[..], &["CONFIG", "GET", &name]].concat());
        assert_eq!(asked.lines().collect::<Vec<_>>(), [&*name, &*shown], "{name} {value}");
    }
}

#[test]
fn compose_file_runs_the_settings_that_are_tested() {
    let compose: Compose = serde_saphyr::from_str(&shipped("compose.yaml")).unwrap();
    let redis = compose.services.redis;
    let [server, config] = &redis.command[..] else { panic!("{:?}", redis.command) };
    assert_eq!(server, "redis-server");
    let mounts: Vec<Vec<&str>> = redis.volumes.iter().map(|volume| volume.split(':').collect()).collect();
    let at = |file: &str| mounts.iter().find(|mount| mount[0] == file).map(|mount| (mount[1], mount[2])).unwrap();
    assert_eq!(at("./redis.conf"), (&**config, "ro"));
    let aclfile = settings().into_iter().find(|(name, _)| name == "aclfile").unwrap().1;
    assert_eq!(at("./redis.acl"), (&*aclfile, "ro"));
    assert_eq!(mounts.len(), 2);
    assert!(redis.ports.iter().all(|port| port.starts_with("127.0.0.1:")), "{:?}", redis.ports);
    // At least what the guide says.
    let version = redis.image.strip_prefix("redis:").and_then(|tag| tag.split('.').next()).unwrap();
    assert!(version.parse::<u32>().unwrap() >= 7, "{}", redis.image);
}
