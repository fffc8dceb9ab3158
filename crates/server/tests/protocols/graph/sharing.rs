//! Links, and facets that the control interface sets.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use drivedal_server::{AccountKind, FixtureItem};
use serde_json::{Value, json};

use crate::graph::harness::{GraphServer, id, names};

#[tokio::test]
async fn a_link_works_until_it_is_deleted() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let file = drive.put("a/f", "shared").await;
    let create = || {
        let body = json!({"type": "view", "scope": "anonymous"});
        drive.request("POST", "/me/drive/root:/a/f:/createLink").json(body)
    };
    let made = create().await;
    assert_eq!(made.status, 201);
    let permission = made.json();
    assert_eq!(permission["roles"], json!(["read"]));
    let url = permission["link"]["webUrl"].as_str().unwrap();
    assert_eq!(url.split('/').count(), 5, "clients count a link's segments: {url}");
    let again = create().await;
    assert_eq!((again.status, id(&again.json())), (200, id(&permission)));
    let redirect = cloud.send("GET", url).await;
    assert_eq!(cloud.send("GET", &redirect.location()).ok().await.text(), "shared");
    let token = format!("u!{}", URL_SAFE_NO_PAD.encode(url));
    for token in [&token as &str, permission["shareId"].as_str().unwrap()] {
        let shared = drive.get(&format!("/shares/{token}/driveItem")).await;
        assert_eq!(id(&shared), id(&file), "{token}");
    }
    let permissions = format!("/me/drive/items/{}/permissions", id(&file));
    assert_eq!(drive.get(&permissions).await["value"].as_array().unwrap().len(), 1);
    let copy = json!({"name": "copied"});
    drive.request("POST", "/me/drive/root:/a/f:/copy").json(copy).ok().await;
    let of_copy = drive.get("/me/drive/root:/a/copied:/permissions").await;
    assert_eq!(of_copy["value"], json!([]), "a copy is not shared");
    let one = format!("{permissions}/{}", id(&permission));
    assert_eq!(drive.request("DELETE", &one).await.status, 204);
    cloud.send("GET", url).refused(404, "itemNotFound").await;
    drive.request("GET", &format!("/shares/{token}/driveItem")).refused(404, "itemNotFound").await;
    let bad = drive.request("POST", "/me/drive/root:/a/f:/createLink").json(json!({"type": "all"}));
    bad.refused(400, "invalidRequest").await;
}

#[tokio::test]
async fn an_invitation_grants_a_permission_until_it_is_deleted() {
    let cloud = GraphServer::new().await;
    for (kind, granted) in
        [(AccountKind::Personal, "grantedTo"), (AccountKind::Business, "grantedToV2")]
    {
        let drive = cloud.of(kind);
        drive.put("a/f", "shared").await;
        let invite = |who: &str, role: &str| {
            let body = json!({
                "recipients": [{"email": who}], "roles": [role], "requireSignIn": true,
                "sendInvitation": false,
            });
            drive.request("POST", "/me/drive/root:/a/f:/invite").json(body)
        };
        let given = invite("ann@example.org", "read").ok().await.json();
        let ann = &given["value"][0];
        assert_eq!(ann["roles"], json!(["read"]));
        assert_eq!(ann[granted]["user"]["email"], "ann@example.org");
        assert_eq!(ann["invitation"]["signInRequired"], true);
        invite("bob@example.org", "write").ok().await;
        let again = invite("bob@example.org", "read").ok().await.json();
        let bob = id(&again["value"][0]).to_owned();
        let link = json!({"type": "view", "scope": "anonymous"});
        let link =
            drive.request("POST", "/me/drive/root:/a/f:/createLink").json(link).ok().await.json();
        let path = "/me/drive/root:/a/f:/permissions";
        let owner = usize::from(kind == AccountKind::Business);
        let all = drive.get(path).await;
        assert_eq!(all["value"].as_array().unwrap().len(), 3 + owner, "{all}");
        let roles = json!({"roles": ["read", "write"]});
        let one = |id: &str| format!("{path}/{id}");
        let changed = drive.request("PATCH", &one(&bob)).json(roles.clone()).ok().await.json();
        assert_eq!(changed["roles"], json!(["write"]));
        assert_eq!(drive.get(&one(&bob)).await, changed);
        let of_link = drive.request("PATCH", &one(id(&link))).json(roles);
        of_link.refused(400, "invalidRequest").await;
        drive.request("POST", "/me/drive/root:/a/f:/copy").json(json!({"name": "g"})).ok().await;
        let of_copy = drive.get("/me/drive/root:/a/g:/permissions").await;
        assert_eq!(of_copy["value"].as_array().unwrap().len(), owner, "a copy is not shared");
        assert_eq!(drive.request("DELETE", &one(&bob)).await.status, 204);
        drive.request("GET", &one(&bob)).refused(404, "itemNotFound").await;
        let left = drive.get(path).await;
        assert_eq!(left["value"].as_array().unwrap().len(), 2 + owner, "{left}");
        assert!(drive.get("/me/drive/root:/a/f").await.get("grants").is_none());
        invite("ann@example.org", "owner").refused(400, "invalidRequest").await;
        invite("", "read").refused(400, "invalidRequest").await;
    }
}

#[tokio::test]
async fn notebooks_shortcuts_malware_and_locks_have_their_facets() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let with = |path: &str, facets: serde_json::Value| {
        let mut plant = FixtureItem::file(path, "x");
        plant.facets.insert("graph".into(), facets);
        plant
    };
    let shortcut = json!({"remoteItem": {"id": "OTHER!1", "name": "theirs", "folder": {}}});
    let plants = [
        FixtureItem::notebook("notes"),
        with("shortcut", shortcut),
        with("virus", json!({"malware": {"description": "Eicar"}})),
        with("locked", json!({"locked": true})),
    ];
    cloud.server.control().add_fixtures(plants).await.unwrap();
    let listing = drive.get("/me/drive/root/children").await;
    assert_eq!(names(&listing), ["locked", "notes", "shortcut", "virus"]);
    let notes = drive.get("/me/drive/root:/notes").await;
    assert_eq!(notes["package"]["type"], "oneNote");
    assert!(notes.get("file").is_none() && notes.get("folder").is_none());
    let shortcut = drive.get("/me/drive/root:/shortcut").await;
    assert_eq!(shortcut["remoteItem"]["id"], "OTHER!1");
    assert!(shortcut.get("file").is_none() && shortcut.get("folder").is_none());
    let shared = drive.get("/me/drive/sharedWithMe?allowexternal=true").await;
    assert_eq!(names(&shared), ["shortcut"]);
    assert_eq!(shared["value"][0]["remoteItem"]["name"], "theirs");
    let virus = drive.request("GET", "/me/drive/root:/virus:/content").await;
    assert_eq!(virus.status, 403);
    assert_eq!(virus.header("x-virus-infected"), "true");
    for (method, path) in [("DELETE", ""), ("PATCH", ""), ("PUT", ":/content")] {
        let request = drive.request(method, &format!("/me/drive/root:/locked{path}"));
        request.body("{}").refused(423, "resourceLocked").await;
    }
    assert!(drive.get("/me/drive/root:/locked").await.get("locked").is_none());
}

#[tokio::test]
async fn a_permission_that_the_drive_does_not_have_is_refused() {
    let cloud = GraphServer::new().await;
    let (personal, business) = (AccountKind::Personal, AccountKind::Business);
    let with = |base: Value, more: &Value| {
        let mut body = base;
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (kind, more, status, named) in [
        (personal, json!({"scope": "organization"}), 400, "organization"),
        (personal, json!({"scope": "everyone"}), 400, "everyone"),
        (business, json!({"password": "x"}), 400, "password"),
        (business, json!({"type": "embed"}), 400, "embed"),
        (personal, json!({"expirationDateTime": "2001-01-01T00:00:00Z"}), 400, "in the future"),
        (personal, json!({"expirationDateTime": "tomorrow"}), 400, "not a time"),
        (business, json!({"recipients": [{"email": "a@b.example"}]}), 400, "recipients"),
        (business, json!({"scope": "users", "recipients": [{}]}), 400, "recipient"),
        (business, json!({"sendNotification": true}), 501, "sendNotification"),
    ] {
        let drive = cloud.of(kind);
        drive.put("f", "secret").await;
        let before = drive.get("/me/drive/root:/f:/permissions").await;
        let body = with(json!({"type": "view", "scope": "anonymous"}), &more);
        let response = drive.request("POST", "/me/drive/root:/f:/createLink").json(body).await;
        assert_eq!(response.status, status, "{kind} {more}: {response:?}");
        let message = response.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(named), "{message}");
        assert_eq!(drive.get("/me/drive/root:/f:/permissions").await, before);
    }
    let drive = cloud.of(business);
    let invitation = json!({"recipients": [{"email": "a@example.org"}], "roles": ["read"]});
    for (more, status) in [
        (json!({"password": "x"}), 501),
        (json!({"sendInvitation": true}), 501),
        (json!({"recipients": []}), 400),
        (json!({"expirationDateTime": "2001-01-01T00:00:00Z"}), 400),
    ] {
        let body = with(invitation.clone(), &more);
        let refused = drive.request("POST", "/me/drive/root:/f:/invite").json(body).await;
        assert_eq!(refused.status, status, "{more}: {refused:?}");
    }
    let root = cloud.of(personal).request("POST", "/me/drive/root/invite").json(&invitation);
    root.refused(400, "invalidRequest").await;
    // An empty text is the same as absence.
    let none = json!({"type": "view", "scope": "", "password": "", "expirationDateTime": null});
    drive.request("POST", "/me/drive/root:/f:/createLink").json(none).ok().await;
}

#[tokio::test]
async fn permissions_that_are_given_at_the_same_time_are_all_kept() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.put("f", "shared").await;
    let links = (0..24).map(|at| {
        let kind = ["view", "edit", "embed"][at % 3];
        let body = json!({ "type": kind });
        drive.request("POST", "/me/drive/root:/f:/createLink").json(body).ok()
    });
    let people = (0..60).map(|at| {
        let body = json!({
            "recipients": [{"email": format!("{at}@example.org")}], "roles": ["read"],
        });
        drive.request("POST", "/me/drive/root:/f:/invite").json(body).ok()
    });
    let (links, _) =
        futures::future::join(futures::future::join_all(links), futures::future::join_all(people))
            .await;
    let permissions = drive.get("/me/drive/root:/f:/permissions").await;
    let kept: Vec<&str> = permissions["value"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(kept.len(), 3 + 60, "{permissions}");
    for link in links {
        let link = link.json();
        assert!(kept.contains(&id(&link)), "{link} is not kept");
        let url = link["link"]["webUrl"].as_str().unwrap();
        assert_eq!(cloud.send("GET", url).await.status, 302, "{link}");
    }
}
