//! What handlers work with. One of each in a process, shared by all attempts.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use zoetrope_queue::{Clock, Queue};
use zoetrope_shared::artifacts::Artifacts;
use zoetrope_shared::config::{DetectorSettings, Settings};
use zoetrope_shared::ledger::Ledger;
use zoetrope_shared::live_view::LiveLink;
use zoetrope_shared::netguard::{NetGuard, NetGuardConfig};
use zoetrope_shared::provider_reports::ProviderReports;
use zoetrope_shared::recordings::{Keep, Recordings};
use zoetrope_shared::redis_link::RedisLink;
use zoetrope_shared::secrets::SecretKeys;
use zoetrope_shared::streams::StreamStore;
use zoetrope_shared::tenant::Tenant;

use crate::media_pool::{MediaPool, MediaPoolConfig};
use crate::metrics::Metrics;
use crate::protocol_images::OnnxDetector;
use crate::providers::account::Account;
use crate::providers::answers::Answers;
use crate::providers::configured::Providers;
use crate::providers::limits::Limits;
use crate::providers::seats::Seats;
use crate::streams::groups::DecoderGroups;
use crate::streams::reading::Reading;
use crate::streams::thread::LiveThread;
use crate::streams::view::wants::Wants;
use crate::writing::templates::Templates;

/// One that reads text, one that decodes meanwhile.
const LEAST_LIVE_CHILDREN: usize = 2;
/// Films that are read in real time at once: they take little time and hold a media child each.
const PACED_FILMS: usize = 16;
/// Pictures that are taken out of recordings at a time: each may hold as many bytes as a child takes.
const STILLS_AT_ONCE: usize = 2;
/// ONNX Runtime where no setting names it: whichever the system's loader finds.
const USUAL_ONNXRUNTIME: &str = "libonnxruntime.so";
/// Of a folder's name; each is one of 62.
const UNGUESSABLE_CHARS: usize = 24;

/// Handles, cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Stored bytes: media in, large results out.
    pub artifacts: Artifacts,
    /// Where recordings lie.
    pub recordings: Recordings,
    /// How much is kept of recordings that say nothing themselves.
    pub recordings_keep: Keep,
    /// Bytes that all recordings of a tenant may take, if there is a bound.
    pub recordings_tenant_bytes: Option<u64>,
    /// How full their disk may be for a recording to start.
    pub recordings_max_disk_percent: f64,
    /// The only way to a user's URL.
    pub netguard: NetGuard,
    /// The only way to a decoder.
    pub media: MediaPool,
    /// Children for live streams: a task that reads a long document holds none of them up.
    pub live_media: MediaPool,
    /// Children that take segments of HLS apart: what is recorded waits for no text that is read in a picture.
    pub segments: MediaPool,
    /// Children that take pictures out of recordings: whoever looks back holds up nothing that goes on now, nor waits for it.
    pub stills: MediaPool,
    /// Whose turn it is to have one taken.
    pub still_slots: Arc<Semaphore>,
    /// Decoders of streams that need more than key frames.
    pub decoders: DecoderGroups,
    /// What live streams run on.
    pub live_thread: LiveThread,
    /// Whose turn it is to have text of a live stream read.
    pub reading: Reading,
    /// The way of frames to viewers.
    pub live: LiveLink,
    /// Which streams they watch.
    pub wants: Wants,
    /// Films that are read at a time.
    pub film_slots: Arc<Semaphore>,
    /// Whose turn it is to read a film in real time.
    pub paced_film_slots: Arc<Semaphore>,
    /// Providers of AI services.
    pub providers: Providers,
    /// The operator's own detector, which runs in media children.
    pub detector: Option<Arc<OnnxDetector>>,
    /// The operator's own model of whisper.cpp's, which runs there too.
    pub whisper: Option<Arc<Path>>,
    /// What this worker tells of them.
    pub provider_reports: ProviderReports,
    /// What they answered, for tasks that take an answer from the cache.
    pub answers: Answers,
    /// What tenants' calls to them used.
    pub ledger: Ledger,
    /// Records of streams, which hear how they go.
    pub streams: StreamStore,
    /// What texts are written by.
    pub templates: Templates,
    /// Media too large to be sent to children lies below this folder, which goes with the worker.
    inputs: Arc<TempDir>,
    /// Opens stored credentials.
    pub secrets: SecretKeys,
    /// The queue, once it is connected.
    pub queue: Arc<OnceLock<Queue>>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: Metrics,
}

impl Services {
    /// Opens what the settings name; starts no child and no connection yet.
    pub fn open(settings: &Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let metrics = Metrics::new()?;
        let outside = RedisLink::at(settings.redis());
        let inputs = tempfile::Builder::new().prefix("zoetrope-inputs-").tempdir()?;
        let detector = own_detector(&settings.providers.detector)?;
        let whisper = settings.providers.whisper_model.as_deref();
        let whisper = whisper.map(|model| own_file("WHISPER_MODEL", model)).transpose()?;
        let mut readable = detector.as_ref().map(files_of).unwrap_or_default();
        readable.extend(whisper.clone());
        let children = MediaPoolConfig {
            inputs: inputs.path().to_owned(),
            readable,
            ..MediaPoolConfig::beside_current_exe(settings.max_workers as usize)?
        };
        let live_children = MediaPoolConfig {
            max_children: children.max_children.max(LEAST_LIVE_CHILDREN),
            // What viewers watch is searched for objects here; nothing is listened to.
            readable: detector.as_ref().map(files_of).unwrap_or_default(),
            ..children.clone()
        };
        let mut providers = Providers::open(&settings.providers, metrics.clone()).context("open the providers")?;
        let limits = Limits::new(
            settings.provider_bounds.limits.clone(),
            outside.clone(),
            metrics.clone(),
        );
        providers.caller = providers.caller.within(limits, Seats::of_slots(settings.io_slots));
        let reading = Reading::new(live_children.max_children, Instant::now());
        let segment_children = MediaPoolConfig {
            readable: Vec::new(),
            ..live_children.clone()
        };
        let still_children = MediaPoolConfig {
            max_children: STILLS_AT_ONCE,
            ..segment_children.clone()
        };
        let live_media = MediaPool::new(live_children, metrics.clone());
        let artifacts = Artifacts::open(&settings.artifacts_url, clock.clone())?;
        Ok(Self {
            recordings: Recordings::beside(&artifacts),
            recordings_keep: Keep::of(settings.recording_max_hours, settings.recording_max_bytes),
            recordings_tenant_bytes: settings.recording_max_tenant_bytes,
            recordings_max_disk_percent: settings.recording_max_disk_percent,
            artifacts,
            netguard: NetGuard::new(NetGuardConfig::of(settings)),
            media: MediaPool::new(children, metrics.clone()),
            decoders: DecoderGroups::new(live_media.clone()),
            live_media,
            segments: MediaPool::new(segment_children, metrics.clone()),
            stills: MediaPool::new(still_children, metrics.clone()),
            still_slots: Arc::new(Semaphore::new(STILLS_AT_ONCE)),
            live_thread: LiveThread::start().context("start the thread of live streams")?,
            reading,
            live: LiveLink::at(settings.live_redis()),
            wants: Wants::default(),
            film_slots: Arc::new(Semaphore::new(settings.max_workers as usize)),
            paced_film_slots: Arc::new(Semaphore::new(PACED_FILMS)),
            providers,
            detector: detector.map(Arc::new),
            whisper: whisper.map(Arc::from),
            provider_reports: ProviderReports::new(outside.clone()),
            answers: Answers::new(outside.clone()),
            streams: StreamStore::new(outside.clone()),
            ledger: Ledger::new(outside, clock.clone(), settings.provider_bounds.spend_cap),
            templates: Templates::open(settings.providers.templates_dir.as_deref())?,
            inputs: Arc::new(inputs),
            secrets: settings.secret_keys(),
            queue: Arc::default(),
            clock,
            metrics,
        })
    }

    /// For an attempt: its calls to providers are on the account of its tenant.
    #[must_use]
    pub fn on_account_of(mut self, tenant: &Tenant) -> Self {
        let account = Account::new(
            tenant.clone(),
            self.ledger.clone(),
            self.answers.clone(),
            self.metrics.clone(),
        );
        self.providers.caller = self.providers.caller.on_account(account);
        self
    }

    /// A new folder of one attempt, from which media children may read. They may read those of others too, and so its
    /// name is one that nobody guesses and no child can list.
    pub fn private_folder(&self) -> io::Result<TempDir> {
        let mut named = tempfile::Builder::new();
        named.rand_bytes(UNGUESSABLE_CHARS).tempdir_in(self.inputs.path())
    }
}

/// The detector that the settings name, its files looked for now: a task would only fail.
fn own_detector(settings: &DetectorSettings) -> anyhow::Result<Option<OnnxDetector>> {
    let Some(model) = &settings.model else {
        return Ok(None);
    };
    let library = settings.library.as_deref().unwrap_or(Path::new(USUAL_ONNXRUNTIME));
    let is_name = library.components().count() == 1 && !library.exists();
    Ok(Some(OnnxDetector {
        model: own_file("DETECTOR_MODEL", model)?,
        labels: settings
            .labels
            .as_deref()
            .map(|labels| own_file("DETECTOR_LABELS", labels))
            .transpose()?,
        library: match is_name {
            true => library.to_owned(),
            false => own_file("ONNXRUNTIME_LIBRARY", library)?,
        },
    }))
}

/// A file that a setting names.
fn own_file(setting: &str, path: &Path) -> anyhow::Result<PathBuf> {
    anyhow::ensure!(path.is_file(), "{setting} {}: there is no such file", path.display());
    // Children stand in folders of their own.
    std::path::absolute(path).with_context(|| format!("find {setting}"))
}

/// What children read of it.
fn files_of(detector: &OnnxDetector) -> Vec<PathBuf> {
    let OnnxDetector { model, labels, library } = detector;
    let named = [Some(model), labels.as_ref(), Some(library)].into_iter().flatten();
    named.filter(|path| path.is_absolute()).cloned().collect()
}
