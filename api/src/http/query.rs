//! Query strings, strictly: a name that a route does not know, or that comes twice, is refused.

use std::collections::BTreeMap;

use axum::http::Uri;
use url::form_urlencoded;
use zoetrope_shared::wire::ProblemCode;

use crate::http::problem::{Mistake, Mistakes, Refusal};

/// The parameters of a request.
#[derive(Debug)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads the parameters that a route knows.
    pub(crate) fn of(uri: &Uri, known: &[&str]) -> Result<Self, Refusal> {
        let mut read = BTreeMap::new();
        let mut mistakes = Mistakes::at("");
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            let shown: String = name.chars().take(64).collect();
            if !known.contains(&&*name) {
                let detail = match known {
                    [] => "this route takes no parameters".to_owned(),
                    known => format!("this route takes: {}", known.join(", ")),
                };
                mistakes.push(Mistake::new(ProblemCode::UnknownField, pointer(&shown), detail));
            } else if read.insert(name.into_owned(), value.into_owned()).is_some() {
                mistakes.push(Mistake::invalid(pointer(&shown), "it is given twice"));
            }
        }
        mistakes.into_result()?;
        Ok(Self(read))
    }

    /// One parameter; an empty one is the same as none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// One parameter, read.
    pub(crate) fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Refusal> {
        let value = self.get(name).map(read).transpose();
        value.map_err(|detail| Refusal::invalid(pointer(name), detail))
    }
}

/// How a parameter is named where bodies have JSON pointers.
pub(crate) fn pointer(name: &str) -> String {
    format!("?{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> Result<Query, Refusal> {
        Query::of(&format!("/x?{query}").parse().expect("a URI"), &["limit", "state"])
    }

    #[test]
    fn known_parameters_are_read_once() {
        let query = of("limit=5&state=").expect("a good query");
        assert_eq!(
            (query.get("limit"), query.get("state"), query.get("kind")),
            (Some("5"), None, None)
        );
        assert_eq!(
            query
                .read("limit", |text| text.parse::<u8>().map_err(|_| String::new()))
                .expect("a number"),
            Some(5)
        );
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused_by_name() {
        let refusal = of("limt=5").expect_err("unknown");
        assert_eq!(
            (refusal.problem.code, refusal.problem.errors[0].pointer.as_str()),
            (ProblemCode::UnknownField, "?limt")
        );
        let refusal = of("limit=5&limit=6").expect_err("repeated");
        assert_eq!(
            (refusal.problem.code, refusal.problem.errors[0].pointer.as_str()),
            (ProblemCode::InvalidInput, "?limit")
        );
    }
}
