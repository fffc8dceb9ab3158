//! Users and their pictures (live-connect#user-object).

use base64::{Engine, prelude::BASE64_STANDARD};
use drivedal_server::{LiveObject, LiveObjectType};
use drivedal_test_support::media;
use serde_json::{Value, json};

use super::{as_scoped, own_cid, plant, plant_all, scoped};
use crate::server::{refused, rig::Rig};

/// The example of the reference, without the structures that the server computes.
fn roberto() -> Value {
    json!({
        "name": "Roberto Tamburello",
        "first_name": "Roberto",
        "last_name": "Tamburello",
        "birth_day": 20,
        "birth_month": 4,
        "birth_year": 2010,
        "work": [{
            "employer": { "name": "Microsoft Corporation" },
            "position": { "name": "Software Development Engineer" },
        }],
        "gender": "male",
        "emails": {
            "preferred": "Roberto@contoso.com",
            "account": "Roberto@contoso.com",
            "personal": "Roberto@fabrikam.com",
            "business": "Robert@adatum.com",
            "other": "Roberto@adventure-works.com",
        },
        "addresses": {
            "personal": {
                "street": "123 Main St.",
                "street_2": "Apt. A",
                "city": "Redmond",
                "state": "WA",
                "postal_code": "12990",
                "region": "United States",
            },
            "business": {
                "street": "456 Anywhere St.",
                "street_2": "Suite 1",
                "city": "Redmond",
                "state": "WA",
                "postal_code": "12399",
                "region": "United States",
            },
        },
        "phones": { "personal": "(555) 555-1212", "business": "(555) 111-1212", "mobile": null },
        "locale": "en_US",
        "updated_time": "2011-04-21T23:55:34+0000",
    })
}

/// The structures that need no scope, in the order of the reference.
const WITHOUT_SCOPE: [&str; 8] =
    ["id", "name", "first_name", "last_name", "link", "gender", "locale", "updated_time"];

/// Returns the names of the members of an object.
fn members(object: &Value) -> Vec<String> {
    object.as_object().expect("an object").keys().cloned().collect()
}

#[tokio::test]
async fn the_user_of_the_reference_has_all_its_structures() {
    let rig = Rig::new().await;
    plant(&rig, LiveObjectType::User, roberto()).await;
    let user = rig.live("GET", "/me").send().await;
    let mut expected = roberto();
    let cid = user.member("id");
    expected["id"] = json!(cid);
    expected["link"] = json!(rig.url(&format!("/profile.aspx?cid={cid}")));
    assert_eq!(user.json(), expected);
    // All objects have the name, not only the profile.
    assert_eq!(rig.object("me/skydrive").await["from"]["name"], "Roberto Tamburello");
    assert_eq!(rig.live("GET", &format!("/{cid}")).send().await.json(), expected);
}

#[tokio::test]
async fn each_group_of_structures_needs_its_scope() {
    let rig = Rig::new().await;
    plant(&rig, LiveObjectType::User, roberto()).await;
    let groups: [(&str, &[&str]); 5] = [
        ("wl.birthday", &["birth_day", "birth_month", "birth_year"]),
        ("wl.work_profile", &["work"]),
        ("wl.emails", &["emails"]),
        ("wl.postal_addresses", &["addresses"]),
        ("wl.phone_numbers", &["phones"]),
    ];
    let whole = rig.live("GET", "/me").send().await.json();
    for (scope, group) in groups {
        let user = as_scoped(&rig, scope, "GET", "/me").await.send().await.json();
        let mut expected: Vec<&str> = WITHOUT_SCOPE.iter().chain(group).copied().collect();
        expected.sort_unstable();
        assert_eq!(members(&user), expected, "{scope}");
        for name in group {
            assert_eq!(user[name], whole[name], "{scope}");
        }
    }
    let user = as_scoped(&rig, "wl.signin", "GET", "/me").await.send().await.json();
    assert_eq!(members(&user).len(), WITHOUT_SCOPE.len());
}

#[tokio::test]
async fn without_a_token_a_user_has_only_the_public_structures() {
    let rig = Rig::new().await;
    plant(&rig, LiveObjectType::User, roberto()).await;
    let cid = own_cid(&rig).await;
    let public = json!({
        "id": cid,
        "name": "Roberto Tamburello",
        "first_name": "Roberto",
        "last_name": "Tamburello",
        "gender": "male",
        "locale": "en_US",
    });
    let anonymous = rig.bare("GET", &format!("/v5.0/{cid}")).send().await;
    assert_eq!((anonymous.status, anonymous.json()), (200, public.clone()));
    let anna = rig.bare("GET", &format!("/v5.0/{cid}")).token("drivedal-dev-anna").send().await;
    assert_eq!(anna.json(), public);

    refused!(rig.bare("GET", "/v5.0/me").send().await, 401, "request_token_missing");
    refused!(
        rig.bare("GET", &format!("/v5.0/{cid}")).token("wrong").send().await,
        401,
        "request_token_invalid"
    );
    refused!(
        rig.bare("GET", &format!("/v5.0/{cid}/skydrive")).send().await,
        401,
        "request_token_missing"
    );
    refused!(rig.bare("GET", "/v5.0/0123456789abcdef").send().await, 404, "resource_not_found");
}

#[tokio::test]
async fn a_user_without_a_profile_has_the_name_and_the_address_of_the_account() {
    let rig = Rig::new().await;
    let user = rig.live("GET", "/me").send().await.json();
    assert_eq!(user["name"], "Drivedal Developer");
    assert_eq!(
        (&user["first_name"], &user["last_name"]),
        (&json!("Drivedal"), &json!("Developer"))
    );
    let address = "developer@drivedal.example";
    assert_eq!(
        user["emails"],
        json!({
            "preferred": address, "account": address, "personal": null, "business": null, "other": null
        })
    );
    assert_eq!((&user["work"], &user["gender"]), (&json!([]), &Value::Null));
    assert_eq!(user["addresses"]["personal"]["street"], Value::Null);
    assert_eq!(user["phones"]["mobile"], Value::Null);
}

/// Returns width and height of the picture that a request for a user's picture leads to.
async fn size(rig: &Rig, path: &str) -> (u32, u32) {
    let redirect = rig.bare("GET", &format!("/v5.0{path}")).send().await;
    assert_eq!(redirect.status, 302, "{redirect:?}");
    let picture = rig.bare("GET", redirect.header("location")).send().await;
    assert_eq!(picture.status, 200, "{picture:?}");
    let picture = image::load_from_memory(&picture.body).expect("a picture");
    (picture.width(), picture.height())
}

#[tokio::test]
async fn a_picture_has_the_requested_size_or_the_next_one() {
    let rig = Rig::new().await;
    let cid = own_cid(&rig).await;
    let path = |size: &str| format!("/{cid}/picture?type={size}");
    // Without a picture, a default one.
    assert_eq!(size(&rig, &path("large")).await, (360, 360));
    let picture = BASE64_STANDARD.encode(media::bare_photo(200, 300));
    let members = json!({ "first_name": "Roberto", "picture_base64": picture });
    plant(&rig, LiveObjectType::User, members).await;
    assert_eq!(size(&rig, &format!("/{cid}/picture")).await, (96, 96));
    assert_eq!(size(&rig, &path("small")).await, (96, 96));
    assert_eq!(size(&rig, &path("medium")).await, (180, 180));
    assert_eq!(size(&rig, &path("large")).await, (180, 180));
    assert_eq!(size(&rig, "/me/picture?type=medium&access_token=drivedal-dev").await, (180, 180));
    refused!(rig.bare("GET", "/v5.0/me/picture").send().await, 401, "request_token_missing");
}

#[tokio::test]
async fn profiles_of_several_accounts_are_apart_and_invalid_ones_are_refused() {
    let rig = Rig::new().await;
    let anna = LiveObject::new(LiveObjectType::User, json!({ "last_name": "Bird" }));
    plant_all(&rig, [anna.on_account("anna")]).await;
    let token = scoped(&rig, "wl.basic").await;
    let own = rig.bare("GET", "/v5.0/me").token(&token).send().await;
    assert_eq!(own.member("name"), "Drivedal Developer");
    let other = rig.bare("GET", "/v5.0/me").token("drivedal-dev-anna").send().await;
    assert_eq!((other.member("name"), &other.json()["first_name"]), ("Bird".into(), &Value::Null));
    for members in [
        json!({ "gender": "other" }),
        json!({ "birth_month": 13 }),
        json!({ "time_zone": "Nowhere/Town" }),
        json!({ "link": "http://example.com" }),
        json!({ "picture_base64": "AAAA" }),
        json!({ "nickname": "R" }),
    ] {
        let object = LiveObject::new(LiveObjectType::User, members.clone());
        assert!(rig.server.control().add_live_objects([object]).await.is_err(), "{members}");
    }
}
