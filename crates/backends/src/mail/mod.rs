//! Letters to people: plain text, one addressee each.
//!
//! | URL | where they go |
//! |---|---|
//! | `file:` | `<data>/mail/<id>.eml`, for one machine and for trying things out |
//! | `smtp://user:password@host:port`, `smtps://...` | a mail server |
//! | `log:` | the log, whole; for development |
//! | `off:` | nowhere: the site sends no mail |
//!
//! `?from=` names the sender (`Lyceum <lyceum@localhost>`). `smtps:` is TLS from the first byte.
//! `smtp:` to another machine demands STARTTLS when there is a password and otherwise takes it
//! when offered; `?tls=required`, `?tls=opportunistic` and `?tls=none` say so outright. What a
//! letter says, and when one is sent, is the site's business.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lettre::message::{Mailbox, header};
use lettre::{AsyncFileTransport, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use url::{Host, Url};

const DEFAULT_SENDER: &str = "Lyceum <lyceum@localhost>";

/// How long a mail server may take over one step.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What can go wrong with mail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailError {
    /// The URL is not one of a mail service; says why, without repeating it or its password.
    #[error("the mail URL {0}")]
    Url(String),
    /// The addressee is no mail address.
    #[error("this is no mail address")]
    BadAddress,
    /// The letter could not be put together.
    #[error("the letter cannot be written: {0}")]
    Letter(#[from] lettre::error::Error),
    /// The mail server refuses for good, or cannot be reached now.
    #[error("the mail server: {0}")]
    Smtp(#[from] lettre::transport::smtp::Error),
    /// The folder of letters cannot be written.
    #[error("the mail folder: {0}")]
    Folder(String),
    /// The site sends no mail.
    #[error("this site sends no mail")]
    Off,
}

impl MailError {
    /// Whether the same letter would be refused again: there is no such addressee (RFC 5321, section 4.2.1, 5yz), or it
    /// cannot be written at all.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Smtp(error) => error.is_permanent(),
            Self::BadAddress | Self::Letter(_) | Self::Url(_) | Self::Off => true,
            Self::Folder(_) => false,
        }
    }
}

/// A letter to one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// A mail address, also as `Name <address>`.
    pub to: String,
    /// One line; line breaks and other control characters become spaces.
    pub subject: String,
    /// Plain text of any length.
    pub text: String,
}

/// The way letters leave; clones share it. See the [module](self) for its URLs.
#[derive(Clone)]
pub struct Mail(Arc<Inner>);

struct Inner {
    from: Mailbox,
    transport: Transport,
}

enum Transport {
    File(AsyncFileTransport<Tokio1Executor>, std::path::PathBuf),
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
    Log,
    Off,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // lettre's transports would show the password.
        let kind = match self.0.transport {
            Transport::File(..) => "file",
            Transport::Smtp(_) => "smtp",
            Transport::Log => "log",
            Transport::Off => "off",
        };
        f.debug_struct("Mail")
            .field("kind", &kind)
            .finish_non_exhaustive()
    }
}

impl Mail {
    /// Opens the mail service that `url` names; see the [module](self). Connects to nothing yet:
    /// [`Mail::check`] does. Makes the folder of `file:` in `data_dir`.
    pub fn open(url: &str, data_dir: &Path) -> Result<Self, MailError> {
        let mut url =
            Url::parse(url).map_err(|error| fault(&format!("cannot be read: {error}")))?;
        let from = take_sender(&mut url)?;
        let transport = match url.scheme() {
            "file" if matches!(url.path(), "" | "/") => {
                let folder = data_dir.join("mail");
                std::fs::create_dir_all(&folder)
                    .map_err(|error| MailError::Folder(error.to_string()))?;
                Transport::File(AsyncFileTransport::new(&folder), folder)
            }
            "smtp" | "smtps" => Transport::Smtp(Box::new(smtp(url)?)),
            "log" => Transport::Log,
            "off" => Transport::Off,
            _ => {
                return Err(fault(
                    "is none of file:, smtp://host, smtps://host, log:, off:",
                ));
            }
        };
        Ok(Self(Arc::new(Inner { from, transport })))
    }

    /// Sends a letter; returns when the server, or the disk, has it.
    pub async fn send(&self, letter: Letter) -> Result<(), MailError> {
        let message = self.message(&letter)?;
        match &self.0.transport {
            Transport::Off => return Err(MailError::Off),
            Transport::File(transport, _) => {
                transport
                    .send(message)
                    .await
                    .map_err(|error| MailError::Folder(error.to_string()))?;
            }
            Transport::Smtp(transport) => {
                transport.send(message).await?;
            }
            Transport::Log => {
                tracing::info!(
                    to = letter.to,
                    subject = letter.subject,
                    text = letter.text,
                    "a letter"
                );
            }
        }
        Ok(())
    }

    fn message(&self, letter: &Letter) -> Result<Message, MailError> {
        let to: Mailbox = if letter.to.chars().any(char::is_control) {
            return Err(MailError::BadAddress);
        } else {
            letter.to.parse().map_err(|_| MailError::BadAddress)?
        };
        Ok(Message::builder()
            .from(self.0.from.clone())
            .to(to)
            .subject(one_line(&letter.subject))
            .message_id(None)
            .header(header::ContentType::TEXT_PLAIN)
            .body(letter.text.clone())?)
    }

    /// Whether letters can leave: the server answers and takes the password, the folder can be
    /// written.
    pub async fn check(&self) -> Result<(), MailError> {
        match &self.0.transport {
            Transport::File(_, folder) => {
                let folder = folder.clone();
                let tried = tokio::task::spawn_blocking(move || {
                    let probe = folder.join(".check");
                    std::fs::write(&probe, b"")?;
                    std::fs::remove_file(&probe)
                });
                let tried = tried
                    .await
                    .map_err(|error| MailError::Folder(error.to_string()))?;
                tried.map_err(|error| MailError::Folder(error.to_string()))
            }
            Transport::Smtp(transport) => {
                let takes_mail = transport.test_connection().await?;
                let refused = || fault("names a server that answers, but does not take mail");
                takes_mail.then_some(()).ok_or_else(refused)
            }
            Transport::Log | Transport::Off => Ok(()),
        }
    }
}

/// Takes `from` out of the URL's query, for it is no option of lettre's.
fn take_sender(url: &mut Url) -> Result<Mailbox, MailError> {
    let mut sender = DEFAULT_SENDER.to_owned();
    let mut rest = Vec::new();
    for (name, value) in url.query_pairs() {
        match &*name {
            "from" => sender = value.into_owned(),
            "tls" => rest.push((name.into_owned(), value.into_owned())),
            _ => return Err(fault("has an option other than from and tls")),
        }
    }
    url.set_query(None);
    if !rest.is_empty() {
        url.query_pairs_mut().extend_pairs(rest);
    }
    sender
        .parse()
        .map_err(|_| fault("has a from that is no mail address"))
}

/// A pool of connections to the server, with the encryption that the module's text promises.
fn smtp(mut url: Url) -> Result<AsyncSmtpTransport<Tokio1Executor>, MailError> {
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err(fault("names no host")),
    };
    let asked = url
        .query_pairs()
        .find(|(name, _)| name == "tls")
        .map(|(_, value)| value.into_owned());
    let tls = match (url.scheme(), asked.as_deref()) {
        ("smtp", None) if is_local => None,
        ("smtp", None) if url.password().is_some() => Some("required"),
        ("smtp", None) => Some("opportunistic"),
        ("smtp", Some("none")) | ("smtps", None) => None,
        ("smtp", Some(known @ ("required" | "opportunistic"))) => Some(known),
        _ => {
            return Err(fault(
                "has a tls other than required, opportunistic or none",
            ));
        }
    };
    url.set_query(tls.map(|tls| format!("tls={tls}")).as_deref());
    let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str())
        // Its text may hold parts of the URL.
        .map_err(|_| fault("is not understood: smtp://user:password@host:port"))?;
    Ok(builder.timeout(Some(TIMEOUT)).build())
}

/// A header's text without line breaks, by which further headers could be smuggled in (RFC 5322
/// section 2.2).
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn fault(what: &str) -> MailError {
    MailError::Url(what.to_owned())
}
