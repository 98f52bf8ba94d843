//! What a message of SNS says of a job: the form of Elastic Transcoder, and that of MediaConvert by way of
//! EventBridge.

use backends::mediaconvert::{Job, JobStatus};
use serde_json::Value;

/// What was said of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// What the service calls the job.
    pub job_id: String,
    /// The token that we gave along, when it is a job of ours.
    pub token: Option<String>,
    /// Key of the recording in its bucket, where it is told.
    pub input_key: Option<String>,
    /// How the job stands.
    pub said: Said,
}

/// How a job stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// It is worked on; so many of a hundred, where that is told.
    Progress(Option<f64>),
    /// It goes on, although something is odd.
    Warning(String),
    /// Its results are there.
    Complete,
    /// It went wrong.
    Failed {
        /// A number of the service's, or nothing.
        code: String,
        /// The service's words.
        message: String,
    },
    /// Somebody stopped it at the service.
    Canceled,
}

/// Longest name of a job that is looked for.
const JOB_ID_LIMIT: usize = 100;

impl Notice {
    /// Reads the text of a notification; `None` when it speaks of something else.
    ///
    /// # Errors
    /// Says what is expected when it is no JSON object.
    pub fn read(text: &str) -> Result<Option<Self>, String> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| format!("The Message of this notification is no JSON: {error}."))?;
        if !value.is_object() {
            return Err("The Message of this notification is no JSON object.".into());
        }
        let is_event = value.get("source").and_then(Value::as_str) == Some("aws.mediaconvert");
        let found = if is_event {
            of_event(&value)
        } else {
            of_elastic_transcoder(&value)
        };
        Ok(found.filter(|notice| (1..=JOB_ID_LIMIT).contains(&notice.job_id.len())))
    }

    /// The same as MediaConvert answers when it is asked.
    pub fn of(job: &Job) -> Self {
        let said = match job.status {
            JobStatus::Submitted | JobStatus::Other => Said::Progress(None),
            JobStatus::Progressing => Said::Progress(job.job_percent_complete),
            JobStatus::Complete => Said::Complete,
            JobStatus::Canceled => Said::Canceled,
            JobStatus::Error => Said::Failed {
                code: job
                    .error_code
                    .map(|code| code.to_string())
                    .unwrap_or_default(),
                message: job.error_message.clone().unwrap_or_default(),
            },
        };
        Self {
            job_id: job.id.clone(),
            token: job.token().map(str::to_owned),
            input_key: None,
            said,
        }
    }
}

/// "MediaConvert Job State Change" (MediaConvert user guide, "EventBridge events").
fn of_event(value: &Value) -> Option<Notice> {
    if text(value, "/detail-type") != "MediaConvert Job State Change" {
        return None;
    }
    let percent = value
        .pointer("/detail/jobProgress/jobPercentComplete")
        .and_then(Value::as_f64);
    let said = match text(value, "/detail/status").as_str() {
        "COMPLETE" => Said::Complete,
        "ERROR" => Said::Failed {
            code: text(value, "/detail/errorCode"),
            message: text(value, "/detail/errorMessage"),
        },
        "CANCELED" => Said::Canceled,
        "NEW_WARNING" => Said::Warning(text(value, "/detail/warnings")),
        "STATUS_UPDATE" | "PROGRESSING" | "SUBMITTED" | "INPUT_INFORMATION" | "QUEUE_HOP" => {
            Said::Progress(percent)
        }
        _ => return None,
    };
    Some(Notice {
        job_id: text(value, "/detail/jobId"),
        token: Some(text(value, "/detail/userMetadata/lyceum")).filter(|token| !token.is_empty()),
        input_key: None,
        said,
    })
}

/// "Notifications" of the Elastic Transcoder developer guide. The service is closed; others send its form.
fn of_elastic_transcoder(value: &Value) -> Option<Notice> {
    let message = || text(value, "/messageDetails");
    let said = match text(value, "/state").as_str() {
        "PROGRESSING" => Said::Progress(None),
        "COMPLETED" => Said::Complete,
        "WARNING" => Said::Warning(message()),
        "ERROR" => Said::Failed {
            code: text(value, "/errorCode"),
            message: message(),
        },
        _ => return None,
    };
    Some(Notice {
        job_id: text(value, "/jobId"),
        token: None,
        input_key: Some(text(value, "/input/key")).filter(|key| !key.is_empty()),
        said,
    })
}

/// The value at a place as text, for people and for lookup; empty where there is none.
fn text(value: &Value, place: &str) -> String {
    match value.pointer(place) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Notice> {
        Notice::read(text).unwrap()
    }

    #[test]
    fn the_form_of_elastic_transcoder_is_understood() {
        let notice = read(
            r#"{"state":"ERROR","version":"2012-09-25","jobId":"1415-abc","pipelineId":"p","errorCode":3001,
                "messageDetails":"no input","input":{"key":"uploads/x/original"},
                "outputs":[{"id":"1","key":"a.mp3","status":"Error","duration":3}]}"#,
        )
        .unwrap();
        assert_eq!(notice.job_id, "1415-abc");
        assert_eq!(notice.input_key.as_deref(), Some("uploads/x/original"));
        let failed = Said::Failed {
            code: "3001".into(),
            message: "no input".into(),
        };
        assert_eq!(notice.said, failed);
        let said =
            |state: &str| read(&format!(r#"{{"state":"{state}","jobId":"1"}}"#)).map(|n| n.said);
        assert_eq!(said("PROGRESSING"), Some(Said::Progress(None)));
        assert_eq!(said("COMPLETED"), Some(Said::Complete));
        assert_eq!(said("WARNING"), Some(Said::Warning(String::new())));
        assert_eq!(said("RESTING"), None);
    }

    #[test]
    fn the_form_of_mediaconvert_is_understood() {
        let event = |detail: &str| {
            read(&format!(
                r#"{{"source":"aws.mediaconvert","detail-type":"MediaConvert Job State Change",
                     "detail":{{"jobId":"1-a","userMetadata":{{"lyceum":"t"}},{detail}}}}}"#
            ))
        };
        let notice = event(r#""status":"STATUS_UPDATE","jobProgress":{"jobPercentComplete":42}"#);
        let notice = notice.unwrap();
        assert_eq!(
            (notice.job_id.as_str(), notice.token.as_deref()),
            ("1-a", Some("t"))
        );
        assert_eq!(notice.said, Said::Progress(Some(42.0)));
        let said = |detail: &str| event(detail).map(|notice| notice.said);
        assert_eq!(
            said(r#""status":"PROGRESSING""#),
            Some(Said::Progress(None))
        );
        assert_eq!(said(r#""status":"COMPLETE""#), Some(Said::Complete));
        assert_eq!(said(r#""status":"CANCELED""#), Some(Said::Canceled));
        let failed = Said::Failed {
            code: "1040".into(),
            message: "x".into(),
        };
        assert_eq!(
            said(r#""status":"ERROR","errorCode":1040,"errorMessage":"x""#),
            Some(failed)
        );
        assert_eq!(said(r#""status":"NOVEL""#), None);
    }

    #[test]
    fn what_speaks_of_something_else_is_left_and_what_is_no_json_is_told() {
        for other in [
            "{}",
            r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#,
            r#"{"state":"COMPLETED"}"#,
            r#"{"state":"COMPLETED","jobId":""}"#,
            r#"{"state":["COMPLETED"],"jobId":{}}"#,
            r#"{"source":"aws.mediaconvert","detail-type":"MediaConvert Queue Hop"}"#,
        ] {
            assert_eq!(read(other), None, "{other}");
        }
        for wrong in ["", "hello", "[1]", "7", "{"] {
            assert!(Notice::read(wrong).is_err(), "{wrong}");
        }
    }
}
