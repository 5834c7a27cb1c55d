//! A web server of the test's own with HLS that FFmpeg made: films in every form, and one that goes on and on.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_RANGE, RANGE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio::task::JoinSet;

use crate::ffmpeg::{ffmpeg, make};
use crate::ports::free_port;

const ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// Below this path a name and a password are asked for.
const GUARDED: &str = "guarded/";
/// Eight seconds of 15 pictures each, B-frames among them, a key frame a second, and AAC.
const FILM: &str = "-f lavfi -i testsrc2=size=320x240:rate=15 -f lavfi -i sine -t 8 -c:v libx264 -preset veryfast -g 15 \
    -keyint_min 15 -sc_threshold 0 -bf 2 -pix_fmt yuv420p -c:a aac";
const SMALL_FILM: &str = "-f lavfi -i testsrc2=size=160x120:rate=15 -f lavfi -i sine -t 4 -c:v libx264 -preset veryfast -g 15 \
    -keyint_min 15 -sc_threshold 0 -pix_fmt yuv420p -c:a aac";
/// Of closed groups: FFmpeg gives two pictures one time where it cuts open ones into fragments.
const H265_FILM: &str = "-f lavfi -i testsrc2=size=160x120:rate=15 -f lavfi -i sine -t 8 -c:v libx265 -preset ultrafast \
    -x265-params keyint=15:min-keyint=15:scenecut=0:open-gop=0:log-level=none -tag:v hvc1 -pix_fmt yuv420p -c:a aac";
/// One segment a second, all of them listed.
const VOD: &str = "-c copy -f hls -hls_time 1 -hls_playlist_type vod";
/// The same film again and again in real time; what left the list is deleted.
const LIVE: &str = "-c copy -f hls -hls_time 1 -hls_list_size 6 -hls_flags delete_segments";

/// The server. It ends with its test.
#[derive(Debug)]
pub struct HlsServer {
    folder: PathBuf,
    port: u16,
    seen: Arc<Seen>,
    serving: JoinSet<()>,
    live: Option<Child>,
}

/// What the test says and wants to know.
#[derive(Debug, Default)]
struct Seen {
    folder: PathBuf,
    refused: Mutex<HashMap<String, u16>>,
    requests: Mutex<Vec<(String, Option<String>)>>,
}

impl HlsServer {
    /// What the policy for users' URLs has to allow.
    pub const ALLOWED: &str = "127.0.0.1/32";
    /// Who may see what is guarded, and the same as a header has it.
    pub const USER: &str = "alice";
    /// Her password.
    pub const PASSWORD: &str = "hls-s3cret";
    const BASIC: &str = "Basic YWxpY2U6aGxzLXMzY3JldA==";
    /// Pictures of each film.
    pub const PICTURES: usize = 120;

    /// Makes the folder `name` in this one, and serves it.
    pub async fn start(folder: &Path, name: &str) -> Self {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).expect("there is room for a folder");
        let seen = Arc::new(Seen {
            folder: folder.clone(),
            ..Seen::default()
        });
        let mut server = Self {
            folder,
            port: free_port(),
            seen,
            serving: JoinSet::new(),
            live: None,
        };
        server.restart().await;
        server
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{ADDRESS}:{}/{path}", self.port)
    }

    /// The URL of a path that asks for a name and a password.
    pub fn guarded(&self, path: &str) -> String {
        self.url(&format!("{GUARDED}{path}"))
    }

    /// Makes the film that everything else is made of.
    pub async fn make_film(&self) {
        make(FILM, &[], &self.folder.join("film.mp4")).await;
    }

    /// Makes films: segments of MPEG-TS and of MP4, each in files of their own and as parts of one, encrypted, of H.265, and one whose
    /// size changes behind a master playlist. Their names, how they are coded.
    pub async fn make_films(&self) -> Vec<(&'static str, &'static str)> {
        let film = self.folder.join("film.mp4");
        let key = self.folder.join("key");
        std::fs::write(&key, b"0123456789abcdef").expect("there is room for a key");
        let told = self.folder.join("key.info");
        std::fs::write(&told, format!("key\n{}\n", key.display())).expect("there is room for a key's place");
        let told = told.display().to_string();
        let mp4 = ["-hls_segment_type", "fmp4", "-hls_fmp4_init_filename"];
        let one = ["-hls_flags", "single_file"];
        self.cut(&film, "ts", &[]).await;
        self.cut(&film, "mp4", &[&mp4[..], &["mp4.init"]].concat()).await;
        self.cut(&film, "ts-parts", &one).await;
        self.cut(&film, "mp4-parts", &[&mp4[..], &["mp4-parts.init"], &one].concat())
            .await;
        self.cut(&film, "aes", &["-hls_key_info_file", &told]).await;
        let h265 = self.folder.join("h265.mp4");
        make(H265_FILM, &[], &h265).await;
        self.cut(&h265, "h265", &[&mp4[..], &["h265.init"]].concat()).await;
        vec![
            ("ts", "h264"),
            ("mp4", "h264"),
            ("ts-parts", "h264"),
            ("mp4-parts", "h264"),
            ("aes", "h264"),
            ("h265", "hevc"),
        ]
    }

    /// Makes a film whose size changes in the middle, behind a master playlist: its name.
    pub async fn make_changing_film(&self) -> &'static str {
        self.cut(&self.folder.join("film.mp4"), "large", &[]).await;
        let small = self.folder.join("small.mp4");
        make(SMALL_FILM, &[], &small).await;
        self.cut(&small, "small", &[]).await;
        let entries = |name: &str, count: usize| -> String {
            let entry = |number: usize| format!("#EXTINF:1,\n{name}{number}.ts\n");
            (0..count).map(entry).collect()
        };
        let list = format!(
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n{}#EXT-X-DISCONTINUITY\n{}#EXT-X-ENDLIST\n",
            entries("large", 4),
            entries("small", 4)
        );
        self.write("changing-list.m3u8", &list);
        let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"mp4a.40.2\"\nsound.m3u8\n\
            #EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=320x240,CODECS=\"avc1.64000d,mp4a.40.2\"\nchanging-list.m3u8\n";
        self.write("changing.m3u8", master);
        "changing"
    }

    /// Writes a file of the site.
    pub fn write(&self, path: &str, text: &str) {
        std::fs::write(self.folder.join(path), text).expect("there is room for a file");
    }

    /// Begins `live.m3u8`, from the first segment on.
    pub fn go_live(&mut self) {
        let mut command = ffmpeg("-re -stream_loop -1");
        command.arg("-i").arg(self.folder.join("film.mp4"));
        command.args(LIVE.split_whitespace()).arg(self.folder.join("live.m3u8"));
        self.live = Some(command.spawn().expect("ffmpeg should be there: `make setup`"));
    }

    /// Nothing is added to `live.m3u8` any more; what is there is still served.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// It goes on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Paths that begin with this are answered with a status from now on, if there is one.
    pub fn refuse(&self, begin: &str, status: Option<u16>) {
        let mut refused = lock(&self.seen.refused);
        match status {
            Some(status) => refused.insert(begin.to_owned(), status),
            None => refused.remove(begin),
        };
    }

    /// Each path that was asked for, with what was told of who asked.
    pub fn requests(&self) -> Vec<(String, Option<String>)> {
        lock(&self.seen.requests).clone()
    }

    /// Closes the port, and every connection.
    pub async fn kill(&mut self) {
        self.serving.shutdown().await;
    }

    /// Serves again, on the same port.
    pub async fn restart(&mut self) {
        let listener = TcpListener::bind((ADDRESS, self.port))
            .await
            .expect("the port should be free");
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&self.seen));
        self.serving
            .spawn(async move { axum::serve(listener, routes).await.expect("the site should serve") });
    }

    async fn cut(&self, film: &Path, name: &str, words: &[&str]) {
        let film = film.display().to_string();
        let before = ["-i", &film].into_iter().chain(VOD.split_whitespace());
        let words: Vec<&str> = before.chain(words.iter().copied()).collect();
        make("", &words, &self.folder.join(format!("{name}.m3u8"))).await;
    }

    fn signal(&self, signal: Signal) {
        let pid = self.live.as_ref().and_then(Child::id).expect("it is live");
        let pid = Pid::from_raw(pid.cast_signed()).expect("a process has a number");
        kill_process(pid, signal).expect("it is our own");
    }
}

impl Drop for HlsServer {
    fn drop(&mut self) {
        // One that is stopped dies of SIGKILL too, which the process does by itself.
        self.live.take();
    }
}

async fn answer(State(seen): State<Arc<Seen>>, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let told = |name| {
        headers
            .get(name)
            .and_then(|value: &axum::http::HeaderValue| value.to_str().ok())
    };
    let login = told(AUTHORIZATION);
    lock(&seen.requests).push((path.to_owned(), login.map(str::to_owned)));
    let name = path.strip_prefix(GUARDED).unwrap_or(path);
    if name != path && login != Some(HlsServer::BASIC) {
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Basic realm=\"films\"")]).into_response();
    }
    let refused = lock(&seen.refused)
        .iter()
        .find(|(begin, _)| name.starts_with(*begin))
        .map(|(_, status)| *status);
    if let Some(status) = refused.and_then(|status| StatusCode::from_u16(status).ok()) {
        return status.into_response();
    }
    let Ok(bytes) = std::fs::read(seen.folder.join(name)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let part = told(RANGE).and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let part = part.and_then(|(first, last)| Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?)));
    let Some((first, last)) = part else {
        return bytes.into_response();
    };
    let last = last.min(bytes.len().saturating_sub(1));
    let Some(part) = bytes.get(first..=last) else {
        return StatusCode::RANGE_NOT_SATISFIABLE.into_response();
    };
    let range = format!("bytes {first}-{last}/{}", bytes.len());
    (StatusCode::PARTIAL_CONTENT, [(CONTENT_RANGE, range)], part.to_vec()).into_response()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing that holds this lock panics")
}
