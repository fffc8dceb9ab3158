//! The table of routes. Each route has the name of its operation, its cost, the right that it
//! requires, an example request, and a contract for its options and body.
//!
//! Sources: the pages of the v1.0 reference of Microsoft Graph, one for each route, and
//! `docs/protocols/onedrive-graph.md`.

use super::{
    contract::{BodyRule, Contract, Members, UnknownMembers},
    scopes::ScopeRequirement,
    select::ITEM_PROPERTIES,
};
use crate::tree::Role;

/// A method on a type of resource.
#[derive(Debug)]
pub(super) struct GraphRoute {
    /// The name of the operation in counters, logs and fault rules.
    pub(super) operation: &'static str,
    /// Cost of a request in resource units (onedrive-graph#resource-units). Some options change it:
    /// see [`super::cost`].
    pub(super) cost: u32,
    /// The right that the request's token must grant.
    pub(super) requirement: ScopeRequirement,
    pub(super) contract: Contract,
    /// A request of this route, for the test of all contracts.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test of all contracts"))]
    pub(super) example: RouteExample,
}

impl GraphRoute {
    /// Returns the role that the operation needs for the item that it addresses. A copy only reads its
    /// original. The handlers of copies and of permissions check further rights.
    pub(super) fn needs(&self) -> Role {
        let checks_further = [COPY.operation, PERMISSIONS.operation].contains(&self.operation);
        match self.requirement {
            ScopeRequirement::Write | ScopeRequirement::WriteSites if !checks_further => {
                Role::Write
            }
            ScopeRequirement::FullControl => Role::Owner,
            _ => Role::Read,
        }
    }
}

/// An example request. The test replaces `{file}` and `{folder}` with ids of items that it creates,
/// `{trashed}` with the id of an item in the recycle bin, `{versioned}` with the id of a file that
/// has an earlier version, `{checkedOut}` and `{followed}` with
/// those of files that are checked out and followed, `{bundle}` with the id of a bundle that has
/// `{file}`, `{labelled}` with the id of a file with a retention label, `{document}` with that of a
/// PDF file, `{versionedNumber}` with the id of `{versioned}` in its list, `{permission}` with the id of a
/// permission of `{file}`, `{number}` with the id of `{file}` in its list, `{group}` with the id of
/// the account's group, `{unique}` in a body with a name, and `{upload}`, `{monitor}` and `{link}`
/// with URLs that need no token.
#[derive(Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "read by the test of all contracts"))]
pub(super) struct RouteExample {
    pub(super) account: &'static str,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// Empty if the request has no body.
    pub(super) body: &'static str,
}

/// Returns an example with an account whose drive is personal. An empty `body` sends none.
const fn personal(method: &'static str, path: &'static str, body: &'static str) -> RouteExample {
    RouteExample { account: "walk.personal", method, path, body }
}

/// Returns an example with an account whose drive is a library. An empty `body` sends none.
const fn library(method: &'static str, path: &'static str, body: &'static str) -> RouteExample {
    RouteExample { account: "walk.library", method, path, body }
}

/// Returns an example with an account whose drive is a business drive. An empty `body` sends none.
const fn business(method: &'static str, path: &'static str, body: &'static str) -> RouteExample {
    RouteExample { account: "walk.business", method, path, body }
}

/// Defines the routes, and the list of all routes.
macro_rules! routes {
    ($($(#[$doc:meta])* $name:ident = $operation:literal, $cost:literal, $requirement:ident,
        $example:expr, $contract:expr;)+) => {
        $(
            $(#[$doc])*
            pub(super) static $name: GraphRoute = GraphRoute {
                operation: $operation,
                cost: $cost,
                requirement: ScopeRequirement::$requirement,
                contract: $contract,
                example: $example,
            };
        )+

        /// All routes.
        pub(super) static ROUTES: &[&GraphRoute] = &[$(&$name),+];
    };
}

/// Returns a contract that accepts only these OData options, without `$`.
const fn odata(options: &'static [&'static str]) -> Contract {
    Contract { odata: options, ..Contract::NONE }
}

/// Returns a contract that accepts these OData options, without `$`, and a JSON body with these
/// members.
const fn json(options: &'static [&'static str], members: Members) -> Contract {
    Contract { odata: options, body: BodyRule::Json(members), ..Contract::NONE }
}

/// Options that select the properties and relations of a driveItem in a response.
const SHAPE: &[&str] = &["select", "expand"];

/// Preferences of requests that can change a locked or checked-out item.
const BYPASS: &[&str] = &["bypass-shared-lock", "bypass-checked-out"];

/// Members of a driveItem that no request of this server applies: Microsoft describes them for
/// other requests.
const UNIMPLEMENTED: [&str; 9] = [
    "children",
    "content",
    "folder.folderView",
    "folder.view",
    "listItem",
    "permissions",
    "retentionLabel",
    "thumbnails",
    "versions",
];

/// Members that are only refused in requests that create an item; in an update they are read-only.
const UNIMPLEMENTED_IN_NEW_ITEM: [&str; 3] = ["bundle", "package", "remoteItem"];

/// Members of a driveItem that no request for a new child applies.
const UNIMPLEMENTED_IN_CHILD: [&str; 2] = ["bundle", "package"];

/// Annotation with the URL of the bytes of a new file: an upload session, or a URL of any host.
const SOURCE_URL: &str = "@microsoft.graph.sourceUrl";

/// Returns the concatenation of two lists. `N` must be the sum of their lengths.
const fn concat<const N: usize>(
    first: &[&'static str],
    second: &[&'static str],
) -> [&'static str; N] {
    assert!(first.len() + second.len() == N, "N is the length of both lists");
    let mut all = [""; N];
    let mut at = 0;
    while at < N {
        all[at] = if at < first.len() { first[at] } else { second[at - first.len()] };
        at += 1;
    }
    all
}

/// Members of a driveItem in an update. Other members are read-only.
const UPDATE: Members = Members {
    implemented: &[
        // Of a bundle.
        "bundle",
        "bundle.album",
        "bundle.album.coverImageItemId",
        "name",
        "description",
        "folder",
        "fileSystemInfo",
        "parentReference",
        "@microsoft.graph.conflictBehavior",
    ],
    unimplemented: &concat::<10>(&UNIMPLEMENTED, &[SOURCE_URL]),
    read_only: ITEM_PROPERTIES,
    ..Members::NONE
};

/// Members of a bundle in an update. Other members are read-only.
const BUNDLE_CHANGE: Members = Members {
    implemented: &["bundle", "bundle.album", "bundle.album.coverImageItemId", "name"],
    read_only: ITEM_PROPERTIES,
    ..Members::NONE
};

/// Members of a driveItem that a request creates. Like the cloud, the server ignores times
/// (onedrive-graph#create-folder-times).
pub(super) const CREATE: Members = Members {
    implemented: &[
        "name",
        "description",
        "folder",
        "file",
        "remoteItem",
        "@microsoft.graph.conflictBehavior",
        SOURCE_URL,
    ],
    unimplemented: &concat::<11>(&UNIMPLEMENTED, &UNIMPLEMENTED_IN_CHILD),
    read_only: ITEM_PROPERTIES,
    ..Members::NONE
};

/// Members of a driveItem in a PUT. The URL of an upload session creates a file from the session's
/// bytes.
const PUT: Members = Members {
    implemented: &[
        "name",
        "description",
        "folder",
        "@microsoft.graph.conflictBehavior",
        SOURCE_URL,
    ],
    unimplemented: &concat::<12>(&UNIMPLEMENTED, &UNIMPLEMENTED_IN_NEW_ITEM),
    read_only: ITEM_PROPERTIES,
    ..Members::NONE
};

/// Members of an action's parameters. The cloud refuses unknown ones.
const ACTION: Members =
    Members { unknown: UnknownMembers::Refused("invalidRequest"), ..Members::NONE };

/// The contract of `grant`.
const GRANT: Members = Members {
    implemented: &[
        "recipients",
        "recipients.alias",
        "recipients.email",
        "recipients.objectId",
        "roles",
    ],
    ..ACTION
};

/// The contract of a permission of a site.
const SITE_GRANT: Members = Members {
    implemented: &[
        "grantedTo",
        "grantedToIdentities",
        "grantedToIdentitiesV2",
        "grantedToV2",
        "roles",
    ],
    ..Members::NONE
};

/// A listing of items in pages. The cloud refuses `$skip` (onedrive-graph#page-size).
const LISTING: Contract =
    Contract { refused: &["skip"], ..odata(&["select", "expand", "top", "skiptoken"]) };

/// Options on a collection of the directory.
const COLLECTION: [&str; 7] =
    ["select", "top", "skiptoken", "filter", "search", "orderby", "count"];

/// Thumbnails as JSON.
const THUMBNAIL_METADATA: Contract =
    Contract { plain: &["originalOrientation"], ..odata(&["select"]) };

routes! {
    USER = "graph.user.get", 1, User, personal("GET", "/me", ""), odata(&["select"]);
    DRIVES = "graph.drives.list", 2, Read, personal("GET", "/me/drives", ""),
        Contract {
            relations: &["list", "root"],
            ..odata(&["select", "expand", "top", "skiptoken", "orderby"])
        };
    DRIVE = "graph.drive.get", 1, Read, personal("GET", "/me/drive", ""), odata(&["select"]);
    // The tenant: users, groups, the organization, sites and lists.
    USERS = "graph.users.list", 2, Users, business("GET", "/users", ""), odata(&COLLECTION);
    GROUPS = "graph.groups.list", 2, Groups, library("GET", "/groups", ""), odata(&COLLECTION);
    GROUP = "graph.group.get", 1, Groups, library("GET", "/groups/{group}", ""), odata(&["select"]);
    MEMBERS = "graph.members.list", 2, Groups, library("GET", "/groups/{group}/members", ""),
        odata(&COLLECTION);
    MEMBER_OF = "graph.memberOf.list", 2, MemberOf, business("GET", "/me/memberOf", ""),
        odata(&COLLECTION);
    ORGANIZATIONS = "graph.organization.list", 2, Organization, business("GET", "/organization", ""),
        odata(&["select", "top", "skiptoken"]);
    ORGANIZATION = "graph.organization.get", 1, Organization,
        business("GET", "/organization/d21be5f1-a0a2-4b6e-9a51-6ed1c0de0001", ""),
        odata(&["select"]);
    PHOTO = "graph.photo.get", 1, User, library("GET", "/me/photo", ""), odata(&["select"]);
    PHOTO_CONTENT = "graph.photo.get", 1, User, library("GET", "/me/photo/$value", ""),
        Contract::NONE;
    PHOTO_PUT = "graph.photo.put", 2, WriteUser, library("PUT", "/me/photo/$value", "{picture}"),
        Contract { body: BodyRule::Bytes, ..Contract::NONE };
    SITE = "graph.site.get", 1, Sites, business("GET", "/sites/root", ""), odata(&["select"]);
    SITES = "graph.sites.list", 2, Sites, business("GET", "/sites?search=*", ""),
        odata(&["search", "select", "top", "filter", "skiptoken"]);
    ALL_SITES = "graph.sites.list", 2, Sites, business("GET", "/sites/getAllSites", ""),
        odata(&["select", "top", "filter", "skiptoken"]);
    SUBSITES = "graph.sites.list", 2, Sites, library("GET", "/sites/root/sites", ""),
        odata(&["select", "top", "filter", "skiptoken"]);
    FOLLOWED_SITES = "graph.followedSites", 2, Sites, library("GET", "/me/followedSites", ""),
        odata(&["select", "top", "filter", "skiptoken"]);
    FOLLOW_SITES = "graph.followedSites", 2, WriteSites,
        library("POST", "/me/followedSites/add", r#"{"value":[{"id":"root"}]}"#),
        json(&[], Members { implemented: &["value", "value.id"], ..ACTION });
    UNFOLLOW_SITES = "graph.followedSites", 2, WriteSites,
        library("POST", "/me/followedSites/remove", r#"{"value":[{"id":"root"}]}"#),
        json(&[], Members { implemented: &["value", "value.id"], ..ACTION });
    LISTS = "graph.lists.list", 2, Sites, library("GET", "/sites/root/lists", ""),
        odata(&["select", "top", "filter", "skiptoken"]);
    LIST = "graph.list.get", 1, Sites, library("GET", "/sites/root/lists/Documents", ""),
        odata(&["select"]);
    LIST_ITEMS = "graph.listItems.list", 2, Sites,
        library("GET", "/sites/root/lists/Documents/items", ""),
        Contract {
            refused: &["skip"],
            relations: &["fields", "driveItem"],
            ..odata(&["select", "expand", "top", "filter", "skiptoken"])
        };
    LIST_ITEM = "graph.listItem.get", 1, Sites,
        library("GET", "/sites/root/lists/Documents/items/{number}", ""),
        Contract { relations: &["fields", "driveItem"], ..odata(SHAPE) };
    LIST_ITEM_DELETE = "graph.listItem.delete", 2, WriteSites,
        library("DELETE", "/sites/root/lists/Documents/items/{number}", ""), Contract::NONE;
    LIST_DRIVE_ITEM = "graph.listItem.driveItem", 1, Sites,
        library("GET", "/sites/root/lists/Documents/items/{number}/driveItem", ""),
        odata(&["select"]);
    FIELDS = "graph.fields.get", 1, Sites,
        library("GET", "/me/drive/items/{file}/listItem/fields", ""), odata(&["select"]);
    FIELDS_UPDATE = "graph.fields.update", 2, WriteSites,
        library("PATCH", "/me/drive/items/{file}/listItem/fields", r#"{"Title":"walk"}"#),
        json(&[], Members { unknown: UnknownMembers::Handled, ..Members::NONE });
    COLUMNS = "graph.columns.list", 2, Sites, library("GET", "/me/drive/list/columns", ""),
        odata(&["select", "top", "filter", "skiptoken"]);
    COLUMN = "graph.column.get", 1, Sites, library("GET", "/me/drive/list/columns/Title", ""),
        odata(&["select"]);
    COLUMN_CREATE = "graph.column.create", 2, WriteSites,
        library("POST", "/me/drive/list/columns", r#"{"name":"{unique}","text":{}}"#),
        json(&[], Members {
            implemented: &[
                "boolean",
                "choice",
                "dateTime",
                "description",
                "displayName",
                "name",
                "number",
                "text",
            ],
            unimplemented: &[
                "calculated",
                "contentApprovalStatus",
                "currency",
                "defaultValue",
                "enforceUniqueValues=false",
                "geolocation",
                "hidden=false",
                "hyperlinkOrPicture",
                "indexed=false",
                "lookup",
                "personOrGroup",
                "readOnly=false",
                "required=false",
                "term",
                "thumbnail",
                "validation",
            ],
            ..Members::NONE
        });
    LIST_ITEM_VERSIONS = "graph.listItem.versions", 2, Sites,
        library("GET", "/sites/root/lists/Documents/items/{number}/versions", ""),
        odata(&["select"]);
    LIST_ITEM_VERSION = "graph.listItem.versions", 2, Sites,
        library("GET", "/sites/root/lists/Documents/items/{number}/versions/1.0", ""),
        odata(&["select"]);
    LIST_ITEM_VERSION_RESTORE = "graph.listItem.versions", 2, WriteSites,
        library("POST", "/sites/root/lists/Documents/items/{versionedNumber}/versions/1.0/restoreVersion", ""),
        Contract::NONE;
    LIST_ITEM_ANALYTICS = "graph.analytics", 2, Sites,
        library("GET", "/sites/root/lists/Documents/items/{number}/analytics/allTime", ""),
        odata(&["select"]);
    SITE_ANALYTICS = "graph.analytics", 2, Sites,
        library("GET", "/sites/root/analytics/allTime", ""), odata(&["select"]);
    // Files.
    ANALYTICS = "graph.analytics", 2, Read,
        business("GET", "/me/drive/items/{file}/analytics/allTime", ""), odata(&["select"]);
    EXTRACT_LABELS = "graph.labels", 2, Read,
        business("POST", "/me/drive/items/{document}/extractSensitivityLabels", ""),
        Contract::NONE;
    ASSIGN_LABEL = "graph.labels", 2, Write,
        business("POST", "/me/drive/items/{document}/assignSensitivityLabel",
            r#"{"sensitivityLabelId":"5feba255-812e-446a-ac59-a7044ef827b5"}"#),
        json(&[], Members {
            implemented: &["assignmentMethod", "justificationText", "sensitivityLabelId"],
            ..ACTION
        });
    RETENTION_LABEL = "graph.labels", 2, Read,
        business("GET", "/me/drive/items/{labelled}/retentionLabel", ""), odata(&["select"]);
    RETENTION_LABEL_SET = "graph.labels", 2, Write,
        business("PATCH", "/me/drive/items/{file}/retentionLabel", r#"{"name":"Contracts"}"#),
        json(&["select"], Members {
            implemented: &["name", "retentionSettings", "retentionSettings.isRecordLocked"],
            read_only: &["isLabelAppliedExplicitly", "labelAppliedBy", "labelAppliedDateTime"],
            ..Members::NONE
        });
    RETENTION_LABEL_REMOVE = "graph.labels", 2, Write,
        business("DELETE", "/me/drive/items/{labelled}/retentionLabel", ""), Contract::NONE;
    RECENT = "graph.recent.list", 2, Read, personal("GET", "/me/drive/recent", ""),
        LISTING;
    FOLLOWING = "graph.following", 2, Read, business("GET", "/me/drive/following", ""), LISTING;
    FOLLOW = "graph.following", 2, Write, business("POST", "/me/drive/items/{file}/follow", ""),
        odata(SHAPE);
    UNFOLLOW = "graph.following", 2, Write,
        business("POST", "/me/drive/items/{followed}/unfollow", ""), Contract::NONE;
    BUNDLES = "graph.bundles", 2, Read, personal("GET", "/drive/bundles", ""),
        Contract {
            refused: &["skip"],
            ..odata(&["select", "expand", "top", "skiptoken", "filter"])
        };
    BUNDLE_CREATE = "graph.bundles", 2, Write,
        personal("POST", "/drive/bundles",
            r#"{"name":"{unique}","bundle":{},"children":[{"id":"{file}"}]}"#),
        json(&["select"], Members {
            implemented: &[
                "@microsoft.graph.conflictBehavior",
                "bundle",
                "bundle.album",
                "bundle.album.coverImageItemId",
                "children",
                "children.id",
                "name",
            ],
            read_only: ITEM_PROPERTIES,
            ..Members::NONE
        });
    BUNDLE_GET = "graph.bundles", 2, Read, personal("GET", "/drive/bundles/{bundle}", ""),
        odata(SHAPE);
    BUNDLE_UPDATE = "graph.bundles", 2, Write,
        personal("PATCH", "/drive/bundles/{bundle}", r#"{"name":"{unique}"}"#),
        json(&["select"], BUNDLE_CHANGE);
    BUNDLE_DELETE = "graph.bundles", 2, Write, personal("DELETE", "/drive/bundles/{bundle}", ""),
        Contract::NONE;
    BUNDLE_ITEMS = "graph.bundles", 2, Read,
        personal("GET", "/drive/bundles/{bundle}/children", ""), LISTING;
    BUNDLE_ADD = "graph.bundles", 2, Write,
        personal("POST", "/drive/bundles/{bundle}/children", r#"{"id":"{file}"}"#),
        json(&[], Members { implemented: &["id"], read_only: ITEM_PROPERTIES, ..Members::NONE });
    BUNDLE_REMOVE = "graph.bundles", 2, Write,
        personal("DELETE", "/drive/bundles/{bundle}/children/{file}", ""), Contract::NONE;
    // `allowexternal` has no effect: the server has no other organizations.
    SHARED = "graph.shared.list", 2, Read, personal("GET", "/me/drive/sharedWithMe", ""),
        Contract {
            refused: &[],
            plain: &["allowexternal"],
            ..LISTING
        };
    ITEM_GET = "graph.item.get", 1, Read, personal("GET", "/me/drive/items/{folder}", ""),
        Contract { plain: &["includeDeletedItems"], ..odata(SHAPE) };
    ITEM_UPDATE = "graph.item.update", 2, Write,
        personal("PATCH", "/me/drive/items/{file}", r#"{"description":"d"}"#),
        Contract { preferences: BYPASS, ..json(SHAPE, UPDATE) };
    ITEM_PUT = "graph.item.put", 2, Write, personal("PUT", "/me/drive/root:/walk/put", r#"{"folder":{}}"#),
        json(SHAPE, PUT);
    ITEM_DELETE = "graph.item.delete", 2, Write, personal("DELETE", "/me/drive/items/{file}", ""),
        Contract { preferences: BYPASS, ..Contract::NONE };
    PURGE = "graph.item.purge", 2, Write, business("POST", "/me/drive/items/{file}/permanentDelete", ""),
        Contract::NONE;
    RESTORE = "graph.item.restore", 2, Write, personal("POST", "/me/drive/items/{trashed}/restore", ""),
        json(SHAPE, Members {
            implemented: &["name", "parentReference"],
            ..ACTION
        });
    CHILDREN_LIST = "graph.children.list", 2, Read,
        personal("GET", "/me/drive/items/{folder}/children", ""),
        Contract {
            refused: &["skip"],
            ..odata(&["select", "expand", "top", "skiptoken", "orderby", "filter", "count"])
        };
    CHILDREN_CREATE = "graph.children.create", 2, Write,
        personal("POST", "/me/drive/items/{folder}/children", r#"{"name":"made","folder":{}}"#),
        json(SHAPE, CREATE);
    CHILDREN_MULTIPART = "graph.children.create", 2, Write,
        personal("POST", "/me/drive/items/{folder}/children", MULTIPART_EXAMPLE),
        Contract { body: BodyRule::Bytes, ..odata(SHAPE) };
    CONTENT_GET = "graph.content.get", 1, Read, personal("GET", "/me/drive/items/{file}/content", ""),
        Contract {
            plain: &["AVOverride"],
            unimplemented: &["format", "width", "height"],
            ..Contract::NONE
        };
    // Only the first version of the content's URL converts formats.
    CONTENT_STREAM = "graph.content.get", 1, Read,
        personal("GET", "/me/drive/items/{file}/contentStream", ""),
        Contract { plain: &["AVOverride"], ..Contract::NONE };
    CONTENT_PUT = "graph.content.put", 2, Write, personal("PUT", "/me/drive/items/{file}/content", "bytes"),
        Contract { body: BodyRule::Bytes, preferences: BYPASS, ..odata(SHAPE) };
    PREVIEW = "graph.preview.get", 1, Read, personal("POST", "/me/drive/items/{file}/preview", ""),
        json(&[], Members {
            implemented: &["page", "zoom"],
            unimplemented: &["allowEdit=false", "chromeless=true", "viewer"],
            ..ACTION
        });
    SESSION_CREATE = "graph.session.create", 2, Write,
        personal("POST", "/me/drive/items/{folder}:/new:/createUploadSession", ""),
        json(&[], Members {
            implemented: &[
                "deferCommit",
                "item",
                "item.description",
                "item.driveItemSource",
                "item.driveItemSource.application",
                "item.driveItemSource.externalId",
                "item.fileSize",
                "item.fileSystemInfo",
                "item.mediaSource",
                "item.mediaSource.contentCategory",
                "item.name",
                "item.@microsoft.graph.conflictBehavior",
            ],
            // onedrive-graph#session-members-beside-item
            read_only: &["description", "fileSize", "fileSystemInfo", "name"],
            ..ACTION
        });
    // The response to the last fragment is the item, so `$select` applies.
    SESSION_FRAGMENT = "graph.session.fragment", 0, Nothing, personal("PUT", "{upload}", "b"),
        Contract { plain: UPLOAD_URL, body: BodyRule::Bytes, ..odata(&["select"]) };
    SESSION_STATUS = "graph.session.status", 0, Nothing, personal("GET", "{upload}", ""),
        Contract { plain: UPLOAD_URL, ..Contract::NONE };
    SESSION_CANCEL = "graph.session.cancel", 0, Nothing, personal("DELETE", "{upload}", ""),
        Contract { plain: UPLOAD_URL, ..Contract::NONE };
    SESSION_COMMIT = "graph.session.commit", 0, Nothing, personal("POST", "{upload}", ""),
        Contract { plain: UPLOAD_URL, ..odata(&["select"]) };
    COPY = "graph.copy.start", 2, Write, personal("POST", "/me/drive/items/{file}/copy", r#"{"name":"c"}"#),
        json(&[], Members {
            implemented: &[
                "childrenOnly",
                "includeAllVersionHistory",
                "name",
                "parentReference",
                "@microsoft.graph.conflictBehavior",
            ],
            ..ACTION
        });
    CHECK_OUT = "graph.checkout", 2, Write, business("POST", "/me/drive/items/{file}/checkout", ""),
        Contract::NONE;
    CHECK_IN = "graph.checkout", 2, Write,
        business("POST", "/me/drive/items/{checkedOut}/checkin", r#"{"comment":"c"}"#),
        json(&[], Members { implemented: &["checkInAs", "comment"], ..ACTION });
    DISCARD_CHECK_OUT = "graph.checkout", 2, Write,
        business("POST", "/me/drive/items/{checkedOut}/discardCheckout", ""), Contract::NONE;
    COPY_STATUS = "graph.copy.status", 0, Nothing, personal("GET", "{monitor}", ""), Contract::NONE;
    DELTA = "graph.delta.list", 2, Read, personal("GET", "/me/drive/root/delta", ""),
        Contract {
            refused: &["skip"],
            plain: &["token"],
            // Other preferences have no effect: deleted items are always shown as deleted, and a
            // drive has no permission gaps.
            preferences: &["hierarchicalsharing", "deltashowsharingchanges"],
            ..odata(&["select", "expand", "top"])
        };
    SEARCH = "graph.search.list", 2, Read, personal("GET", "/me/drive/root/search(q='walk')", ""),
        Contract {
            refused: &["skip"],
            plain: &["q"],
            ..odata(&["select", "expand", "top", "skiptoken", "filter", "orderby"])
        };
    SEARCH_QUERY = "graph.search.query", 2, Read,
        business("POST", "/search/query",
            r#"{"requests":[{"entityTypes":["driveItem"],"query":{"queryString":"walk"}}]}"#),
        json(&[], Members {
            implemented: &[
                "requests",
                "requests.entityTypes",
                "requests.query",
                "requests.query.queryString",
                "requests.from",
                "requests.size",
                // Where an application's own token searches: this server has one region.
                "requests.region",
            ],
            unimplemented: &[
                "requests.aggregationFilters",
                "requests.aggregations",
                "requests.collapseProperties",
                "requests.contentSources",
                "requests.enableTopResults=false",
                "requests.fields",
                "requests.query.queryTemplate",
                "requests.queryAlterationOptions",
                "requests.resultTemplateOptions",
                "requests.sharePointOneDriveOptions",
                "requests.sortProperties",
                "requests.trimDuplicates=false",
            ],
            ..ACTION
        });
    LINK_CREATE = "graph.link.create", 5, Write,
        personal("POST", "/me/drive/items/{file}/createLink",
            r#"{"type":"view","scope":"anonymous"}"#),
        json(&[], Members {
            implemented: &[
                "expirationDateTime",
                "password",
                "recipients",
                "recipients.alias",
                "recipients.email",
                "recipients.objectId",
                "retainInheritedPermissions",
                "scope",
                "type",
            ],
            unimplemented: &["message", "sendNotification=false"],
            ..ACTION
        });
    LINK_GET = "graph.link.get", 0, Nothing, personal("GET", "{link}", ""), Contract::NONE;
    LINK_OPEN = "graph.link.open", 0, Nothing, personal("POST", "{link}", ""),
        Contract { body: BodyRule::Form, ..Contract::NONE };
    INVITE = "graph.permissions", 5, Write,
        personal("POST", "/me/drive/items/{file}/invite",
            r#"{"recipients":[{"email":"ann@example.org"}],"roles":["read"]}"#),
        json(&[], Members {
            implemented: &[
                "recipients",
                "recipients.alias",
                "recipients.email",
                "recipients.objectId",
                "requireSignIn",
                "retainInheritedPermissions",
                "expirationDateTime",
                "roles",
            ],
            // A message is part of the invitation that is sent.
            unimplemented: &["message", "password", "sendInvitation=false"],
            ..ACTION
        });
    PERMISSIONS = "graph.permissions", 5, Read, personal("GET", "/me/drive/items/{file}/permissions", ""),
        odata(&["select"]);
    PERMISSION_GET = "graph.permissions", 5, Read,
        personal("GET", "/me/drive/items/{file}/permissions/{permission}", ""),
        odata(&["select"]);
    PERMISSION_UPDATE = "graph.permissions", 5, Write,
        personal("PATCH", "/me/drive/items/{file}/permissions/{permission}",
            r#"{"roles":["write"]}"#),
        json(&["select"], Members {
            implemented: &["expirationDateTime", "password", "roles"],
            ..Members::NONE
        });
    PERMISSION_GRANT = "graph.permissions", 5, Write,
        personal("POST", "/me/drive/items/{file}/permissions/{linkid}/grant",
            r#"{"recipients":[{"email":"ann@example.org"}],"roles":["read"]}"#),
        json(&[], GRANT);
    PERMISSION_DELETE = "graph.permissions", 5, Write,
        personal("DELETE", "/me/drive/items/{file}/permissions/{permission}", ""),
        Contract::NONE;
    SHARE_PERMISSION = "graph.permissions", 5, Read, personal("GET", "/shares/{share}/permission", ""),
        odata(&["select"]);
    SHARE_GRANT = "graph.permissions", 5, Write,
        personal("POST", "/shares/{share}/permission/grant",
            r#"{"recipients":[{"email":"ann@example.org"}],"roles":["read"]}"#),
        json(&[], GRANT);
    SHARE = "graph.share.get", 1, Read, personal("GET", "/shares/{share}", ""), odata(&["select"]);
    SHARE_SITE = "graph.share.get", 1, Read, business("GET", "/shares/{share}/site", ""),
        odata(&["select"]);
    SITE_PERMISSIONS = "graph.site.permissions", 5, FullControl,
        business("GET", "/sites/root/permissions", ""), odata(&["select"]);
    SITE_PERMISSION_CREATE = "graph.site.permissions", 5, FullControl,
        business("POST", "/sites/root/permissions",
            r#"{"roles":["read"],"grantedToIdentities":[{"application":{"id":"a"}}]}"#),
        json(&[], SITE_GRANT);
    SITE_PERMISSION_GET = "graph.site.permissions", 5, FullControl,
        business("GET", "/sites/root/permissions/{sitepermission}", ""), odata(&["select"]);
    SITE_PERMISSION_UPDATE = "graph.site.permissions", 5, FullControl,
        business("PATCH", "/sites/root/permissions/{sitepermission}", r#"{"roles":["write"]}"#),
        json(&[], SITE_GRANT);
    SITE_PERMISSION_DELETE = "graph.site.permissions", 5, FullControl,
        business("DELETE", "/sites/root/permissions/{sitepermission}", ""), Contract::NONE;
    THUMBNAILS = "graph.thumbnails.get", 1, Read, personal("GET", "/me/drive/items/{file}/thumbnails", ""),
        THUMBNAIL_METADATA;
    THUMBNAIL_SET = "graph.thumbnails.get", 1, Read,
        personal("GET", "/me/drive/items/{file}/thumbnails/0", ""),
        THUMBNAIL_METADATA;
    THUMBNAIL = "graph.thumbnails.get", 1, Read,
        personal("GET", "/me/drive/items/{file}/thumbnails/0/small", ""),
        THUMBNAIL_METADATA;
    THUMBNAIL_CONTENT = "graph.thumbnails.get", 1, Read,
        personal("GET", "/me/drive/items/{file}/thumbnails/0/small/content", ""),
        Contract { plain: &["originalOrientation"], ..Contract::NONE };
    VERSIONS = "graph.versions", 2, Read, personal("GET", "/me/drive/items/{versioned}/versions", ""),
        odata(&["select", "top", "skiptoken"]);
    VERSION_GET = "graph.versions", 2, Read,
        personal("GET", "/me/drive/items/{versioned}/versions/1.0", ""), odata(&["select"]);
    VERSION_CONTENT = "graph.versions", 2, Read,
        personal("GET", "/me/drive/items/{versioned}/versions/1.0/content", ""), Contract::NONE;
    VERSION_RESTORE = "graph.versions", 2, Write,
        personal("POST", "/me/drive/items/{versioned}/versions/1.0/restoreVersion", ""),
        Contract::NONE;
    VERSION_DELETE = "graph.versions", 2, Write,
        business("DELETE", "/me/drive/items/{versioned}/versions/1.0", ""), Contract::NONE;
    BATCH = "graph.batch", 0, Nothing, personal("POST", "/$batch", r#"{"requests":[{"id":"1","method":"GET","url":"/me"}]}"#),
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
            // msgraph-sdk for Python sends the name in this spelling, with an empty list (wire).
            unimplemented: &["requests.depends_on=[]"],
            unknown: UnknownMembers::Refused("BadRequest"),
            limit: 4 << 20,
            ..Members::NONE
        });
}

/// The body of the example of [`CHILDREN_MULTIPART`]; its media type is that of the test.
const MULTIPART_EXAMPLE: &str = std::concat!(
    "--walk\r\nContent-ID: <metadata>\r\nContent-Type: application/json\r\n\r\n",
    r#"{"name":"parts","file":{},"@content.sourceUrl":"cid:content"}"#,
    "\r\n--walk\r\nContent-ID: <content>\r\n\r\nbytes\r\n--walk--\r\n"
);

/// Query options of the URL of an upload session. Clients treat the URL as opaque.
const UPLOAD_URL: &[&str] = &["tempauth", "guid", "overwrite", "rename"];
