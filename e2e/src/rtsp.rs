//! A real RTSP server of the test's own, `GStreamer`'s, that can be frozen, killed and started again on its port.

use std::net::Ipv4Addr;
use std::path::Path;
use std::pin::pin;

use rustix::process::{Pid, Signal};
use tokio::process::Child;

use crate::announced::{self, PYTHON};

/// The first of loopback: the server's datagrams come from there, whatever it listens on.
const ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// A running server. Killed when dropped.
#[derive(Debug)]
pub struct RtspServer {
    child: Child,
    port: u16,
    args: Vec<String>,
    deaths: usize,
}

impl RtspServer {
    /// What the policy for users' URLs has to allow.
    pub const ALLOWED: &str = "127.0.0.1/32";
    /// The user that `--auth` knows.
    pub const USER: &str = "alice";
    /// That user's password.
    pub const PASSWORD: &str = "secret";

    /// Starts a server with these arguments and waits until it listens.
    pub async fn start(args: &[&str]) -> Self {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let (child, port) = spawn(&args, 0).await;
        Self {
            child,
            port,
            args,
            deaths: 0,
        }
    }

    /// The URL of a mount, such as `/h264`.
    pub fn url(&self, path: &str) -> String {
        format!("rtsp://{ADDRESS}:{}{path}", self.port)
    }

    /// The same with a user name and a password.
    pub fn url_as(&self, user: &str, password: &str, path: &str) -> String {
        format!("rtsp://{user}:{password}@{ADDRESS}:{}{path}", self.port)
    }

    /// SIGSTOP: connections stay, nothing is said any more.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGKILL.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("a child should be killable");
    }

    /// Starts it again on the same port.
    pub async fn restart(&mut self) {
        (self.child, _) = spawn(&self.args, self.port).await;
    }

    /// Waits for something, and starts the server again whenever it dies by itself meanwhile.
    pub async fn tend<T>(&mut self, meanwhile: impl Future<Output = T>) -> T {
        let mut meanwhile = pin!(meanwhile);
        loop {
            tokio::select! {
                biased;
                done = &mut meanwhile => return done,
                _ = self.child.wait() => {
                    self.deaths += 1;
                    self.restart().await;
                }
            }
        }
    }

    /// How often it has died by itself while it was tended.
    pub fn deaths(&self) -> usize {
        self.deaths
    }

    /// Kills it, and starts it again on the same port with other arguments.
    pub async fn become_another(&mut self, args: &[&str]) {
        self.kill().await;
        self.args = args.iter().map(|arg| (*arg).to_owned()).collect();
        self.restart().await;
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.id().expect("the server should be running");
        let pid = Pid::from_raw(id.cast_signed()).expect("process ids should not be 0");
        rustix::process::kill_process(pid, signal).expect("a running child should take signals");
    }
}

async fn spawn(args: &[String], port: u16) -> (Child, u16) {
    let own = [
        "--address".to_owned(),
        ADDRESS.to_string(),
        "--port".to_owned(),
        port.to_string(),
    ];
    announced::start(Path::new(PYTHON), "rtsp-server.py", &[&own[..], args].concat()).await
}
