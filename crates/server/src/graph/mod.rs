//! Microsoft Graph's drives: OneDrive and SharePoint, as clients of Graph v1.0 know them.
//!
//! Served under `/v1.0`, `/beta` and, with the annotations of the drives' own hosts, under
//! `/_api/v2.0`. What kind of account answers is the server's
//! ([`Builder::kind`](super::Builder::kind)), or in the account's name: the token
//! `drivedal-dev-NAME.business` opens a business drive on a server of any kind.
//!
//! | request | operation |
//! |---|---|
//! | `GET /me`, `/users/ID` | `graph.user.get` |
//! | `GET /me/drives`, `/sites/ID/drives`, … | `graph.drives.list` |
//! | `GET /me/drive`, `/drives/ID`, … | `graph.drive.get` |
//! | `GET /sites/ID`, `/sites/HOST:/PATH`, `/sites?search=` | `graph.site.get`, `graph.sites.list` |
//! | `GET`, `PATCH`, `PUT` (JSON), `DELETE` of an item | `graph.item.get`, `.update`, `.put`, `.delete` |
//! | `POST` `permanentDelete`, `restore` | `graph.item.purge`, `graph.item.restore` |
//! | `GET`, `POST` `children` | `graph.children.list`, `graph.children.create` |
//! | `GET`, `PUT` `content` | `graph.content.get` (a redirect to a ticket), `graph.content.put` |
//! | `POST createUploadSession`; `PUT`, `GET`, `DELETE`, `POST` of its URL | `graph.session.create`; `.fragment`, `.status`, `.cancel`, `.commit` |
//! | `POST copy`; `GET` of its monitor | `graph.copy.start`, `graph.copy.status` |
//! | `GET delta` | `graph.delta.list` |
//! | `GET search(q='…')` | `graph.search.list` |
//! | `GET` of a drive's `recent`, `sharedWithMe` | `graph.recent.list`, `graph.shared.list` |
//! | `POST createLink`; `invite`, `permissions`; `GET` of a link | `graph.link.create`; `graph.permissions`; `graph.link.get` |
//! | `GET thumbnails`, `thumbnails/0/SIZE[/content]` | `graph.thumbnails.get` (the pictures themselves: `live.picture`) |
//! | `POST preview` | `graph.preview.get` |
//! | `versions` | `graph.versions` |
//! | `POST $batch` | `graph.batch`, and each of its requests as itself |
//! | anything else | `graph.unknown` |
//!
//! # Options and bodies
//!
//! Each route declares the query options, preferences and body members that it applies, and those
//! that Microsoft describes and that are not implemented: those are refused by name, with 501. An
//! unknown option with `$` is 400, as is an unknown parameter of an action; any other unknown option
//! or member is ignored, as the cloud does. The declarations are in one table, and a request is
//! checked by it before its handler runs: a refused request has no effect.
//!
//! # What can be planted
//!
//! A [`Plant`](super::Plant)'s facets under `graph` become properties of the item, so that a
//! listing can hold what no request makes: `remoteItem` (a shortcut, neither file nor folder),
//! `malware` (its content is 403), `shared`, `publication`, … `locked` is not shown: what would
//! change the item is 423.
//!
//! # What is inferred
//!
//! Where the protocol's description is silent or contradicts itself, one place decides:
//!
//! * an upload session replaces unless it is told otherwise, and makes missing folders on its way
//!   (clients rely on both; the reference says otherwise);
//! * a fragment may have any length up to 60 MiB: the reference wants multiples of 320 KiB and warns
//!   of others, the cloud takes them (onedrive-api-docs#686), and the Python SDK sends them;
//! * `$select` of names that no item has selects nothing, and is no error;
//! * a custom thumbnail has at most 2048 pixels on a side, and is never enlarged;
//! * unknown parameters of actions are refused (invitations and upload sessions are known to refuse
//!   them), unknown members of items are not;
//! * `$filter` knows every property, whatever the kind of account;
//! * people who were invited have a permission that is told, but it lets no other account in;
//! * `POST root:/children` means the root's children, although the address says an item of that
//!   name (OpenDAL's `create_dir` sends it);
//! * children of what is no folder are none;
//! * upload, download and monitor URLs ignore an `Authorization` header, as old clients send it;
//! * a feed that is asked for by an item's id (`items/ID/delta`) tells where items are, any other one
//!   does not: the reference says that none does, logs of a sync client that needs it show it;
//! * names that differ in case or normalisation only are one name, `œ` is `oe` and `þ` is `th` on
//!   Business and SharePoint (`æ` = `ae` is documented): the account's kind decides for all protocols;
//! * the feed of a folder reports an item that left it as deleted;
//! * a feed's token serves for 30 days, a page of the feed that tells of removed items has 7 items;
//! * only the current version of a file is kept.

mod address;
mod batch;
mod body;
mod children;
mod content;
mod contract;
mod copy;
mod cost;
mod delta;
mod dialect;
mod dispatch;
mod drive_context;
mod drive_item;
mod drives;
mod error;
mod filter;
#[cfg(fuzzing)]
pub(super) mod fuzzing;
mod ids;
mod invitations;
mod items;
mod media;
mod names;
mod owner;
mod permissions;
mod query;
mod recent;
mod reply;
mod request;
mod route;
mod search;
mod select;
mod sessions;
mod special_folders;
mod table;
mod thumbnails;
mod versions;
#[cfg(test)]
mod walk;

pub(super) use dispatch::Graph;
pub(super) use reply::RequestIds;
