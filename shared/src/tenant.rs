//! Who owns a task or an artifact. Every lookup is by (tenant, id); nothing else about accounts belongs here.

use std::fmt;

/// Longest tenant name, characters.
pub const MAX_TENANT_CHARS: usize = 64;

/// The owner of tasks and artifacts: 1 to 64 characters of `a-z A-Z 0-9 _ -`, so it is safe in a path and in a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tenant(String);

impl Tenant {
    /// The tenant of an installation without keys.
    pub fn default_tenant() -> Self {
        Self("default".to_owned())
    }

    /// Takes a name that fits, and nothing else.
    pub fn parse(name: &str) -> Result<Self, InvalidTenant> {
        let fits = (1..=MAX_TENANT_CHARS).contains(&name.len());
        let plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if fits && plain {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidTenant)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not a tenant's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tenant is 1 to 64 characters of a-z, A-Z, 0-9, underscore and dash")]
pub struct InvalidTenant;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_tenants() {
        for name in ["default", "a", "Team_7-x", &"t".repeat(64)] {
            assert_eq!(Tenant::parse(name).expect("a plain name").as_str(), name);
        }
    }

    #[test]
    fn names_that_could_leave_a_path_or_a_key_are_refused() {
        for name in [
            "",
            "..",
            "a/b",
            "a\\b",
            "a b",
            "a:b",
            "{a}",
            "*",
            "a\0",
            "é",
            "a\n",
            &"t".repeat(65),
        ] {
            assert_eq!(Tenant::parse(name), Err(InvalidTenant), "{name:?}");
        }
    }
}
