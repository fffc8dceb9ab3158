//! Items, listings, folders, updates and deletes.

use super::*;
use crate::{
    drive::{
        Conditions, Cursor, DeleteTarget, Drive, ErrorKind, IfExists, ItemId, ItemUpdate,
        ListRequest, Page, Result, SiblingSearch,
    },
    transport::scripted::Scripted,
};

async fn item(transport: &Scripted, place: &ItemRef, conditions: &Conditions) -> Result<Item> {
    drive().item(&transport.context(), place, conditions).await
}

async fn list(transport: &Scripted, place: &ItemRef, from: Option<&Cursor>) -> Result<Page> {
    drive().list(&transport.context(), ListRequest::new(place).with_cursor(from)).await
}

#[tokio::test]
async fn an_item_is_one_signed_request_by_path_or_id() {
    for (place, path) in [
        (at(""), "/me/drive/root"),
        (at("my dir/50% #1.txt"), "/me/drive/root:/my%20dir/50%25%20%231.txt"),
        (ItemRef::from_id(&"AB!7".into()), "/me/drive/items/AB%217"),
        (ItemRef::from_id(&"D2#X".into()), "/drives/D2/items/X"),
        // The shortcut itself, whose response names the target.
        (ItemRef::from_id(&"AB!7~D2#X".into()), "/me/drive/items/AB%217"),
    ] {
        let transport = Scripted::expecting([(&*item_request(path), ok(file("F", "a", b"x")))]);
        item(&transport, &place, &Conditions::default()).await.unwrap();
        let sent = &transport.sent()[0];
        assert_eq!(sent.header("authorization"), Some("Bearer token"));
        assert_eq!(sent.header("if-none-match"), None);
    }
}

#[tokio::test]
async fn conditions_are_sent_and_also_checked_by_the_client() {
    let none_match = |etag: &str| Conditions { if_none_match: Some(etag.into()), if_match: None };
    let unchanged = Scripted::by(|_| answer(304, ""));
    let error = item(&unchanged, &at("a"), &none_match("\"e\"")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConditionNotMatch);
    assert_eq!(unchanged.sent()[0].header("if-none-match"), Some("\"e\""));
    // A host that ignores conditions.
    let careless = || Scripted::by(|_| ok(file("F", "a", b"x")));
    let error = item(&careless(), &at("a"), &none_match("\"{F},1\"")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConditionNotMatch);
    item(&careless(), &at("a"), &none_match("\"{F},0\"")).await.unwrap();
    let must_match = |etag: &str| Conditions { if_match: Some(etag.into()), if_none_match: None };
    item(&careless(), &at("a"), &must_match("\"{F},1\"")).await.unwrap();
    item(&careless(), &at("a"), &must_match("*")).await.unwrap();
    let error = item(&careless(), &at("a"), &must_match("\"{F},0\"")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConditionNotMatch);
}

#[tokio::test]
async fn the_next_page_is_requested_by_its_exact_link() {
    let next = "https://graph.microsoft.com/v1.0/me/drive/root:/a:/children?$skiptoken=P%3d1&x=%2F";
    let transport = Scripted::expecting([
        (
            &*page_request("/me/drive/root:/a:/children"),
            ok(json!({"value": [file("1", "one", b"1")], "@odata.nextLink": next})),
        ),
        (&*format!("GET {next}"), ok(json!({"value": [], "@odata.nextLink": format!("{next}3")}))),
        (&*format!("GET {next}3"), ok(json!({"value": [folder("2", "two", "P")]}))),
    ]);
    let first = list(&transport, &at("a"), None).await.unwrap();
    assert_eq!(first.items[0].download_url.as_ref().unwrap().url.expose(), "https://t/1");
    let empty = list(&transport, &at("a"), first.next.as_ref()).await.unwrap();
    assert!(empty.items.is_empty());
    let last = list(&transport, &at("a"), empty.next.as_ref()).await.unwrap();
    assert_eq!((last.items[0].name.as_str(), last.items[0].kind), ("two", ItemKind::Folder));
    assert!(last.next.is_none());
    assert!(transport.sent().iter().all(|sent| sent.header("authorization").is_some()));
}

#[tokio::test]
async fn a_limit_becomes_the_page_size() {
    let transport = Scripted::by(|_| ok(json!({"value": []})));
    let cx = transport.context();
    for (limit, top) in [(None, 1000), (Some(7), 7), (Some(0), 1), (Some(5000), 1000)] {
        drive().list(&cx, ListRequest::new(&at("")).with_limit(limit)).await.unwrap();
        let expected = format!("{}&$top={top}", item_request("/me/drive/root/children"));
        assert_eq!(transport.sent().last().unwrap().line(), expected);
    }
}

#[tokio::test]
async fn next_links_to_the_same_page_or_another_host_are_errors() {
    let page = |next: &str| {
        let next = next.to_owned();
        Scripted::by(move |_| ok(json!({"value": [], "@odata.nextLink": next})))
    };
    let here = format!("{API}/next");
    let circle = page(&here);
    let first = list(&circle, &at(""), None).await.unwrap();
    let error = list(&circle, &at(""), first.next.as_ref()).await.unwrap_err();
    assert!(error.to_string().contains("leads to the same page"), "{error}");
    for elsewhere in [
        "https://evil.example/v1.0/next",
        "https://graph.microsoft.us/v1.0/next",
        "https://graph.microsoft.com:8443/v1.0/next",
        "https://graph.microsoft.com@evil.example/v1.0/next",
        "http://graph.microsoft.com/v1.0/next",
        "x",
    ] {
        let strange = page(elsewhere);
        let first = list(&strange, &at(""), None).await.unwrap();
        let error = list(&strange, &at(""), first.next.as_ref()).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("allowed_hosts") || text.contains("cannot follow"), "{error}");
        assert_eq!(strange.sent().len(), 1, "the token was sent to {elsewhere}");
    }
    // Pages from a gateway link to Graph itself, which must be allowed.
    let proxied = Client::new("http://127.0.0.1:8/v1.0", TokenSource::fixed("t".into())).unwrap();
    let transport = page(&here);
    proxied.page(&transport.context(), &(&*here).into()).await.unwrap_err();
    assert!(transport.sent().is_empty());
    let proxied = proxied.with_allowed_hosts("graph.microsoft.com").unwrap();
    for link in [&*here, "http://127.0.0.1:8/v1.0/next"] {
        let transport = page(link);
        proxied.page(&transport.context(), &link.into()).await.unwrap();
    }
}

#[tokio::test]
async fn unusual_items_do_not_fail_a_listing() {
    let odd = json!({"value": [
        file("1", "good.txt", b"x"),
        {"id": "2", "name": "Notebook", "package": {"type": "oneNote"}, "size": 5},
        {"id": "3", "name": "Shared", "remoteItem": {"id": "X", "folder": {},
            "parentReference": {"driveId": "D2"}}},
        {"id": "4", "name": "virus.exe", "size": 1, "file": {}, "malware": {}},
        {"id": "5", "name": "locked.docx", "size": 1, "file": {"mimeType": "x"},
            "publication": {"level": "checkout"}, "pendingOperations": {"x": 1}},
        {"id": "6", "name": "Personal Vault", "specialFolder": {"name": "vault"}, "folder": {}},
        {"id": "7", "name": "future", "size": {"bytes": 1}},
        {"name": "no id"},
    ]});
    let transport = Scripted::by(move |_| ok(odd.clone()));
    let page = list(&transport, &at(""), None).await.unwrap();
    let seen: Vec<_> = page.items.iter().map(|item| (item.id.as_str(), item.kind)).collect();
    assert_eq!(
        seen,
        [
            ("1", ItemKind::File),
            ("2", ItemKind::Opaque),
            ("3~D2#X", ItemKind::Folder),
            ("4", ItemKind::File),
            ("5", ItemKind::File),
            ("6", ItemKind::Opaque),
            ("7", ItemKind::Opaque),
            // The adapter reports it.
            ("", ItemKind::Opaque),
        ]
    );
}

#[tokio::test]
async fn a_shortcut_is_listed_by_its_target() {
    let transport = Scripted::expecting([(
        &*page_request("/drives/D2/items/X/children"),
        ok(json!({"value": [folder("Y", "inner", "X")]})),
    )]);
    let page = list(&transport, &ItemRef::from_id(&"3~D2#X".into()), None).await.unwrap();
    assert_eq!(
        (page.items[0].id.as_str(), &*page.items[0].parents),
        ("D2#Y", &["D2#X".into()][..])
    );
}

#[tokio::test]
async fn a_locked_vault_is_not_a_folder() {
    let body = json!({"error": {"code": "invalidRequest", "message": "Invalid request",
        "innererror": {"code": "invalidResourceId", "message": "ObjectHandle is Invalid"}}});
    let transport = Scripted::by(move |_| answer(400, body.to_string()));
    let error = list(&transport, &ItemRef::from_id(&"V".into()), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotAFolder);
}

#[tokio::test]
async fn a_child_is_one_request() {
    let line = item_request("/me/drive/items/P:/a%20b");
    let transport = Scripted::expecting([(&*line, ok(file("F", "a b", b"x")))]);
    let mut seen = Vec::new();
    let mut see = |what: SiblingSearch<'_>| seen.push(format!("{what:?}"));
    let place = ItemRef::from_id(&"P".into());
    drive().child(&transport.context(), &place, "a b", &mut see).await.unwrap();
    assert_eq!(seen.len(), 1, "one item, and not all of the folder");
}

#[tokio::test]
async fn a_folder_and_its_parents_are_created_in_one_request() {
    for (folder, path) in
        [("", "/me/drive/root/children"), ("a/b c", "/me/drive/root:/a/b%20c:/children")]
    {
        let transport = Scripted::expecting([(
            &*format!("POST {API}{path}"),
            answer(201, super::folder("N", "new", "P").to_string()),
        )]);
        let made =
            drive().create_folder(&transport.context(), &target(folder, "new")).await.unwrap();
        assert_eq!((made.id.as_str(), made.kind), ("N", ItemKind::Folder));
        let sent: Value = serde_json::from_str(transport.sent()[0].text()).unwrap();
        let expected = json!({"name": "new", "folder": {},
            "@microsoft.graph.conflictBehavior": "fail"});
        assert_eq!(sent, expected);
    }
    let taken = Scripted::by(|_| error_response(409, "nameAlreadyExists"));
    let error = drive().create_folder(&taken.context(), &target("", "a")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

async fn change(
    transport: &Scripted,
    from: &ItemRef,
    item: Option<&Item>,
    change: ItemUpdate,
) -> Value {
    drive().update(&transport.context(), from, item, &change).await.unwrap();
    serde_json::from_str(transport.sent().last().unwrap().text()).unwrap()
}

#[tokio::test]
async fn rename_move_and_replace_are_one_request() {
    let line = |behavior: &str| {
        format!("PATCH {API}/me/drive/root:/a/x?@microsoft.graph.conflictBehavior={behavior}")
    };
    let both = ItemUpdate {
        name: Some("ü #2".to_owned()),
        folder: Some(at("b c/50%")),
        ..ItemUpdate::default()
    };
    let transport = Scripted::expecting([(&*line("replace"), ok(file("F", "ü #2", b"x")))]);
    assert_eq!(
        change(&transport, &at("a/x"), None, both.clone()).await,
        json!({"name": "ü #2", "parentReference": {"path": "/drive/root:/b%20c/50%25"}})
    );
    let transport = Scripted::expecting([(&*line("fail"), ok(file("F", "y", b"x")))]);
    let fails =
        ItemUpdate { if_exists: IfExists::Fail, folder: Some(at("")), ..ItemUpdate::default() };
    assert_eq!(
        change(&transport, &at("a/x"), None, fails).await,
        json!({"parentReference": {"path": "/drive/root:"}})
    );
    // A folder that is known by id.
    let transport = Scripted::expecting([(&*line("replace"), ok(file("F", "x", b"x")))]);
    let by_id = ItemUpdate { folder: Some(ItemRef::from_id(&"P".into())), ..ItemUpdate::default() };
    assert_eq!(
        change(&transport, &at("a/x"), None, by_id).await,
        json!({"parentReference": {"id": "P"}})
    );
}

#[tokio::test]
async fn a_rename_preserves_known_times() {
    let time = |text: &str| Some(text.parse().unwrap());
    let mut item = known("F", "https://t/F");
    (item.created, item.modified) = (time("2001-01-01T00:00:00Z"), time("2002-02-02T00:00:00.5Z"));
    let cloud = || Scripted::by(|_| ok(file("F", "b", b"x")));
    let rename = ItemUpdate { name: Some("b".to_owned()), ..ItemUpdate::default() };
    assert_eq!(
        change(&cloud(), &at("a"), Some(&item), rename.clone()).await["fileSystemInfo"],
        json!({"createdDateTime": "2001-01-01T00:00:00Z",
            "lastModifiedDateTime": "2002-02-02T00:00:00.5Z"})
    );
    let touch = ItemUpdate { modified: time("2003-03-03T00:00:00Z"), ..ItemUpdate::default() };
    assert_eq!(
        change(&cloud(), &at("a"), Some(&item), touch).await,
        json!({"fileSystemInfo": {"lastModifiedDateTime": "2003-03-03T00:00:00Z"}})
    );
    // The times of a shortcut belong to its target.
    item.id = "3~D2#X".into();
    assert_eq!(change(&cloud(), &at("a"), Some(&item), rename).await, json!({"name": "b"}));
}

#[tokio::test]
async fn a_folder_cannot_move_below_itself_and_a_root_not_at_all() {
    let transport = Scripted::by(|_| answer(500, ""));
    let moved = async |from: &ItemRef, to: &str| {
        let change = ItemUpdate { folder: Some(at(to)), ..ItemUpdate::default() };
        drive().update(&transport.context(), from, None, &change).await.unwrap_err().kind()
    };
    assert_eq!(moved(&at("a/b"), "A/B/c").await, ErrorKind::Conflict);
    assert_eq!(moved(&at("a/b"), "a/b").await, ErrorKind::Conflict);
    assert_eq!(moved(&at(""), "a").await, ErrorKind::Unsupported);
    assert!(transport.sent().is_empty());
    assert_eq!(moved(&at("a/b"), "a/bc").await, ErrorKind::Unexpected, "that is asked for");
}

#[tokio::test]
async fn deletes_are_one_request_each_with_results_in_order() {
    let removal = |place: ItemRef| DeleteTarget {
        item: place,
        kind: None,
        parents: Vec::new(),
        if_match: None,
    };
    let transport = Scripted::by(|sent| match &*sent.line() {
        "DELETE https://graph.microsoft.com/v1.0/me/drive/root:/gone" => {
            error_response(404, "itemNotFound")
        }
        "DELETE https://graph.microsoft.com/v1.0/me/drive/root:/open.docx" => {
            error_response(423, "resourceLocked")
        }
        "DELETE https://graph.microsoft.com/v1.0/me/drive/root:/a%20b"
        | "DELETE https://graph.microsoft.com/v1.0/me/drive/items/3" => answer(204, ""),
        line => answer(599, line),
    });
    let removals = [
        removal(at("gone")),
        removal(at("a b")),
        removal(at("open.docx")),
        removal(ItemRef::from_id(&ItemId::from("3~D2#X"))),
        removal(at("")),
    ];
    let results = drive().delete(&transport.context(), &removals).await;
    let kinds: Vec<_> =
        results.into_iter().map(|result| result.map_err(|error| error.kind())).collect();
    assert_eq!(
        kinds,
        [
            Err(ErrorKind::NotFound),
            Ok(()),
            Err(ErrorKind::Conflict),
            Ok(()),
            Err(ErrorKind::Unsupported),
        ],
        "of a shortcut only the shortcut goes, of the root nothing"
    );
    assert_eq!(transport.sent().len(), 4);
}

#[tokio::test]
async fn links_without_tls_are_rejected() {
    let transport = Scripted::by(|_| ok(json!({"status": "inProgress"})));
    let (client, cx) = (client(), transport.context());
    for link in ["http://t/x?secret", "file:///x", "https://user@t/x", "nowhere"] {
        let link = crate::drive::Secret::from(link);
        let download_url = crate::drive::DownloadUrl { url: link.clone(), expires: None };
        let range = crate::drive::ByteRange::Full;
        let errors = [
            client.download(&cx, &download_url, &range, None).await.map(drop).unwrap_err(),
            client.copy_progress(&cx, &link).await.map(drop).unwrap_err(),
            client.upload_status(&cx, &link).await.map(drop).unwrap_err(),
            client.cancel_upload(&cx, &link).await.unwrap_err(),
        ];
        for error in errors {
            let text = error.to_string();
            assert!(text.contains("cannot follow") && !text.contains("secret"), "{text}");
        }
    }
    assert!(transport.sent().is_empty());
}
