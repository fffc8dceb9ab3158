//! The `filters` parameter of lists (amazon-drive#filter-grammar).

use std::{
    fmt,
    ops::{Bound, RangeBounds},
};

use jiff::Timestamp;

use super::model::{NodeKind, NodeStatus};

/// A field of nodes that a [`Filter`] can have a condition on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterField {
    /// [`Node::id`](super::Node::id).
    Id,
    /// [`Node::name`](super::Node::name).
    Name,
    /// [`Node::parents`](super::Node::parents): one of them.
    Parents,
    /// [`Node::labels`](super::Node::labels): one of them.
    Labels,
    /// [`Node::description`](super::Node::description).
    Description,
    /// [`Node::created_by`](super::Node::created_by).
    CreatedBy,
    /// [`ContentProperties::md5`](super::ContentProperties::md5), in lower case.
    Md5,
    /// [`ContentProperties::content_type`](super::ContentProperties::content_type).
    ContentType,
    /// [`ContentProperties::extension`](super::ContentProperties::extension).
    Extension,
}

impl FilterField {
    /// Returns the name of the field in a filter (amazon-drive#filter-fields).
    fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::Parents => "parents",
            Self::Labels => "labels",
            Self::Description => "description",
            Self::CreatedBy => "createdBy",
            Self::Md5 => "contentProperties.md5",
            Self::ContentType => "contentProperties.contentType",
            Self::Extension => "contentProperties.extension",
        }
    }
}

/// A date of nodes that a [`Filter`] can have a range of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterDate {
    /// [`Node::created_date`](super::Node::created_date).
    Created,
    /// [`Node::modified_date`](super::Node::modified_date).
    Modified,
    /// [`ContentProperties::content_date`](super::ContentProperties::content_date).
    Content,
}

/// A condition on nodes for [`ListQuery::filter`](super::ListQuery::filter). Every filter that can be
/// built is valid.
///
/// ```
/// use drivedal::services::amazon_drive::{Filter, FilterField, NodeKind};
///
/// let photos = Filter::starts_with(FilterField::ContentType, "image/")
///     .or(Filter::equals(FilterField::Extension, "raw"));
/// let filter = Filter::kind(NodeKind::File)
///     .and(Filter::equals(FilterField::Parents, "AbCdEfGhIjKlMnOpQr0123"))
///     .and(photos)
///     .and(Filter::size(1_000_000..));
/// assert_eq!(
///     filter.to_string(),
///     "kind:FILE AND parents:\"AbCdEfGhIjKlMnOpQr0123\" \
///      AND (contentProperties.contentType:image/* OR contentProperties.extension:\"raw\") \
///      AND contentProperties.size:[1000000 TO *]"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(Condition);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    /// A single condition, as the request contains it.
    One(String),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

impl Filter {
    /// Matches nodes of a kind. Lists contain assets only with a filter for them.
    /// [`NodeKind::Unknown`] matches no node.
    pub fn kind(kind: NodeKind) -> Self {
        let kind = match kind {
            NodeKind::File => "FILE",
            NodeKind::Folder => "FOLDER",
            NodeKind::Asset => "ASSET",
            NodeKind::Unknown => "UNKNOWN",
        };
        Self(Condition::One(format!("kind:{kind}")))
    }

    /// Matches nodes with a status. Lists contain nodes in the trash only with a filter for their
    /// status. [`NodeStatus::Unknown`] matches no node.
    pub fn status(status: NodeStatus) -> Self {
        let status = match status {
            NodeStatus::Available => "AVAILABLE",
            NodeStatus::Trash => "TRASH",
            NodeStatus::Purged => "PURGED",
            NodeStatus::Pending => "PENDING",
            NodeStatus::Unknown => "UNKNOWN",
        };
        Self(Condition::One(format!("status:{status}")))
    }

    /// Matches the root folder.
    pub fn is_root() -> Self {
        Self(Condition::One("isRoot:true".to_owned()))
    }

    /// Matches nodes whose `field` has the value. The cloud compares names without regard to case.
    pub fn equals(field: FilterField, value: &str) -> Self {
        Self(Condition::One(format!("{}:\"{}\"", field.name(), escape(value))))
    }

    /// Matches nodes whose `field` starts with a text; with an empty text, all nodes that have the
    /// field.
    pub fn starts_with(field: FilterField, prefix: &str) -> Self {
        Self(Condition::One(format!("{}:{}*", field.name(), escape(prefix))))
    }

    /// Matches files whose size in bytes is in a range.
    pub fn size(range: impl RangeBounds<u64>) -> Self {
        let from = match range.start_bound() {
            Bound::Included(size) => Some(*size),
            Bound::Excluded(size) => Some(size.saturating_add(1)),
            Bound::Unbounded => None,
        };
        let to = match range.end_bound() {
            Bound::Included(size) => Some(*size),
            // No size is below zero: a range that contains none.
            Bound::Excluded(0) => return Self(Condition::One(between("size", Some(1), Some(0)))),
            Bound::Excluded(size) => Some(size - 1),
            Bound::Unbounded => None,
        };
        Self(Condition::One(between("size", from, to)))
    }

    /// Matches nodes whose `date` is in a range. Dates have milliseconds, and both ends of the range
    /// belong to it.
    pub fn date(date: FilterDate, range: impl RangeBounds<Timestamp>) -> Self {
        let end = |bound: Bound<&Timestamp>| match bound {
            Bound::Included(time) | Bound::Excluded(time) => {
                Some(time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
            }
            Bound::Unbounded => None,
        };
        let (from, to) = (end(range.start_bound()), end(range.end_bound()));
        let field = match date {
            FilterDate::Created => "createdDate",
            FilterDate::Modified => "modifiedDate",
            FilterDate::Content => "contentProperties.contentDate",
        };
        Self(Condition::One(format!("{field}:{}", range_text(from, to))))
    }

    /// Matches nodes that both filters match.
    pub fn and(self, other: Self) -> Self {
        let mut all = match self.0 {
            Condition::All(all) => all,
            one => vec![one],
        };
        match other.0 {
            Condition::All(more) => all.extend(more),
            one => all.push(one),
        }
        Self(Condition::All(all))
    }

    /// Matches nodes that at least one of the filters matches.
    pub fn or(self, other: Self) -> Self {
        let mut any = match self.0 {
            Condition::Any(any) => any,
            one => vec![one],
        };
        match other.0 {
            Condition::Any(more) => any.extend(more),
            one => any.push(one),
        }
        Self(Condition::Any(any))
    }
}

/// Returns the condition that a property of the content is between two numbers, inclusive. `None`:
/// no bound.
fn between(property: &str, from: Option<u64>, to: Option<u64>) -> String {
    let text = |bound: Option<u64>| bound.map(|number| number.to_string());
    format!("contentProperties.{property}:{}", range_text(text(from), text(to)))
}

/// Returns a range as a filter contains it. `None`: no bound.
fn range_text(from: Option<String>, to: Option<String>) -> String {
    let open = || "*".to_owned();
    format!("[{} TO {}]", from.unwrap_or_else(open), to.unwrap_or_else(open))
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Condition {
    /// Writes the condition. Several conditions in another one are in parentheses, so that it does
    /// not depend on precedence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (conditions, joint) = match self {
            Self::One(text) => return f.write_str(text),
            Self::All(conditions) => (conditions, " AND "),
            Self::Any(conditions) => (conditions, " OR "),
        };
        for (i, condition) in conditions.iter().enumerate() {
            if i > 0 {
                f.write_str(joint)?;
            }
            match condition {
                Self::One(text) => f.write_str(text)?,
                several => write!(f, "({several})")?,
            }
        }
        Ok(())
    }
}

/// Puts a backslash before each character with a meaning in a filter, and before white space
/// (amazon-drive#filter-escaping; rclone and duplicati agree on this list).
fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if "+-&|!(){}[]^'\"~*?:\\".contains(c) || c.is_whitespace() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_characters_with_a_meaning_in_a_filter_are_escaped() {
        assert_eq!(
            Filter::equals(FilterField::Name, r#"+-&|!(){}[]^'"~*?:\ é.x_#%"#).to_string(),
            r#"name:"\+\-\&\|\!\(\)\{\}\[\]\^\'\"\~\*\?\:\\\ é.x_#%""#
        );
    }

    #[test]
    fn nested_conditions_are_in_parentheses_and_ranges_are_inclusive() {
        let name = |name| Filter::equals(FilterField::Name, name);
        let any = name("a").or(name("b")).or(name("c"));
        assert_eq!(any.to_string(), r#"name:"a" OR name:"b" OR name:"c""#);
        let both = any.clone().and(Filter::status(NodeStatus::Trash));
        assert_eq!(both.to_string(), r#"(name:"a" OR name:"b" OR name:"c") AND status:TRASH"#);
        assert_eq!(
            both.or(Filter::is_root().and(Filter::kind(NodeKind::Folder))).to_string(),
            r#"((name:"a" OR name:"b" OR name:"c") AND status:TRASH) OR (isRoot:true AND kind:FOLDER)"#
        );
        let size = |filter: Filter| {
            filter.to_string().strip_prefix("contentProperties.size:").map(str::to_owned)
        };
        assert_eq!(size(Filter::size(5..10)).unwrap(), "[5 TO 9]");
        assert_eq!(size(Filter::size(..=10)).unwrap(), "[* TO 10]");
        assert_eq!(size(Filter::size(..0)).unwrap(), "[1 TO 0]");
        let time: Timestamp = "2015-03-01T12:00:00.1234Z".parse().unwrap();
        assert_eq!(
            Filter::date(FilterDate::Created, time..).to_string(),
            "createdDate:[2015-03-01T12:00:00.123Z TO *]"
        );
        assert_eq!(Filter::starts_with(FilterField::Name, "my f").to_string(), r"name:my\ f*");
    }
}
