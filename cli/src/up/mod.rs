//! `zoetrope up`: everything on one machine, started in order, kept alive, ended in reverse.

mod backoff;
mod camera;
mod demo;
mod fleet;
mod place;
pub(crate) mod redis;
mod redis_log;
mod secrets;
mod service;

use std::ffi::OsString;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::sleep;
use zoetrope_queue::{ConnectOptions, Durability, Queue};

use self::camera::Camera;
use self::fleet::{Fleet, Tier};
pub(crate) use self::place::beside;
use self::service::Service;
use crate::args::UpArgs;
use crate::client::Client;
use crate::configuration::Configuration;
use crate::exit::{CliError, Exit};
use crate::out;

/// How often the api is asked whether it is ready.
const READY_POLL: Duration = Duration::from_millis(50);
/// A child that ends this often before everything is ready will not become ready.
const DEATHS_BEFORE_READY: u32 = 3;
/// How long the api may take to answer what it has begun: its own grace is 20 s.
const API_GRACE: Duration = Duration::from_secs(25);
/// What a worker gets on top of its own drain limit to give back the rest and leave.
const WORKER_MARGIN: Duration = Duration::from_secs(20);

/// Serves until it is told to stop.
pub(crate) async fn run(args: &UpArgs, configuration: &Configuration) -> Result<Exit, CliError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::failed)?;
    let mut told_to_stop = async || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };

    let mut fleet = Fleet::default();
    let served = tokio::select! {
        biased;
        () = told_to_stop() => {
            out::note("zoetrope: stopping (again to stop at once)");
            Ok(Exit::Done)
        }
        error = serve(args, configuration, &mut fleet) => error,
    };
    tokio::select! {
        () = fleet.stop() => {}
        // The children are killed as their handles drop.
        () = told_to_stop() => out::note("zoetrope: stopped at once"),
    }
    served
}

/// Starts everything, says so, and never ends by itself unless something cannot work.
async fn serve(args: &UpArgs, configuration: &Configuration, fleet: &mut Fleet) -> Result<Exit, CliError> {
    let Configuration { settings, names_redis } = configuration;
    let executables = Executables::find()?;
    let data_dir = args.data_dir.as_deref().unwrap_or(&settings.data_dir);
    let (data_dir, lock) = place::lock_data_dir(data_dir, place::LOCK_PATIENCE).await?;
    let port = place::free_port(settings.host, settings.port)?;
    let mut env: Vec<(&'static str, OsString)> = vec![
        ("DATA_DIR", data_dir.clone().into()),
        ("HOST", settings.host.to_string().into()),
        ("PORT", port.to_string().into()),
        ("WORKER_PORT", "0".into()),
    ];
    if settings.secrets_keys.is_none() {
        env.push(("SECRETS_KEYS", secrets::keys_below(&data_dir)?.into()));
    }
    if settings.media_signing_key.is_none() {
        // URLs that are out end with this start; they would not have lived for long.
        let made = zoetrope_shared::secrets::generate().map_err(CliError::unavailable)?;
        env.push(("MEDIA_SIGNING_KEY", made.into()));
    }
    let camera = if args.demo {
        demo_camera(configuration).await
    } else {
        None
    };
    if camera.is_some() {
        let allowed = settings.netguard_allow_cidrs.iter().map(ToString::to_string);
        let allowed: Vec<String> = allowed.chain([camera::ALLOWED.to_owned()]).collect();
        env.push(("NETGUARD_ALLOW_CIDRS", allowed.join(",").into()));
    }
    if *names_redis {
        check_named_redis(settings.redis()).await?;
    } else {
        let safe = settings.redis_access.durability == Some(Durability::Safe);
        let fsync = if safe { "always" } else { "everysec" };
        let url = start_redis(fleet, &data_dir, fsync, &lock).await?;
        env.push(("REDIS_URL", url.into()));
    }

    let api = fleet.start(
        Tier::Api,
        ours("zoetrope-api".to_owned(), executables.api, &env, API_GRACE),
    );
    for number in 1..=args.workers {
        let grace = settings.drain + WORKER_MARGIN;
        fleet.start(
            Tier::Workers,
            ours(format!("worker {number}"), executables.worker.clone(), &env, grace),
        );
    }
    let client = Client::new(
        &format!("http://{}:{port}", reachable(settings.host)),
        settings.api_key.as_ref(),
    )?;
    wait_until_ready(&client, api).await?;
    out::data(&format!(
        "zoetrope serves at http://{}:{port}",
        displayed(settings.host)
    ))?;

    if args.demo {
        // A failed demonstration is shown, and the server stays for whoever wants to find out why.
        if let Err(error) = demo::run(&client, camera.as_ref()).await {
            out::note(&format!("zoetrope: the demonstration failed: {}", error.message));
        }
    }
    std::future::pending().await
}

/// The demonstration's camera. What can be shown without it still is.
async fn demo_camera(configuration: &Configuration) -> Option<Camera> {
    // Users' URLs may reach it, so that nobody else may be a user, and no worker elsewhere be asked.
    let started = if configuration.names_redis || !configuration.settings.host.is_loopback() {
        Err("it is for this machine alone, and HOST or REDIS_URL open it to others".to_owned())
    } else {
        Camera::start().await
    };
    started
        .inspect_err(|why| out::note(&format!("zoetrope: the demonstration goes on without a camera: {why}")))
        .ok()
}

/// The other executables.
struct Executables {
    api: PathBuf,
    worker: PathBuf,
}

impl Executables {
    fn find() -> Result<Self, CliError> {
        // Workers look for it themselves; without it every media task would fail, so that it is missed here.
        beside("zoetrope-media")?;
        Ok(Self {
            api: beside("zoetrope-api")?,
            worker: beside("zoetrope-worker")?,
        })
    }
}

/// A child of ours: killed if this process dies, as its leases make that safe.
fn ours(name: String, program: PathBuf, env: &[(&'static str, OsString)], grace: Duration) -> Service {
    Service {
        name,
        program,
        args: Vec::new(),
        env: env.to_vec(),
        when_orphaned: Signal::KILL,
        log: None,
        grace,
        holds: None,
        scratch: None,
    }
}

/// Says what is wrong with somebody's Redis before children say it over and over. One that is away may come yet.
async fn check_named_redis(options: ConnectOptions) -> Result<(), CliError> {
    match Queue::connect(options).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_transient() => {
            out::note(&format!("zoetrope: waiting for the Redis of REDIS_URL ({error})"));
            Ok(())
        }
        Err(error) => Err(CliError::unavailable(format!(
            "the Redis of REDIS_URL cannot be used: {error}"
        ))),
    }
}

/// Starts the private server and answers its URL.
async fn start_redis(fleet: &mut Fleet, data_dir: &Path, fsync: &str, lock: &File) -> Result<String, CliError> {
    let program = redis::find_program().await?;
    let mut private = redis::Private::below(data_dir)?;
    let held = lock.try_clone().map_err(CliError::unavailable)?;
    let deaths = fleet.start(Tier::Redis, private.service(&program, fsync, held.into()));
    tokio::select! {
        ready = private.wait_until_ready() => ready?,
        () = died_too_often(deaths) => {
            return Err(CliError::unavailable(format!("{} does not start{}", program.name, private.last_words())));
        }
    }
    Ok(private.url())
}

async fn wait_until_ready(client: &Client, api: watch::Receiver<u32>) -> Result<(), CliError> {
    let ready = async {
        while !client.is_ready().await {
            sleep(READY_POLL).await;
        }
    };
    tokio::select! {
        () = ready => Ok(()),
        () = died_too_often(api) => {
            Err(CliError::unavailable("zoetrope-api does not start; its own message stands above"))
        }
    }
}

async fn died_too_often(mut deaths: watch::Receiver<u32>) {
    if deaths.wait_for(|count| *count >= DEATHS_BEFORE_READY).await.is_err() {
        // The child is being stopped, which is no death.
        std::future::pending::<()>().await;
    }
}

/// Where this machine reaches a server that listens on `host`, as it stands in a URL.
fn reachable(host: IpAddr) -> String {
    match host {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
        IpAddr::V6(address) if address.is_unspecified() => format!("[{}]", Ipv6Addr::LOCALHOST),
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// What to show for it: people know this machine as localhost.
fn displayed(host: IpAddr) -> String {
    if host.is_loopback() || host.is_unspecified() {
        "localhost".to_owned()
    } else {
        reachable(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_all_addresses_is_reached_by_loopback_and_shown_as_localhost() {
        let both = |host: &str| {
            let host = host.parse().unwrap();
            (reachable(host), displayed(host))
        };
        assert_eq!(both("0.0.0.0"), ("127.0.0.1".to_owned(), "localhost".to_owned()));
        assert_eq!(both("::1"), ("[::1]".to_owned(), "localhost".to_owned()));
        assert_eq!(both("10.1.2.3"), ("10.1.2.3".to_owned(), "10.1.2.3".to_owned()));
    }
}
