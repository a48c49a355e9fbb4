//! What the schema says of itself, which has no end: types know their fields, and fields their
//! types.

use super::bombs::{TOO_MUCH, house, inside};
use super::{expect_refused, json_of, post};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn introspection_is_served_and_its_circles_are_not() {
    let (house, event) = house().await;
    let of_type = inside("ofType { kind name ", "", "}", 9);
    let standard = format!(
        "query IntrospectionQuery {{ __schema {{ description queryType {{ name kind }} \
           mutationType {{ name kind }} subscriptionType {{ name kind }} \
           types {{ ...FullType }} \
           directives {{ name description isRepeatable locations \
             args(includeDeprecated: true) {{ ...InputValue }} }} }} }} \
         fragment FullType on __Type {{ kind name description specifiedByURL isOneOf \
           fields(includeDeprecated: true) {{ name description \
             args(includeDeprecated: true) {{ ...InputValue }} type {{ ...TypeRef }} \
             isDeprecated deprecationReason }} \
           inputFields(includeDeprecated: true) {{ ...InputValue }} \
           interfaces {{ ...TypeRef }} \
           enumValues(includeDeprecated: true) {{ name description isDeprecated deprecationReason }} \
           possibleTypes {{ ...TypeRef }} }} \
         fragment InputValue on __InputValue {{ name description type {{ ...TypeRef }} \
           defaultValue isDeprecated deprecationReason }} \
         fragment TypeRef on __Type {{ kind name {of_type} }}"
    );
    let answer = json_of(post(&house.url, &json!({"query": standard}), None).await).await;
    assert!(answer.get("errors").is_none(), "{}", answer["errors"]);
    assert_eq!(answer["data"]["__schema"]["queryType"]["name"], "Query");
    for (name, document) in [
        (
            "types of fields of types",
            inside("fields { type { ", "name", " } }", 4),
        ),
        (
            "fields, 8 deep",
            inside("fields { type { ", "name", " } }", 8),
        ),
        (
            "possible types of interfaces",
            "interfaces { possibleTypes { interfaces { possibleTypes { name } } } }".to_owned(),
        ),
        ("in fragments", "...a".to_owned()),
    ] {
        let fragments = match name {
            "in fragments" => {
                " fragment a on __Type { fields { type { ...b } } } \
                  fragment b on __Type { fields { type { ...c } } } \
                  fragment c on __Type { fields { type { fields { name } } } }"
            }
            _ => "",
        };
        let document = format!("{{ __schema {{ types {{ {document} }} }} }}{fragments}");
        expect_refused(&house, &event, name, &json!({"query": document}), TOO_MUCH).await;
    }
}
