//! The key that seals stored credentials: made at the first start, kept in the data directory for its owner alone.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zoetrope_shared::secrets::{self, SecretKeys};

use crate::exit::CliError;

/// The file, below the data directory.
const FILE: &str = "secrets.key";
/// Read and written by its owner, by nobody else.
const MODE: u32 = 0o600;

/// What `SECRETS_KEYS` has to be. The data directory is locked, so nobody else makes the file meanwhile.
pub(super) fn keys_below(data_dir: &Path) -> Result<String, CliError> {
    let path = data_dir.join(FILE);
    let failed = |error: &dyn std::fmt::Display| CliError::unavailable(format!("{}: {error}", path.display()));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let made = secrets::generate().map_err(|error| failed(&error))?;
            write(&path, &made).map_err(|error| failed(&error))?;
            made
        }
        Err(error) => return Err(failed(&error)),
    };
    let mode = std::fs::metadata(&path)
        .map_err(|error| failed(&error))?
        .permissions()
        .mode()
        & 0o777;
    if mode & 0o077 != 0 {
        return Err(failed(&format!("its mode is {mode:o}; others may read it: chmod 600")));
    }
    let keys = text.trim();
    match SecretKeys::parse(keys) {
        Ok(parsed) if parsed.can_seal() => Ok(keys.to_owned()),
        Ok(_) => Err(failed(
            &"it is empty; delete it, and stored credentials with it, or put the key back",
        )),
        Err(error) => Err(failed(&error)),
    }
}

/// Whole or not at all: a key that was half written would lock credentials away.
fn write(path: &Path, key: &str) -> std::io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(MODE)
        .open(&unfinished)?;
    file.write_all(key.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let made = keys_below(dir.path()).unwrap();
        assert_eq!(keys_below(dir.path()).unwrap(), made);
        let mode = std::fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        assert!(SecretKeys::parse(&made).unwrap().can_seal());
    }

    #[test]
    fn a_key_that_others_may_read_or_that_is_none_is_refused_by_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        write(&path, "nonsense").unwrap();
        let error = keys_below(dir.path()).unwrap_err();
        assert!(
            error.message.contains(FILE) && !error.message.contains("nonsense"),
            "{}",
            error.message
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(keys_below(dir.path()).unwrap_err().message.contains("chmod 600"));
    }
}
