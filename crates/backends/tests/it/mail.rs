//! Letters into a folder and to a real socket.

use backends::mail::{Letter, Mail, MailError};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

fn letter(to: &str, subject: &str) -> Letter {
    Letter {
        to: to.to_owned(),
        subject: subject.to_owned(),
        text: "Hello,\nyour file is ready.\n".to_owned(),
    }
}

#[tokio::test]
async fn letters_become_files() {
    let data = tempfile::tempdir().unwrap();
    let mail = Mail::open("file:?from=School%20%3Cschool@example.org%3E", data.path()).unwrap();
    mail.check().await.unwrap();
    mail.send(letter("Ann <ann@example.org>", "Ready"))
        .await
        .unwrap();
    let files: Vec<_> = std::fs::read_dir(data.path().join("mail"))
        .unwrap()
        .collect();
    assert_eq!(files.len(), 1);
    let path = files[0].as_ref().unwrap().path();
    assert_eq!(path.extension().unwrap(), "eml");
    let text = std::fs::read_to_string(path).unwrap();
    assert!(
        text.contains("To: Ann <ann@example.org>")
            || text.contains("To: \"Ann\" <ann@example.org>"),
        "{text}"
    );
    assert!(
        text.contains("school@example.org") && text.contains("Subject: Ready"),
        "{text}"
    );
    assert!(text.contains("your file is ready."), "{text}");
}

#[tokio::test]
async fn no_header_can_be_smuggled_in() {
    let data = tempfile::tempdir().unwrap();
    let mail = Mail::open("file:", data.path()).unwrap();
    for to in [
        "a@example.org\r\nBcc: b@example.org",
        "a@example.org, b@example.org",
        "nobody",
        "",
        "a b@example.org",
    ] {
        assert!(
            matches!(mail.send(letter(to, "x")).await, Err(MailError::BadAddress)),
            "{to:?}"
        );
    }
    for subject in [
        "x\r\nBcc: b@example.org",
        "x\nBcc: b@example.org",
        "ä\r\nBcc: b@example.org",
        "x\r\n\r\nbody",
    ] {
        mail.send(letter("a@example.org", subject)).await.unwrap();
    }
    for file in std::fs::read_dir(data.path().join("mail")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
        assert!(head.contains("Content-Type"), "{head}");
    }
}

/// Plays a mail server (RFC 5321) to one client; returns the lines it sent.
async fn serve_one_letter(server: TcpListener) -> Vec<String> {
    let (socket, _) = server.accept().await.unwrap();
    let (reader, mut writer) = socket.into_split();
    let mut lines = BufReader::new(reader).lines();
    let (mut heard, mut in_letter) = (Vec::new(), false);
    writer.write_all(b"220 test\r\n").await.unwrap();
    while let Some(line) = lines.next_line().await.unwrap() {
        let answer: &[u8] = match line.as_str() {
            "." => b"250 ok\r\n",
            _ if in_letter => b"",
            "DATA" => b"354 go\r\n",
            _ => b"250 ok\r\n",
        };
        in_letter |= line == "DATA";
        writer.write_all(answer).await.unwrap();
        heard.push(line);
        if heard.last().is_some_and(|line| line == ".") {
            break;
        }
    }
    heard
}

#[tokio::test]
async fn letters_reach_a_mail_server() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    let heard = tokio::spawn(serve_one_letter(server));
    let data = tempfile::tempdir().unwrap();
    let mail = Mail::open(&format!("smtp://127.0.0.1:{port}"), data.path()).unwrap();
    mail.send(letter("ann@example.org", "Ready")).await.unwrap();
    let heard = heard.await.unwrap();
    assert!(
        heard.iter().any(|line| line == "RCPT TO:<ann@example.org>"),
        "{heard:?}"
    );
    assert!(
        heard.iter().any(|line| line == "Subject: Ready"),
        "{heard:?}"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    drop(server);
    let data = tempfile::tempdir().unwrap();
    let mail = Mail::open(&format!("smtp://user:s3cret@127.0.0.1:{port}"), data.path()).unwrap();
    let error = mail.check().await.expect_err("nobody listens");
    assert!(!format!("{error} {error:?} {mail:?}").contains("s3cret"));
    assert!(mail.send(letter("a@example.org", "x")).await.is_err());
}

#[tokio::test]
async fn wrong_urls_are_refused_without_repeating_them() {
    let data = tempfile::tempdir().unwrap();
    for url in [
        "",
        "nonsense",
        "smtp:",
        "imap://user:s3cret@host",
        "smtp://user:s3cret@host?tls=maybe",
        "smtp://user:s3cret@host?tsl=required",
        "smtp://user:s3cret@host?from=nobody",
        "file:///s3cret",
    ] {
        let error = Mail::open(url, data.path()).expect_err(url);
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
    for url in [
        "smtp://host",
        "smtp://user:s3cret@host:25?tls=none",
        "smtps://user:s3cret@host",
        "log:",
    ] {
        let mail = Mail::open(url, data.path()).unwrap();
        assert!(!format!("{mail:?}").contains("s3cret"));
    }
    Mail::open("log:", data.path())
        .unwrap()
        .send(letter("a@example.org", "x"))
        .await
        .unwrap();
}
