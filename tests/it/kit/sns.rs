//! A service that signs messages as Amazon SNS does, with a root of its own that a site can be told to trust.
//!
//! The text that is signed is put together here once more, after the SNS developer guide, and openssl signs it:
//! what the site believes was not made by the site's own code.

use super::{Page, TestApp};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use reqwest::Method;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The topic that sites of tests listen to.
pub const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:lectures";

/// The name that the service's certificates carry.
const HOST: &str = "127.0.0.1";

/// A signing service.
pub struct Sns {
    /// `127.0.0.1:<port>`.
    pub host: String,
    folder: TempDir,
    pages: Arc<Pages>,
    root: Issuer<'static, KeyPair>,
    key: KeyPair,
}

/// What it serves, and what was asked for.
#[derive(Default)]
struct Pages {
    served: Mutex<BTreeMap<String, (u16, Vec<u8>)>>,
    asked: Mutex<Vec<String>>,
    gate: tokio::sync::RwLock<()>,
}

impl Sns {
    /// Starts it. Its good certificate is at [`Sns::cert_url`].
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root_key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&root_key).unwrap();
        std::fs::write(folder.path().join("root.pem"), root.pem()).unwrap();
        let root = Issuer::new(params, root_key);
        let key_file = folder.path().join("key.pem");
        openssl(
            &[
                "genpkey",
                "-algorithm",
                "RSA",
                "-pkeyopt",
                "rsa_keygen_bits:2048",
                "-out",
            ],
            &key_file,
            &[],
        );
        let key = KeyPair::from_pem(&std::fs::read_to_string(&key_file).unwrap()).unwrap();
        let pages = Arc::new(Pages::default());
        let host = serve(&root, Arc::clone(&pages)).await;
        let sns = Self {
            host,
            folder,
            pages,
            root,
            key,
        };
        let good = sns.certificate(&[HOST], |_| {});
        sns.put("/good.pem", 200, good.pem());
        sns
    }

    /// The settings of a site that listens to it.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let root = self.folder.path().join("root.pem");
        vec![
            ("sns_topics", TOPIC.to_owned()),
            ("sns_trust", format!("{}={}", self.host, root.display())),
        ]
    }

    /// Where its good certificate is.
    pub fn cert_url(&self) -> String {
        self.url("/good.pem")
    }

    /// An address of it.
    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.host)
    }

    /// Serves something.
    pub fn put(&self, path: &str, status: u16, bytes: impl Into<Vec<u8>>) {
        let mut served = self.pages.served.lock().unwrap();
        served.insert(path.to_owned(), (status, bytes.into()));
    }

    /// Answers nothing until the hold is dropped.
    pub async fn hold(&self) -> tokio::sync::RwLockWriteGuard<'_, ()> {
        self.pages.gate.write().await
    }

    /// Paths that were asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.pages.asked.lock().unwrap().clone()
    }

    /// A certificate of the key that signs messages, by its root, for some names.
    pub fn certificate(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Certificate {
        let names = names.iter().map(|name| (*name).to_owned());
        let mut params = CertificateParams::new(names.collect::<Vec<_>>()).unwrap();
        change(&mut params);
        params.signed_by(&self.key, &self.root).unwrap()
    }

    /// One that has signed itself.
    pub fn own_certificate(&self) -> Certificate {
        let params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
        params.self_signed(&self.key).unwrap()
    }

    /// One by an issuer that its root has signed, and that issuer.
    pub fn chain(&self) -> (Certificate, Certificate) {
        let issuer_key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = params.signed_by(&issuer_key, &self.root).unwrap();
        let params_of_leaf = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
        let leaf = params_of_leaf.signed_by(&self.key, &Issuer::new(params, issuer_key));
        (leaf.unwrap(), issuer)
    }

    /// A notification with this text, signed.
    pub fn notification(&self, message_id: &str, text: &str) -> Value {
        let mut message = json!({
            "Type": "Notification", "MessageId": message_id, "TopicArn": TOPIC, "Subject": "A job",
            "Message": text, "Timestamp": "2026-03-02T09:29:58.000Z", "SignatureVersion": "2",
            "SigningCertURL": self.cert_url(), "UnsubscribeURL": self.url("/unsubscribe"),
        });
        self.sign(&mut message);
        message
    }

    /// A request to confirm a subscription at an address, signed.
    pub fn confirmation(&self, message_id: &str, subscribe_url: &str) -> Value {
        let mut message = json!({
            "Type": "SubscriptionConfirmation", "MessageId": message_id, "TopicArn": TOPIC,
            "Message": "You have chosen to subscribe to the topic.", "Token": "2336412f37",
            "SubscribeURL": subscribe_url, "Timestamp": "2026-03-02T09:29:58.000Z",
            "SignatureVersion": "2", "SigningCertURL": self.cert_url(),
        });
        self.sign(&mut message);
        message
    }

    /// The address that confirms the topic.
    pub fn subscribe_url(&self) -> String {
        self.url(&format!(
            "/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"
        ))
    }

    /// Signs a message as its `SignatureVersion` says.
    pub fn sign(&self, message: &mut Value) {
        let members: &[&str] = if message["Type"] == "Notification" {
            &[
                "Message",
                "MessageId",
                "Subject",
                "Timestamp",
                "TopicArn",
                "Type",
            ]
        } else {
            &[
                "Message",
                "MessageId",
                "SubscribeURL",
                "Timestamp",
                "Token",
                "TopicArn",
                "Type",
            ]
        };
        let mut text = String::new();
        for name in members {
            if let Some(value) = message[*name].as_str() {
                text += &[name, "\n", value, "\n"].concat();
            }
        }
        let digest = if message["SignatureVersion"] == "1" {
            "-sha1"
        } else {
            "-sha256"
        };
        let key = self.folder.path().join("key.pem");
        let signature = openssl(&["dgst", digest, "-sign"], &key, text.as_bytes());
        message["Signature"] = STANDARD.encode(signature).into();
    }
}

impl TestApp {
    /// Posts a message as SNS does.
    pub async fn tell(&self, message: &Value) -> Page {
        self.tell_at("/hooks/transcode/", message).await
    }

    /// The same elsewhere.
    pub async fn tell_at(&self, path: &str, message: &Value) -> Page {
        let visitor = self.visitor();
        let request = visitor
            .request(Method::POST, path)
            .header("Content-Type", "text/plain; charset=UTF-8")
            .header(
                "x-amz-sns-message-type",
                message["Type"].as_str().unwrap_or("none"),
            )
            .body(message.to_string());
        visitor.send(request).await
    }
}

/// Runs openssl on a file; answers what it says.
fn openssl(args: &[&str], file: &PathBuf, input: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut child = Command::new("openssl")
        .args(args)
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {args:?}");
    output.stdout
}

/// Serves the pages over TLS; answers where.
async fn serve(root: &Issuer<'static, KeyPair>, pages: Arc<Pages>) -> String {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, root).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let listener = Tls {
        listener,
        acceptor: TlsAcceptor::from(Arc::new(config)),
    };
    let routes = Router::new().fallback(page).with_state(pages);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    host
}

async fn page(State(pages): State<Arc<Pages>>, uri: Uri) -> (StatusCode, Vec<u8>) {
    pages.asked.lock().unwrap().push(uri.to_string());
    let _open = pages.gate.read().await;
    let served = pages.served.lock().unwrap();
    match served.get(uri.path()) {
        Some((status, bytes)) => (StatusCode::from_u16(*status).unwrap(), bytes.clone()),
        None => (StatusCode::NOT_FOUND, Vec::new()),
    }
}

/// Connections that have shaken hands.
struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, address)) = self.listener.accept().await else {
                continue;
            };
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
