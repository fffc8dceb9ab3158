//! The requests to a tenant, and their routes in the table.

use http::Method;

use crate::graph::{
    address::{Collection, Owner, PathSegment},
    analytics::AnalyticsAction,
    error::{Error, Result},
    lists::ListAction,
    table::{self, GraphRoute},
};

/// A request to the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::graph) enum TenantAction {
    List(Collection),
    /// The sites that match a search.
    Sites,
    /// The organization with an id.
    Organization(String),
    /// The group with an id.
    Group(String),
    Of(Owner, OwnerRelation),
}

/// A relation of a user, group or site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::graph) enum OwnerRelation {
    /// The site itself.
    Site,
    /// The groups of a user.
    MemberOf,
    /// The members of a group.
    Members,
    /// The owners of a group.
    Owners,
    Photo(PhotoAction),
    /// The sites that a user follows.
    FollowedSites(FollowAction),
    /// The sites below a site.
    Subsites,
    /// The lists of a site.
    Lists,
    /// The list of a site with an id or name, or a resource of it.
    List(String, ListAction),
    /// The analytics of a site.
    Analytics(AnalyticsAction),
}

/// An action on the sites that a user follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::graph) enum FollowAction {
    List,
    Add,
    Remove,
}

/// An action on the photo of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::graph) enum PhotoAction {
    /// The sizes that exist.
    List,
    /// The properties of the photo of a size such as `48x48`; `None` for the largest one.
    Get(Option<String>),
    /// The bytes of the photo of a size; `None` for the largest one.
    Content(Option<String>),
    /// Replaces the photo.
    Put,
}

impl TenantAction {
    /// Returns the action of a method on a collection or an organization.
    ///
    /// # Errors
    /// 501 for a POST to a collection whose resources the reference lets clients create, and 405
    /// for another method than GET.
    pub(in crate::graph) fn read(self, method: &Method) -> Result<Self> {
        let created = match (&self, method) {
            (Self::List(Collection::Users), &Method::POST) => Some("user"),
            (Self::List(Collection::Groups), &Method::POST) => Some("group"),
            _ => None,
        };
        match (created, is_read(method)) {
            (Some(resource), _) => Err(read_only(&format!("create a {resource}"))),
            (None, true) => Ok(self),
            (None, false) => Err(Error::method("GET")),
        }
    }

    /// Returns the action of a method on a group, or on a relation of an owner, which `segments`
    /// name.
    ///
    /// # Errors
    /// 405 for a method that the resource does not have, 501 for a relation or method that this
    /// server does not serve.
    pub(in crate::graph) fn of_owner(
        method: &Method,
        owner: Owner,
        mut segments: Vec<PathSegment>,
    ) -> Result<Self> {
        let analytics = AnalyticsAction::take(&mut segments);
        let names = names(segments);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        if let Some(action) = analytics {
            let action = action.read(method)?;
            let relation = match (&owner, names.as_slice()) {
                (Owner::Site(_) | Owner::GroupSite(_), []) => OwnerRelation::Analytics(action),
                (Owner::Site(_) | Owner::GroupSite(_), ["lists", list, "items", item]) => {
                    let action = ListAction::Analytics { item: (*item).to_owned(), action };
                    OwnerRelation::List((*list).to_owned(), action)
                }
                _ => {
                    let path = names.join("/");
                    return Err(Error::unsupported(format_args!("serve analytics of '{path}'")));
                }
            };
            return Ok(Self::Of(owner, relation));
        }
        let get = |relation: OwnerRelation| match is_read(method) {
            true => Ok(relation),
            false => Err(Error::method("GET")),
        };
        let relation = match (&owner, names.as_slice()) {
            (Owner::Group(id), []) => {
                return match *method {
                    Method::GET | Method::HEAD => Ok(Self::Group(id.clone())),
                    Method::PATCH => Err(read_only("change a group")),
                    Method::DELETE => Err(read_only("delete a group")),
                    _ => Err(Error::method("GET, PATCH, DELETE")),
                };
            }
            (Owner::Group(_), ["members" | "owners", ..]) if !is_read(method) => {
                return Err(read_only("change the members of a group"));
            }
            (Owner::Group(_), ["members" | "transitiveMembers"]) => OwnerRelation::Members,
            (Owner::Group(_), ["owners"]) => OwnerRelation::Owners,
            (Owner::Me | Owner::User(_), ["memberOf" | "transitiveMemberOf"]) => {
                get(OwnerRelation::MemberOf)?
            }
            (Owner::Me | Owner::User(_), ["followedSites"]) => {
                get(OwnerRelation::FollowedSites(FollowAction::List))?
            }
            (Owner::Me | Owner::User(_), ["followedSites", action @ ("add" | "remove")]) => {
                if *method != Method::POST {
                    return Err(Error::method("POST"));
                }
                let action =
                    if *action == "add" { FollowAction::Add } else { FollowAction::Remove };
                OwnerRelation::FollowedSites(action)
            }
            (Owner::Me | Owner::User(_), ["photo" | "photos", ..]) => {
                OwnerRelation::Photo(PhotoAction::parse(method, &names)?)
            }
            (Owner::GroupSite(_) | Owner::Site(_), []) => get(OwnerRelation::Site)?,
            (Owner::Site(_) | Owner::GroupSite(_), ["sites"]) => get(OwnerRelation::Subsites)?,
            (Owner::Site(_) | Owner::GroupSite(_), ["lists"]) if *method == Method::POST => {
                return Err(read_only("create a list"));
            }
            (Owner::Site(_) | Owner::GroupSite(_), ["lists"]) => get(OwnerRelation::Lists)?,
            (Owner::Site(_) | Owner::GroupSite(_), ["lists", id, rest @ ..]) => {
                OwnerRelation::List((*id).to_owned(), ListAction::parse(method, rest)?)
            }
            (owner, rest) => {
                let kind = match owner {
                    Owner::Me | Owner::User(_) => "user",
                    Owner::Group(_) => "group",
                    Owner::GroupSite(_) | Owner::Site(_) => "site",
                };
                let path = rest.join("/");
                return Err(Error::unsupported(format_args!("serve '{path}' of a {kind}")));
            }
        };
        Ok(Self::Of(owner, relation))
    }

    /// Returns the action's route in the table.
    pub(in crate::graph) fn route(&self) -> &'static GraphRoute {
        match self {
            Self::List(Collection::Users) => &table::USERS,
            Self::List(Collection::Groups) => &table::GROUPS,
            Self::List(Collection::Organizations) => &table::ORGANIZATIONS,
            Self::List(Collection::AllSites) => &table::ALL_SITES,
            Self::Sites => &table::SITES,
            Self::Organization(_) => &table::ORGANIZATION,
            Self::Group(_) => &table::GROUP,
            Self::Of(_, relation) => match relation {
                OwnerRelation::Site => &table::SITE,
                OwnerRelation::MemberOf => &table::MEMBER_OF,
                OwnerRelation::Members | OwnerRelation::Owners => &table::MEMBERS,
                OwnerRelation::Photo(PhotoAction::List | PhotoAction::Get(_)) => &table::PHOTO,
                OwnerRelation::Photo(PhotoAction::Content(_)) => &table::PHOTO_CONTENT,
                OwnerRelation::Photo(PhotoAction::Put) => &table::PHOTO_PUT,
                OwnerRelation::FollowedSites(FollowAction::List) => &table::FOLLOWED_SITES,
                OwnerRelation::FollowedSites(FollowAction::Add) => &table::FOLLOW_SITES,
                OwnerRelation::FollowedSites(FollowAction::Remove) => &table::UNFOLLOW_SITES,
                OwnerRelation::Subsites => &table::SUBSITES,
                OwnerRelation::Lists => &table::LISTS,
                OwnerRelation::List(_, action) => action.route(),
                OwnerRelation::Analytics(_) => &table::SITE_ANALYTICS,
            },
        }
    }
}

impl PhotoAction {
    /// Returns the action of a method on `photo`, `photo/$value`, `photos`, `photos/SIZE` or
    /// `photos/SIZE/$value`.
    ///
    /// # Errors
    /// 405 for a method that the resource does not have, 501 for another segment, and for deleting
    /// the photo.
    fn parse(method: &Method, names: &[&str]) -> Result<Self> {
        let action = match *names {
            ["photo"] if *method == Method::DELETE => return Err(read_only("delete a photo")),
            ["photo" | "photos", "$value"] | ["photo"]
                if matches!(*method, Method::PUT | Method::PATCH) =>
            {
                return Ok(Self::Put);
            }
            ["photos"] => Self::List,
            ["photo"] => Self::Get(None),
            ["photo", "$value"] => Self::Content(None),
            ["photos", size] => Self::Get(Some(size.to_owned())),
            ["photos", size, "$value"] => Self::Content(Some(size.to_owned())),
            _ => {
                let path = names.join("/");
                return Err(Error::unsupported(format_args!("serve '{path}' of a user")));
            }
        };
        match (is_read(method), names) {
            (true, _) => Ok(action),
            (false, ["photo", ..]) => Err(Error::method("GET, PUT, PATCH")),
            (false, _) => Err(Error::method("GET")),
        }
    }
}

/// Returns the names of segments; the key in `lists('ID')` follows the name of its collection.
pub(in crate::graph) fn names(segments: Vec<PathSegment>) -> Vec<String> {
    let pairs = segments.into_iter().map(|mut segment| {
        let key = if segment.arguments.len() == 1 { segment.arguments.pop() } else { None };
        [Some(segment.name), key.map(|key| key.value)]
    });
    pairs.flatten().flatten().collect()
}

/// Returns whether a method only reads.
fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Returns 501 for a change of the tenant, which only the control API can change.
fn read_only(action: &str) -> Error {
    Error::not_supported(format!(
        "cannot {action}: this server does not support it (use /_control/directory)"
    ))
}
