//! The table of routes. Each has the name of its operation, a request that it serves, and a
//! contract for its options and body. A route can be made only here, so that none is without one.
//!
//! Sources: the pages of the v1.0 reference of Microsoft Graph, one a route, and
//! `docs/protocols/onedrive-graph.md`.

use super::{
    contract::{BodyRule, Contract, Members, Unknown},
    select::KNOWN,
};

/// A method on a kind of resource.
#[derive(Debug)]
pub(super) struct Route {
    /// The name in counters, logs and fault rules.
    pub(super) operation: &'static str,
    pub(super) contract: Contract,
    /// A request of this route, for the test that walks all of them.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test that walks the table"))]
    pub(super) example: Example,
}

/// A request. `{file}` and `{folder}` stand for ids of items that are made for it, `{trashed}` for
/// that of an item in the recycle bin, `{permission}` for that of a permission of `{file}`;
/// `{upload}`, `{monitor}` and `{link}` for URLs without a token.
#[derive(Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "read by the test that walks the table"))]
pub(super) struct Example {
    pub(super) account: &'static str,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// Empty: no body.
    pub(super) body: &'static str,
}

const fn personal(method: &'static str, path: &'static str, body: &'static str) -> Example {
    Example { account: "walk.personal", method, path, body }
}

const fn business(method: &'static str, path: &'static str, body: &'static str) -> Example {
    Example { account: "walk.business", method, path, body }
}

/// Defines routes, and the list of all of them.
macro_rules! routes {
    ($($(#[$doc:meta])* $name:ident = $operation:literal, $example:expr, $contract:expr;)+) => {
        $(
            $(#[$doc])*
            pub(super) static $name: Route =
                Route { operation: $operation, contract: $contract, example: $example };
        )+

        /// Every route.
        pub(super) static ROUTES: &[&Route] = &[$(&$name),+];
    };
}

/// A contract with options of OData only.
const fn odata(options: &'static [&'static str]) -> Contract {
    Contract { odata: options, ..Contract::NONE }
}

/// A contract for a body of JSON.
const fn json(options: &'static [&'static str], members: Members) -> Contract {
    Contract { odata: options, body: BodyRule::Json(members), ..Contract::NONE }
}

/// The shape of a driveItem in a response.
const SHAPE: &[&str] = &["select", "expand"];

/// Preferences of requests that change an item which may be locked or checked out.
const BYPASS: &[&str] = &["bypass-shared-lock", "bypass-checked-out"];

/// Members of a driveItem that a PATCH applies. The rest is read-only, but for what belongs to
/// other requests of the reference.
const UPDATE: Members = Members {
    implemented: &[
        "name",
        "description",
        "folder",
        "fileSystemInfo",
        "parentReference",
        "@microsoft.graph.conflictBehavior",
    ],
    unimplemented: &[
        "bundle",
        "children",
        "content",
        "folder.folderView",
        "folder.view",
        "listItem",
        "permissions",
        "retentionLabel",
        "thumbnails",
        "versions",
        "@microsoft.graph.sourceUrl",
    ],
    read_only: KNOWN,
    ..Members::NONE
};

/// Members of a driveItem that is made. Times are ignored, as the cloud does
/// (onedrive-graph#create-folder-times).
const CREATE: Members = Members {
    implemented: &["name", "description", "folder", "file", "@microsoft.graph.conflictBehavior"],
    unimplemented: &[
        "bundle",
        "children",
        "content",
        "folder.folderView",
        "folder.view",
        "listItem",
        "package",
        "permissions",
        "remoteItem",
        "retentionLabel",
        "thumbnails",
        "versions",
        "@microsoft.graph.sourceUrl",
    ],
    read_only: KNOWN,
    ..Members::NONE
};

/// Members of a driveItem that is put. The URL of an upload session makes a file of its bytes.
const PUT: Members = Members {
    implemented: &[
        "name",
        "description",
        "folder",
        "@microsoft.graph.conflictBehavior",
        "@microsoft.graph.sourceUrl",
    ],
    unimplemented: &[
        "bundle",
        "children",
        "content",
        "folder.folderView",
        "folder.view",
        "listItem",
        "package",
        "permissions",
        "remoteItem",
        "retentionLabel",
        "thumbnails",
        "versions",
    ],
    read_only: KNOWN,
    ..Members::NONE
};

routes! {
    USER = "graph.user.get", personal("GET", "/me", ""), odata(&["select"]);
    DRIVES = "graph.drives.list", personal("GET", "/me/drives", ""), odata(&["select", "top"]);
    DRIVE = "graph.drive.get", personal("GET", "/me/drive", ""), odata(&["select"]);
    SITE = "graph.site.get", business("GET", "/sites/root", ""), odata(&["select"]);
    SITES = "graph.sites.list", business("GET", "/sites?search=*", ""),
        odata(&["search", "select", "top"]);
    RECENT = "graph.recent.list", personal("GET", "/me/drive/recent", ""),
        Contract { refused: &["skip"], ..odata(&["select", "expand", "top", "skiptoken"]) };
    // Nothing is shared from another organization.
    SHARED = "graph.shared.list", personal("GET", "/me/drive/sharedWithMe", ""),
        Contract {
            plain: &["allowexternal"],
            ..odata(&["select", "expand", "top", "skiptoken"])
        };
    ITEM_GET = "graph.item.get", personal("GET", "/me/drive/items/{folder}", ""),
        Contract { plain: &["includeDeletedItems"], ..odata(SHAPE) };
    ITEM_UPDATE = "graph.item.update",
        personal("PATCH", "/me/drive/items/{file}", r#"{"description":"d"}"#),
        Contract { preferences: BYPASS, ..json(SHAPE, UPDATE) };
    ITEM_PUT = "graph.item.put", personal("PUT", "/me/drive/root:/walk/put", r#"{"folder":{}}"#),
        json(SHAPE, PUT);
    ITEM_DELETE = "graph.item.delete", personal("DELETE", "/me/drive/items/{file}", ""),
        Contract { preferences: BYPASS, ..Contract::NONE };
    PURGE = "graph.item.purge", business("POST", "/me/drive/items/{file}/permanentDelete", ""),
        Contract::NONE;
    RESTORE = "graph.item.restore", personal("POST", "/me/drive/items/{trashed}/restore", ""),
        json(SHAPE, Members {
            implemented: &["name", "parentReference"],
            unknown: Unknown::Refused("invalidRequest"),
            ..Members::NONE
        });
    CHILDREN_LIST = "graph.children.list",
        personal("GET", "/me/drive/items/{folder}/children", ""),
        Contract {
            refused: &["skip"],
            ..odata(&["select", "expand", "top", "skiptoken", "orderby", "filter", "count"])
        };
    CHILDREN_CREATE = "graph.children.create",
        personal("POST", "/me/drive/items/{folder}/children", r#"{"name":"made","folder":{}}"#),
        json(SHAPE, CREATE);
    CONTENT_GET = "graph.content.get", personal("GET", "/me/drive/items/{file}/content", ""),
        Contract {
            plain: &["AVOverride"],
            unimplemented: &["format", "width", "height"],
            ..Contract::NONE
        };
    CONTENT_PUT = "graph.content.put", personal("PUT", "/me/drive/items/{file}/content", "bytes"),
        Contract { body: BodyRule::Bytes, preferences: BYPASS, ..odata(SHAPE) };
    PREVIEW = "graph.preview.get", personal("POST", "/me/drive/items/{file}/preview", ""),
        json(&[], Members {
            unimplemented: &["allowEdit=false", "chromeless=true", "page=1", "viewer", "zoom"],
            unknown: Unknown::Refused("invalidRequest"),
            ..Members::NONE
        });
    SESSION_CREATE = "graph.session.create",
        personal("POST", "/me/drive/items/{folder}:/new:/createUploadSession", ""),
        json(&[], Members {
            implemented: &[
                "deferCommit",
                "item",
                "item.description",
                "item.fileSize",
                "item.fileSystemInfo",
                "item.name",
                "item.@microsoft.graph.conflictBehavior",
            ],
            unimplemented: &["item.driveItemSource", "item.mediaSource"],
            unknown: Unknown::Refused("invalidRequest"),
            ..Members::NONE
        });
    // The fragment that completes a file is answered with the item.
    SESSION_FRAGMENT = "graph.session.fragment", personal("PUT", "{upload}", "b"),
        Contract { plain: UPLOAD_URL, body: BodyRule::Bytes, ..odata(&["select"]) };
    SESSION_STATUS = "graph.session.status", personal("GET", "{upload}", ""),
        Contract { plain: UPLOAD_URL, ..Contract::NONE };
    SESSION_CANCEL = "graph.session.cancel", personal("DELETE", "{upload}", ""),
        Contract { plain: UPLOAD_URL, ..Contract::NONE };
    SESSION_COMMIT = "graph.session.commit", personal("POST", "{upload}", ""),
        Contract { plain: UPLOAD_URL, ..odata(&["select"]) };
    COPY = "graph.copy.start", personal("POST", "/me/drive/items/{file}/copy", r#"{"name":"c"}"#),
        json(&[], Members {
            implemented: &[
                "childrenOnly",
                "name",
                "parentReference",
                "@microsoft.graph.conflictBehavior",
            ],
            unimplemented: &["includeAllVersionHistory=false"],
            unknown: Unknown::Refused("invalidRequest"),
            ..Members::NONE
        });
    COPY_STATUS = "graph.copy.status", personal("GET", "{monitor}", ""), Contract::NONE;
    DELTA = "graph.delta.list", personal("GET", "/me/drive/root/delta", ""),
        Contract {
            refused: &["skip"],
            plain: &["token"],
            // Removed items are always shown as deleted, and a drive has no gaps of permissions.
            preferences: &["hierarchicalsharing", "deltashowsharingchanges"],
            ..odata(&["select", "expand", "top"])
        };
    SEARCH = "graph.search.list", personal("GET", "/me/drive/root/search(q='walk')", ""),
        Contract {
            refused: &["skip"],
            plain: &["q"],
            ..odata(&["select", "expand", "top", "skiptoken", "filter"])
        };
    LINK_CREATE = "graph.link.create",
        personal("POST", "/me/drive/items/{file}/createLink",
            r#"{"type":"view","scope":"anonymous"}"#),
        json(&[], Members {
            implemented: &["scope", "type"],
            unimplemented: &[
                "expirationDateTime",
                "message",
                "password",
                "recipients",
                "retainInheritedPermissions=true",
                "sendNotification=false",
            ],
            unknown: Unknown::Refused("invalidRequest"),
            ..Members::NONE
        });
    LINK_GET = "graph.link.get", personal("GET", "{link}", ""), Contract::NONE;
    INVITE = "graph.permissions",
        personal("POST", "/me/drive/items/{file}/invite",
            r#"{"recipients":[{"email":"ann@example.org"}],"roles":["read"]}"#),
        json(&[], Members {
            implemented: &[
                "recipients",
                "recipients.alias",
                "recipients.email",
                "recipients.objectId",
                "requireSignIn",
                "roles",
            ],
            unimplemented: &[
                "expirationDateTime",
                "message",
                "password",
                "retainInheritedPermissions=true",
                "sendInvitation=false",
            ],
            unknown: Unknown::Refused("invalidRequest"),
            ..Members::NONE
        });
    PERMISSIONS = "graph.permissions", personal("GET", "/me/drive/items/{file}/permissions", ""),
        odata(&["select"]);
    PERMISSION_GET = "graph.permissions",
        personal("GET", "/me/drive/items/{file}/permissions/{permission}", ""),
        odata(&["select"]);
    PERMISSION_UPDATE = "graph.permissions",
        personal("PATCH", "/me/drive/items/{file}/permissions/{permission}",
            r#"{"roles":["write"]}"#),
        json(&["select"], Members {
            implemented: &["roles"],
            unimplemented: &["expirationDateTime", "password"],
            ..Members::NONE
        });
    PERMISSION_DELETE = "graph.permissions",
        personal("DELETE", "/me/drive/items/{file}/permissions/{permission}", ""),
        Contract::NONE;
    THUMBNAILS = "graph.thumbnails.get", personal("GET", "/me/drive/items/{file}/thumbnails", ""),
        Contract { unimplemented: &["originalOrientation=false"], ..odata(&["select"]) };
    THUMBNAIL_SET = "graph.thumbnails.get",
        personal("GET", "/me/drive/items/{file}/thumbnails/0", ""),
        Contract { unimplemented: &["originalOrientation=false"], ..odata(&["select"]) };
    THUMBNAIL = "graph.thumbnails.get",
        personal("GET", "/me/drive/items/{file}/thumbnails/0/small", ""),
        Contract { unimplemented: &["originalOrientation=false"], ..odata(&["select"]) };
    THUMBNAIL_CONTENT = "graph.thumbnails.get",
        personal("GET", "/me/drive/items/{file}/thumbnails/0/small/content", ""),
        Contract { unimplemented: &["originalOrientation=false"], ..Contract::NONE };
    VERSIONS = "graph.versions", personal("GET", "/me/drive/items/{file}/versions", ""),
        odata(&["select"]);
    VERSION_GET = "graph.versions", personal("GET", "/me/drive/items/{file}/versions/1.0", ""),
        odata(&["select"]);
    VERSION_CONTENT = "graph.versions",
        personal("GET", "/me/drive/items/{file}/versions/1.0/content", ""), Contract::NONE;
    VERSION_DELETE = "graph.versions",
        business("DELETE", "/me/drive/items/{file}/versions/1.0", ""), Contract::NONE;
    BATCH = "graph.batch", personal("POST", "/$batch", r#"{"requests":[{"id":"1","method":"GET","url":"/me"}]}"#),
        json(&[], Members {
            implemented: &[
                "requests",
                "requests.body",
                "requests.dependsOn",
                "requests.headers",
                "requests.id",
                "requests.method",
                "requests.url",
            ],
            unknown: Unknown::Refused("BadRequest"),
            limit: 4 << 20,
            ..Members::NONE
        });
}

/// The query of an upload session's own URL, which is opaque to clients.
const UPLOAD_URL: &[&str] = &["tempauth", "overwrite", "rename"];
