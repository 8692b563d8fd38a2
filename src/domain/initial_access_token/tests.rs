use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};
use serde_json::json;

use super::{
    InitialAccessTokenCommand::{self, Create, Revoke, Use},
    InitialAccessTokenDecider as Token,
    InitialAccessTokenEvent::{self, Created, Revoked, Used},
    *,
};
use crate::{
    domain::{ClientId, Decider, Timestamp, testing::Spec},
    keys::SecretHash,
};

const END: Timestamp = Timestamp(1_000);

fn secret() -> SecretHash {
    serde_json::from_value(json!("hash")).expect("a hash is a string")
}

fn create() -> InitialAccessTokenCommand {
    Create { name: "partners".to_owned(), expires_at: END, max_uses: 2, secret: secret() }
}

fn created() -> InitialAccessTokenEvent {
    Created { name: "partners".to_owned(), expires_at: END, max_uses: 2, secret: secret() }
}

fn use_for(client: &str) -> InitialAccessTokenCommand {
    Use { client_id: ClientId::from(client) }
}

fn used_for(client: &str) -> InitialAccessTokenEvent {
    Used { client_id: ClientId::from(client) }
}

#[test]
fn an_initial_access_token_is_created_once() {
    Spec::<Token>::given([]).when(create()).then([created()]);
    Spec::<Token>::given([created()]).when(create()).then_refused(InitialAccessTokenRefusal::AlreadyExists);
}

#[test]
fn it_lets_as_many_clients_register_as_it_says() {
    Spec::<Token>::given([created()]).when(use_for("a")).then([used_for("a")]);
    Spec::<Token>::given([created(), used_for("a")]).when(use_for("b")).then([used_for("b")]);
    Spec::<Token>::given([created(), used_for("a"), used_for("b")]).when(use_for("c")).then_refused(InitialAccessTokenRefusal::UsedUp);
}

#[test]
fn the_same_client_is_one_use() {
    for client in ["a", "b"] {
        Spec::<Token>::given([created(), used_for("a"), used_for("b")]).when(use_for(client)).then_nothing();
    }
}

#[test]
fn an_expired_or_revoked_token_lets_nobody_register() {
    Spec::<Token>::given([created()]).at(END).when(use_for("a")).then_refused(InitialAccessTokenRefusal::Expired);
    Spec::<Token>::given([created(), used_for("a")]).at(END).when(use_for("a")).then_refused(InitialAccessTokenRefusal::Expired);
    Spec::<Token>::given([created(), Revoked {}]).when(use_for("a")).then_refused(InitialAccessTokenRefusal::Revoked);
    Spec::<Token>::given([created(), used_for("a"), Revoked {}]).when(use_for("a")).then_refused(InitialAccessTokenRefusal::Revoked);
}

#[test]
fn it_is_revoked_once() {
    Spec::<Token>::given([created()]).at(END).when(Revoke).then([Revoked {}]);
    Spec::<Token>::given([created(), Revoked {}]).when(Revoke).then_nothing();
}

#[test]
fn nothing_can_be_asked_of_a_token_that_is_not_there() {
    for command in [use_for("a"), Revoke] {
        Spec::<Token>::given([]).when(command).then_refused(InitialAccessTokenRefusal::NotFound);
    }
}

#[test]
fn it_remembers_what_it_was_used_for_last() {
    let token = Spec::<Token>::given([created(), used_for("b"), used_for("a")]).state();
    assert_eq!(token.last_use(), Some(&ClientId::from("a")));
    assert!(token.was_used_for(&ClientId::from("b")) && token.is_used_up() && token.secret() == Some(&secret()));
}

proptest! {
    #[test]
    fn uses_never_exceed_their_number(max_uses in 0..5_u32, clients in vec(0..8_u8, 0..40)) {
        let mut token = Token::evolve(
            InitialAccessToken::default(),
            &Created { name: String::new(), expires_at: END, max_uses, secret: secret() },
            Timestamp(0),
        );
        let mut registered = BTreeSet::new();
        for client in clients {
            let command = use_for(&client.to_string());
            if let Ok(events) = Token::decide(&token, &command, Timestamp(0)) {
                registered.insert(client);
                token = events.iter().fold(token, |token, event| Token::evolve(token, event, Timestamp(0)));
            }
            prop_assert!(registered.len() <= max_uses as usize, "{registered:?}");
        }
    }
}
