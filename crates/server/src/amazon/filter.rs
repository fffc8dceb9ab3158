//! Which nodes: the grammar of `filters`, as clients have been seen to use it
//! (amazon-drive#filter-grammar).
//!
//! `field:value`, joined by `AND` and `OR` (of either case, `AND` first), in parentheses; values are
//! bare or quoted, with a backslash before what would mean something, end in `*` for whatever
//! begins so, are several in parentheses, or a range `[a TO b]` where `*` is no end.
//!
//! Inferred: which binds tighter; ranges; which fields there are beyond those that clients use.

mod parse;

use jiff::Timestamp;

use super::error::Result;
use crate::{time, tree::NameFolding};

/// A condition on nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Is(Field, Value),
}

/// What a node is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
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
    Md5,
    Size,
    ContentType,
    Extension,
}

impl Field {
    /// The field of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
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
            // What a photo tells of itself; of other files the day they were made.
            "contentProperties.contentDate" => Self::CreatedDate,
            _ => return None,
        })
    }
}

/// What a field must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// This.
    Exactly(String),
    /// Something that begins so.
    Prefix(String),
    /// Something between two, both included; `None`: no end.
    Range(Option<String>, Option<String>),
}

impl Filter {
    /// The condition that a text says.
    pub(super) fn parse(text: &str) -> Result<Self> {
        parse::filter(text)
    }

    /// Whether a node is one of them, given the values of its fields. Texts are compared in the
    /// folding of the drive's names.
    pub(super) fn holds(
        &self,
        values: &impl Fn(Field) -> Vec<String>,
        folding: NameFolding,
    ) -> bool {
        match self {
            Self::All(filters) => filters.iter().all(|filter| filter.holds(values, folding)),
            Self::Any(filters) => filters.iter().any(|filter| filter.holds(values, folding)),
            Self::Is(field, value) => {
                values(*field).iter().any(|had| value.holds(*field, had, folding))
            }
        }
    }

    /// Whether the condition says anything of a field.
    pub(super) fn mentions(&self, wanted: Field) -> bool {
        match self {
            Self::All(filters) | Self::Any(filters) => {
                filters.iter().any(|filter| filter.mentions(wanted))
            }
            Self::Is(field, _) => *field == wanted,
        }
    }

    /// The value that a field of every such node has, if the condition says one.
    pub(super) fn requires(&self, wanted: Field) -> Option<&str> {
        match self {
            Self::All(filters) => filters.iter().find_map(|filter| filter.requires(wanted)),
            Self::Any(_) => None,
            Self::Is(field, Value::Exactly(text)) if *field == wanted => Some(text),
            Self::Is(..) => None,
        }
    }
}

impl Value {
    fn holds(&self, field: Field, had: &str, folding: NameFolding) -> bool {
        let comparable = |text: &str| comparable(field, text, folding);
        match self {
            Self::Exactly(text) => comparable(text) == comparable(had),
            Self::Prefix(text) => comparable(had).starts_with(&comparable(text)),
            Self::Range(from, to) => {
                let within = |end: &Option<String>, order| {
                    end.as_ref().is_none_or(|end| compare(field, had, end, folding) != Some(order))
                };
                within(from, std::cmp::Ordering::Less) && within(to, std::cmp::Ordering::Greater)
            }
        }
    }
}

/// Ids are compared as they are, everything else without case.
fn comparable(field: Field, text: &str, folding: NameFolding) -> String {
    match field {
        Field::Id | Field::Parents | Field::CreatedBy => text.to_owned(),
        _ => folding.fold(text),
    }
}

/// Sizes as numbers, times as times, the rest as text. `None`: they cannot be compared, so nothing
/// is outside of the range.
fn compare(
    field: Field,
    one: &str,
    other: &str,
    folding: NameFolding,
) -> Option<std::cmp::Ordering> {
    match field {
        Field::Size => Some(one.parse::<u64>().ok()?.cmp(&other.parse().ok()?)),
        Field::CreatedDate | Field::ModifiedDate => Some(moment(one)?.cmp(&moment(other)?)),
        _ => Some(comparable(field, one, folding).cmp(&comparable(field, other, folding))),
    }
}

/// A time, or the beginning of a day.
fn moment(text: &str) -> Option<Timestamp> {
    time::parse(text).or_else(|| time::parse(&format!("{text}T00:00:00Z")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holds(filter: &str, node: &[(Field, &str)]) -> bool {
        let values = |field| {
            let had = node.iter().filter(|(of, _)| *of == field);
            had.map(|(_, value)| (*value).to_owned()).collect()
        };
        Filter::parse(filter)
            .unwrap_or_else(|error| panic!("{filter}: {error:?}"))
            .holds(&values, NameFolding::Consumer)
    }

    const NODE: &[(Field, &str)] = &[
        (Field::Kind, "FILE"),
        (Field::Status, "AVAILABLE"),
        (Field::Name, "My file (2).txt"),
        (Field::Parents, "AbC"),
        (Field::Parents, "dEf"),
        (Field::Size, "17"),
        (Field::CreatedDate, "2015-03-01T12:00:00Z"),
        (Field::ContentType, "image/jpeg"),
    ];

    #[test]
    fn what_clients_send_is_understood() {
        for filter in [
            "kind:FILE",
            "status:AVAILABLE AND kind:FILE",
            "kind:FILE and status:available",
            r#"kind:FILE AND parents:"AbC" AND name:My\ file\ \(2\).txt"#,
            r#"parents:"dEf" AND name:"my file (2).txt""#,
            r#"parents:"dEf" AND name:"MY\ FILE\ \(2\).txt""#,
            "kind:FOLDER OR kind:FILE",
            "kind:(FILE* OR FOLDER*)",
            "contentProperties.contentType:(image* OR video*)",
            "(kind:FOLDER OR kind:FILE) AND contentProperties.size:[10 TO 20]",
            "createdDate:[2015-01-01 TO *]",
            "createdDate:[2015-03-01T00:00:00.000Z TO 2015-03-02T00:00:00.000Z]",
            "name:my*",
        ] {
            assert!(holds(filter, NODE), "{filter}");
        }
        for filter in [
            "kind:FOLDER",
            "parents:abc",
            "status:TRASH AND kind:FILE",
            "kind:FOLDER OR kind:FILE AND status:TRASH",
            "contentProperties.size:[18 TO *]",
            "createdDate:[* TO 2015-01-01]",
            "isRoot:true",
        ] {
            assert!(!holds(filter, NODE), "{filter}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused_with_where_it_went_wrong() {
        for (filter, said) in [
            ("", "a field"),
            ("kind", "':'"),
            ("kind:", "a value"),
            ("nothing:1", "no field 'nothing'"),
            ("kind:FILE status:TRASH", "unexpected 's'"),
            ("kind:FILE AND", "a field"),
            ("(kind:FILE", "')'"),
            ("name:\"x", "no end"),
            ("name:a:b", "':' must be escaped"),
            ("name:a*b", "'*'"),
            ("contentProperties.size:[1 2]", "TO"),
            ("createdDate:[soon TO *]", "soon"),
            ("name:x\\", "escaped"),
        ] {
            let error = Filter::parse(filter).expect_err(filter);
            assert!(error.message.contains(said), "{filter}: {}", error.message);
        }
    }

    #[test]
    fn depth_and_width_are_limited() {
        let nested = |depth: usize| format!("{}kind:FILE{}", "(".repeat(depth), ")".repeat(depth));
        assert!(holds(&nested(32), NODE));
        let wide = |conditions: usize| vec!["kind:FILE"; conditions].join(" OR ");
        assert!(holds(&wide(1_000), NODE));
        let values = format!("kind:({})", vec!["FILE"; 1_001].join(" OR "));
        for (filter, said) in [
            (nested(33), "32 deep"),
            (nested(100_000), "32 deep"),
            ("(".repeat(100_000), "32 deep"),
            (wide(1_001), "1000 conditions"),
            (values, "1000 conditions"),
        ] {
            let error = Filter::parse(&filter).expect_err(said);
            assert!(error.message.contains(said), "{}", error.message);
        }
    }

    #[test]
    fn what_every_node_has_is_known_only_where_all_conditions_hold() {
        let filter = |text| Filter::parse(text).expect("a filter");
        let both = filter("parents:P AND name:x");
        assert_eq!(
            (both.requires(Field::Parents), both.requires(Field::Name)),
            (Some("P"), Some("x"))
        );
        assert_eq!(filter("parents:P OR name:x").requires(Field::Parents), None);
        assert_eq!(filter("parents:P*").requires(Field::Parents), None);
        assert!(filter("kind:FILE OR status:TRASH").mentions(Field::Status));
    }

    proptest! {
        #[test]
        fn every_name_is_found_by_itself_escaped(name in "\\PC{1,30}") {
            let escaped: String = name
                .chars()
                .flat_map(|c| {
                    let special = "+-&|!(){}[]^'\"~*?:\\ ".contains(c) || c.is_whitespace();
                    special.then_some('\\').into_iter().chain([c])
                })
                .collect();
            let node = [(Field::Name, name.as_str())];
            let bare = format!("name:{escaped}");
            let quoted = format!("name:\"{escaped}\" AND name:*");
            prop_assert!(holds(&bare, &node), "{}", bare);
            prop_assert!(holds(&quoted, &node), "{}", quoted);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,60}") {
            let _ = Filter::parse(&text);
        }
    }
}
