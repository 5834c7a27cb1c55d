//! What `up` needs of the machine before it starts anything: a data directory of its own, a free port,
//! and the other executables beside this one.

use std::fs::{File, TryLockError};
use std::io;
use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::exit::CliError;

/// How long to wait for the lock: a Redis that still writes its last bytes holds it after its `zoetrope up` has gone.
pub(super) const LOCK_PATIENCE: Duration = Duration::from_secs(3);
const LOCK_POLL: Duration = Duration::from_millis(50);

/// Makes the directory and locks it; the lock lasts as long as the file, or a child that inherited it, is open.
pub(super) async fn lock_data_dir(dir: &Path, patience: Duration) -> Result<(PathBuf, File), CliError> {
    let unusable = |error: io::Error| {
        CliError::unavailable(format!("the data directory {} cannot be used: {error}", dir.display()))
    };
    std::fs::create_dir_all(dir).map_err(unusable)?;
    let dir = dir.canonicalize().map_err(unusable)?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join("zoetrope.lock"))
        .map_err(unusable)?;
    let give_up = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok((dir, file)),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
            Err(TryLockError::WouldBlock) if Instant::now() >= give_up => {
                return Err(CliError::unavailable(format!(
                    "the data directory {} is in use by another `zoetrope up`; stop that one or give --data-dir",
                    dir.display()
                )));
            }
            Err(TryLockError::WouldBlock) => sleep(LOCK_POLL).await,
        }
    }
}

/// Makes sure that the api will be able to listen. Port 0 takes any that is free.
pub(super) fn free_port(host: IpAddr, port: u16) -> Result<u16, CliError> {
    let bound = TcpListener::bind((host, port)).and_then(|listener| listener.local_addr());
    match bound {
        Ok(address) => Ok(address.port()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(CliError::unavailable(format!(
            "port {port} on {host} is in use by another program; stop it or choose another: PORT=8080 zoetrope up"
        ))),
        Err(error) => Err(CliError::unavailable(format!(
            "cannot listen on {host}:{port}: {error}"
        ))),
    }
}

/// Path of another executable of ours, which stands beside this one.
pub(crate) fn beside(name: &str) -> Result<PathBuf, CliError> {
    let own = std::env::current_exe().map_err(|error| CliError::unavailable(format!("where am I? {error}")))?;
    let path = own.with_file_name(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(CliError::unavailable(format!(
        "{name} is not beside {}; build all executables with `cargo build --workspace --bins`",
        own.display()
    )))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_taken_port_is_named_in_the_error() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = free_port(Ipv4Addr::LOCALHOST.into(), port).unwrap_err();
        assert!(error.message.contains(&format!("port {port}")), "{}", error.message);
    }

    #[test]
    fn port_zero_becomes_a_number() {
        assert_ne!(free_port(Ipv4Addr::LOCALHOST.into(), 0).unwrap(), 0);
    }

    #[tokio::test]
    async fn a_data_directory_serves_one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let (_, held) = lock_data_dir(dir.path(), Duration::ZERO).await.unwrap();
        let error = lock_data_dir(dir.path(), Duration::ZERO).await.unwrap_err();
        assert!(error.message.contains("in use"), "{}", error.message);
        drop(held);
        lock_data_dir(dir.path(), Duration::ZERO).await.unwrap();
    }
}
