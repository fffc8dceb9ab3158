//! The conditions of a filter, and their evaluation.

use jiff::Timestamp;

use crate::{time, tree::NameFolding};

/// A condition on nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::amazon) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Is(Field, Value),
}

/// A field of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::amazon) enum Field {
    Id,
    Kind,
    Status,
    IsRoot,
    Name,
    Parents,
    Labels,
    Description,
    CreatedBy,
    CreatedDate,
    ModifiedDate,
    ContentDate,
    Md5,
    Size,
    ContentType,
    Extension,
}

impl Field {
    /// Parses the name of a field; `None` if it is unknown.
    pub(in crate::amazon) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "id" => Self::Id,
            "kind" => Self::Kind,
            "status" => Self::Status,
            "isRoot" => Self::IsRoot,
            "name" => Self::Name,
            "parents" => Self::Parents,
            "labels" => Self::Labels,
            "description" => Self::Description,
            "createdBy" => Self::CreatedBy,
            "createdDate" => Self::CreatedDate,
            "modifiedDate" => Self::ModifiedDate,
            "contentProperties.md5" => Self::Md5,
            "contentProperties.size" => Self::Size,
            "contentProperties.contentType" => Self::ContentType,
            "contentProperties.extension" => Self::Extension,
            "contentProperties.contentDate" => Self::ContentDate,
            _ => return None,
        })
    }
}

/// The values that satisfy a condition on a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::amazon) enum Value {
    /// A value that is equal, see [`comparable`].
    Exactly(String),
    /// A value with this prefix.
    Prefix(String),
    /// A value between two bounds, inclusive. `None`: no bound.
    Range(Option<String>, Option<String>),
}

impl Filter {
    /// Returns whether a node satisfies the condition. `values` returns the node's values of a
    /// field. Text is compared with the case folding of the drive's names.
    pub(in crate::amazon) fn matches(
        &self,
        values: &impl Fn(Field) -> Vec<String>,
        folding: NameFolding,
    ) -> bool {
        match self {
            Self::All(filters) => filters.iter().all(|filter| filter.matches(values, folding)),
            Self::Any(filters) => filters.iter().any(|filter| filter.matches(values, folding)),
            Self::Is(field, value) => {
                values(*field).iter().any(|actual| value.matches(*field, actual, folding))
            }
        }
    }

    /// Returns whether the condition depends on a field.
    pub(in crate::amazon) fn mentions(&self, wanted: Field) -> bool {
        match self {
            Self::All(filters) | Self::Any(filters) => {
                filters.iter().any(|filter| filter.mentions(wanted))
            }
            Self::Is(field, _) => *field == wanted,
        }
    }

    /// Returns the value that a field must have in every matching node; `None` if the condition
    /// requires none.
    pub(in crate::amazon) fn requires(&self, wanted: Field) -> Option<&str> {
        match self {
            Self::All(filters) => filters.iter().find_map(|filter| filter.requires(wanted)),
            Self::Any(_) => None,
            Self::Is(field, Value::Exactly(text)) if *field == wanted => Some(text),
            Self::Is(..) => None,
        }
    }
}

impl Value {
    /// Returns whether a value of the field satisfies the condition.
    fn matches(&self, field: Field, actual: &str, folding: NameFolding) -> bool {
        let comparable = |text: &str| comparable(field, text, folding);
        match self {
            Self::Exactly(text) => comparable(text) == comparable(actual),
            Self::Prefix(text) => comparable(actual).starts_with(&comparable(text)),
            Self::Range(from, to) => {
                let is_within = |end: &Option<String>, order| {
                    end.as_ref()
                        .is_none_or(|end| compare(field, actual, end, folding) != Some(order))
                };
                is_within(from, std::cmp::Ordering::Less)
                    && is_within(to, std::cmp::Ordering::Greater)
            }
        }
    }
}

/// Converts a value for comparison. Ids are compared exactly, all other text without case.
fn comparable(field: Field, text: &str, folding: NameFolding) -> String {
    match field {
        Field::Id | Field::Parents | Field::CreatedBy => text.to_owned(),
        _ => folding.fold(text),
    }
}

/// Compares two values: sizes as numbers, dates as times, all others as text. `None` if they are
/// not comparable: no range excludes such a value.
fn compare(
    field: Field,
    one: &str,
    other: &str,
    folding: NameFolding,
) -> Option<std::cmp::Ordering> {
    match field {
        Field::Size => Some(one.parse::<u64>().ok()?.cmp(&other.parse().ok()?)),
        Field::CreatedDate | Field::ModifiedDate | Field::ContentDate => {
            Some(parse_time(one)?.cmp(&parse_time(other)?))
        }
        _ => Some(comparable(field, one, folding).cmp(&comparable(field, other, folding))),
    }
}

/// Parses a time with an offset, or a date, which is its midnight in UTC; `None` for any other
/// text.
pub(super) fn parse_time(text: &str) -> Option<Timestamp> {
    time::parse(text).or_else(|| time::parse(&format!("{text}T00:00:00Z")))
}
