//! A real RTMP server of the test's own: FFmpeg's, which serves one player and ends with it, so it is started again each time.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use tokio::task::JoinSet;

use crate::ffmpeg::{ffmpeg, make};
use crate::ports::free_port;

const ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// What its film is as long as nobody asks for another.
const SIZE: &str = "320x240";
/// Ten seconds of H.264 with B-frames and a key frame a second, and AAC.
const FILM: &str = "-f lavfi -i sine -t 10 -c:v libx264 -preset veryfast -g 15 -bf 2 -pix_fmt yuv420p -c:a aac -f flv";

/// A server of one film, which it repeats. Killed when dropped.
#[derive(Debug)]
pub struct RtmpServer {
    film: PathBuf,
    port: u16,
    serving: JoinSet<()>,
}

impl RtmpServer {
    /// What the policy for users' URLs has to allow.
    pub const ALLOWED: &str = "127.0.0.1/32";

    /// Makes the film in this folder, and serves it.
    pub async fn start(folder: &Path) -> Self {
        let mut server = Self {
            film: make_film(folder, SIZE).await,
            port: free_port(),
            serving: JoinSet::new(),
        };
        server.restart();
        server
    }

    /// Kills it, and serves a film in pictures of another size on the same port.
    pub async fn become_another(&mut self, folder: &Path, size: &str) {
        self.film = make_film(folder, size).await;
        self.kill().await;
        self.restart();
    }

    /// The URL of the one stream.
    pub fn url(&self) -> String {
        format!("rtmp://{ADDRESS}:{}/live/door", self.port)
    }

    /// SIGKILL.
    pub async fn kill(&mut self) {
        self.serving.shutdown().await;
    }

    /// Serves again, on the same port.
    pub fn restart(&mut self) {
        let (film, url) = (self.film.clone(), self.url());
        self.serving.spawn(async move {
            loop {
                let mut serve = ffmpeg("-re -stream_loop -1");
                serve
                    .arg("-i")
                    .arg(&film)
                    .args(["-c", "copy", "-f", "flv", "-listen", "1", &url]);
                let served = serve.status().await;
                assert!(served.is_ok(), "ffmpeg should be there: `make setup`");
            }
        });
    }
}

/// Makes a film in a folder.
async fn make_film(folder: &Path, size: &str) -> PathBuf {
    let film = folder.join(format!("film-{size}.flv"));
    let pictures = format!("-f lavfi -i smptebars=size={size}:rate=15 {FILM}");
    make(&pictures, &[], &film).await;
    film
}
