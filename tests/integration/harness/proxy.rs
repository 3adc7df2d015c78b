//! nginx with the configuration of `deploy/nginx`, in front of a server of the tests.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::csms::TestCsms;
use super::eventually;

/// What is written around a configuration that is to be included in nginx's `http` block.
const AROUND: &str = "daemon off; master_process off; pid FOLDER/pid; error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi; uwsgi_temp_path FOLDER/uwsgi; scgi_temp_path FOLDER/scgi;
    include FOLDER/chargebook.conf;
}
";

/// A running proxy; ends when dropped.
pub(crate) struct Proxy {
    process: Child,
    address: String,
    _folder: TempDir,
}

impl Proxy {
    /// Starts it, with the addresses of the compose file replaced by those of the server.
    pub(crate) fn before(csms: &TestCsms) -> Self {
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/nginx/chargebook.conf");
        let committed = std::fs::read_to_string(committed).expect("the proxy's configuration");
        // nginx cannot pick a port itself.
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("its address").to_string();
        drop(free);
        let ocpp = csms.ocpp_url();
        let ocpp = ocpp.trim_start_matches("ws://").trim_end_matches("/ocpp/");
        let mut text = committed;
        for (there, here) in [
            ("listen 80;", format!("listen {address};")),
            ("server chargebook:9000;", format!("server {ocpp};")),
            ("server chargebook:8080;", format!("server {};", csms.http_address())),
        ] {
            assert_eq!(text.matches(there).count(), 1, "{there} in {text}");
            text = text.replace(there, &here);
        }
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("written");
        };
        write("chargebook.conf", &text);
        let around = AROUND.replace("FOLDER", folder.path().to_str().expect("UTF-8"));
        write("nginx.conf", &around);
        let process = Command::new("nginx")
            .arg("-c")
            .arg(folder.path().join("nginx.conf"))
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx starts: `cargo xtask test` installs it");
        let proxy = Self { process, address, _folder: folder };
        eventually("the proxy", || TcpStream::connect(&proxy.address).ok());
        proxy
    }

    /// `host:port` of the proxy.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended already; then there is only a status to collect.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
