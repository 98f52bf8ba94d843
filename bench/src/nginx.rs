//! The peer of delivery: nginx as Debian packs it, with `sendfile`, on the same file.

use crate::Outcome;
use crate::server::{Server, free_port};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Serves the folder `root`; its own files are in `folder`.
pub fn start(folder: &Path, root: &Path) -> Outcome<Server> {
    let port = free_port()?;
    let (own, root) = (folder.display(), root.display());
    // Its workers must be able to read the folder, which is its starter's alone.
    let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
    let text = format!(
        "user {user};
        worker_processes auto;
        daemon off;
        pid {own}/nginx.pid;
        error_log {own}/nginx.log warn;
        events {{ worker_connections 256; }}
        http {{
            access_log off;
            sendfile on;
            tcp_nopush on;
            keepalive_requests 100000000;
            client_body_temp_path {own}/nginx-body;
            proxy_temp_path {own}/nginx-proxy;
            fastcgi_temp_path {own}/nginx-fastcgi;
            uwsgi_temp_path {own}/nginx-uwsgi;
            scgi_temp_path {own}/nginx-scgi;
            open_file_cache max=100;
            server {{ listen 127.0.0.1:{port}; root {root}; }}
        }}"
    );
    let path = folder.join("nginx.conf");
    fs::write(&path, text)?;
    let program = std::env::var("NGINX_PROGRAM").unwrap_or_else(|_| "nginx".to_owned());
    let mut command = Command::new(program);
    command.arg("-p").arg(folder).arg("-c").arg(&path);
    command.arg("-e").arg(folder.join("nginx.log"));
    Server::start(&mut command, port)
}
