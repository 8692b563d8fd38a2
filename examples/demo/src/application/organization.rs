//! What those who manage an organization see and do: which apps may connect, which are connected, and to cut one off.

use http::StatusCode;
use warp::reply::Response;

use super::grantlog::{OrganizationPolicy, RuleMode};
use super::pages::{Approvable, OrganizationPage, PolicyChoice, PolicyPreviewPage};
use super::people::Organization;
use super::{Application, Failure, Visit, check_csrf};
use crate::web::{Fields, Page, page, see_other};

impl Application {
    pub(super) async fn organization(&self, visit: &Visit) -> Result<Response, Failure> {
        if visit.session.logged_in.is_none() {
            return Ok(see_other("/login"));
        }
        let organization = managed(visit)?;
        let policy = self.grantlog.policy(organization.id).await?;
        let apps = self.grantlog.connected_apps(organization.id).await?;
        // What people of this organization have, and what they would like to have.
        let mut approvable = Vec::<Approvable>::new();
        for client in apps.iter().map(|app| app.client.clone()).chain(self.wished_for(organization.id)) {
            if !approvable.iter().any(|known| known.client_id == client.client_id) {
                let approved = policy.third_party.clients.contains(&client.client_id);
                let host = client.redirect_host.unwrap_or_default();
                approvable.push(Approvable { client_id: client.client_id, name: client.client_name, host, approved });
            }
        }
        let choice = |mode, value, words| PolicyChoice { value, words, chosen: policy.third_party.mode == mode };
        let choices = [
            choice(RuleMode::AllAllowed, "all_allowed", "Everybody may connect any app"),
            choice(RuleMode::Restricted, "restricted", "Only apps that we approved"),
            choice(RuleMode::NoneAllowed, "none_allowed", "No apps of others at all"),
        ];
        let shown = OrganizationPage { visitor: visit.session.visitor(), organization, choices, approvable, apps: &apps };
        Ok(page(StatusCode::OK, &shown, Page::Plain))
    }

    /// Before anything is done: whom it would cut off.
    pub(super) async fn preview_policy(&self, visit: &Visit, form: &Fields) -> Result<Response, Failure> {
        check_csrf(visit, form)?;
        let organization = managed(visit)?;
        let policy = self.wanted(organization, form).await?;
        let cut_off = self.grantlog.set_policy(organization.id, &policy, true).await?;
        let shown = PolicyPreviewPage {
            visitor: visit.session.visitor(),
            cut_off: &cut_off,
            mode: form.get("mode").unwrap_or_default(),
            clients: &policy.third_party.clients,
        };
        Ok(page(StatusCode::OK, &shown, Page::Plain))
    }

    pub(super) async fn set_policy(&self, visit: &Visit, form: &Fields) -> Result<Response, Failure> {
        check_csrf(visit, form)?;
        let organization = managed(visit)?;
        let policy = self.wanted(organization, form).await?;
        self.grantlog.set_policy(organization.id, &policy, false).await?;
        Ok(see_other("/organization"))
    }

    pub(super) async fn disconnect_everyone(&self, visit: &Visit, form: &Fields) -> Result<Response, Failure> {
        check_csrf(visit, form)?;
        let organization = managed(visit)?;
        if let Some(client) = form.get("client") {
            self.grantlog.disconnect_everyone(organization.id, client).await?;
        }
        Ok(see_other("/organization"))
    }

    /// The present policy with what the form changes of it.
    async fn wanted(&self, organization: &Organization, form: &Fields) -> Result<OrganizationPolicy, Failure> {
        let mut policy = self.grantlog.policy(organization.id).await?;
        policy.third_party.mode = match form.get("mode") {
            Some("all_allowed") => RuleMode::AllAllowed,
            Some("restricted") => RuleMode::Restricted,
            _ => RuleMode::NoneAllowed,
        };
        let restricted = policy.third_party.mode == RuleMode::Restricted;
        policy.third_party.clients = form.all("client").filter(|_| restricted).map(str::to_owned).collect();
        if !restricted {
            policy.third_party.hosts.clear();
        }
        Ok(policy)
    }
}

/// The organization of a person who manages one.
fn managed(visit: &Visit) -> Result<&'static Organization, Failure> {
    let person = visit.session.logged_in.map(|who| who.person).filter(|person| person.manages);
    person.map(|person| person.organization).ok_or(Failure::NotTheirs)
}
