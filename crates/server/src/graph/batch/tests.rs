use super::*;

fn part(value: Value) -> BatchRequest {
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_body_is_json_as_it_is_or_bytes_in_base64_of_either_alphabet() {
    let bytes = |body: Value, kind: Option<&'static str>| {
        let part = part(json!({"id": "1", "method": "PUT", "url": "/x", "body": body}));
        part.bytes(kind.map(HeaderValue::from_static).as_ref())
    };
    assert_eq!(bytes(json!({"a": 1}), Some("application/json")).unwrap(), b"{\"a\":1}");
    for text in ["+/8=", "+/8", "-_8=", "-_8"] {
        let bytes = bytes(json!(text), Some("application/octet-stream"));
        assert_eq!(bytes.unwrap(), [0xfb, 0xff], "{text}");
    }
    assert!(bytes(json!("not base64!"), Some("text/plain")).is_err());
    assert!(bytes(json!({}), None).is_err());
    assert!(bytes(Value::Null, None).unwrap().is_empty());
}

#[test]
fn an_invalid_batch_is_refused() {
    let batch = |parts: &[(&str, &[&str])]| {
        let parts: Vec<_> = parts
            .iter()
            .map(|(id, after)| {
                part(json!({"id": id, "method": "GET", "url": "/me", "dependsOn": after}))
            })
            .collect();
        check(&parts)
    };
    assert!(batch(&[("a", &[]), ("b", &["A"])]).is_ok());
    assert!(batch(&[("a", &[]), ("A", &[])]).is_err(), "ids are the same whatever their case");
    assert!(batch(&[("", &[])]).is_err());
    assert!(batch(&[("a", &["b"])]).is_err());
    let many: Vec<_> = (0..21).map(|n| n.to_string()).collect();
    let many: Vec<(&str, &[&str])> = many.iter().map(|id| (id.as_str(), &[][..])).collect();
    assert!(batch(&many[..20]).is_ok());
    assert!(batch(&many).is_err());
}

#[test]
fn a_dependency_counts_once_however_often_it_is_named() {
    let after = vec!["b"; 400_000];
    let part = part(json!({"id": "a", "method": "GET", "url": "/me", "dependsOn": after}));
    assert_eq!(part.dependencies().count(), 1);
}

#[test]
fn a_url_is_relative_or_this_servers_own() {
    let uri = |url: &str| {
        let part = part(json!({"id": "1", "method": "GET", "url": url}));
        part.uri("http://localhost:1/v1.0", "/v1.0").map(|uri| uri.to_string())
    };
    for (url, expected) in [
        ("/me/drive", "/v1.0/me/drive"),
        ("me/drive/root:/a b:/children?$top=1", "/v1.0/me/drive/root:/a%20b:/children?$top=1"),
        ("http://localhost:1/v1.0/me", "/v1.0/me"),
    ] {
        assert_eq!(uri(url).as_deref(), Ok(expected), "{url}");
    }
    for url in [
        "",
        "/",
        "http://example.org/v1.0/me",
        "//example.org/me",
        "file:///me",
        "/$batch",
        "/%24batch",
        "%2F%24ba%74ch?x=1",
    ] {
        assert!(uri(url).is_err(), "{url}");
    }
}

#[test]
fn requests_follow_those_that_they_depend_on() {
    let order = |parts: &[(&str, &[&str])]| {
        let parts = parts.iter().map(|(id, after)| {
            part(json!({"id": id, "method": "GET", "url": "/me", "dependsOn": after}))
        });
        let ordered = in_order(parts.collect()).map_err(|error| error.status)?;
        Ok(ordered.into_iter().map(|part| part.id.text).collect::<Vec<_>>())
    };
    assert_eq!(
        order(&[("c", &["B"]), ("a", &[]), ("b", &["a"])]),
        Ok(vec!["a".into(), "b".into(), "c".into()])
    );
    for cycle in [&[("a", &["a"][..])][..], &[("a", &["b"]), ("b", &["a"])]] {
        assert_eq!(order(cycle), Err(StatusCode::BAD_REQUEST));
    }
}
