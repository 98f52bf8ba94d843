//! A stand-in for MediaConvert's HTTP API. It believes nobody whose signature (Signature Version 4) it does not
//! come to itself, keeps jobs, and writes results where and as the service does.

use super::TestApp;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const REGION: &str = "eu-central-1";
/// The bucket that is mounted as the folder of the site's files.
const STORE: &str = "s3://school-files/lyceum";

/// The stand-in.
pub struct MediaConvert {
    url: String,
    kept: Arc<Kept>,
}

/// What it keeps.
#[derive(Default)]
struct Kept {
    jobs: Mutex<Vec<Value>>,
    asked: Mutex<Vec<String>>,
    probe: Mutex<Option<(u16, Value)>>,
    /// The next request of this method and path is answered with this status, after it has done what it asks.
    fault: Mutex<Option<(u16, String)>>,
}

impl MediaConvert {
    /// Starts it.
    pub async fn start() -> Self {
        let kept = Arc::new(Kept::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&kept));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, kept }
    }

    /// The setting that leads a site to it.
    pub fn setting(&self) -> String {
        self.setting_with(SECRET)
    }

    /// The same with another secret.
    pub fn setting_with(&self, secret: &str) -> String {
        let secret = secret.replace('/', "%2F").replace('+', "%2B");
        format!(
            "mediaconvert://{KEY}:{secret}@{REGION}?role=arn:aws:iam::123456789012:role/MediaConvert\
             &queue=lectures&endpoint={}&store={STORE}",
            self.url
        )
    }

    /// All jobs, oldest first, as they stand.
    pub fn jobs(&self) -> Vec<Value> {
        self.kept.jobs.lock().unwrap().clone()
    }

    /// The only job.
    pub fn job(&self) -> Value {
        let [job] = self.jobs().try_into().expect("one job");
        job
    }

    /// What was asked for, in order: method and path.
    pub fn asked(&self) -> Vec<String> {
        self.kept.asked.lock().unwrap().clone()
    }

    /// What probing answers from now on.
    pub fn probe_answers(&self, status: u16, body: Value) {
        *self.kept.probe.lock().unwrap() = Some((status, body));
    }

    /// Answers the next request of this method and path with a status, although it does what is asked.
    pub fn fails(&self, status: u16, asked: &str) {
        *self.kept.fault.lock().unwrap() = Some((status, asked.to_owned()));
    }

    /// Changes the newest job.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "`json!` reads better at the call without a reference"
    )]
    pub fn change(&self, changes: Value) {
        let mut jobs = self.kept.jobs.lock().unwrap();
        let job = jobs.last_mut().unwrap().as_object_mut().unwrap();
        job.extend(changes.as_object().unwrap().clone());
    }

    /// Does the newest job: writes its results into the mounted bucket and calls it complete.
    pub fn finish(&self, site: &TestApp) {
        let job = self.jobs().pop().unwrap();
        for group in job["settings"]["outputGroups"].as_array().unwrap() {
            write_group(&site.folder().join("files"), group);
        }
        self.change(json!({
            "status": "COMPLETE",
            "jobPercentComplete": 100,
            "outputGroupDetails": [{ "outputDetails": [
                { "durationInMs": 12_040, "videoDetails": { "widthInPx": 640, "heightInPx": 360 } },
                { "durationInMs": 12_000, "videoDetails": { "widthInPx": 426, "heightInPx": 240 } },
            ]}],
        }));
    }
}

/// What EventBridge tells of a job.
#[expect(
    clippy::needless_pass_by_value,
    reason = "`json!` reads better at the call without a reference"
)]
pub fn event(job: &Value, status: &str, more: Value) -> String {
    let mut detail = json!({
        "timestamp": 1_772_443_798_000_i64, "accountId": "123456789012", "queue": job["queue"],
        "jobId": job["id"], "status": status, "userMetadata": job["userMetadata"],
    });
    detail
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json!({
        "version": "0", "id": "1234abcd", "detail-type": "MediaConvert Job State Change",
        "source": "aws.mediaconvert", "region": REGION, "detail": detail,
    })
    .to_string()
}

/// Writes what a group of outputs becomes: names as the service makes them.
fn write_group(files: &Path, group: &Value) {
    let settings = &group["outputGroupSettings"];
    let is_ladder = settings["type"] == "CMAF_GROUP_SETTINGS";
    let place = if is_ladder {
        "cmafGroupSettings"
    } else {
        "fileGroupSettings"
    };
    let destination = settings[place]["destination"].as_str().unwrap();
    let key = destination
        .strip_prefix(STORE)
        .unwrap()
        .trim_start_matches('/');
    let base = files.join(key);
    std::fs::create_dir_all(base.parent().unwrap()).unwrap();
    let stem = base.file_name().unwrap().to_str().unwrap().to_owned();
    let write = |name: String, bytes: &str| {
        std::fs::write(base.parent().unwrap().join(name), bytes).unwrap();
    };
    let mut master = "#EXTM3U\n#EXT-X-VERSION:7\n".to_owned();
    for output in group["outputs"].as_array().unwrap() {
        let name = format!(
            "{stem}{}",
            output["nameModifier"].as_str().unwrap_or_default()
        );
        if is_ladder {
            let is_film = output.get("videoDescription").is_some();
            let ending = if is_film { "cmfv" } else { "cmfa" };
            write(format!("{name}.{ending}"), "a track");
            let track = format!(
                "#EXTM3U\n#EXT-X-MAP:URI=\"{name}.{ending}\",BYTERANGE=\"3@0\"\n#EXTINF:6.0,\n{name}.{ending}\n"
            );
            write(format!("{name}.m3u8"), &track);
            let line = if is_film {
                format!("#EXT-X-STREAM-INF:BANDWIDTH=1\n{name}.m3u8\n")
            } else {
                format!("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",URI=\"{name}.m3u8\"\n")
            };
            master.push_str(&line);
        } else if output["containerSettings"]["container"] == "RAW"
            && output.get("videoDescription").is_some()
        {
            write(format!("{name}.0000000.jpg"), "black");
            write(format!("{name}.0000001.jpg"), "a picture");
        } else {
            let ending = output["extension"].as_str().unwrap_or("mp4");
            write(format!("{name}.{ending}"), "a whole file");
        }
    }
    if is_ladder {
        write(format!("{stem}.m3u8"), &master);
    }
}

async fn answer(
    State(kept): State<Arc<Kept>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    kept.asked
        .lock()
        .unwrap()
        .push(format!("{method} {}", uri.path()));
    if let Err(why) = verify(&method, &uri, &headers, &body) {
        return told(403, &json!({ "message": why }));
    }
    let (status, answer) = act(&kept, &method, &uri, &body);
    let mut fault = kept.fault.lock().unwrap();
    match fault.take_if(|(_, asked)| *asked == format!("{method} {}", uri.path())) {
        Some((status, _)) => told(status, &json!({ "message": "not now" })),
        None => told(status, &answer),
    }
}

fn told(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, axum::Json(body.clone())).into_response()
}

fn act(kept: &Kept, method: &Method, uri: &Uri, body: &[u8]) -> (u16, Value) {
    let path = uri.path().strip_prefix("/2017-08-29/").unwrap_or_default();
    let missing = (404, json!({ "message": "no such job" }));
    let mut jobs = kept.jobs.lock().unwrap();
    match (method.as_str(), path.split_once('/').unwrap_or((path, ""))) {
        ("POST", ("probe", _)) => kept.probe.lock().unwrap().clone().unwrap_or_else(film),
        ("POST", ("jobs", _)) => {
            let mut job: Value = serde_json::from_slice(body).unwrap();
            let known = jobs
                .iter()
                .find(|one| one["clientRequestToken"] == job["clientRequestToken"]);
            if let Some(known) = known {
                return (201, json!({ "job": known }));
            }
            job["id"] = format!("1772443798{:03}-abc", jobs.len()).into();
            job["status"] = "SUBMITTED".into();
            jobs.push(job.clone());
            (201, json!({ "job": job }))
        }
        ("GET", ("jobs", "")) => (200, json!({ "jobs": [] })),
        ("GET", ("search", _)) => {
            let query: BTreeMap<String, String> =
                url::form_urlencoded::parse(uri.query().unwrap().as_bytes())
                    .into_owned()
                    .collect();
            let found = jobs.iter().rev();
            let found = found.filter(|job| {
                job["settings"]["inputs"][0]["fileInput"] == query["inputFile"].as_str()
            });
            (200, json!({ "jobs": found.collect::<Vec<_>>() }))
        }
        ("GET", ("jobs", id)) => match jobs.iter().find(|job| job["id"] == id) {
            Some(job) => (200, json!({ "job": job })),
            None => missing,
        },
        ("DELETE", ("jobs", id)) => match jobs.iter_mut().find(|job| job["id"] == id) {
            Some(job) if job["status"] == "COMPLETE" => (409, json!({ "message": "it has ended" })),
            Some(job) => {
                job["status"] = "CANCELED".into();
                (202, json!({}))
            }
            None => missing,
        },
        _ => (404, json!({ "message": "no such path" })),
    }
}

/// What probing says of a film of 640 pixels.
fn film() -> (u16, Value) {
    let tracks = json!([
        { "trackType": "video", "index": 1, "videoProperties": { "width": 640, "height": 360 } },
        { "trackType": "audio", "index": 2, "audioProperties": { "channels": 2 } },
    ]);
    let container = json!({ "format": "mp4", "duration": 12.0, "tracks": tracks });
    (200, json!({ "probeResults": [{ "container": container }] }))
}

/// Whether the request is signed with the key (AWS, "Create a signed AWS API request").
fn verify(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let sent = header("authorization")
        .strip_prefix("AWS4-HMAC-SHA256 ")
        .ok_or("not signed")?;
    let part = |name: &str| {
        sent.split(", ")
            .find_map(|part| part.strip_prefix(name))
            .unwrap_or_default()
    };
    let date = header("x-amz-date");
    let scope = format!(
        "{}/{REGION}/mediaconvert/aws4_request",
        date.get(..8).ok_or("no date")?
    );
    if part("Credential=") != format!("{KEY}/{scope}") {
        return Err("another key or scope".into());
    }
    let names = part("SignedHeaders=");
    if !["host", "x-amz-date"]
        .iter()
        .all(|name| names.split(';').any(|signed| signed == *name))
    {
        return Err("host and date must be signed".into());
    }
    let mut canonical = format!("{method}\n{}\n{}\n", uri.path(), canonical_query(uri));
    for name in names.split(';') {
        canonical += &[name, ":", header(name).trim(), "\n"].concat();
    }
    canonical += &["\n", names, "\n", &hex(&Sha256::digest(body))].concat();
    let text = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hex(&Sha256::digest(canonical))
    );
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in scope.split('/') {
        key = hmac(&key, part);
    }
    if hex(&hmac(&key, &text)) == part("Signature=") {
        Ok(())
    } else {
        Err("The request signature we calculated does not match the signature you provided.".into())
    }
}

/// Names and values sorted, with everything but letters, digits and `-._~` as `%XX`.
fn canonical_query(uri: &Uri) -> String {
    const PLAIN: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    let code = |text: &str| percent_encoding::utf8_percent_encode(text, PLAIN).to_string();
    let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let mut pairs: Vec<String> = pairs
        .map(|(name, value)| format!("{}={}", code(&name), code(&value)))
        .collect();
    pairs.sort();
    pairs.join("&")
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}
