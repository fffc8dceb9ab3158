//! The limits of the access of a second user to a drive: items that end the inheritance of permissions,
//! files in folders that are not shared, and files that are checked out.

use drivedal_server::AccountKind;
use serde_json::{Value, json};

use crate::graph::harness::{Drive, GraphServer, id, names};

const KINDS: [AccountKind; 2] = [AccountKind::Personal, AccountKind::Business];

fn accounts(cloud: &GraphServer, kind: AccountKind) -> (Drive<'_>, Drive<'_>) {
    (cloud.named(&format!("anna.{kind}")), cloud.named(&format!("bob.{kind}")))
}

/// Returns the path of an item of anna's drive, for other users.
async fn path(anna: &Drive<'_>, item: &str) -> String {
    let item = anna.get(&format!("/me/drive/root:/{item}")).await;
    format!("/drives/{}/items/{}", anna.id().await, id(&item))
}

async fn bob_address(bob: &Drive<'_>) -> String {
    bob.get("/me").await["userPrincipalName"].as_str().expect("an address").to_owned()
}

/// Ends the inheritance of permissions at an item of anna's drive, which is shared with carl only.
async fn end_inheritance(anna: &Drive<'_>, path: &str) {
    let body = json!({
        "recipients": [{"email": "carl@drivedal.example"}], "roles": ["read"],
        "retainInheritedPermissions": false,
    });
    let path = format!("/me/drive/root:/{path}:/invite");
    anna.request("POST", &path).json(body).ok().await;
}

/// Invites a user by address to an item of anna's drive.
async fn invite(anna: &Drive<'_>, address: &str, path: &str, role: &str) {
    let body = json!({"recipients": [{"email": address}], "roles": [role]});
    let path = match path {
        "" => "/me/drive/root/invite".to_owned(),
        path => format!("/me/drive/root:/{path}:/invite"),
    };
    anna.request("POST", &path).json(body).ok().await;
}

/// The status and the code of the error for an item that a user has no access to.
fn hidden(kind: AccountKind) -> (u16, &'static str) {
    match kind {
        AccountKind::Personal => (404, "itemNotFound"),
        _ => (403, "accessDenied"),
    }
}

#[tokio::test]
async fn a_file_without_access_is_not_replaced() {
    let cloud = GraphServer::new().await;
    for kind in KINDS {
        let (anna, bob) = accounts(&cloud, kind);
        let (status, code) = hidden(kind);
        let address = bob_address(&bob).await;
        anna.put("Private/x.docx", "x").await;
        anna.put("Private/y.docx", "y").await;
        invite(&anna, &address, "Private/x.docx", "write").await;
        let x = path(&anna, "Private/x.docx").await;
        let rename = json!({"name": "y.docx", "@microsoft.graph.conflictBehavior": "replace"});
        bob.request("PATCH", &x).json(rename).refused(409, "nameAlreadyExists").await;
        assert_eq!(anna.read("Private/y.docx").await, "y");

        // In a shared folder, a file without inherited permissions is not replaced either.
        anna.put("Shared/own.docx", "own").await;
        anna.put("Shared/z.docx", "z").await;
        invite(&anna, &address, "Shared", "write").await;
        end_inheritance(&anna, "Shared/own.docx").await;
        let (shared, z) = (path(&anna, "Shared").await, path(&anna, "Shared/z.docx").await);
        let replace = "@microsoft.graph.conflictBehavior=replace";
        let rename = json!({"name": "own.docx", "@microsoft.graph.conflictBehavior": "replace"});
        bob.request("PATCH", &z).json(rename).refused(409, "nameAlreadyExists").await;
        let put = format!("{shared}:/own.docx:/content?{replace}");
        bob.request("PUT", &put).body("bob").refused(status, code).await;
        if kind == AccountKind::Business {
            let body = json!({"name": "own.docx", "file": {},
                "@microsoft.graph.conflictBehavior": "replace"});
            let create = bob.request("POST", &format!("{shared}/children")).json(body);
            create.refused(409, "nameAlreadyExists").await;
            let body = json!({"name": "own.docx"});
            let copy = bob.request("POST", &format!("{z}/copy?{replace}")).json(body).await;
            let monitor = cloud.send("GET", &copy.location()).ok().await.json();
            assert_eq!(monitor["status"], "failed", "{monitor}");
        }
        assert_eq!(anna.read("Shared/own.docx").await, "own");
        assert_eq!(anna.read("Shared/z.docx").await, "z");
        // Any other file is.
        let rename = json!({"name": "w.docx", "@microsoft.graph.conflictBehavior": "replace"});
        anna.put("Shared/w.docx", "w").await;
        bob.request("PATCH", &z).json(rename).ok().await;
        assert_eq!(anna.read("Shared/w.docx").await, "z");
    }
}

#[tokio::test]
async fn a_file_that_is_checked_out_by_another_user_is_not_replaced() {
    let cloud = GraphServer::new().await;
    let (anna, bob) = accounts(&cloud, AccountKind::Business);
    anna.put("Shared/x.docx", "x").await;
    anna.put("Shared/y.docx", "y").await;
    invite(&anna, &bob_address(&bob).await, "Shared", "write").await;
    let (shared, x) = (path(&anna, "Shared").await, path(&anna, "Shared/x.docx").await);
    // The session begins before the check-out.
    let begin = format!("{shared}:/y.docx:/createUploadSession");
    let session = bob.request("POST", &begin).json(json!({})).ok().await.json();
    let url = session["uploadUrl"].as_str().expect("a URL").to_owned();
    let other = bob
        .request("POST", &format!("{shared}:/w.docx:/createUploadSession"))
        .json(json!({"deferCommit": true}))
        .ok()
        .await
        .json();
    let other = other["uploadUrl"].as_str().expect("a URL").to_owned();
    anna.request("POST", "/me/drive/root:/Shared/y.docx:/checkout").ok().await;
    let bytes =
        |url: &str| cloud.send("PUT", url).header("content-range", "bytes 0-2/3").body("bob");
    bytes(&url).refused(423, "resourceLocked").await;
    bytes(&other).ok().await;
    let replace = "@microsoft.graph.conflictBehavior";
    let commit = json!({"name": "y.docx", replace: "replace", "@microsoft.graph.sourceUrl": other});
    let at = format!("{shared}:/w.docx:");
    bob.request("PUT", &at).json(commit).refused(423, "resourceLocked").await;
    let rename = json!({"name": "y.docx", replace: "replace"});
    bob.request("PATCH", &x).json(rename).refused(423, "resourceLocked").await;
    let create = json!({"name": "y.docx", "file": {}, replace: "replace"});
    let create = bob.request("POST", &format!("{shared}/children")).json(create);
    create.refused(423, "resourceLocked").await;
    let copy = bob
        .request("POST", &format!("{x}/copy?{replace}=replace"))
        .json(json!({"name": "y.docx"}))
        .await;
    let monitor = cloud.send("GET", &copy.location()).ok().await.json();
    assert_eq!(monitor["error"]["code"], "resourceLocked", "{monitor}");
    assert_eq!(anna.read("Shared/y.docx").await, "y");
    anna.put("Shared/y.docx", "anna").await;

    let version = format!("{}/versions/1.0", path(&anna, "Shared/y.docx").await);
    bob.request("DELETE", &version).refused(423, "resourceLocked").await;
    anna.request("DELETE", &version).ok().await;

    // The copy of a file that is checked out is not.
    let copy = json!({"name": "free.docx"});
    let copied = anna.request("POST", "/me/drive/root:/Shared/y.docx:/copy").json(copy).await;
    assert_eq!(copied.status, 202, "{copied:?}");
    let free = anna.get("/me/drive/root:/Shared/free.docx?$select=publication").await;
    assert_eq!(free["publication"]["level"], "published", "{free}");
    let free = path(&anna, "Shared/free.docx").await;
    bob.request("PUT", &format!("{free}/content")).body("bob").ok().await;
}

#[tokio::test]
async fn write_access_to_a_file_creates_no_other_file_in_its_folder() {
    let cloud = GraphServer::new().await;
    for kind in KINDS {
        let (anna, bob) = accounts(&cloud, kind);
        let (status, code) = hidden(kind);
        anna.put("Private/x.txt", "x").await;
        invite(&anna, &bob_address(&bob).await, "Private/x.txt", "write").await;
        let x = path(&anna, "Private/x.txt").await;
        let drive = anna.id().await;
        let by_path = format!("/drives/{drive}/root:/Private/x.txt:");
        let rename = "@microsoft.graph.conflictBehavior=rename";
        let put = bob.request("PUT", &format!("{by_path}/content?{rename}")).body("bob");
        put.refused(403, "accessDenied").await;
        let body = json!({"item": {"@microsoft.graph.conflictBehavior": "rename"}});
        let begin = bob.request("POST", &format!("{x}/createUploadSession")).json(body);
        begin.refused(status, code).await;
        // A session under another name, and one whose file is deleted meanwhile.
        let begin = async |body: Value| {
            let session = bob.request("POST", &format!("{x}/createUploadSession")).json(body);
            session.ok().await.json()["uploadUrl"].as_str().expect("a URL").to_owned()
        };
        let deferred = begin(json!({"deferCommit": true})).await;
        let late = begin(json!({})).await;
        let bytes =
            |url: &str| cloud.send("PUT", url).header("content-range", "bytes 0-2/3").body("bob");
        bytes(&deferred).ok().await;
        let commit = json!({"name": "other.txt", "@microsoft.graph.sourceUrl": deferred});
        bob.request("PUT", &x).json(commit).refused(403, "accessDenied").await;
        assert_eq!(names(&anna.get("/me/drive/root:/Private:/children").await), ["x.txt"]);
        bytes(&late).ok().await;
        assert_eq!(anna.read("Private/x.txt").await, "bob");
        let late = begin(json!({})).await;
        anna.request("DELETE", "/me/drive/root:/Private/x.txt").ok().await;
        bytes(&late).refused(403, "accessDenied").await;
        assert!(names(&anna.get("/me/drive/root:/Private:/children").await).is_empty());
    }
}

#[tokio::test]
async fn only_the_owner_ends_the_inheritance_of_permissions() {
    let cloud = GraphServer::new().await;
    for kind in KINDS {
        let (anna, bob) = accounts(&cloud, kind);
        anna.put("Shared/x.txt", "x").await;
        invite(&anna, &bob_address(&bob).await, "Shared", "write").await;
        let x = path(&anna, "Shared/x.txt").await;
        for (action, body) in [
            ("invite", json!({"recipients": [{"email": "carl@a.example"}], "roles": ["read"]})),
            ("createLink", json!({"type": "view"})),
        ] {
            let share = format!("{x}/{action}");
            let mut alone = body.clone();
            alone["retainInheritedPermissions"] = false.into();
            bob.request("POST", &share).json(alone).refused(403, "accessDenied").await;
            bob.request("POST", &share).json(body).ok().await;
        }
    }
}

#[tokio::test]
async fn lists_and_copies_leave_out_items_without_access() {
    let cloud = GraphServer::new().await;
    let (anna, bob) = accounts(&cloud, AccountKind::Business);
    anna.put("Plans/open.txt", "open").await;
    anna.put("Plans/secret/key.txt", "key").await;
    anna.put("Plans/deep/er/alone.txt", "alone").await;
    invite(&anna, &bob_address(&bob).await, "", "write").await;
    end_inheritance(&anna, "Plans/secret").await;
    end_inheritance(&anna, "Plans/deep/er/alone.txt").await;
    for item in ["Plans/open.txt", "Plans/secret"] {
        anna.request("POST", &format!("/me/drive/root:/{item}:/follow")).ok().await;
    }
    let drive = format!("/drives/{}", anna.id().await);
    let secret = ["key.txt", "secret", "alone.txt"];
    for list in ["recent", "following", "root/delta", "root/search(q='txt')", "root/search(q='')"] {
        let listed = names(&bob.get(&format!("{drive}/{list}")).await);
        assert!(listed.contains(&"open.txt".to_owned()), "{list}: {listed:?}");
        for name in secret {
            assert!(!listed.contains(&name.to_owned()), "{list}: {listed:?}");
        }
    }
    let list = format!("{drive}/list/items?$expand=fields,driveItem");
    let items = bob.get(&list).await.to_string();
    assert!(items.contains("open.txt"), "{items}");
    for name in secret {
        assert!(!items.contains(name), "{items}");
        let item = anna.get("/me/drive/list/items?$expand=driveItem").await;
        let all = item["value"].as_array().expect("items");
        let item = all.iter().find(|one| one["driveItem"]["name"] == name).expect("the item");
        let item = format!("{drive}/list/items/{}", id(item));
        for relation in ["", "/fields", "/driveItem"] {
            bob.request("GET", &format!("{item}{relation}")).refused(403, "accessDenied").await;
        }
        bob.request("DELETE", &item).refused(403, "accessDenied").await;
    }

    let plans = path(&anna, "Plans").await;
    let own = bob.get("/me/drive/root").await;
    let parent = json!({"driveId": bob.id().await, "id": id(&own)});
    for (body, folder) in [
        (json!({"parentReference": parent, "name": "copied"}), "copied"),
        (json!({"parentReference": parent, "childrenOnly": true}), ""),
    ] {
        let copied = bob.request("POST", &format!("{plans}/copy")).json(body).await;
        let monitor = cloud.send("GET", &copied.location()).ok().await.json();
        assert_eq!(monitor["status"], "completed", "{monitor}");
        let at = |path: &str| {
            let path = format!("{folder}/{path}");
            let path = path.trim_matches('/');
            match path {
                "" => "/me/drive/root".to_owned(),
                path => format!("/me/drive/root:/{path}:"),
            }
        };
        let children = names(&bob.get(&format!("{}/children", at(""))).await);
        assert!(children.contains(&"open.txt".into()), "{children:?}");
        assert!(!children.contains(&"secret".into()), "{children:?}");
        let inner = bob.get(&at("deep/er")).await;
        assert_eq!(inner["folder"]["childCount"], 0, "{inner}");
        assert!(names(&bob.get(&format!("{}/children", at("deep/er"))).await).is_empty());
    }
    let copied = bob.get("/me/drive/root:/copied").await;
    assert_eq!((&copied["size"], &copied["folder"]["childCount"]), (&json!(4), &json!(2)));
}

#[tokio::test]
async fn the_feed_of_a_shared_folder_ends_at_it_and_reports_items_that_left() {
    let cloud = GraphServer::new().await;
    for kind in KINDS {
        let (anna, bob) = accounts(&cloud, kind);
        anna.put("Top/Plans/stays.txt", "s").await;
        let leaves = anna.put("Top/Plans/leaves.txt", "l").await;
        let inner = anna.put("Top/Plans/sub/inner.txt", "i").await;
        let hidden = anna.put("Top/Plans/sub/secret/key.txt", "k").await;
        let sub = anna.get("/me/drive/root:/Top/Plans/sub").await;
        let elsewhere = anna.mkdir("Elsewhere").await;
        invite(&anna, &bob_address(&bob).await, "Top/Plans", "read").await;
        end_inheritance(&anna, "Top/Plans/sub/secret").await;
        let secret = anna.get("/me/drive/root:/Top/Plans/sub/secret").await;
        let plans = path(&anna, "Top/Plans").await;
        let latest = bob.get(&format!("{plans}/delta?token=latest")).await;
        let mut link = latest["@odata.deltaLink"].as_str().expect("a link").to_owned();
        for item in [&leaves, &sub] {
            let to = json!({"parentReference": {"id": id(&elsewhere)}});
            anna.request("PATCH", &format!("/me/drive/items/{}", id(item))).json(to).ok().await;
        }
        anna.put("Top/Plans/stays.txt", "again").await;
        let mut items = Vec::new();
        loop {
            let page = bob.get(&link).await;
            items.extend(page["value"].as_array().expect("a page").clone());
            match page["@odata.nextLink"].as_str() {
                Some(next) => next.clone_into(&mut link),
                None => break,
            }
        }
        let is_there = |item: &&Value| item.get("deleted").is_none();
        let mut there: Vec<&str> =
            items.iter().filter(is_there).filter_map(|item| item["name"].as_str()).collect();
        there.sort_unstable();
        assert_eq!(there, ["Plans", "stays.txt"], "{kind}");
        let deleted = |item: &Value| {
            items.iter().any(|one| one.get("deleted").is_some() && id(one) == id(item))
        };
        for item in [&leaves, &sub, &inner] {
            assert!(deleted(item), "{kind}: {} {items:?}", item["name"]);
        }
        for item in [&hidden, &secret] {
            assert!(!deleted(item), "{kind}: {}", item["name"]);
        }
    }
}
