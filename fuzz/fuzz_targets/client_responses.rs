//! Each service against a cloud whose responses are the input: statuses, headers, JSON of the three
//! protocols, and anything else. Operations may fail, but must end.
#![no_main]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use arbitrary::{Arbitrary, Unstructured};
use drivedal::layers::{Policy, RetryLayer, retry::Backoff};
use futures::{TryStreamExt, stream};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use libfuzzer_sys::fuzz_target;
use opendal::{
    Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter, OperationContext, Operator,
};
use serde_json::{Map, Value};

/// Names of JSON members in all three protocols.
const KEYS: &[&str] = &[
    "@microsoft.graph.downloadUrl",
    "@odata.deltaLink",
    "@odata.nextLink",
    "available",
    "bundle",
    "childCount",
    "children",
    "code",
    "contentProperties",
    "contentUrl",
    "count",
    "createdDate",
    "createdDateTime",
    "cTag",
    "customerExists",
    "data",
    "deleted",
    "driveId",
    "driveType",
    "end",
    "error",
    "error_description",
    "eTag",
    "expirationDateTime",
    "expires_in",
    "file",
    "fileSystemInfo",
    "folder",
    "from",
    "hashes",
    "id",
    "info",
    "innerError",
    "isRoot",
    "kind",
    "lastModifiedDateTime",
    "link",
    "location",
    "logref",
    "md5",
    "message",
    "metadataUrl",
    "modifiedDate",
    "name",
    "nextExpectedRanges",
    "nextToken",
    "nodeId",
    "nodes",
    "owner",
    "package",
    "paging",
    "next",
    "parentReference",
    "parent_id",
    "parents",
    "path",
    "quickXorHash",
    "quota",
    "remoteItem",
    "remaining",
    "reset",
    "resourceId",
    "root",
    "sha1Hash",
    "size",
    "source",
    "specialFolder",
    "status",
    "statusCode",
    "checkpoint",
    "total",
    "type",
    "updated_time",
    "uploadUrl",
    "upload_location",
    "value",
    "access_token",
    "token_type",
    "user",
    "displayName",
];

/// Values with a meaning in a protocol.
const WORDS: &[&str] = &[
    "",
    "a",
    "f",
    "A",
    "..",
    ".",
    "a/b",
    "FILE",
    "FOLDER",
    "AVAILABLE",
    "TRASH",
    "PURGED",
    "file",
    "folder",
    "album",
    "notebook",
    "completed",
    "failed",
    "inProgress",
    "itemNotFound",
    "nameAlreadyExists",
    "resyncRequired",
    "NAME_ALREADY_EXISTS",
    "resource_not_found",
    "request_throttled",
    "https://cloud.test/v1.0/next",
    "https://cloud.test/x",
    "http://evil.test/",
    "https://cloud.test/drive/v1/",
    "2014-03-02T01:00:00Z",
    "9999-12-31T23:59:59.999Z",
    "0-",
    "5-",
    "0-4",
    "18446744073709551615-",
    "folder.0123456789abcdef",
    "file.0123456789abcdef.0123!1",
    "folder.0123456789abcdef.0123!2",
    "?offset=1&limit=1",
    "5d41402abc4b2a76b9719d911017c592",
    "business",
    "personal",
    "bearer",
    "you must wait 7 seconds",
    "Next token is expired",
];

/// Headers that the clients read.
const HEADERS: &[&str] = &[
    "content-range",
    "content-length",
    "retry-after",
    "date",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "location",
    "etag",
    "content-type",
    "bits-session-id",
    "bits-received-content-range",
    "bits-error",
    "x-resource-id",
    "www-authenticate",
    "x-clienterrorcode",
    "request-id",
    "x-virus-infected",
];

/// A text with or without a meaning in a protocol.
#[derive(Arbitrary, Debug)]
enum Text {
    Word(u8),
    Number(u64),
    Range(u8, u8, u8),
    Any(String),
}

impl Text {
    /// Returns the text.
    fn text(self) -> String {
        match self {
            Self::Word(at) => WORDS[at as usize % WORDS.len()].to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Range(from, to, total) => format!("bytes {from}-{to}/{total}"),
            Self::Any(text) => text,
        }
    }
}

/// Returns JSON, mostly with members that the client knows. It has at most `depth` levels of lists
/// and objects.
///
/// # Errors
/// If the fuzzer's input ends.
fn json(input: &mut Unstructured<'_>, depth: u32) -> arbitrary::Result<Value> {
    Ok(match input.int_in_range(0..=if depth == 0 { 5 } else { 9 })? {
        0 => Value::Null,
        1 => Value::from(bool::arbitrary(input)?),
        2 => Value::from(u8::arbitrary(input)?),
        3 => Value::from(i64::arbitrary(input)?),
        4 => Value::from(f64::arbitrary(input)?),
        5 => Value::from(Text::arbitrary(input)?.text()),
        6 => {
            let len = input.int_in_range(0..=4)?;
            Value::Array((0..len).map(|_| json(input, depth - 1)).collect::<Result<_, _>>()?)
        }
        _ => {
            let mut members = Map::new();
            for _ in 0..input.int_in_range(0..=10)? {
                let key = KEYS[input.choose_index(KEYS.len())?];
                members.insert(key.to_owned(), json(input, depth - 1)?);
            }
            Value::Object(members)
        }
    })
}

/// A response of the cloud, or an interrupted connection.
#[derive(Debug)]
struct Answer {
    /// `None`: the connection is interrupted.
    status: Option<u16>,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    broken: bool,
}

impl<'a> Arbitrary<'a> for Answer {
    /// Derives a response from the fuzzer's input.
    ///
    /// # Errors
    /// If the input ends.
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let status = match input.int_in_range(0..=9)? {
            0 => None,
            1 => Some(input.int_in_range(100..=999)?),
            2 => Some(*input.choose(&[400, 401, 403, 404, 409, 410, 412, 416, 429, 503])?),
            _ => Some(*input.choose(&[200, 200, 200, 201, 202, 204, 206])?),
        };
        let mut headers = Vec::new();
        for _ in 0..input.int_in_range(0..=4)? {
            let name = HEADERS[input.choose_index(HEADERS.len())?];
            headers.push((name, Text::arbitrary(input)?.text()));
        }
        let body = match input.int_in_range(0..=7)? {
            0 => Vec::<u8>::arbitrary(input)?,
            // Amazon's changes: one value per line.
            1 => {
                let len = input.int_in_range(1..=4)?;
                let lines = (0..len).map(|_| Ok(json(input, 4)?.to_string() + "\n"));
                lines.collect::<arbitrary::Result<String>>()?.into_bytes()
            }
            _ => json(input, 5)?.to_string().into_bytes(),
        };
        Ok(Self { status, headers, body, broken: input.ratio(1, 10)? })
    }
}

/// A cloud that returns these responses in turn, and the number of its requests.
#[derive(Clone, Default)]
struct Cloud(Arc<Mutex<(VecDeque<Answer>, u32)>>);

/// Maximum number of requests for one input. The fuzzer detects a client that never stops.
const REQUESTS_MAX: u32 = 2_000_000;

impl HttpTransport for Cloud {
    /// Returns the next response.
    ///
    /// # Errors
    /// `Unexpected`, temporary, for an interrupted connection.
    async fn fetch(&self, _: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let answer = {
            let mut state = self.0.lock().expect("no panic");
            state.1 += 1;
            assert!(state.1 < REQUESTS_MAX, "the client does not stop");
            // Repeat the responses cyclically.
            let answer = state.0.pop_front();
            if let Some(answer) = &answer {
                let Answer { status, headers, body, broken } = answer;
                let (headers, body) = (headers.clone(), body.clone());
                let again = Answer { status: *status, headers, body, broken: *broken };
                state.0.push_back(again);
            }
            answer
        };
        let reset = || Error::new(ErrorKind::Unexpected, "reset").set_temporary();
        let Some(Answer { status: Some(status), headers, body, broken }) = answer else {
            return Err(reset());
        };
        let len = body.len() as u64;
        let mut pieces = vec![Ok(Buffer::from(body))];
        if broken {
            pieces.push(Err(reset()));
        }
        let pieces = stream::iter(pieces).try_filter(|piece| std::future::ready(!piece.is_empty()));
        let mut response = Response::new(HttpBody::new(pieces, Some(len)));
        *response.status_mut() = StatusCode::from_u16(status).expect("100 to 999");
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        Ok(response)
    }
}

/// Returns an operator of the service with this scheme that sends its requests to `cloud`.
fn operator(scheme: &str, cloud: &Cloud) -> Operator {
    let endpoint = match scheme {
        "onedrive" => "https://cloud.test/v1.0",
        "skydrive" => "https://cloud.test/v5.0/",
        _ => "https://cloud.test/drive/v1/",
    };
    let mut options = vec![("endpoint", endpoint), ("access_token", "hunter2")];
    if scheme == "amazon-drive" {
        // No delays: timing is not tested here.
        options.push(("upload_wait", "0"));
    }
    let options = options.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
    let backoff = Backoff { initial: Duration::ZERO, max: Duration::ZERO };
    let policy = Policy {
        max_attempts: 2,
        backoff,
        max_delay: Duration::ZERO,
        max_elapsed: Duration::ZERO,
        ..Policy::for_service(scheme)
    };
    let context = OperationContext::new().with_http_transport(HttpTransporter::new(cloud.clone()));
    let operator = Operator::via_iter(scheme, options).expect("a drive");
    operator.with_context(context).layer(RetryLayer::new(policy))
}

/// Calls each operation once, and ignores the results.
async fn everything(operator: Operator) {
    let _ = operator.list("").await;
    let _ = operator.list_with("a/").recursive(true).await;
    let _ = operator.stat("a/f").await;
    let _ = operator.read("a/f").await;
    let _ = operator.read_with("f").range(1..4).await;
    let _ = operator.create_dir("a/b/").await;
    let _ = operator.write("a/f", "hello").await;
    let _ = operator.rename("a/f", "a/g").await;
    let _ = operator.delete("a/f").await;
}

fuzz_target!(|input: (u8, Vec<Answer>)| {
    let (which, answers) = input;
    if answers.is_empty() {
        return;
    }
    drivedal::register();
    let scheme = ["onedrive", "skydrive", "amazon-drive"][which as usize % 3];
    let cloud = Cloud::default();
    cloud.0.lock().expect("no panic").0.extend(answers);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(everything(operator(scheme, &cloud)));
});
