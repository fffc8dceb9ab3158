//! The examples are rclone's: its documentation and the tests of its package `encoder`.

use std::ffi::OsStr;

use proptest::prelude::*;

use super::*;

/// Names, and their encoded forms in OneDrive.
const ONEDRIVE: &[(&str, &str)] = &[
    ("plain name.txt", "plain name.txt"),
    ("a:b", "a：b"),
    ("a：b", "a‛：b"),
    ("a‛：b", "a‛‛‛：b"),
    ("\"*:<>?\\|/", "＂＊：＜＞？＼｜／"),
    ("＂＊：＜＞？＼｜／", "‛＂‛＊‛：‛＜‛＞‛？‛＼‛｜‛／"),
    ("\u{1}\u{1f}\u{7f}\0", "␁␟␡␀"),
    ("␁␟␡␀", "‛␁‛␟‛␡‛␀"),
    ("‛", "‛‛"),
    ("‛tis", "‛‛tis"),
    (" a ", "␠a␠"),
    ("␠a␠", "‛␠a‛␠"),
    ("a b", "a b"),
    ("a␠b", "a␠b"),
    (" ", "␠"),
    ("~a~", "～a~"),
    ("～a", "‛～a"),
    ("a.", "a．"),
    ("a..", "a.．"),
    ("a．", "a‛．"),
    ("‛.", "‛‛．"),
    (".a", ".a"),
    (".", "．"),
    ("..", "．．"),
    ("．", "‛．"),
    ("．．", "‛．‛．"),
    ("#%&'`$[];!", "#%&'`$[];!"),
    ("‛FE", "‛‛FE"),
    ("漢字.txt", "漢字.txt"),
];

#[test]
fn names_are_encoded_as_rclone_encodes_them() {
    let encoding = NameEncoding::onedrive();
    for (name, encoded) in ONEDRIVE {
        assert_eq!(encoding.encode(name), *encoded, "{name:?}");
        assert_eq!(encoding.decode(encoded), name.as_bytes(), "{encoded:?}");
    }
    assert_eq!(encoding.encode(b"a\xfe\xbf:"), "a‛FE‛BF：");
    assert_eq!(encoding.decode("a‛FE‛BF："), b"a\xfe\xbf:");
    // Only bytes that cannot be text are decoded.
    assert_eq!(encoding.decode("‛2F‛3A"), "‛2F‛3A".as_bytes());
}

#[test]
fn each_rule_replaces_its_characters() {
    for (rules, name, encoded) in [
        ("None", ":*a.", ":*a."),
        ("Hash, Percent", "a#b%c:", "a＃b％c:"),
        ("SingleQuote,BackQuote,Dollar", "'`$", "＇｀＄"),
        ("SquareBracket,Semicolon,Exclamation", "[;]!", "［；］！"),
        ("CrLf", "\r\n\t", "␍␊\t"),
        ("LeftPeriod", ".a.", "．a."),
        ("LeftCrLfHtVt,RightCrLfHtVt", "\ta\tb\n", "␉a\tb␊"),
        ("LeftSpace", " a ", "␠a "),
        ("RightPeriod", "．.", "‛．．"),
        ("LeftPeriod", ".．", "．‛．"),
    ] {
        let encoding: NameEncoding = rules.parse().unwrap();
        assert_eq!(encoding.encode(name), encoded, "{rules}");
        assert_eq!(encoding.decode(encoded), name.as_bytes(), "{rules}");
    }
}

#[test]
fn a_list_of_rules_is_parsed_and_written() {
    let text = "LtGt,Colon,RightSpace,Dot";
    assert_eq!(text.parse::<NameEncoding>().unwrap().to_string(), text);
    assert_eq!("None".parse::<NameEncoding>().unwrap().to_string(), "None");
    let error = "Colon,Colons".parse::<NameEncoding>().unwrap_err().to_string();
    assert!(error.contains("\"Colons\"") && error.contains("BackSlash"), "{error}");
    assert!("".parse::<NameEncoding>().is_err());
}

#[test]
fn paths_have_names_without_slashes_and_white_space_at_the_ends() {
    let encoding = NameEncoding::onedrive();
    for (drive, path) in [
        ("a：b", "a:b"),
        ("a‛：b", "a：b"),
        ("a／b", "a／b"),
        ("a‛／b", "a‛／b"),
        ("␠a␠", "␠a␠"),
        ("‛␠a", "‛␠a"),
        ("a␉", "a␉"),
        ("．．", "．．"),
        ("‛．", "‛．"),
        ("a‛FE", "a‛FE"),
        ("‛‛FE", "‛‛FE"),
        ("‛‛tis", "‛tis"),
        // Names that another program chose.
        ("~a", "~a"),
        ("‛tis", "‛tis"),
        ("‛tis：", "‛tis："),
    ] {
        assert_eq!(encoding.path_name(drive), path, "{drive:?}");
        if !encoding.is_raw(drive) {
            assert_eq!(encoding.drive_name(path), drive, "{path:?}");
        }
    }
    assert!(encoding.is_raw("~a") && encoding.is_raw("‛tis") && !encoding.is_raw("a：b"));
}

#[cfg(unix)]
#[test]
fn local_names_are_those_of_rclone() {
    use std::os::unix::ffi::OsStrExt;

    let encoding = NameEncoding::onedrive();
    for (local, drive) in [
        (&b"a:b"[..], "a：b"),
        ("a：b".as_bytes(), "a‛：b"),
        ("a／b".as_bytes(), "a／b"),
        (b" a ", "␠a␠"),
        ("␠a".as_bytes(), "‛␠a"),
        (b"a.", "a．"),
        (b"a\xff", "a‛FF"),
        ("‛FF".as_bytes(), "‛‛FF"),
        ("‛".as_bytes(), "‛‛"),
        (b"~a\t", "～a␉"),
    ] {
        let path = path_name_from_local(OsStr::from_bytes(local)).unwrap();
        assert_eq!(encoding.drive_name(&path), drive, "{path:?}");
        let back = local_name_from_path(&encoding.path_name(drive)).unwrap();
        assert_eq!(back.as_bytes(), local, "{path:?}");
    }
}

/// Names with many special characters, quotes and invalid bytes.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let parts = prop_oneof![
        prop::sample::select(vec![
            "‛", "：", ":", "␠", " ", ".", "．", "~", "～", "FE", "/", "／", "␀", "\0", "\t", "␉",
            "a", "é", "%", "％", "C3", "‛A9",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        any::<char>().prop_map(|c| c.to_string().into_bytes()),
        (0x80_u8..).prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(parts, 1..8).prop_map(|parts| parts.concat())
}

/// Encodings with any rules.
fn encoding() -> impl Strategy<Value = NameEncoding> {
    prop_oneof![
        Just(NameEncoding::onedrive()),
        Just(NameEncoding::amazon_drive()),
        any::<u32>().prop_map(|bits| NameEncoding::from_bits(bits & ((1 << RULES.len()) - 1))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn decoding_returns_the_encoded_name(name in name(), encoding in encoding()) {
        let encoded = encoding.encode(&name);
        prop_assert_eq!(encoding.decode(&encoded), name, "{}", encoded);
        prop_assert!(!encoded.contains(['/', '\0']) && !matches!(&*encoded, "." | ".."));
        prop_assert!(!encoding.is_raw(&encoded));
    }

    #[test]
    fn each_name_has_one_path_name(name in name()) {
        let path_name = to_path_name(&name);
        prop_assert_eq!(from_path_name(&path_name), name, "{}", path_name);
        prop_assert!(!path_name.contains('/') && !matches!(&*path_name, "." | ".."));
        prop_assert!(!path_name.starts_with([' ', '\t']) && !path_name.ends_with([' ', '\t']));
    }

    #[test]
    fn an_item_with_any_name_is_found_by_its_path(name in name(), encoding in encoding()) {
        let drive_name = String::from_utf8_lossy(&name).replace(['/', '\0'], "");
        let path_name = encoding.path_name(&drive_name);
        let found = encoding.drive_name(&path_name);
        prop_assert!(found == drive_name || (encoding.is_raw(&drive_name) && path_name == drive_name));
    }

    #[cfg(unix)]
    #[test]
    fn a_local_name_is_kept(name in name()) {
        use std::os::unix::ffi::OsStrExt;
        let name: Vec<_> = name.into_iter().filter(|byte| !matches!(byte, b'/' | 0)).collect();
        let path_name = path_name_from_local(OsStr::from_bytes(&name)).unwrap();
        let local = local_name_from_path(&path_name).unwrap();
        prop_assert_eq!(local.as_bytes(), &name[..], "{}", path_name);
    }
}
