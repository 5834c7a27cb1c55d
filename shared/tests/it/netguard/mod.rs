//! The policy for users' URLs, from its text to the last byte of an answer.

mod addresses;
mod asking;
mod fetching;
mod limits;
mod own_hosts;
mod resolving;
mod server;
mod urls;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use zoetrope_shared::netguard::{NetGuard, NetGuardConfig, Resolve};

/// A guard with the default policy.
fn strict() -> NetGuard {
    NetGuard::new(NetGuardConfig::default())
}

/// A guard whose operator opened `cidrs`.
fn opened(cidrs: &[&str]) -> NetGuard {
    NetGuard::new(config(cidrs))
}

fn config(allow_cidrs: &[&str]) -> NetGuardConfig {
    let allow_cidrs = allow_cidrs.iter().map(|cidr| cidr.parse().expect("a range")).collect();
    NetGuardConfig {
        allow_cidrs,
        ..NetGuardConfig::default()
    }
}

/// A resolver that answers from a script: the first answer of a name, then the second, and the last one for ever.
#[derive(Default)]
struct Scripted {
    answers: HashMap<&'static str, Vec<Vec<&'static str>>>,
    asked: Mutex<Vec<String>>,
}

impl Scripted {
    fn answering(name: &'static str, answers: &[&[&'static str]]) -> Arc<Self> {
        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        Arc::new(Self {
            answers: HashMap::from([(name, answers)]),
            asked: Mutex::default(),
        })
    }

    fn times_asked(&self) -> usize {
        self.asked.lock().expect("lock").len()
    }
}

impl Resolve for Scripted {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let mut asked = self.asked.lock().expect("lock");
        let before = asked.iter().filter(|name| *name == host).count();
        asked.push(host.to_owned());
        let answer = match self.answers.get(host) {
            None => Err(io::ErrorKind::NotFound.into()),
            Some(answers) => {
                let answer = &answers[before.min(answers.len() - 1)];
                Ok(answer
                    .iter()
                    .map(|ip| SocketAddr::new(ip.parse().expect("an address"), port))
                    .collect())
            }
        };
        Box::pin(std::future::ready(answer))
    }
}
