//! The proxies: NGINX before the gateway, and those that ask it about each request.

use std::error::Error;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::launched::{Ports, free_port, launch, program};
use crate::processes::{Gateway, end};

/// Ended with the value.
pub(crate) struct Proxies {
    nginx: Nginx,
    asking: [Asking; 2],
}

impl Proxies {
    pub(crate) fn start(folder: &Path, gateway: &Gateway, application: u16) -> Result<Self, Box<dyn Error>> {
        let asking = |name| Asking::start(&folder.join(name), name, gateway, application);
        let nginx = Nginx::start(folder, gateway.port)?;
        Ok(Self { nginx, asking: [asking("nginx")?, asking("envoy-grpc")?] })
    }

    /// The one before the gateway is the first.
    pub(crate) fn ports(&self) -> [u16; 3] {
        let [nginx, envoy] = &self.asking;
        [self.nginx.port, nginx.port, envoy.port]
    }
}

/// A proxy with the configuration that the guide tells people to copy.
struct Asking {
    port: u16,
    child: Child,
}

impl Asking {
    fn start(folder: &Path, name: &str, gateway: &Gateway, application: u16) -> Result<Self, Box<dyn Error>> {
        std::fs::create_dir(folder)?;
        // An hour would fill a disk.
        std::os::unix::fs::symlink("/dev/null", folder.join("access.log"))?;
        let (proxy, forward_auth, ext_authz) = (free_port(), gateway.forward_auth, gateway.ext_authz);
        Ok(Self { port: proxy, child: launch(name, folder, Ports { proxy, forward_auth, ext_authz, application }) })
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        end(Some(&mut self.child));
    }
}

/// NGINX in front of the gateway, as a plain proxy.
struct Nginx {
    port: u16,
    child: Child,
}

impl Nginx {
    fn start(folder: &Path, gateway: u16) -> Result<Self, Box<dyn Error>> {
        let port = free_port();
        let text = format!(
            r#"daemon off;
pid nginx.pid;
error_log stderr warn;
worker_processes 1;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    upstream gateway {{ server 127.0.0.1:{gateway}; keepalive 32; }}
    server {{
        listen 127.0.0.1:{port};
        large_client_header_buffers 4 16k;
        location / {{
            proxy_pass http://gateway;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_buffering off;
            proxy_read_timeout 120s;
        }}
    }}
}}
"#
        );
        let path = folder.join("nginx.conf");
        std::fs::write(&path, text)?;
        let mut command = Command::new(program("nginx"));
        command.arg("-p").arg(folder).arg("-c").arg(path).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(std::fs::File::create(folder.join("nginx.log"))?);
        Ok(Self { port, child: command.spawn()? })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it.
        _ = Command::new("kill").arg(self.child.id().to_string()).status();
        _ = self.child.wait();
    }
}
