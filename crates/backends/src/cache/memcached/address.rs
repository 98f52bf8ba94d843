//! The servers that a `memcached:` URL names.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};

use super::wire::Connection;
use crate::cache::CacheError;
use crate::cache::options::fault;

/// Where Memcached listens when a URL names no port.
const DEFAULT_PORT: u16 = 11_211;

/// Where one server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// What rendezvous hashing knows the server by: `host:port` as they stand in the URL (an IPv6
    /// address without its brackets), or the path of its socket. pymemcache makes the same text of
    /// the same server.
    pub label: String,
    endpoint: Endpoint,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Endpoint {
    Tcp(String, u16),
    Unix(PathBuf),
}

impl Address {
    /// Connects to it; the caller sees to it that this does not take for ever. On the connection, a
    /// server that says nothing for `patience` counts as dead.
    pub async fn connect(&self, patience: Duration) -> io::Result<Connection> {
        match &self.endpoint {
            Endpoint::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                let (read, write) = stream.into_split();
                Ok(Connection::new(Box::new(read), Box::new(write), patience))
            }
            Endpoint::Unix(path) => {
                let (read, write) = UnixStream::connect(path).await?.into_split();
                Ok(Connection::new(Box::new(read), Box::new(write), patience))
            }
        }
    }
}

/// Reads what stands between `memcached:` and `?`: two slashes, then `host`, `host:port`,
/// `[IPv6]:port` or the absolute path of a socket, several of them with commas in between.
pub fn parse(place: &str) -> Result<Vec<Address>, CacheError> {
    let list = place
        .strip_prefix("//")
        .ok_or_else(|| fault("names no servers, as in memcached://one:11211,two:11211"))?;
    let mut labels = HashSet::new();
    let mut servers = Vec::new();
    for server in list.split(',') {
        let address = one(server)?;
        if !labels.insert(address.label.clone()) {
            return Err(fault("names a server twice"));
        }
        servers.push(address);
    }
    Ok(servers)
}

fn one(server: &str) -> Result<Address, CacheError> {
    if server.starts_with('/') {
        return Ok(Address {
            label: server.to_owned(),
            endpoint: Endpoint::Unix(PathBuf::from(server)),
        });
    }
    let server = server.strip_suffix('/').unwrap_or(server);
    if server.contains('@') {
        return Err(fault(
            "names a user, which Memcached's text protocol does not have",
        ));
    }
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').unwrap_or(("", ""));
            let has_port = port.is_empty() || port.starts_with(':');
            (host, if has_port { port.get(1..) } else { Some("bad") })
        }
        None => match server.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        },
    };
    let port = match port {
        None => Ok(DEFAULT_PORT),
        Some(port) => port.parse(),
    };
    let is_host = !host.is_empty() && !host.contains(['/', ' ', '[', ']']);
    match port {
        Ok(port) if is_host && port != 0 => Ok(Address {
            label: format!("{host}:{port}"),
            endpoint: Endpoint::Tcp(host.to_owned(), port),
        }),
        _ => Err(fault(
            "names a server that is neither host:port nor the absolute path of a socket",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(place: &str) -> Vec<String> {
        let servers = parse(place).expect(place);
        servers.into_iter().map(|server| server.label).collect()
    }

    #[test]
    fn servers_are_known_by_the_text_that_pymemcache_makes_of_them() {
        assert_eq!(labels("//a:11211,b"), ["a:11211", "b:11211"]);
        assert_eq!(labels("//[::1]:1,[fe80::2]"), ["::1:1", "fe80::2:11211"]);
        assert_eq!(labels("//10.0.0.1:2/"), ["10.0.0.1:2"]);
        assert_eq!(
            labels("///run/memcached.sock,/b"),
            ["/run/memcached.sock", "/b"]
        );
    }

    #[test]
    fn what_is_no_list_of_servers_is_refused_without_repeating_it() {
        for place in [
            "",
            "//",
            "a:1",
            "//a:1,,b:1",
            "//a:1,a:1",
            "//s3cret:s3cret@a:1",
            "//a:0",
            "//a:65536",
            "//a:b",
            "//[::1",
            "//[::1]1",
            "//a/b:1",
            "//:11211",
        ] {
            let error = parse(place).expect_err(place).to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
