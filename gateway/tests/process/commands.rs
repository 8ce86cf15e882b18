//! What an operator types, and what a supervisor sends.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use orgate::testing::TestIssuer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::application::held;
use crate::endless::endless;
use crate::support::{Running, beginning, get, orgate, status};

#[test]
fn help_and_version_succeed_and_a_wrong_command_does_not() {
    for (arguments, code, shown) in [
        (&["--help"][..], 0, "serve"),
        (&["--version"], 0, "orgate "),
        (&["serve", "--help"], 0, "--config <FILE>"),
        (&["serve"], 2, "--config <FILE>"),
        (&["start"], 2, "unrecognized subcommand"),
        (&["check", "--config", "/nowhere/gateway.toml"], 1, "/nowhere/gateway.toml: cannot read the configuration"),
    ] {
        let output = orgate().args(arguments).output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(shown), "{arguments:?}: {text}");
    }
}

#[test]
fn check_prints_routes_or_the_place_of_the_fault_and_never_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    let text =
        beginning("https://tenant.logto.app/oidc").replace("{proxy}", "127.0.0.1:1").replace("{admin}", "127.0.0.1:2");
    let text = format!(
        "{text}[upstream.a]\nurl = \"http://127.0.0.1:3\"\n[[route]]\npath = \"/a\"\npolicy = \"resource and scope a\"\n\
         upstream = \"a\"\n[log]\nsubject_key = \"${{HUSH}}\"\n"
    );
    let check = |text: &str, secret: Option<&str>| {
        std::fs::write(&path, text).unwrap();
        let mut command = orgate();
        if let Some(secret) = secret {
            command.env("HUSH", secret);
        }
        let output = command.args(["check", "--config"]).arg(&path).output().unwrap();
        let shown = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!shown.contains("s3cret"), "{shown}");
        (output.status.code(), shown)
    };
    assert_eq!(check(&text, Some("s3cret")), (Some(0), "*  /a  resource and scope a  -> a\n".to_owned()));
    let (code, shown) = check(&text, None);
    assert_eq!(code, Some(1));
    assert!(shown.contains("gateway.toml:18:15: the environment variable HUSH is not set"), "{shown}");
    let (code, shown) = check(&text.replace("[log]", "[log]\nsubjekt = \"none\""), Some("s3cret"));
    assert_eq!(code, Some(1));
    assert!(shown.contains("gateway.toml:18:1: unknown field `subjekt`"), "{shown}");
    let (code, shown) =
        check(&text.replace("[log]", "[log]\ndecisions = \"stdout\"\nsubject = \"hash\""), Some("s3cret"));
    assert_eq!(code, Some(1), "a key of less than 16 bytes: {shown}");
}

#[tokio::test]
async fn terminated_gateway_takes_nothing_new_and_lets_what_is_in_flight_end() {
    for signal in ["TERM", "INT"] {
        let issuer = TestIssuer::start().await;
        let (application, mut waiting) = held().await;
        let text = format!(
            "{}[upstream.a]\nurl = \"http://{application}\"\n[[route]]\npath = \"/a\"\npublic = true\nupstream = \"a\"\n",
            beginning(issuer.url())
        );
        let mut gateway = Running::start(&text).await;
        let in_flight = tokio::spawn(get(gateway.proxy, "/a", ""));
        let mut upstream = waiting.recv().await.unwrap();
        gateway.signal(signal);
        for _ in 0..200 {
            if TcpStream::connect(gateway.proxy).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(TcpStream::connect(gateway.proxy).await.is_err(), "it still takes connections");
        assert!(gateway.child.try_wait().unwrap().is_none(), "it ended with a request in flight");
        upstream.write_all(b"done").await.unwrap();
        let response = in_flight.await.unwrap().unwrap();
        assert!(status(&response) == 200 && response.ends_with("done"), "{response}");
        assert_eq!(gateway.ended().await.code(), Some(0), "{}", gateway.log());
    }
}

#[tokio::test]
async fn terminated_gateway_tells_websockets_and_event_streams_to_come_again_before_it_ends() {
    let (issuer, application) = (TestIssuer::start().await, endless().await);
    let text = format!(
        "{}[upstream.a]\nurl = \"http://{application}\"\n[[route]]\npath = \"/a\"\npublic = true\nupstream = \"a\"\n",
        beginning(issuer.url())
    );
    let mut gateway = Running::start(&text).await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Sec-WebSocket-Version: 13\r\n";
    let mut open = Vec::new();
    for more in [upgrade, ""] {
        let mut stream = TcpStream::connect(gateway.proxy).await.unwrap();
        stream.write_all(format!("GET /a HTTP/1.1\r\nHost: a\r\n{more}\r\n").as_bytes()).await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        open.push(tokio::spawn(async move {
            let mut rest = Vec::new();
            // A connection that was cut off ends with an error.
            stream.read_to_end(&mut rest).await.unwrap();
            rest
        }));
    }
    gateway.signal("TERM");
    let rest = futures_util::future::join_all(open).await;
    let [socket, events] = rest.iter().map(|rest| rest.as_ref().unwrap()).collect::<Vec<_>>()[..] else { panic!() };
    assert!(socket.ends_with(b"\x88\x07\x03\xf4retry"), "{}", String::from_utf8_lossy(socket));
    let events = String::from_utf8_lossy(events);
    assert!(events.contains("event: end\nretry: ") && events.ends_with("0\r\n\r\n"), "{events}");
    assert_eq!(gateway.ended().await.code(), Some(0), "{}", gateway.log());
}

#[tokio::test]
async fn supervisor_is_told_of_readiness_and_of_the_end() {
    let issuer = TestIssuer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let text = format!("{}[upstream.a]\nurl = \"http://127.0.0.1:3\"\n", beginning(issuer.url()));
    let notify = folder.path().join("notify");
    let mut gateway = Running::start_with(&text, |command| _ = command.env("NOTIFY_SOCKET", &notify)).await;
    let told = || {
        let mut message = [0; 256];
        let length = socket.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).trim().to_owned()
    };
    assert_eq!(told(), "READY=1");
    gateway.signal("TERM");
    assert_eq!(told(), "STOPPING=1");
    assert!(gateway.ended().await.success());
}

#[test]
fn unit_file_starts_the_program_as_it_expects_to_be_started() {
    let unit = include_str!("../../systemd/orgate.service");
    for line in
        ["Type=notify", "ExecStart=/usr/local/bin/orgate serve --config /etc/orgate/gateway.toml", "DynamicUser=yes"]
    {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
}
