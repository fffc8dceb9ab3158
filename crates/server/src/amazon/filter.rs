//! The parameter `filters`, as clients use it (amazon-drive#filter-grammar).
//!
//! A condition is `field:value`. Conditions are joined by `AND` and `OR` in either case, and
//! grouped by parentheses. `AND` takes precedence. A value is bare or quoted; a backslash escapes
//! special characters. A value that ends in `*` matches a prefix. `(a OR b)` matches several
//! values. `[a TO b]` matches a range, in which `*` is an open end.
//!
//! Inferred: the precedence, ranges, and the fields that no known client uses.

mod condition;
mod parse;

pub(super) use condition::{Field, Filter};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tree::NameFolding;

    fn holds(filter: &str, node: &[(Field, &str)]) -> bool {
        let values = |field| {
            let had = node.iter().filter(|(of, _)| *of == field);
            had.map(|(_, value)| (*value).to_owned()).collect()
        };
        Filter::parse(filter)
            .unwrap_or_else(|error| panic!("{filter}: {error:?}"))
            .matches(&values, NameFolding::Consumer)
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
    fn filters_of_known_clients_are_supported() {
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
    fn invalid_filters_are_rejected_with_the_position() {
        for (filter, message) in [
            ("", "a field"),
            ("kind", "':'"),
            ("kind:", "a value"),
            ("nothing:1", "unknown field 'nothing'"),
            ("kind:FILE status:TRASH", "unexpected 's'"),
            ("kind:FILE AND", "a field"),
            ("(kind:FILE", "')'"),
            ("name:\"x", "not terminated"),
            ("name:a:b", "':' must be escaped"),
            ("name:a*b", "'*'"),
            ("contentProperties.size:[1 2]", "TO"),
            ("createdDate:[soon TO *]", "soon"),
            ("name:x\\", "backslash"),
        ] {
            let error = Filter::parse(filter).expect_err(filter);
            assert!(error.message.contains(message), "{filter}: {}", error.message);
        }
    }

    #[test]
    fn depth_and_width_are_limited() {
        let nested = |depth: usize| format!("{}kind:FILE{}", "(".repeat(depth), ")".repeat(depth));
        assert!(holds(&nested(32), NODE));
        let wide = |conditions: usize| vec!["kind:FILE"; conditions].join(" OR ");
        assert!(holds(&wide(1_000), NODE));
        let values = format!("kind:({})", vec!["FILE"; 1_001].join(" OR "));
        for (filter, message) in [
            (nested(33), "32 deep"),
            (nested(100_000), "32 deep"),
            ("(".repeat(100_000), "32 deep"),
            (wide(1_001), "1000 conditions"),
            (values, "1000 conditions"),
        ] {
            let error = Filter::parse(&filter).expect_err(message);
            assert!(error.message.contains(message), "{}", error.message);
        }
    }

    #[test]
    fn required_values_need_a_conjunction() {
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
