use super::{super::action::OPERATIONS, *};

fn route(method: &str, path: &str) -> Result<LiveRoute> {
    route_with(method, path, None)
}

fn route_with(method: &str, path: &str, content_type: Option<&str>) -> Result<LiveRoute> {
    let mut request = axum::http::Request::builder().method(method).uri(format!("{BASE}{path}"));
    if let Some(content_type) = content_type {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    let parts = request.body(()).expect("a request").into_parts().0;
    match LiveTarget::parse(&parts, &LiveQuery::parse(parts.uri.query()))? {
        LiveTarget::Route(route) => Ok(route),
        LiveTarget::Preview => panic!("a preview has no subject"),
    }
}

const FILE: &str = "file.8c8ce076ca27823f.8C8CE076CA27823F!142";

fn file() -> Subject {
    Subject::Item(LiveId::parse(FILE).expect("an id"))
}

#[test]
fn every_row_of_the_reference_has_its_action() {
    let mine = || Subject::Root(DriveOwner::Me);
    let put = || LiveAction::Put("a b".into());
    for (method, path, subject, action) in [
        ("GET", "/me", Subject::User(DriveOwner::Me), LiveAction::GetUser),
        ("GET", "/me/skydrive", mine(), LiveAction::Get),
        ("GET", "/me/skydrive/files", mine(), LiveAction::List(ListKind::Files)),
        ("GET", "/me/skydrive/quota", mine(), LiveAction::GetQuota),
        ("POST", "/me/skydrive", mine(), LiveAction::CreateFolder),
        ("PUT", "/me/skydrive/files/a%20b", mine(), put()),
        ("PUT", "/me/skydrive/files//a%20b", mine(), put()),
        ("POST", "/me/skydrive/files/", mine(), LiveAction::Post),
        ("GET", &format!("/{FILE}"), file(), LiveAction::Get),
        ("PUT", &format!("/{FILE}"), file(), LiveAction::Update),
        ("DELETE", &format!("/{FILE}"), file(), LiveAction::Delete),
        ("MOVE", &format!("/{FILE}"), file(), LiveAction::Move),
        ("COPY", &format!("/{FILE}"), file(), LiveAction::Copy),
        ("GET", &format!("/{FILE}/content"), file(), LiveAction::GetContent),
        ("PUT", &format!("/{FILE}/content/"), file(), LiveAction::PutContent),
        ("GET", "/me/permissions", Subject::User(DriveOwner::Me), LiveAction::Permissions),
        ("GET", "/me/picture", Subject::User(DriveOwner::Me), LiveAction::GetUserPicture),
        ("GET", "/me/albums", Subject::User(DriveOwner::Me), LiveAction::ListAlbums),
        ("POST", "/me/albums", Subject::User(DriveOwner::Me), LiveAction::CreateAlbum),
        ("GET", "/me/skydrive/recent_docs", mine(), LiveAction::Recent),
        ("GET", "/me/skydrive/shared", mine(), LiveAction::ListShared(ListKind::Files)),
        ("GET", "/me/skydrive/shared/albums", mine(), LiveAction::ListShared(ListKind::Albums)),
        ("GET", "/me/skydrive/search", mine(), LiveAction::Search),
        ("GET", "/me/skydrive/photos", mine(), LiveAction::List(ListKind::Photos)),
        (
            "GET",
            "/me/skydrive/my_documents/files",
            Subject::WellKnownFolder(DriveOwner::Me, "my_documents"),
            LiveAction::List(ListKind::Files),
        ),
        ("GET", &format!("/{FILE}/picture"), file(), LiveAction::GetPicture),
        ("GET", &format!("/{FILE}/embed"), file(), LiveAction::Link(LinkKind::Embed)),
        ("GET", &format!("/{FILE}/shared_read_link"), file(), LiveAction::Link(LinkKind::Read)),
        ("GET", &format!("/{FILE}/shared_edit_link"), file(), LiveAction::Link(LinkKind::Edit)),
        ("GET", &format!("/{FILE}/comments"), file(), LiveAction::ListComments),
        ("POST", &format!("/{FILE}/comments"), file(), LiveAction::AddComment),
        ("GET", &format!("/{FILE}/tags"), file(), LiveAction::ListTags),
    ] {
        assert_eq!(route(method, path), Ok(LiveRoute { subject, action }), "{method} {path}");
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
        ("GET", "/me/permissions"),
        ("GET", "/me/picture"),
        ("GET", "/me/albums"),
        ("POST", "/me/albums"),
        ("GET", "/me/skydrive/recent_docs"),
        ("GET", "/me/skydrive/shared"),
        ("GET", "/me/skydrive/search"),
        ("GET", "/me/skydrive/picture"),
        ("GET", "/me/skydrive/embed"),
        ("GET", "/me/skydrive/comments"),
        ("POST", "/me/skydrive/comments"),
        ("GET", "/me/skydrive/tags"),
        ("GET", "/comment.8c8ce076ca27823f.8c8ce076ca27823f!142.8C8CE076CA27823F!1"),
        ("DELETE", "/comment.8c8ce076ca27823f.8c8ce076ca27823f!142.8C8CE076CA27823F!1"),
        ("GET", "/tag.8c8ce076ca27823f.8c8ce076ca27823f!142.AAAAAA"),
    ] {
        let operation = route(method, path).expect("a route").action.operation();
        assert!(OPERATIONS.contains(&operation), "{operation}");
    }
}

#[test]
fn a_preview_is_a_target_without_a_subject() {
    for path in ["/skydrive/get_item_preview?type=small", "/skydrive//get%5Fitem_preview"] {
        let request = axum::http::Request::get(format!("{BASE}{path}"));
        let parts = request.body(()).expect("a request").into_parts().0;
        let target = LiveTarget::parse(&parts, &LiveQuery::parse(parts.uri.query()));
        assert_eq!(target, Ok(LiveTarget::Preview), "{path}");
        assert_eq!(LiveTarget::Preview.operation(), PREVIEW);
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
        assert_eq!(route.map(|route| route.action), Ok(LiveAction::Move));
    }
    let route = route("DELETE", &format!("/{FILE}?method=GET"));
    assert_eq!(route.map(|route| route.action), Ok(LiveAction::Delete));
}

#[test]
fn a_multipart_body_posted_to_a_folder_is_a_file() {
    let form = Some("Multipart/Form-Data; boundary=x");
    let posted = route_with("POST", "/me/skydrive", form);
    assert_eq!(posted.map(|route| route.action), Ok(LiveAction::Post));
}

#[test]
fn undocumented_requests_have_the_codes_of_the_reference() {
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
        ("POST", "/skydrive/get_item_preview"),
        ("GET", "/me?method=PATCH"),
        ("HEAD", "/me"),
    ] {
        assert_eq!(code(method, path), Err("request_method_invalid"), "{method} {path}");
    }
}
