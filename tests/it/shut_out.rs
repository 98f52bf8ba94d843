//! Whoever is shut out is out at once, on every process of the site: pages, programs, rooms, event streams, uploads.

use crate::kit::{Role, TestApp, answer, until};
use lyceum::accounts;

#[tokio::test]
async fn whoever_is_shut_out_on_one_process_is_out_of_the_other_at_once() {
    let site = TestApp::start().await;
    let second = site.second().await;
    until("both know of each other", async || {
        (site.app.bus.peers().len() == 1).then_some(())
    })
    .await;
    let clara = site.login_as("clara", Role::Instructor).await;
    let found = accounts::find_user(site.app.db.read(), "clara").await;
    let id = found.unwrap().unwrap().id;
    let course = site.course(id, "strings").await;
    let room = format!("/ws/chat/room/{}/?v=2", course.id);
    let mut open = Vec::new();
    for browser in [clara.at(&site.url), clara.at(&second.url)] {
        let mut socket = browser.socket(&room).await;
        socket.expect("ready").await;
        let mut events = browser.events("/events/", None).await;
        events.greeting().await;
        // An upload that is on its way: a film whose second half never comes.
        let bytes = vec![b'x'; 900_000];
        let address = browser
            .announce(&[("filename", "notes.txt")], 1_000_000)
            .await;
        let whole = (0, 1_000_000);
        let stream = browser
            .begin_addition(
                browser.url(),
                &address,
                whole,
                "Expect: 100-continue\r\n",
                &bytes,
            )
            .await;
        site.until_arrived(&address, 1).await;
        open.push((browser, socket, events, stream));
    }
    let mut write = site.app.write().await.unwrap();
    accounts::set_active(&mut write, id, false).await.unwrap();
    write.commit().await.unwrap();
    for (browser, mut socket, events, stream) in open {
        assert_eq!(socket.closed().await, 4403, "{}", browser.url());
        events.end().await;
        let told = answer(stream).await;
        assert!(
            told.contains("403 Forbidden") && told.contains("was shut"),
            "{told}"
        );
        until("its session has ended", async || {
            let page = browser.get("/students/courses/").await;
            (page.status == 302).then_some(())
        })
        .await;
        assert_eq!(browser.socket_with(&room, &[]).await.err(), Some(403));
    }
}

#[tokio::test]
async fn whoever_is_taken_from_the_staff_is_out_of_the_rooms_of_others_at_once() {
    let site = TestApp::start().await;
    let owner = site.person("ines", Role::Instructor).await;
    let course = site.course(owner, "strings").await;
    let root = site.login_as("root", Role::Staff).await;
    let path = format!("/ws/chat/room/{}/?v=2", course.id);
    let mut socket = root.socket(&path).await;
    socket.expect("ready").await;
    let found = accounts::find_user(site.app.db.read(), "root").await;
    let id = found.unwrap().unwrap().id;
    let mut write = site.app.write().await.unwrap();
    accounts::set_staff(&mut write, id, false).await.unwrap();
    write.commit().await.unwrap();
    assert_eq!(socket.closed().await, 1012);
    until("her rights are looked up anew", async || {
        let refused = root.socket_with(&path, &[]).await.err();
        (refused == Some(403)).then_some(())
    })
    .await;
}
