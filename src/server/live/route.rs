//! What a request is about: method and path to an action on a subject (A.5).

use axum::http::{Method, header, request::Parts};

use super::{
    error::{LiveError, Result},
    ids::{LiveId, is_cid},
    query::{Query, decoded},
};

/// Where Live Connect lies.
pub(super) const BASE: &str = "/v5.0";

/// Whose, in a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// `me`: whose token it is.
    Mine,
    /// A user's id.
    User(String),
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A user.
    User(Whose),
    /// A user's root folder, by its well-known name.
    Root(Whose),
    /// An item, by its id.
    Item(LiveId),
}

/// What is to be done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    GetUser,
    GetQuota,
    Get,
    Update,
    Delete,
    Move,
    Copy,
    CreateFolder,
    List,
    /// A file of this name.
    Put(String),
    Post,
    GetContent,
    PutContent,
}

/// What anything else is called.
pub(super) const UNKNOWN: &str = "live.unknown";

/// What every operation is called in counters, log and fault rules.
pub(super) const OPERATIONS: &[&str] = &[
    "live.user.get",
    "live.quota.get",
    "live.item.get",
    "live.item.update",
    "live.item.delete",
    "live.item.move",
    "live.item.copy",
    "live.folder.create",
    "live.files.list",
    "live.files.put",
    "live.files.post",
    "live.content.get",
    "live.content.put",
    UNKNOWN,
];

impl Action {
    /// What it is called in counters, log and fault rules.
    pub(super) fn operation(&self) -> &'static str {
        match self {
            Self::GetUser => "live.user.get",
            Self::GetQuota => "live.quota.get",
            Self::Get => "live.item.get",
            Self::Update => "live.item.update",
            Self::Delete => "live.item.delete",
            Self::Move => "live.item.move",
            Self::Copy => "live.item.copy",
            Self::CreateFolder => "live.folder.create",
            Self::List => "live.files.list",
            Self::Put(_) => "live.files.put",
            Self::Post => "live.files.post",
            Self::GetContent => "live.content.get",
            Self::PutContent => "live.content.put",
        }
    }
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub subject: Subject,
    pub action: Action,
}

impl Route {
    /// What a request asks for.
    pub(super) fn of(request: &Parts, query: &Query) -> Result<Self> {
        let path = request.uri.path();
        let rest = path.strip_prefix(BASE).unwrap_or(path);
        // Clients join `upload_location`, which ends in a slash, with one of their own.
        let segments: Vec<_> =
            rest.split('/').filter(|one| !one.is_empty()).map(decoded).collect::<Result<_>>()?;
        let segments: Vec<&str> = segments.iter().map(|segment| segment.as_ref()).collect();
        let (subject, tail) = subject(&segments)?;
        let action = action(&method(request, query)?, &subject, tail, is_multipart(request))?;
        Ok(Self { subject, action })
    }
}

/// The method that is meant: `?method=` of a GET or POST, for clients that cannot send others.
fn method(request: &Parts, query: &Query) -> Result<Method> {
    match query.get("method") {
        Some(name) if request.method == Method::GET || request.method == Method::POST => {
            Method::from_bytes(name.to_ascii_uppercase().as_bytes())
                .map_err(|_| LiveError::method(name))
        }
        _ => Ok(request.method.clone()),
    }
}

fn is_multipart(request: &Parts) -> bool {
    request.headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        value.as_bytes().to_ascii_lowercase().starts_with(b"multipart/form-data")
    })
}

/// The subject of a path, and what follows it.
fn subject<'a>(segments: &'a [&'a str]) -> Result<(Subject, &'a [&'a str])> {
    let Some((&first, rest)) = segments.split_first() else {
        return Err(LiveError::url("The URL doesn't name a resource."));
    };
    let whose = match first {
        "me" => Some(Whose::Mine),
        user if is_cid(user) => Some(Whose::User(user.to_ascii_lowercase())),
        _ => None,
    };
    match (whose, rest) {
        (Some(whose), ["skydrive", rest @ ..]) => Ok((Subject::Root(whose), rest)),
        (Some(whose), rest) => Ok((Subject::User(whose), rest)),
        (None, rest) => match LiveId::parse(first) {
            Some(id) => Ok((Subject::Item(id), rest)),
            None => {
                Err(LiveError::url(format!("The requested resource ID '{first}' isn't valid.")))
            }
        },
    }
}

/// What a method does with what a path names.
fn action(method: &Method, subject: &Subject, tail: &[&str], multipart: bool) -> Result<Action> {
    let refused = || Err(LiveError::method(method.as_str()));
    match (subject, tail) {
        (Subject::User(_), []) => match method.as_str() {
            "GET" => Ok(Action::GetUser),
            _ => refused(),
        },
        (Subject::Root(_), ["quota"]) => match method.as_str() {
            "GET" => Ok(Action::GetQuota),
            _ => refused(),
        },
        (Subject::Root(_) | Subject::Item(_), []) => match method.as_str() {
            "GET" => Ok(Action::Get),
            "PUT" => Ok(Action::Update),
            "DELETE" => Ok(Action::Delete),
            "MOVE" => Ok(Action::Move),
            "COPY" => Ok(Action::Copy),
            "POST" if multipart => Ok(Action::Post),
            "POST" => Ok(Action::CreateFolder),
            _ => refused(),
        },
        (Subject::Root(_) | Subject::Item(_), ["files"]) => match method.as_str() {
            "GET" => Ok(Action::List),
            "POST" => Ok(Action::Post),
            _ => refused(),
        },
        (Subject::Root(_) | Subject::Item(_), ["files", name]) => match method.as_str() {
            "PUT" => Ok(Action::Put((*name).to_owned())),
            _ => refused(),
        },
        (Subject::Root(_) | Subject::Item(_), ["content"]) => match method.as_str() {
            "GET" => Ok(Action::GetContent),
            "PUT" => Ok(Action::PutContent),
            _ => refused(),
        },
        (_, tail) => Err(LiveError::url(format!(
            "The URL contains the unsupported path '{}'.",
            tail.join("/")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: &str, path: &str) -> Result<Route> {
        route_with(method, path, None)
    }

    fn route_with(method: &str, path: &str, content_type: Option<&str>) -> Result<Route> {
        let mut request =
            axum::http::Request::builder().method(method).uri(format!("{BASE}{path}"));
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let parts = request.body(()).expect("a request").into_parts().0;
        Route::of(&parts, &Query::of(parts.uri.query()))
    }

    const FILE: &str = "file.8c8ce076ca27823f.8C8CE076CA27823F!142";

    fn file() -> Subject {
        Subject::Item(LiveId::parse(FILE).expect("an id"))
    }

    #[test]
    fn every_row_of_the_reference_has_its_action() {
        let mine = || Subject::Root(Whose::Mine);
        let put = || Action::Put("a b".into());
        for (method, path, subject, action) in [
            ("GET", "/me", Subject::User(Whose::Mine), Action::GetUser),
            ("GET", "/me/skydrive", mine(), Action::Get),
            ("GET", "/me/skydrive/files", mine(), Action::List),
            ("GET", "/me/skydrive/quota", mine(), Action::GetQuota),
            ("POST", "/me/skydrive", mine(), Action::CreateFolder),
            ("PUT", "/me/skydrive/files/a%20b", mine(), put()),
            ("PUT", "/me/skydrive/files//a%20b", mine(), put()),
            ("POST", "/me/skydrive/files/", mine(), Action::Post),
            ("GET", &format!("/{FILE}"), file(), Action::Get),
            ("PUT", &format!("/{FILE}"), file(), Action::Update),
            ("DELETE", &format!("/{FILE}"), file(), Action::Delete),
            ("MOVE", &format!("/{FILE}"), file(), Action::Move),
            ("COPY", &format!("/{FILE}"), file(), Action::Copy),
            ("GET", &format!("/{FILE}/content"), file(), Action::GetContent),
            ("PUT", &format!("/{FILE}/content/"), file(), Action::PutContent),
        ] {
            assert_eq!(route(method, path), Ok(Route { subject, action }), "{method} {path}");
        }
    }

    #[test]
    fn every_operation_is_listed() {
        for (method, path) in [
            ("GET", "/me"),
            ("GET", "/me/skydrive/quota"),
            ("GET", "/me/skydrive"),
            ("PUT", "/me/skydrive"),
            ("DELETE", "/me/skydrive"),
            ("MOVE", "/me/skydrive"),
            ("COPY", "/me/skydrive"),
            ("POST", "/me/skydrive"),
            ("GET", "/me/skydrive/files"),
            ("POST", "/me/skydrive/files"),
            ("PUT", "/me/skydrive/files/a"),
            ("GET", "/me/skydrive/content"),
            ("PUT", "/me/skydrive/content"),
        ] {
            let operation = route(method, path).expect("a route").action.operation();
            assert!(OPERATIONS.contains(&operation), "{operation}");
        }
    }

    #[test]
    fn an_id_may_be_percent_encoded() {
        assert_eq!(
            route("GET", &format!("/{}", FILE.replace('!', "%21"))).map(|r| r.subject),
            Ok(file())
        );
    }

    #[test]
    fn a_method_may_be_given_in_the_query_of_get_and_post() {
        for (method, query) in [("GET", "MOVE"), ("POST", "move")] {
            let route = route(method, &format!("/{FILE}?method={query}"));
            assert_eq!(route.map(|route| route.action), Ok(Action::Move));
        }
        let route = route("DELETE", &format!("/{FILE}?method=GET"));
        assert_eq!(route.map(|route| route.action), Ok(Action::Delete));
    }

    #[test]
    fn a_multipart_body_posted_to_a_folder_is_a_file() {
        let form = Some("Multipart/Form-Data; boundary=x");
        let posted = route_with("POST", "/me/skydrive", form);
        assert_eq!(posted.map(|route| route.action), Ok(Action::Post));
    }

    #[test]
    fn what_the_reference_does_not_have_is_refused_in_its_words() {
        let code = |method, path: &str| route(method, path).map_err(|error| error.code);
        for path in [
            "",
            "/",
            "/foo",
            "/me/nothing",
            "/me/skydrive/files/a/b",
            "/me/skydrive/content/x",
            "/me/skydrive/%ff",
            &format!("/{FILE}/quota"),
        ] {
            assert_eq!(code("GET", path), Err("request_url_invalid"), "{path}");
        }
        for (method, path) in [
            ("PUT", "/me"),
            ("POST", "/me/skydrive/quota"),
            ("PATCH", "/me/skydrive"),
            ("DELETE", "/me/skydrive/files"),
            ("GET", "/me/skydrive/files/a"),
            ("POST", "/me/skydrive/content"),
            ("GET", "/me?method=PATCH"),
            ("HEAD", "/me"),
        ] {
            assert_eq!(code(method, path), Err("request_method_invalid"), "{method} {path}");
        }
    }
}
