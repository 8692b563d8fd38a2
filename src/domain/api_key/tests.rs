use serde_json::json;

use super::*;
use crate::{
    domain::{Decider, Timestamp, testing::Spec},
    keys::SecretHash,
};

fn secret() -> SecretHash {
    serde_json::from_value(json!("hash")).expect("a hash is a string")
}

fn create() -> ApiKeyCommand {
    let audience = Some("https://api.example".to_owned());
    ApiKeyCommand::Create { name: "orders".to_owned(), role: Role::ResourceServer, audience, secret: secret() }
}

fn created() -> ApiKeyEvent {
    let audience = Some("https://api.example".to_owned());
    ApiKeyEvent::Created { name: "orders".to_owned(), role: Role::ResourceServer, audience, secret: secret() }
}

#[test]
fn an_api_key_is_created_once() {
    Spec::<ApiKeyDecider>::given([]).when(create()).then([created()]);
    Spec::<ApiKeyDecider>::given([created()]).when(create()).then_refused(ApiKeyRefusal::AlreadyExists);
}

#[test]
fn an_api_key_is_revoked_once() {
    Spec::<ApiKeyDecider>::given([created()]).when(ApiKeyCommand::Revoke).then([ApiKeyEvent::Revoked {}]);
    Spec::<ApiKeyDecider>::given([created(), ApiKeyEvent::Revoked {}]).when(ApiKeyCommand::Revoke).then_nothing();
}

#[test]
fn an_api_key_that_is_not_there_is_not_revoked() {
    Spec::<ApiKeyDecider>::given([]).when(ApiKeyCommand::Revoke).then_refused(ApiKeyRefusal::NotFound);
}

#[test]
fn a_revoked_api_key_is_never_live_again() {
    let live = ApiKeyDecider::evolve(ApiKey::default(), &created(), Timestamp(1));
    assert!(live.is_live() && !live.is_revoked());
    assert_eq!((live.name(), live.role()), (Some("orders"), Some(Role::ResourceServer)));
    assert_eq!((live.audience(), live.secret()), (Some("https://api.example"), Some(&secret())));
    let revoked = ApiKeyDecider::evolve(live, &ApiKeyEvent::Revoked {}, Timestamp(2));
    assert!(revoked.exists() && revoked.is_revoked() && !revoked.is_live());
    assert_eq!((revoked.created_at(), revoked.revoked_at()), (Some(Timestamp(1)), Some(Timestamp(2))));
    Spec::<ApiKeyDecider>::given([created(), ApiKeyEvent::Revoked {}]).when(create()).then_refused(ApiKeyRefusal::AlreadyExists);
}
