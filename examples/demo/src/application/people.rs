//! Who may log in to Sundial Notes. A real application has its own login, and this is where it stays.

use serde_json::{Value, json};

use crate::web;

/// Somebody with an account.
pub struct Person {
    /// The application's own id of the person; this is what grantlog calls the subject's id.
    pub id: &'static str,
    /// Their name.
    pub name: &'static str,
    /// Their address.
    pub email: &'static str,
    /// Shown on the login page, for this is a demo. A real application keeps a slow hash.
    pub password: &'static str,
    /// What they are in the application, for scopes that only some people can grant.
    pub roles: &'static [&'static str],
    /// The organization they work in.
    pub organization: &'static Organization,
    /// Whether they say which apps may connect in it.
    pub manages: bool,
}

/// Where people work together.
#[derive(Debug)]
pub struct Organization {
    /// The application's own id of it.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
}

/// Every organization: the first lets any app connect, the second none but those that it approved.
pub const ORGANIZATIONS: [Organization; 2] =
    [Organization { id: "acme", name: "Acme Almanacs" }, Organization { id: "granite", name: "Granite Bank" }];

const ACME: &Organization = &ORGANIZATIONS[0];
const GRANITE: &Organization = &ORGANIZATIONS[1];

/// Everybody who has an account. Ben may read notes and not write them, so he can't let an app write them either.
pub const PEOPLE: [Person; 3] = [
    Person {
        id: "ana",
        name: "Ana Lindqvist",
        email: "ana@sundial.example",
        password: "ana-demo",
        roles: &["editor"],
        organization: ACME,
        manages: true,
    },
    Person {
        id: "ben",
        name: "Ben Okafor",
        email: "ben@sundial.example",
        password: "ben-demo",
        roles: &["reader"],
        organization: ACME,
        manages: false,
    },
    Person {
        id: "cleo",
        name: "Cleo Baptiste",
        email: "cleo@sundial.example",
        password: "cleo-demo",
        roles: &["editor"],
        organization: GRANITE,
        manages: true,
    },
];

/// The second factor, shown on the page too.
pub const ONE_TIME_CODE: &str = "246810";

/// A password was enough (an `acr` value, defined by the application).
const ACR_PASSWORD: &str = "urn:sundial:password";
/// A password and a code were given.
const ACR_TWO_FACTORS: &str = "urn:sundial:two-factors";

/// Somebody who is logged in, and how that came about.
#[derive(Clone, Copy)]
pub struct LoggedIn {
    /// Who.
    pub person: &'static Person,
    /// When, in seconds since 1970.
    pub at: u64,
    /// Whether a one-time code was given as well.
    pub two_factors: bool,
}

impl LoggedIn {
    /// Check what the login form sent.
    pub fn by_password(id: &str, password: &str, code: Option<&str>) -> Option<Self> {
        let person = PEOPLE.iter().find(|person| person.id == id.trim())?;
        let code_is_right = code.is_none_or(|code| web::same_secret(code.trim(), ONE_TIME_CODE));
        let proven = web::same_secret(password, person.password) && code_is_right;
        proven.then(|| Self { person, at: web::now(), two_factors: code.is_some() })
    }

    /// What the application vouches for: the `subject` of the headless API. Say only what is so: an `acr` is never copied
    /// from what the client asked for.
    pub fn subject(&self) -> Value {
        json!({
            "id": self.person.id,
            "organization_id": self.person.organization.id,
            "auth_time": self.at,
            "acr": if self.two_factors { ACR_TWO_FACTORS } else { ACR_PASSWORD },
            "amr": if self.two_factors { vec!["pwd", "otp"] } else { vec!["pwd"] },
            "roles": self.person.roles,
            "claims": { "name": self.person.name, "email": self.person.email, "email_verified": true },
        })
    }
}
