//! Who people are, looked up for an answer and kept nowhere.

use std::collections::BTreeMap;

use grantlog_core::domain::SubjectId;

use crate::{
    app::{App, unavailable},
    problem::Problem,
};

/// The application's ids of people, by ours; null for those who were forgotten.
pub(super) type People = BTreeMap<String, Option<String>>;

/// Looks up who these are.
pub(super) async fn look_up(app: &App, subjects: Vec<String>) -> Result<People, Problem> {
    let mut people = People::new();
    for subject in subjects {
        if people.contains_key(&subject) {
            continue;
        }
        let external = match subject.parse() {
            Ok(id) => external_id(app, id).await?,
            Err(_) => None,
        };
        people.insert(subject, external);
    }
    Ok(people)
}

/// The application's id of one person; None when they were forgotten.
pub(super) async fn external_id(app: &App, subject: SubjectId) -> Result<Option<String>, Problem> {
    let found = app.authority.vault().external_id(subject).await.map_err(|error| unavailable(error.into()))?;
    Ok(found.as_deref().map(str::to_owned))
}
