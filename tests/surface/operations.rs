use std::fmt;

use grantlog_api::endpoints;
use http::Method;
use serde_json::Value;

/// One operation of the document.
pub struct Operation {
    pub method: Method,
    pub path: String,
    pub spec: Value,
}

/// Every operation, in the order of the document.
pub fn operations() -> Vec<Operation> {
    let document = document();
    let items = document["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &Value)| {
        let own = item.as_object().unwrap().iter();
        let methods = own.filter_map(|(name, spec)| Some((name.to_uppercase().parse().ok()?, spec.clone())));
        methods.map(|(method, spec)| Operation { method, path: path.clone(), spec }).collect::<Vec<_>>()
    };
    items.iter().flat_map(of).collect()
}

/// The document.
pub fn document() -> Value {
    serde_json::to_value(endpoints::document()).unwrap()
}

impl Operation {
    /// Its name.
    pub fn id(&self) -> &str {
        self.spec["operationId"].as_str().unwrap()
    }

    /// The path with ids that fit and that nothing has.
    pub fn example_path(&self) -> String {
        let segment = |part: &str| match part {
            "{client_id}" => "client_01932d5e7c1a7e31b7a80f6c3d2a9b10".to_owned(),
            "{id}" if self.path.contains("/resource-servers/") => "0123456789abcdef0123456789abcdef".to_owned(),
            "{file}" => "index.css".to_owned(),
            _ if part.starts_with('{') => "01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10".to_owned(),
            literal => literal.to_owned(),
        };
        self.path.split('/').map(segment).collect::<Vec<_>>().join("/")
    }

    /// Its request bodies: media type and description.
    pub fn bodies(&self) -> Vec<(String, Value)> {
        let content = self.spec["requestBody"]["content"].as_object();
        content.into_iter().flatten().map(|(media_type, body)| (media_type.clone(), body.clone())).collect()
    }

    fn schemes(&self) -> Vec<&str> {
        let requirements = self.spec["security"].as_array().into_iter().flatten();
        requirements.flat_map(|requirement| requirement.as_object().unwrap().keys().map(String::as_str)).collect()
    }

    /// The roles of which an API key needs one, as the document has them.
    pub fn roles(&self) -> Vec<&str> {
        let requirements = self.spec["security"].as_array().into_iter().flatten();
        requirements.filter_map(|requirement| requirement["ApiKey"].as_array()).flatten().filter_map(Value::as_str).collect()
    }

    /// Whether it may be called without any credentials.
    pub fn is_open(&self) -> bool {
        self.spec["security"].as_array().unwrap().iter().any(|requirement| requirement.as_object().unwrap().is_empty())
    }

    /// Whether it is called with an API key.
    pub fn needs_api_key(&self) -> bool {
        !self.is_open() && self.schemes().contains(&"ApiKey")
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}
