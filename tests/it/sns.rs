//! Messages of Amazon SNS: who is believed, what is fetched, and what comes again.

use crate::kit::{Sns, TOPIC, TestApp};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use lyceum::entities::sns_message;
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};

/// A site that listens to a service.
async fn listening(sns: &Sns) -> TestApp {
    let settings = sns.settings();
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    TestApp::start_with(&settings).await
}

async fn heeded(site: &TestApp) -> usize {
    sns_message::Entity::find()
        .all(site.app.db.read())
        .await
        .unwrap()
        .len()
}

/// A message that speaks of a job that nobody knows.
fn about_a_job(sns: &Sns, id: &str) -> Value {
    sns.notification(
        id,
        r#"{"state":"COMPLETED","jobId":"1415-abc","input":{"key":"a.mp3"}}"#,
    )
}

#[tokio::test]
async fn without_topics_there_is_no_such_address() {
    let sns = Sns::start().await;
    let site = TestApp::start().await;
    let message = about_a_job(&sns, "m-1");
    for path in ["/hooks/transcode/", "/audio/transcode-complete/"] {
        site.tell_at(path, &message).await.expect(404);
    }
    assert_eq!(sns.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_signed_message_is_heeded_at_both_addresses_and_with_both_versions() {
    let sns = Sns::start().await;
    let site = listening(&sns).await;
    let page = site.tell(&about_a_job(&sns, "m-2")).await;
    assert_eq!(page.expect(200).text(), "OK");
    let mut older = about_a_job(&sns, "m-1");
    older["SignatureVersion"] = "1".into();
    sns.sign(&mut older);
    let page = site.tell_at("/audio/transcode-complete/", &older).await;
    assert_eq!(page.expect(200).text(), "OK");
    let mut bare = about_a_job(&sns, "m-3");
    bare.as_object_mut().unwrap().remove("Subject");
    sns.sign(&mut bare);
    site.tell(&bare).await.expect(200);
    assert_eq!(heeded(&site).await, 3);
    assert_eq!(
        sns.asked(),
        ["/good.pem"],
        "the certificate is fetched once"
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_told_before_anything_is_fetched() {
    let sns = Sns::start().await;
    let site = listening(&sns).await;
    let good = about_a_job(&sns, "m-1");
    let mut wrong: Vec<Value> = vec![json!([]), json!("text"), json!({})];
    for name in [
        "Type",
        "MessageId",
        "TopicArn",
        "Message",
        "Timestamp",
        "Signature",
        "SignatureVersion",
        "SigningCertURL",
    ] {
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(name);
        wrong.push(without);
        let mut other = good.clone();
        other[name] = json!({"a": [1]});
        wrong.push(other);
    }
    wrong.push(sns.notification("m-2", "Hello, this is no JSON"));
    wrong.push(sns.notification("m-3", "[1, 2]"));
    let mut confirmation = sns.confirmation("m-4", &sns.subscribe_url());
    confirmation.as_object_mut().unwrap().remove("SubscribeURL");
    wrong.push(confirmation);
    for message in wrong {
        let page = site.tell(&message).await;
        assert_eq!(page.status, 400, "{message}");
    }
    let visitor = site.visitor();
    for (header, body) in [
        ("SubscriptionConfirmation", good.to_string().into_bytes()),
        ("Notification", b"\xff\xfe".to_vec()),
        ("Notification", Vec::new()),
    ] {
        let request = visitor
            .request(reqwest::Method::POST, "/hooks/transcode/")
            .header("x-amz-sns-message-type", header)
            .body(body);
        visitor.send(request).await.expect(400);
    }
    assert_eq!((sns.asked().len(), heeded(&site).await), (0, 0));
}

#[tokio::test]
async fn a_body_without_end_is_refused() {
    let sns = Sns::start().await;
    let site = listening(&sns).await;
    let visitor = site.visitor();
    let request = visitor
        .request(reqwest::Method::POST, "/hooks/transcode/")
        .body("x".repeat(1024 * 1024 + 1));
    visitor.send(request).await.expect(413);
}

#[tokio::test]
async fn another_topic_is_refused_and_nothing_is_fetched_for_it() {
    let sns = Sns::start().await;
    let site = listening(&sns).await;
    for topic in [
        "arn:aws:sns:eu-central-1:123456789012:lectures2",
        "arn:aws:sns:eu-central-1:999999999999:lectures",
        "arn:aws:sns:EU-central-1:123456789012:lectures",
    ] {
        let mut message = about_a_job(&sns, "m-1");
        message["TopicArn"] = topic.into();
        sns.sign(&mut message);
        site.tell(&message).await.expect(403);
        let mut message = sns.confirmation("m-2", &sns.subscribe_url());
        message["TopicArn"] = topic.into();
        sns.sign(&mut message);
        site.tell(&message).await.expect(403);
    }
    assert_eq!((sns.asked().len(), heeded(&site).await), (0, 0));
}

#[tokio::test]
async fn a_message_that_was_changed_is_not_believed() {
    let sns = Sns::start().await;
    let site = listening(&sns).await;
    let good = about_a_job(&sns, "m-1");
    for (name, value) in [
        ("MessageId", "m-2"),
        ("Message", r#"{"state":"COMPLETED","jobId":"other"}"#),
        ("Subject", "Another"),
        ("Timestamp", "2026-03-02T09:29:59.000Z"),
        ("SignatureVersion", "1"),
        ("SignatureVersion", "3"),
        ("Signature", ""),
        ("Signature", "AAAA"),
        ("Signature", "not base64!"),
    ] {
        let mut changed = good.clone();
        changed[name] = value.into();
        site.tell(&changed).await.expect(403);
    }
    let mut renamed = good.clone();
    renamed["Type"] = "UnsubscribeConfirmation".into();
    renamed["Token"] = "t".into();
    renamed["SubscribeURL"] = sns.subscribe_url().into();
    site.tell(&renamed).await.expect(403);
    assert_eq!(heeded(&site).await, 0);
    site.tell(&good).await.expect(200);
}

#[tokio::test]
async fn certificates_are_fetched_from_trusted_hosts_alone() {
    let sns = Sns::start().await;
    let site = listening(&sns).await;
    let port = sns.host.rsplit_once(':').unwrap().1;
    for url in [
        format!("http://{}/good.pem", sns.host),
        format!("https://user@{}/good.pem", sns.host),
        format!("https://user:word@{}/good.pem", sns.host),
        format!("https://{}/good.pem#x", sns.host),
        format!("https://{}/good.pem?x=1", sns.host),
        format!("https://{}/good.txt", sns.host),
        format!("https://localhost:{port}/good.pem"),
        format!("https://sns.evil.com:{port}/good.pem"),
        format!("https://sns.us-east-1.amazonaws.com:{port}/good.pem"),
        format!("https://sns.us-east-1.amazonaws.com@{}/good.pem", sns.host),
        "https://sns.us-east-1.amazonaws.com.evil.com/good.pem".to_owned(),
        "https://evil.com/good.pem".to_owned(),
        "file:///etc/ssl/cert.pem".to_owned(),
        "good.pem".to_owned(),
        String::new(),
    ] {
        let mut message = about_a_job(&sns, "m-1");
        message["SigningCertURL"] = url.into();
        site.tell(&message).await.expect(403);
    }
    assert_eq!((sns.asked().len(), heeded(&site).await), (0, 0));
}

#[tokio::test]
async fn a_certificate_counts_only_when_it_is_good_in_every_way() {
    let sns = Sns::start().await;
    let site = listening(&sns).await;
    let at = |year, month| rcgen::date_time_ymd(year, month, 1);
    let expired = sns.certificate(&["127.0.0.1"], |params| params.not_after = at(2026, 1));
    let early = sns.certificate(&["127.0.0.1"], |params| params.not_before = at(2026, 4));
    let other = sns.certificate(&["sns.example.org"], |_| {});
    let nameless = sns.certificate(&[], |_| {});
    let (leaf, issuer) = sns.chain();
    let pairs: [(&str, u16, String); 9] = [
        ("/expired.pem", 200, expired.pem()),
        ("/early.pem", 200, early.pem()),
        ("/other-host.pem", 200, other.pem()),
        ("/nameless.pem", 200, nameless.pem()),
        ("/own.pem", 200, sns.own_certificate().pem()),
        ("/alone.pem", 200, leaf.pem()),
        ("/text.pem", 200, "no certificate".into()),
        ("/long.pem", 200, "x".repeat(100_000)),
        ("/missing.pem", 404, String::new()),
    ];
    for (path, status, pem) in pairs {
        sns.put(path, status, pem);
        let mut message = about_a_job(&sns, "m-1");
        message["SigningCertURL"] = sns.url(path).into();
        let page = site.tell(&message).await;
        assert_eq!(page.status, 403, "{path}");
        let asked = sns.asked().len();
        site.tell(&message).await.expect(403);
        assert_eq!(
            sns.asked().len(),
            asked,
            "{path} is not fetched again at once"
        );
    }
    assert_eq!(heeded(&site).await, 0);
    sns.put("/chain.pem", 200, format!("{}{}", leaf.pem(), issuer.pem()));
    let mut message = about_a_job(&sns, "m-1");
    message["SigningCertURL"] = sns.url("/chain.pem").into();
    site.tell(&message).await.expect(200);
}

#[tokio::test]
async fn a_certificate_that_expires_is_no_longer_good_although_it_is_remembered() {
    let sns = Sns::start().await;
    let site = listening(&sns).await;
    let short = sns.certificate(&["127.0.0.1"], |params| {
        params.not_after = rcgen::date_time_ymd(2026, 3, 3);
    });
    sns.put("/good.pem", 200, short.pem());
    site.tell(&about_a_job(&sns, "m-1")).await.expect(200);
    site.wait_seconds(2 * 86_400);
    site.tell(&about_a_job(&sns, "m-2")).await.expect(403);
    assert_eq!(heeded(&site).await, 1);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_had_just_now_is_asked_for_when_the_message_comes_again() {
    let sns = Sns::start().await;
    let site = listening(&sns).await;
    sns.put("/good.pem", 503, Vec::new());
    let message = about_a_job(&sns, "m-1");
    site.tell(&message).await.expect(503);
    site.tell(&message).await.expect(503);
    assert_eq!(sns.asked(), ["/good.pem"], "not at once again");
    assert_eq!(heeded(&site).await, 0);
    site.wait_seconds(6);
    let good = sns.certificate(&["127.0.0.1"], |_| {});
    sns.put("/good.pem", 200, good.pem());
    site.tell(&message).await.expect(200);
    assert_eq!(heeded(&site).await, 1);
}

/// Whoever knows the name of a topic can post messages of it, and each may name another certificate.
#[tokio::test]
async fn forged_messages_wait_for_certificates_in_small_numbers_and_the_others_are_sent_away() {
    let sns = Sns::start().await;
    let site = listening(&sns).await;
    site.tell(&about_a_job(&sns, "m-1")).await.expect(200);
    let known = sns.asked().len();
    let hold = sns.hold().await;
    let mut forged: FuturesUnordered<_> = (0..30)
        .map(|number| {
            let mut message = about_a_job(&sns, "m-2");
            message["SigningCertURL"] = sns.url(&format!("/{number}.pem")).into();
            let site = &site;
            async move { site.tell(&message).await.status }
        })
        .collect();
    for _ in 0..10 {
        assert_eq!(forged.next().await, Some(503));
    }
    assert!(sns.asked().len() <= known + 4, "{:?}", sns.asked());
    // A message whose certificate is known waits for none of them.
    site.tell(&about_a_job(&sns, "m-3")).await.expect(200);
    drop(hold);
    let rest: Vec<u16> = forged.collect().await;
    assert_eq!(rest.len(), 20);
    assert!(rest.iter().all(|status| [403, 503].contains(status)));
    assert_eq!(heeded(&site).await, 2);
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let sns = Sns::start().await;
    let site = listening(&sns).await;
    sns.put("/good.pem", 302, Vec::new());
    site.tell(&about_a_job(&sns, "m-1")).await.expect(403);
    assert_eq!(sns.asked(), ["/good.pem"]);
}

#[tokio::test]
async fn a_subscription_to_a_topic_of_ours_is_confirmed_once() {
    let sns = Sns::start().await;
    let site = listening(&sns).await;
    sns.put("/", 200, "<ConfirmSubscriptionResponse/>");
    let message = sns.confirmation("m-1", &sns.subscribe_url());
    assert_eq!(site.tell(&message).await.expect(200).text(), "OK");
    site.tell(&message).await.expect(200);
    let confirmed: Vec<String> = sns
        .asked()
        .into_iter()
        .filter(|path| path.starts_with("/?"))
        .collect();
    let expected = format!("/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37");
    assert_eq!(confirmed, [expected]);
}

#[tokio::test]
async fn a_subscription_is_confirmed_at_trusted_hosts_and_for_its_own_topic_alone() {
    let sns = Sns::start().await;
    let site = listening(&sns).await;
    let query = format!("Action=ConfirmSubscription&TopicArn={TOPIC}&Token=t");
    for url in [
        format!("https://evil.com/?{query}"),
        format!("http://{}/?{query}", sns.host),
        format!("https://user@{}/?{query}", sns.host),
        format!("https://sns.us-east-1.amazonaws.com.evil.com/?{query}"),
        sns.url(&format!("/?Action=DeleteTopic&TopicArn={TOPIC}")),
        sns.url("/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-central-1:1:other&Token=t"),
        sns.url("/"),
        "no address".to_owned(),
    ] {
        let page = site.tell(&sns.confirmation("m-1", &url)).await;
        assert_eq!(page.status, 403, "{url}");
    }
    assert_eq!(
        (sns.asked(), heeded(&site).await),
        (vec!["/good.pem".to_owned()], 0)
    );
}

#[tokio::test]
async fn a_confirmation_that_does_not_go_through_is_waited_for_and_one_too_late_is_let_be() {
    let sns = Sns::start().await;
    let site = listening(&sns).await;
    let message = sns.confirmation("m-1", &sns.subscribe_url());
    sns.put("/", 500, Vec::new());
    site.tell(&message).await.expect(503);
    assert_eq!(heeded(&site).await, 0);
    sns.put("/", 400, "<Code>InvalidParameter</Code>");
    site.tell(&message).await.expect(200);
    assert_eq!(heeded(&site).await, 1);
}

#[tokio::test]
async fn that_a_topic_says_no_more_is_taken_and_fetches_nothing() {
    let sns = Sns::start().await;
    let site = listening(&sns).await;
    let mut message = sns.confirmation("m-1", &sns.subscribe_url());
    message["Type"] = "UnsubscribeConfirmation".into();
    sns.sign(&mut message);
    site.tell(&message).await.expect(200);
    assert_eq!(
        sns.asked(),
        ["/good.pem"],
        "nobody subscribes again by himself"
    );
}

#[tokio::test]
async fn a_message_that_comes_again_changes_nothing_also_when_two_come_at_once() {
    let sns = Sns::start().await;
    let site = listening(&sns).await;
    let message = about_a_job(&sns, "m-1");
    let (one, two, three) = tokio::join!(
        site.tell(&message),
        site.tell(&message),
        site.tell(&message)
    );
    for page in [one, two, three] {
        assert_eq!(page.expect(200).text(), "OK");
    }
    assert_eq!(heeded(&site).await, 1);
    let second = site.second().await;
    second.tell(&message).await.expect(200);
    assert_eq!(heeded(&site).await, 1);
}

#[tokio::test]
async fn neither_cookies_nor_another_method_matter() {
    let sns = Sns::start().await;
    let site = listening(&sns).await;
    let clara = site.login_as("clara", crate::kit::Role::Student).await;
    let body = about_a_job(&sns, "m-1").to_string();
    let request = clara
        .request(reqwest::Method::POST, "/hooks/transcode/")
        .body(body);
    clara.send(request).await.expect(200);
    let page = clara.get("/hooks/transcode/").await;
    assert_eq!(page.expect(405).header("allow").as_deref(), Some("POST"));
}
