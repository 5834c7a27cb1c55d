//! What this machine has to have: executables, models, a place for media.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use url::Url;
use zoetrope_queue::SystemClock;
use zoetrope_shared::artifacts::{Artifacts, NewArtifact};
use zoetrope_shared::config::{DetectorSettings, Settings};
use zoetrope_shared::tenant::Tenant;

use super::{Finding, failure, ok, warning};
use crate::plain::one_line;
use crate::up::beside;

const PROBE_TTL: Duration = Duration::from_secs(60);
/// What `ld.so` ends with when a library is missing.
const CANNOT_LOAD: i32 = 127;
/// Free space below which it is a warning, bytes: a few uploads fill it.
const SPACE_WARNING: u64 = 2 * 1024 * 1024 * 1024;
const WORDS_WIDTH: usize = 160;

/// Checks everything, one after the other.
pub(super) async fn checks(settings: &Settings) -> Vec<Finding> {
    let mut checks = vec![artifacts(settings).await, disk(&settings.data_dir)];
    checks.extend(["zoetrope-api", "zoetrope-worker"].map(executable));
    checks.push(media().await);
    checks.push(tesseract(&["eng"]).await);
    checks.extend(detector(&settings.providers.detector));
    checks.extend(whisper(settings.providers.whisper_model.as_deref()));
    checks
}

/// The executable with the media libraries, which the loader may not find.
async fn media() -> Finding {
    const NAME: &str = "zoetrope-media";
    let path = match beside(NAME) {
        Ok(path) => path,
        Err(error) => return failure(NAME, error.message),
    };
    // Without a worker's socket it ends at once, if it starts at all.
    let ended = Command::new(&path).stdin(Stdio::null()).output().await;
    match ended {
        Err(error) => failure(NAME, format!("{} cannot be run: {error}", path.display())),
        Ok(ended) if ended.status.code() == Some(CANNOT_LOAD) => {
            failure(NAME, one_line(&String::from_utf8_lossy(&ended.stderr), WORDS_WIDTH))
        }
        Ok(_) => ok(NAME, path.display().to_string()),
    }
}

/// Space where tasks and media are kept, on the nearest folder that there is.
fn disk(data_dir: &Path) -> Finding {
    const NAME: &str = "disk";
    let there = data_dir.ancestors().find(|folder| folder.is_dir()).unwrap_or(data_dir);
    let free = match rustix::fs::statvfs(there) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => return failure(NAME, format!("{}: {error}", there.display())),
    };
    let detail = format!(
        "{:.1} GiB free for {}",
        free as f64 / 1_073_741_824.0,
        data_dir.display()
    );
    if free < SPACE_WARNING {
        warning(NAME, detail)
    } else {
        ok(NAME, detail)
    }
}

/// Writes and deletes a byte where artifacts are kept.
async fn artifacts(settings: &Settings) -> Finding {
    const NAME: &str = "artifacts";
    let url = &settings.artifacts_url;
    // Looking must not make a folder in whatever place this is run.
    if Url::parse(url)
        .ok()
        .and_then(|url| url.to_file_path().ok())
        .is_some_and(|folder| !folder.exists())
    {
        return ok(NAME, format!("{url} will be made by the first start"));
    }
    let probe = async {
        let store = Artifacts::open(url, Arc::new(SystemClock))?;
        let tenant = Tenant::default_tenant();
        let new = NewArtifact {
            content_type: "text/plain".to_owned(),
            filename: None,
            ttl: PROBE_TTL,
        };
        let stored = store.put(&tenant, new, b"x".as_slice().into()).await?;
        store.delete(&tenant, &stored.artifact).await?;
        anyhow::Ok(())
    };
    match probe.await {
        Ok(()) => ok(NAME, format!("{url} is writable")),
        Err(error) => failure(NAME, format!("{url}: {error:#}")),
    }
}

fn executable(name: &'static str) -> Finding {
    match beside(name) {
        Ok(path) => ok(name, path.display().to_string()),
        Err(error) => failure(name, error.message),
    }
}

/// Which of Tesseract's language models are installed.
async fn tesseract(needed: &[&str]) -> Finding {
    const NAME: &str = "tesseract";
    let languages = match Command::new("tesseract").arg("--list-langs").output().await {
        Ok(output) => language_list(&String::from_utf8_lossy(&output.stdout)),
        Err(_) => models_in("/usr/share/tesseract-ocr/5/tessdata"),
    };
    if let Some(missing) = needed
        .iter()
        .find(|language| !languages.iter().any(|known| known == *language))
    {
        return failure(
            NAME,
            format!("the model `{missing}` is missing; on Debian or Ubuntu: apt-get install tesseract-ocr-{missing}"),
        );
    }
    ok(NAME, format!("languages: {}", languages.join(" ")))
}

/// The model of whisper.cpp's that is set, if one is. Whether it fits, and the build has whisper.cpp, is told by the first task.
fn whisper(model: Option<&Path>) -> Option<Finding> {
    const NAME: &str = "whisper";
    let model = model?;
    let detail = model.display().to_string();
    Some(match model.is_file() {
        true => ok(NAME, detail),
        false => failure(NAME, format!("WHISPER_MODEL {detail}: there is no such file")),
    })
}

/// The files of the detector that is set, if one is. Whether they fit is told by the first task.
fn detector(set: &DetectorSettings) -> Option<Finding> {
    const NAME: &str = "detector";
    let model = set.model.as_ref()?;
    let named = [
        ("DETECTOR_MODEL", Some(model)),
        ("DETECTOR_LABELS", set.labels.as_ref()),
        ("ONNXRUNTIME_LIBRARY", set.library.as_ref()),
    ];
    let mut files = named.into_iter().filter_map(|(setting, path)| Some((setting, path?)));
    // A library's bare name is looked for among the system's.
    let is_bare = |path: &Path| path.components().count() == 1 && path.to_string_lossy().starts_with("lib");
    let missing = files.find(|(_, path)| !path.is_file() && !is_bare(path));
    Some(match missing {
        Some((setting, path)) => failure(NAME, format!("{setting} {}: there is no such file", path.display())),
        None if set.library.is_none() => warning(
            NAME,
            "ONNXRUNTIME_LIBRARY is not set: libonnxruntime.so has to be one of the system's libraries",
        ),
        None => ok(NAME, model.display().to_string()),
    })
}

/// The lines after the heading.
fn language_list(text: &str) -> Vec<String> {
    text.lines()
        .skip(1)
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

fn models_in(dir: impl AsRef<Path>) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter_map(|name| name.strip_suffix(".traineddata").map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_what_follows_the_heading() {
        assert_eq!(
            language_list("List of available languages in \"/x\" (2):\neng\nosd\n"),
            ["eng", "osd"]
        );
    }

    #[test]
    fn a_model_for_whisper_that_is_set_has_its_file() {
        let here = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        assert!(whisper(None).is_none(), "nobody asked for one");
        let told = |model| whisper(Some(model)).map(|finding| finding.detail).unwrap_or_default();
        assert!(told(Path::new("/no/ggml.bin")).starts_with("WHISPER_MODEL /no/ggml.bin"));
        assert_eq!(Some(told(here).as_str()), here.to_str());
    }

    #[test]
    fn a_detector_that_is_set_has_its_files() {
        let here = std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        let set = |model: Option<&str>, library: Option<&str>| DetectorSettings {
            model: model.map(Into::into),
            labels: None,
            library: library.map(Into::into),
        };
        let here = here.to_str();
        assert!(detector(&set(None, None)).is_none(), "nobody asked for one");
        let told = |set| detector(&set).map(|finding| finding.detail).unwrap_or_default();
        assert!(told(set(Some("/no/net.onnx"), here)).starts_with("DETECTOR_MODEL /no/net.onnx"));
        assert!(told(set(here, Some("/no/lib.so"))).starts_with("ONNXRUNTIME_LIBRARY /no/lib.so"));
        assert!(told(set(here, None)).contains("is not set"));
        assert_eq!(Some(told(set(here, here)).as_str()), here);
    }
}
