//! `kill -9` and restart under load: what was confirmed before is in force afterwards.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use orgate::testing::{TestTenant, WebhookDelivery};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::application::Recorder;
use crate::support::{RESOURCE, Running, beginning, get, status};

async fn deliver(gateway: &Running, delivery: &WebhookDelivery) -> u16 {
    let mut request = "POST /hooks HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n".to_owned();
    for (name, value) in delivery.headers() {
        _ = write!(request, "{name}: {}\r\n", value.to_str().unwrap());
    }
    let body = String::from_utf8_lossy(delivery.body());
    _ = write!(request, "Content-Length: {}\r\n\r\n{body}", body.len());
    let mut stream = TcpStream::connect(gateway.proxy).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    status(&response)
}

/// The first response that says yes or no.
async fn decided(gateway: &Running, token: &str) -> String {
    for _ in 0..100 {
        let response = get(gateway.proxy, "/orgs/acme/orders", token).await.unwrap();
        if status(&response) != 503 {
            return response;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("still undecided after a hundred questions");
}

#[tokio::test(flavor = "multi_thread")]
async fn confirmed_suspension_survives_kill_9_under_load() {
    let (tenant, application) = (TestTenant::start().await, Recorder::start().await);
    let mut text = format!(
        "{}[upstream.a]\nurl = \"http://{}\"\n[[route]]\npath = \"/orgs/{{org}}/orders\"\n\
         policy = \"resource in organization from path {{org}} and scope read:orders\"\nupstream = \"a\"\n\
         [state]\nfile = \"changes\"\n",
        beginning(tenant.issuer().url()),
        application.address
    );
    _ = writeln!(
        text,
        "[[webhooks]]\npath = \"/hooks\"\nissuer = \"customers\"\nsigning_keys = [\"{}\"]",
        tenant.signing_key()
    );
    let mut gateway = Running::start(&text).await;
    let mint = |user: &str| {
        let token = tenant.issuer().organization_resource_token(RESOURCE, "acme").subject(user).client("web");
        format!("Authorization: Bearer {}\r\n", token.scope("read:orders").mint())
    };
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..4 {
        let (stop, answered, proxy, own) = (stop.clone(), answered.clone(), gateway.proxy, mint(&format!("c{client}")));
        clients.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                // A connection may break; a response is right.
                match get(proxy, "/orgs/acme/orders", &own).await {
                    // A busy machine may have no signature check free for a token that is new after a start.
                    Ok(response) if !response.is_empty() && status(&response) != 503 => {
                        assert_eq!(status(&response), 200, "{response}");
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        });
    }
    let mut suspended = Vec::new();
    for round in 0..5 {
        let user = format!("u{round}");
        tenant.add_user(&user);
        let own = mint(&user);
        assert_eq!(status(&decided(&gateway, &own).await), 200);
        _ = tenant.take_deliveries();
        tenant.suspend(&user);
        for delivery in tenant.take_deliveries() {
            assert_eq!(deliver(&gateway, &delivery).await, 200);
        }
        gateway.signal("KILL");
        assert!(!gateway.ended().await.success());
        gateway.again().await;
        suspended.push(own);
        for own in &suspended {
            let response = decided(&gateway, own).await;
            assert_eq!(status(&response), 401, "{response}");
        }
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    assert!(answered.load(Ordering::Relaxed) > 20, "{answered:?}");
}
