use http::StatusCode;
use serde_json::json;

use super::*;

const MEMBERS: Members = Members {
    implemented: &["name", "item", "item.name", "list", "list.email"],
    unimplemented: &["password", "keep=true", "item.source"],
    read_only: &["id", "item.size"],
    unknown: UnknownMembers::Refused("invalidRequest"),
    limit: 1 << 20,
};

const CONTRACT: Contract = Contract {
    odata: &["select"],
    refused: &["skip"],
    plain: &["token"],
    unimplemented: &["width", "original=false"],
    preferences: &["slow"],
    relations: &[],
    body: BodyRule::Json(MEMBERS),
};

fn query(text: &str) -> Option<u16> {
    let checked = CONTRACT.check_query(&QueryOptions::parse(Some(text)).unwrap());
    checked.err().map(|error| error.status.as_u16())
}

#[test]
fn options_are_accepted_or_refused_by_the_contract() {
    for (text, expected) in [
        ("$select=id&token=x&other=1&@a1='x'&$format=json", None),
        ("select=id&original=false&format=application%2Fjson", None),
        ("$top=1", Some(501)),
        ("search=x", Some(501)),
        ("$format=xml", Some(501)),
        ("width=1", Some(501)),
        ("original=true", Some(501)),
        ("skip=1", Some(400)),
        ("$other=1", Some(400)),
        ("$token=x", Some(400)),
        ("%24Select=id", Some(400)),
        ("$select=id&select=name", Some(400)),
    ] {
        assert_eq!(query(text), expected, "{text}");
    }
}

#[test]
fn members_are_accepted_or_refused_by_the_contract() {
    for (body, expected) in [
        (json!({"name": "a", "id": 1, "item": {"name": "b", "size": 1}, "@odata.type": "t"}), None),
        (json!({"keep": true, "password": null, "item": {"source": ""}}), None),
        (json!({"keep": false}), Some("keep")),
        (json!({"password": "x"}), Some("password")),
        (json!({"item": {"source": {}}}), Some("item.source")),
    ] {
        let checked = MEMBERS.check("", &body).err();
        assert_eq!(
            checked.as_ref().map(|error| error.status),
            expected.map(|_| StatusCode::NOT_IMPLEMENTED),
            "{body}"
        );
        let is_named = |error: Error| error.message.contains(&format!("'{}'", expected.unwrap()));
        assert!(checked.is_none_or(is_named), "{body}");
    }
    for unknown in [json!({"x": 1}), json!({"item": {"x": 1}}), json!({"list": [{"x": 1}]})] {
        let error = MEMBERS.check("", &unknown).unwrap_err();
        assert_eq!(error.status, StatusCode::BAD_REQUEST, "{unknown}");
        let lenient = Members { unknown: UnknownMembers::Ignored, ..MEMBERS };
        assert!(lenient.check("", &unknown).is_ok(), "{unknown}");
    }
}

#[test]
fn a_preference_is_refused_by_name_and_an_unknown_one_ignored() {
    let check = |value: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert("prefer", value.parse().unwrap());
        CONTRACT.check_preferences(&headers)
    };
    assert!(check("respond-async, return=minimal").is_ok());
    assert!(check("return=minimal, Slow=1").unwrap_err().message.contains("'Slow'"));
}

#[tokio::test]
async fn an_empty_body_is_an_empty_object() {
    let value: serde_json::Value = read_json(Body::from(" \n"), 9).await.unwrap();
    assert_eq!(value, serde_json::json!({}));
    assert!(read_json::<serde_json::Value>(Body::from("{"), 9).await.is_err());
    let large = Body::from(vec![b' '; 10]);
    let error = read_json::<serde_json::Value>(large, 9).await.unwrap_err();
    assert_eq!(error.status, StatusCode::PAYLOAD_TOO_LARGE);
}
