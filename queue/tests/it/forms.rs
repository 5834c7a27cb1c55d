//! Every way to one Redis: a socket, TCP, TLS with and without a certificate of one's own, an ACL user.

use std::path::Path;
use std::process::Command;

use zoetrope_queue::{Certificates, ConnectOptions, Login, Queue, QueueError};

use crate::redis_server::Redis;
use crate::stage::{TENANT, config, echoes, new_task, worker_on};

/// A task goes in and comes out.
pub(crate) async fn works(options: ConnectOptions) -> Queue {
    let queue = Queue::connect(options).await.unwrap();
    let (watch, watcher) = queue.watch();
    let worker = worker_on(&queue, config("w1", &["echo"], 4), echoes());
    let zoetrope_queue::Enqueued::Created(id) = queue.enqueue(new_task("echo")).await.unwrap() else {
        panic!("a new task is created");
    };
    let ended = watch.wait_until(TENANT, id, crate::stage::LIMIT, |task| task.state.is_terminal());
    let reading = watcher.run(worker.stop.clone());
    let both = async {
        let ended = ended.await.unwrap().unwrap();
        worker.stop.cancel();
        ended
    };
    let (task, ()) = tokio::join!(both, reading);
    assert!(task.result.is_some(), "{task:?}");
    worker.stop().await;
    queue
}

async fn refusal(options: ConnectOptions) -> QueueError {
    Queue::connect(options).await.expect_err("it should not connect")
}

/// An authority, a certificate of the server for 127.0.0.1, and one of a client; and another authority.
pub(crate) fn certificates(dir: &Path) {
    let script = r#"set -e
        for ca in ca other; do
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=$ca \
                -addext basicConstraints=critical,CA:TRUE -keyout $ca.key -out $ca.crt
        done
        printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\n' > server.ext
        printf 'extendedKeyUsage=clientAuth\n' > client.ext
        for name in server client; do
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$name -keyout $name.key -out $name.csr
            openssl x509 -req -in $name.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile $name.ext -out $name.crt
        done"#;
    let made = Command::new("sh")
        .args(["-c", script])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn pem(dir: &Path, name: &str) -> std::sync::Arc<[u8]> {
    std::fs::read(dir.join(name)).unwrap().into()
}

/// A server that speaks TLS alone on a port.
async fn tls_redis(dir: &Path, clients: &str) -> (Redis, ConnectOptions) {
    certificates(dir);
    let path = |name: &str| dir.join(name).display().to_string();
    let (cert, key, ca) = (path("server.crt"), path("server.key"), path("ca.crt"));
    let port = crate::ports::free_port().to_string();
    let redis = Redis::start(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        clients,
    ])
    .await;
    let options = ConnectOptions {
        certificates: Certificates {
            ca: Some(pem(dir, "ca.crt")),
            client: None,
        },
        ..ConnectOptions::new(format!("rediss://127.0.0.1:{port}"))
    };
    (redis, options)
}

#[tokio::test]
async fn a_unix_socket_and_a_port_lead_to_the_same_queue() {
    let port = crate::ports::free_port().to_string();
    let redis = Redis::start(&["--port", &port]).await;
    for (url, form) in [
        (redis.url(), "unix socket"),
        (format!("unix://{}", redis.socket().display()), "unix socket"),
        (format!("redis://127.0.0.1:{port}/3"), "tcp"),
    ] {
        let queue = works(ConnectOptions::new(url)).await;
        assert_eq!(queue.health().await.unwrap().form, form);
    }
}

#[tokio::test]
async fn tls_is_spoken_with_servers_that_our_authority_signed() {
    let dir = tempfile::tempdir().unwrap();
    let (_redis, options) = tls_redis(dir.path(), "no").await;
    let queue = works(options.clone()).await;
    assert_eq!(queue.health().await.unwrap().form, "tcp with tls");
    let mut stranger = options.clone();
    stranger.certificates.ca = Some(pem(dir.path(), "other.crt"));
    let why = refusal(stranger).await.to_string();
    assert!(
        why.contains("cannot reach 127.0.0.1") && why.contains("certificate"),
        "{why}"
    );
    let mut plain = options.clone();
    plain.url = plain.url.replace("rediss", "redis");
    assert!(refusal(plain).await.is_transient());
    let mut garbage = options;
    garbage.certificates.ca = Some(b"-----BEGIN CERTIFICATE-----\nnonsense\n".to_vec().into());
    let why = refusal(garbage).await.to_string();
    assert!(why.contains("certificate"), "{why}");
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_is_shown_one() {
    let dir = tempfile::tempdir().unwrap();
    let (_redis, mut options) = tls_redis(dir.path(), "yes").await;
    assert!(refusal(options.clone()).await.is_transient());
    options.certificates.client = Some((pem(dir.path(), "client.crt"), pem(dir.path(), "client.key")));
    works(options).await;
}

#[tokio::test]
async fn a_login_is_taken_from_the_address_or_beside_it_and_a_wrong_one_is_told() {
    let redis = Redis::start(&["--user", "app", "on", ">s3cret", "~*", "&*", "+@all"]).await;
    let url = redis.url();
    works(ConnectOptions::new(format!("{url}?user=app&pass=s3cret"))).await;
    let login = |password: &str| Login {
        username: Some("app".to_owned()),
        password: Some(password.to_owned()),
    };
    let mut options = ConnectOptions::new(format!("{url}?user=other&pass=wrong"));
    options.login = login("s3cret");
    works(options.clone()).await;
    options.login = login("hunter2");
    let error = refusal(options).await;
    assert!(matches!(error, QueueError::Unsuitable(_)), "{error}");
    assert!(
        !error.to_string().contains("hunter2") && error.to_string().contains("login"),
        "{error}"
    );
}
