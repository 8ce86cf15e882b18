//! A real server, and what an operator does to it.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::Directory;

pub(crate) struct Server {
    pub(crate) port: u16,
    arguments: Vec<String>,
    directory: Directory,
    child: Option<Child>,
}

fn program() -> String {
    std::env::var("ORGATE_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let mut server = Self::stopped(arguments);
        server.run().await;
        server
    }

    /// Not started yet.
    pub(crate) fn stopped(arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { port: free_port(), arguments, directory: Directory::new(), child: None }
    }

    /// Starts it (again), with what is in its directory.
    pub(crate) async fn run(&mut self) {
        let mut command = Command::new(program());
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--dir"]).arg(self.directory.path(""));
        command.args(["--save", "", "--repl-diskless-sync-delay", "0"]).args(&self.arguments).stdout(Stdio::null());
        self.child = Some(command.spawn().unwrap_or_else(|error| {
            panic!("{}: {error}. These tests need a Redis server: install redis-server", program())
        }));
        for _ in 0..500 {
            if self.try_ask(&["PING"]).is_some_and(|answer| answer.contains("PONG") || answer.contains("NOAUTH")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the server does not answer");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What the operator's tool prints. On a busy machine it may find no connection at once.
    pub(crate) fn ask(&self, command: &[&str]) -> String {
        for _ in 0..50 {
            if let Some(answer) = self.try_ask(command) {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("no answer to {command:?}")
    }

    fn try_ask(&self, command: &[&str]) -> Option<String> {
        let output = Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(command).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// `STOP` or `CONT`.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &id]).status().unwrap().success());
        // The third word is the state, T for one that is stopped.
        let is_stopped = || {
            let text = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            text.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
        };
        while cfg!(target_os = "linux") && signal == "STOP" && !is_stopped() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            _ = child.kill();
            _ = child.wait();
        }
    }
}
