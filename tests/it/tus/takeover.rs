//! Connections that break, stall and are replaced; a site that stops at any moment.

use super::{NAME, checksum, noise, rows, teacher};
use crate::kit::{Browser, PART_BYTES, TestApp, answer, client, name_of, until};
use backends::clock::Clock;
use backends::files::Visit;
use bytes::Bytes;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

#[tokio::test]
async fn a_second_connection_takes_over_from_a_stalled_one_at_once() {
    let (site, clara) = teacher(&[]).await;
    let bytes = noise(2_000_000);
    let address = clara.announce(NAME, bytes.len()).await;
    let whole = (0, bytes.len());
    let stalled = clara
        .begin_addition(&site.url, &address, whole, "", &bytes[..900_000])
        .await;
    site.until_arrived(&address, 256 << 10).await;
    let taking = async {
        let offset = clara.offset(&address).await;
        assert!((1..=900_000).contains(&offset), "{offset}");
        clara.add(&address, offset, &bytes[offset..]).await
    };
    // It would take two minutes if the stalled one were waited for.
    let page = tokio::time::timeout(Duration::from_secs(60), taking).await;
    let id = page.expect("nobody is waited for").expect(204).upload();
    let said = answer(stalled).await;
    assert!(said.starts_with("HTTP/1.1 409"), "{said}");
    let stored = clara.get(&format!("/media/{id}/original")).await;
    assert_eq!(stored.expect(200).bytes, bytes);
}

#[tokio::test]
async fn another_process_of_the_site_takes_over_too() {
    let (site, clara) = teacher(&[]).await;
    let second = site.second().await;
    let there = clara.at(&second.url);
    let bytes = noise(2_000_000);
    let address = clara.announce(NAME, bytes.len()).await;
    let whole = (0, bytes.len());
    let stalled = clara
        .begin_addition(&site.url, &address, whole, "", &bytes[..900_000])
        .await;
    site.until_arrived(&address, 256 << 10).await;
    let offset = there.offset(&address).await;
    let page = there.add(&address, offset, &bytes[offset..]).await;
    let id = page.expect(204).upload();
    assert!(answer(stalled).await.starts_with("HTTP/1.1 409"));
    let stored = clara.get(&format!("/media/{id}/original")).await;
    assert_eq!(stored.expect(200).bytes, bytes);
}

#[tokio::test]
async fn what_arrived_before_a_connection_broke_is_kept() {
    let (site, clara) = teacher(&[]).await;
    let bytes = noise(1_000_000);
    let address = clara.announce(NAME, bytes.len()).await;
    let whole = (0, bytes.len());
    let broken = clara
        .begin_addition(&site.url, &address, whole, "", &bytes[..700_001])
        .await;
    site.until_arrived(&address, 256 << 10).await;
    drop(broken);
    // All that was sent gets there before the end of the connection does.
    until("everything is kept", async || {
        (site.arrived(&address).await.len() == 700_001).then_some(())
    })
    .await;
    assert_eq!(clara.offset(&address).await, 700_001);
    clara
        .add(&address, 700_001, &bytes[700_001..])
        .await
        .expect(204)
        .upload();
}

#[tokio::test]
async fn what_arrived_without_its_checksum_is_not_kept() {
    let (site, clara) = teacher(&[]).await;
    let bytes = noise(1_000_000);
    let address = clara.announce(NAME, bytes.len()).await;
    clara.add(&address, 0, &bytes[..1_000]).await.expect(204);
    let sum = format!("Upload-Checksum: {}\r\n", checksum("sha1", &bytes[1_000..]));
    let rest = (1_000, bytes.len() - 1_000);
    let broken = clara
        .begin_addition(&site.url, &address, rest, &sum, &bytes[1_000..700_000])
        .await;
    site.until_arrived(&address, 256 << 10).await;
    let row = rows(&site).await.remove(0);
    assert_eq!(row.unverified_from_bytes, Some(1_000));
    drop(broken);
    assert_eq!(clara.offset(&address).await, 1_000);
    assert_eq!(site.arrived(&address).await, bytes[..1_000]);
}

#[tokio::test]
async fn a_file_that_was_stored_and_not_written_down_is_finished_by_whoever_asks() {
    let (site, clara) = teacher(&[]).await;
    let bytes = noise(20_000);
    for by_moving in [false, true] {
        let address = clara.announce(NAME, bytes.len()).await;
        let files = &site.app.files;
        let name = name_of(&address);
        let row = rows(&site).await;
        let row = row.iter().find(|row| row.id == name).unwrap();
        let key = format!("{}/original", row.prefix);
        let Visit::Held(mut partial) = files.visit(name, &key).await.unwrap() else {
            panic!("it is nobody else's");
        };
        partial.write(Bytes::from(bytes.clone())).await.unwrap();
        let partial = partial.sync().await.unwrap();
        if by_moving {
            files.promote(partial).await.unwrap();
        } else {
            drop(partial);
        }
        let page = clara.look(&address).await;
        assert_eq!(page.expect(200).offset(), bytes.len());
        let stored = clara
            .get(&format!("/media/{}/original", page.upload()))
            .await;
        assert_eq!(stored.expect(200).bytes, bytes);
    }
    assert_eq!((site.uploads().await.len(), site.arriving().await), (2, 0));
}

/// Starts `lyceum serve` over the same data, and waits until it answers.
async fn serve(site: &TestApp, url: &str) -> Child {
    let config = &site.app.config;
    let child = Command::new(env!("CARGO_BIN_EXE_lyceum"))
        .arg("serve")
        .arg("--no-worker")
        .current_dir(site.folder())
        .env("LYCEUM_DATA", site.folder())
        .env("LYCEUM_LISTEN", url.strip_prefix("http://").unwrap())
        .env("LYCEUM_DATABASE", &config.database)
        .env("LYCEUM_FILES", &config.files)
        .env("LYCEUM_SECRET", &config.secret.0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    until("the site answers", async || {
        let answer = client()
            .build()
            .unwrap()
            .get(format!("{url}/healthz"))
            .send()
            .await
            .ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
    child
}

async fn kill(mut child: Child) {
    child.start_kill().unwrap();
    child.wait().await.unwrap();
}

#[tokio::test]
async fn an_upload_goes_on_through_three_kills_and_no_byte_is_wrong() {
    let site = TestApp::start().await;
    // The site that is killed is a process of its own, with the computer's clock.
    site.clock.set(Clock::system().now());
    let clara = site.login_as("clara", crate::kit::Role::Instructor).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", port.local_addr().unwrap());
    drop(port);
    let there: Browser = clara.at(&url);
    // What is there after a kill: pieces on the disk, parts in a store of objects.
    let (length, least, sends) = if site.is_on_disk() {
        (6_000_000, 256 << 10, [700_000, 1_500_000, 900_000])
    } else {
        (75_000_000, PART_BYTES, [22_000_000, 23_000_000, 21_500_000])
    };
    let bytes = noise(length);
    let mut child = serve(&site, &url).await;
    let address = there.announce(NAME, bytes.len()).await;
    let mut offset = 0;
    for sent in sends {
        let rest = (offset, bytes.len() - offset);
        let beginning = &bytes[offset..offset + sent];
        let cut = there
            .begin_addition(&url, &address, rest, "", beginning)
            .await;
        site.until_arrived(&address, offset + least).await;
        kill(child).await;
        drop(cut);
        child = serve(&site, &url).await;
        let told = there.offset(&address).await;
        assert!(told >= offset + least, "what was there is kept");
        assert!(told <= offset + sent, "no byte is told that was not sent");
        if site.is_on_disk() {
            assert_eq!(site.arrived(&address).await, bytes[..told]);
        }
        offset = told;
    }
    let answer = there.add(&address, offset, &bytes[offset..]).await;
    let id = answer.expect(204).upload();
    kill(child).await;
    let stored = clara.get(&format!("/media/{id}/original")).await;
    assert_eq!(stored.expect(200).bytes, bytes);
}
